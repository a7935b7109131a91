// Hidden states and pooler outputs of the golden models against transformers', for every file
// format, naming and geometry, on every instruction set of this machine: within 5e-5 in fp32.
import { readFileSync } from 'node:fs'

import { afterEach, describe, expect, test } from 'vitest'

import { AutoModel, devices, type BertModel, type Tensor } from '../../dist/index.js'
import { GOLDEN } from '../support/require.js'

const TOLERANCE = 5e-5

interface Expected {
  hidden_size: number
  cu_seqlens: number[]
  input_ids: number[]
  token_type_ids: number[]
  last_hidden_state: string
  pooler_output: string | null
}

const { models } = JSON.parse(readFileSync(`${GOLDEN}/manifest.json`, 'utf8')) as {
  models: { name: string; storage: string; dtype: string; head_dim: number }[]
}

const floats = (base64: string): Float32Array => {
  const bytes = Buffer.from(base64, 'base64')
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
}

const maxDifference = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  expect(a.length).toBe(b.length)
  return Array.from(a).reduce((max, value, i) => Math.max(max, Math.abs(value - b[i]!)), 0)
}

/** Sequences as padded rows. */
function padded(expected: Expected): { ids: number[][]; types: number[][]; mask: number[][] } {
  const { cu_seqlens } = expected
  const lengths = cu_seqlens.slice(1).map((end, i) => end - cu_seqlens[i]!)
  const width = Math.max(...lengths)
  const rows = (values: number[], filler: number): number[][] =>
    lengths.map((length, i) => [
      ...values.slice(cu_seqlens[i]!, cu_seqlens[i + 1]!),
      ...new Array<number>(width - length).fill(filler),
    ])
  const ones = new Array<number>(expected.input_ids.length).fill(1)
  return {
    ids: rows(expected.input_ids, 0),
    types: rows(expected.token_type_ids, 0),
    mask: rows(ones, 0),
  }
}

/** The rows of a padded output, packed again; the padding must be zeros. */
function packed(tensor: Tensor, cu_seqlens: number[]): number[] {
  const [rows, width, hidden] = tensor.dims as [number, number, number]
  const data = tensor.data as Float32Array
  return Array.from({ length: rows }, (_, row) => {
    const length = (cu_seqlens[row + 1]! - cu_seqlens[row]!) * hidden
    const begin = row * width * hidden
    const padding = data.subarray(begin + length, begin + width * hidden)
    expect(padding.every((value) => value === 0)).toBe(true)
    return Array.from(data.subarray(begin, begin + length))
  }).flat()
}

let model: BertModel | undefined

afterEach(async () => {
  delete process.env['FUSEBERT_CPU_ISA']
  await model?.dispose()
  model = undefined
})

const isas = devices().flatMap((each) => (each.device === 'cpu' ? each.isas : []))

describe('golden models', () => {
  test('the scalar kernels are always there', () => expect(isas).toContain('scalar'))

  describe.each(isas)('on %s', (isa) => {
    test.each(models)('$name ($storage, $dtype, head_dim $head_dim)', async ({ name }) => {
      process.env['FUSEBERT_CPU_ISA'] = isa
      const folder = `${GOLDEN}/${name}`
      const expected = JSON.parse(readFileSync(`${folder}/expected.json`, 'utf8')) as Expected
      model = await AutoModel.from_pretrained(folder)
      expect(model.device.isa).toBe(isa)
      const { ids, types, mask } = padded(expected)
      const output = await model({ input_ids: ids, attention_mask: mask, token_type_ids: types })
      expect(output.last_hidden_state.dims).toEqual([
        ids.length, ids[0]!.length, expected.hidden_size,
      ])
      const hidden = packed(output.last_hidden_state, expected.cu_seqlens)
      const difference = maxDifference(hidden, floats(expected.last_hidden_state))
      expect(difference).toBeLessThan(TOLERANCE)
      expect(output.pooler_output === undefined).toBe(expected.pooler_output === null)
      if (output.pooler_output !== undefined && expected.pooler_output !== null) {
        const pooler = output.pooler_output.data as Float32Array
        expect(maxDifference(pooler, floats(expected.pooler_output))).toBeLessThan(TOLERANCE)
      }
    })
  })
})

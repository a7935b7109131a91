// Logits of the golden models with heads against transformers', on every instruction set of this
// machine: within 1e-5 in fp32. And what masked words alone, and the largest of their logits, are.
import { afterEach, describe, expect, test } from 'vitest'

import {
  AutoModelForMaskedLM,
  AutoModelForNextSentencePrediction,
  AutoModelForQuestionAnswering,
  AutoModelForSequenceClassification,
  AutoModelForTokenClassification,
  devices,
  type HeadModel,
  type LogitsOutput,
  type MaskedLMModel,
  type TopTokensOptions,
} from '../../dist/index.js'
import { GOLDEN } from '../support/require.js'
import {
  goldenHeads,
  inputsOf,
  logitsOf,
  readExpected,
  rowsOfLogits,
  type Expected,
} from './golden-heads.js'

const TOLERANCE = 1e-5
const CLASSES = {
  'masked-lm': AutoModelForMaskedLM,
  'next-sentence': AutoModelForNextSentencePrediction,
  'sequence-classification': AutoModelForSequenceClassification,
  'token-classification': AutoModelForTokenClassification,
  'question-answering': AutoModelForQuestionAnswering,
}
const MASK = 4

let model: { dispose(): Promise<void> } | undefined

afterEach(async () => {
  delete process.env['FUSEBERT_CPU_ISA']
  await model?.dispose()
  model = undefined
})

const isas = devices().flatMap((each) => (each.device === 'cpu' ? each.isas : []))
const folderOf = (name: string): string => `${GOLDEN}/heads/${name}`

async function loadMasked(name: string): Promise<[MaskedLMModel, Expected]> {
  const loaded = await AutoModelForMaskedLM.from_pretrained(folderOf(name))
  model = loaded
  return [loaded, readExpected(name)]
}

const maxDifference = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  expect(a.length).toBe(b.length)
  return Array.from(a).reduce((max, value, i) => Math.max(max, Math.abs(value - b[i]!)), 0)
}

describe.each(isas)('golden models with heads on %s', (isa) => {
  test.each(goldenHeads())('$name ($class)', async ({ name, task, pooled }) => {
    process.env['FUSEBERT_CPU_ISA'] = isa
    const expected = readExpected(name)
    const loaded = await CLASSES[task].from_pretrained(folderOf(name))
    model = loaded
    expect(loaded.device.isa).toBe(isa)
    const inputs = inputsOf(expected)
    const rows = inputs.input_ids.length
    const columns = inputs.input_ids[0]!.length
    const output = await loaded(inputs)
    if ('start_logits' in output) {
      expect(output.start_logits.dims).toEqual([rows, columns])
    } else {
      const dims = pooled ? [rows, expected.outputs] : [rows, columns, expected.outputs]
      expect(output.logits.dims).toEqual(dims)
    }
    const found = rowsOfLogits(output, expected)
    expect(maxDifference(found, logitsOf(expected))).toBeLessThan(TOLERANCE)
  })
})

describe('masked words', () => {
  test.each(['masked-lm', 'masked-lm-untied', 'pretraining'])('%s: alone', async (name) => {
    const [loaded, expected] = await loadMasked(name)
    const inputs = inputsOf(expected)
    const all = await loaded(inputs)
    const rows = all.logits.tolist<number[][][]>()
    // As of a tokenizer that has none.
    const unmasked = await loaded(inputs, { mask_token_id: undefined } as object)
    expect((unmasked as typeof all).logits.data).toEqual(all.logits.data)
    const masked = await loaded(inputs, { mask_token_id: MASK })
    const wanted = inputs.input_ids.flatMap((ids, row) =>
      ids.flatMap((id, column) => (id === MASK ? [[row, column]] : [])),
    )
    expect(masked.positions.tolist()).toEqual(wanted)
    expect(masked.logits.dims).toEqual([wanted.length, expected.outputs])
    expect(masked.logits.tolist()).toEqual(wanted.map(([row, column]) => rows[row!]![column!]))
  })

  test('the largest logits, and their softmax', async () => {
    const [loaded, expected] = await loadMasked('masked-lm')
    const inputs = inputsOf(expected)
    const { logits } = await loaded(inputs, { mask_token_id: MASK })
    const top = await loaded(inputs, { mask_token_id: MASK, top_k: 5 })
    const ids = top.token_ids.tolist<number[][]>()
    const values = top.logits.tolist<number[][]>()
    logits.tolist<number[][]>().forEach((row, i) => {
      const order = row.map((value, id) => ({ value, id })).sort((a, b) => b.value - a.value)
      expect(ids[i]).toEqual(order.slice(0, 5).map(({ id }) => id))
      expect(values[i]).toEqual(order.slice(0, 5).map(({ value }) => value))
      const sum = row.reduce((total, value) => total + Math.exp(value), 0)
      expect(top.log_sum_exp.data[i]).toBeCloseTo(Math.log(sum), 5)
    })
  })

  test('none there', async () => {
    const [loaded] = await loadMasked('masked-lm')
    const inputs = { input_ids: [[2, 7, 3]] }
    const masked = await loaded(inputs, { mask_token_id: MASK })
    expect(masked.positions.dims).toEqual([0, 2])
    expect(masked.logits.dims).toEqual([0, 61])
    const top = await loaded(inputs, { mask_token_id: MASK, top_k: 3 })
    expect(top.token_ids.dims).toEqual([0, 3])
    expect(top.log_sum_exp.dims).toEqual([0])
  })

  test('padding that is the mask’s id does not count', async () => {
    const [loaded] = await loadMasked('masked-lm')
    const inputs = {
      input_ids: [[2, MASK, 3], [2, 3, MASK]],
      attention_mask: [[1, 1, 1], [1, 1, 0]],
    }
    const masked = await loaded(inputs, { mask_token_id: MASK })
    expect(masked.positions.tolist()).toEqual([[0, 1]])
  })

  test.each([
    { top_k: 5 },
    { mask_token_id: -1 },
    { mask_token_id: 61 },
    { mask_token_id: MASK, top_k: 0 },
    { mask_token_id: MASK, top_k: 62 },
    { mask_token_id: MASK, topK: 5 },
  ])('refuses %j', async (options) => {
    const [loaded] = await loadMasked('masked-lm')
    const call = loaded({ input_ids: [[2, 3]] }, options as TopTokensOptions)
    await expect(call).rejects.toMatchObject({
      name: 'FusebertError', code: 'ERR_INVALID_ARGUMENT',
    })
  })
})

describe('a model with a head', () => {
  const load = (): Promise<HeadModel<LogitsOutput>> =>
    AutoModelForSequenceClassification.from_pretrained(folderOf('sequence-classification'))

  test('a checkpoint without that head says which it has', async () => {
    const loading = AutoModelForMaskedLM.from_pretrained(folderOf('question-answering'))
    await expect(loading).rejects.toMatchObject({
      code: 'ERR_TENSOR_MISSING',
      message: expect.stringMatching(/cls\.predictions.*those for question-answering/) as string,
    })
  })

  test('an AbortSignal rejects with its reason, and dispose ends it', async () => {
    const loaded = await load()
    const reason = new Error('enough')
    const inputs = { input_ids: [[2, 3]] }
    const call = loaded(inputs, { signal: AbortSignal.abort(reason) })
    await expect(call).rejects.toBe(reason)
    const controller = new AbortController()
    const many = { input_ids: Array.from({ length: 30_000 }, () => [2, 4, 5, 6, 7, 8, 3]) }
    const aborted = loaded(many, { signal: controller.signal })
    setTimeout(() => controller.abort(reason), 10)
    await expect(aborted).rejects.toBe(reason)
    await loaded.trim()
    expect((await loaded(inputs)).logits.dims).toEqual([1, 5])
    await loaded[Symbol.asyncDispose]()
    await expect(loaded(inputs)).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
  })

  test('an empty batch gives an empty result', async () => {
    const loaded = await load()
    model = loaded
    expect((await loaded({ input_ids: [] })).logits.dims).toEqual([0, 5])
  })
})

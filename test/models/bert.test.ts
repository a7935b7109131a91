// Names of checkpoints → canonical names: prefixes, old names, and what is missing or does not fit.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { openCheckpoint } from '../../lib/checkpoint/checkpoint.js'
import {
  rowMajorStrides,
  type StoredTensor,
  type TensorTable,
} from '../../lib/checkpoint/tensor-table.js'
import { FusebertError } from '../../lib/errors.js'
import { ModelFolder } from '../../lib/hub/folder.js'
import { bertTensors } from '../../lib/models/bert.js'
import { parseConfig, readConfig } from '../../lib/models/config.js'

const GOLDEN = join(import.meta.dirname, '..', 'golden')

const numbers = {
  vocab_size: 11,
  hidden_size: 16,
  num_attention_heads: 1,
  num_hidden_layers: 2,
  intermediate_size: 5,
  max_position_embeddings: 7,
  type_vocab_size: 3,
}
const config = parseConfig(numbers)

/** Written out by hand, independently of the code under test. */
const LAYER: [string, number[]][] = [
  ['attention.self.query.weight', [16, 16]],
  ['attention.self.query.bias', [16]],
  ['attention.self.key.weight', [16, 16]],
  ['attention.self.key.bias', [16]],
  ['attention.self.value.weight', [16, 16]],
  ['attention.self.value.bias', [16]],
  ['attention.output.dense.weight', [16, 16]],
  ['attention.output.dense.bias', [16]],
  ['attention.output.LayerNorm.weight', [16]],
  ['attention.output.LayerNorm.bias', [16]],
  ['intermediate.dense.weight', [5, 16]],
  ['intermediate.dense.bias', [5]],
  ['output.dense.weight', [16, 5]],
  ['output.dense.bias', [16]],
  ['output.LayerNorm.weight', [16]],
  ['output.LayerNorm.bias', [16]],
]
const SHAPES: [string, number[]][] = [
  ['embeddings.word_embeddings.weight', [11, 16]],
  ['embeddings.position_embeddings.weight', [7, 16]],
  ['embeddings.token_type_embeddings.weight', [3, 16]],
  ['embeddings.LayerNorm.weight', [16]],
  ['embeddings.LayerNorm.bias', [16]],
  ...[0, 1].flatMap((index) =>
    LAYER.map(([name, shape]): [string, number[]] => [`encoder.layer.${index}.${name}`, shape]),
  ),
]
const POOLER: [string, number[]][] = [
  ['pooler.dense.weight', [16, 16]],
  ['pooler.dense.bias', [16]],
]

let offset = 0
const stored = (shape: number[], change: Partial<StoredTensor> = {}): StoredTensor => ({
  dtype: 'F32',
  shape,
  strides: rowMajorStrides(shape),
  fileIndex: 0,
  offsetBytes: (offset += 4),
  ...change,
})
const table = (tensors: Iterable<[string, StoredTensor]>): TensorTable => ({
  files: [{ path: '/models/x', sizeBytes: 1e6 }],
  tensors: new Map(tensors),
})
const encoder = (rename = (name: string) => name): [string, StoredTensor][] =>
  SHAPES.map(([name, shape]) => [rename(name), stored(shape)])
const pooler = (prefix = ''): [string, StoredTensor][] =>
  POOLER.map(([name, shape]) => [prefix + name, stored(shape)])

function refusal(tensors: Iterable<[string, StoredTensor]>): FusebertError {
  try {
    bertTensors(table(tensors), config)
  } catch (error) {
    expect(error).toBeInstanceOf(FusebertError)
    return error as FusebertError
  }
  throw new Error('was accepted')
}

describe('names', () => {
  test.each(['', 'bert.', 'module.', 'module.bert.'])('prefix %j', (prefix) => {
    const tensors = [...encoder((name) => prefix + name), ...pooler(prefix)]
    const result = bertTensors(table(tensors), config)
    expect(result.has_pooler).toBe(true)
    expect(result.tensors.map(({ name, shape }) => [name, shape])).toEqual([...SHAPES, ...POOLER])
    expect(result.tensors.map((tensor) => tensor.offset_bytes)).toEqual(
      tensors.map(([, tensor]) => tensor.offsetBytes),
    )
  })

  test.each(['', 'roberta.', 'module.', 'module.roberta.'])('RoBERTa, prefix %j', (prefix) => {
    const roberta = parseConfig({ ...numbers, model_type: 'roberta' })
    const tensors = [...encoder((name) => prefix + name), ...pooler(prefix)]
    const result = bertTensors(table(tensors), roberta)
    expect(result.prefix).toBe(prefix)
    expect(result.tensors.map(({ name, shape }) => [name, shape])).toEqual([...SHAPES, ...POOLER])
    expect(() => bertTensors(table(encoder((name) => `bert.${name}`)), roberta)).toThrow(
      /tensors of the RoBERTa encoder .* roberta\.embeddings\.word_embeddings\.weight/,
    )
  })

  test('no pooler', () => {
    const result = bertTensors(table(encoder()), config)
    expect(result.has_pooler).toBe(false)
    expect(result.tensors).toHaveLength(SHAPES.length)
  })

  test('everything of a tensor goes to native code', () => {
    const tensors = new Map(encoder())
    const name = 'encoder.layer.1.output.dense.weight'
    const transposed = stored([16, 5], { dtype: 'BF16', strides: [1, 16], fileIndex: 3 })
    tensors.set(name, transposed)
    const found = bertTensors(table(tensors), config).tensors.find((entry) => entry.name === name)
    expect(found).toEqual({
      name,
      dtype: 'BF16',
      shape: [16, 5],
      strides: [1, 16],
      file_index: 3,
      offset_bytes: transposed.offsetBytes,
    })
  })

  const old = (name: string): string =>
    name.replace('LayerNorm.weight', 'LayerNorm.gamma').replace('LayerNorm.bias', 'LayerNorm.beta')

  test('gamma and beta', () => {
    const tensors = encoder((name) => `bert.${old(name)}`)
    const result = bertTensors(table(tensors), config)
    expect(result.tensors.map(({ name }) => name)).toEqual(SHAPES.map(([name]) => name))
    expect(result.tensors.map((tensor) => tensor.offset_bytes)).toEqual(
      tensors.map(([, tensor]) => tensor.offsetBytes),
    )
  })

  test('weight wins over gamma', () => {
    const today = encoder()
    const both = [...encoder(old).filter(([name]) => /gamma|beta/.test(name)), ...today]
    const result = bertTensors(table(both), config)
    expect(result.tensors.map((tensor) => tensor.offset_bytes)).toEqual(
      today.map(([, tensor]) => tensor.offsetBytes),
    )
  })

  test('bert. wins over no prefix when both are whole, and parts are never mixed', () => {
    const prefixed = encoder((name) => `bert.${name}`)
    const result = bertTensors(table([...encoder(), ...prefixed, ...pooler()]), config)
    expect(result.tensors.map((tensor) => tensor.offset_bytes)).toEqual(
      prefixed.map(([, tensor]) => tensor.offsetBytes),
    )
    expect(result.has_pooler).toBe(false)
    const whole = encoder()
    const partly = bertTensors(table([...prefixed.slice(0, 20), ...whole]), config)
    expect(partly.tensors.map((tensor) => tensor.offset_bytes)).toEqual(
      whole.map(([, tensor]) => tensor.offsetBytes),
    )
  })

  test('tensors beyond the encoder do not count', () => {
    const extra: [string, StoredTensor][] = [
      ['cls.predictions.bias', stored([11])],
      ['cls.predictions.decoder.weight', stored([11, 16])],
      ['embeddings.position_ids', stored([1, 7], { dtype: 'I64' })],
      ['encoder.layer.2.attention.self.query.weight', stored([1])],
    ]
    expect(bertTensors(table([...encoder(), ...extra]), config).tensors).toHaveLength(SHAPES.length)
  })
})

describe('refusals', () => {
  test.each(SHAPES.map(([name]) => name))('without %s', (name) => {
    const error = refusal(encoder().filter(([key]) => key !== name))
    expect(error.code).toBe('ERR_TENSOR_MISSING')
    expect(error.message).toContain(` ${name} `)
  })

  test('missing names carry the checkpoint’s prefix', () => {
    const error = refusal(encoder((name) => `bert.${name}`).slice(1))
    expect(error.message).toContain('bert.embeddings.word_embeddings.weight')
  })

  test('many missing: a few by name, and their number', () => {
    const error = refusal(encoder().slice(0, 10))
    expect(error.code).toBe('ERR_TENSOR_MISSING')
    expect(error.message).toContain(`and ${SHAPES.length - 10 - 4} more`)
    expect(refusal([]).code).toBe('ERR_TENSOR_MISSING')
  })

  test('half a pooler', () => {
    const error = refusal([...encoder(), pooler()[0]!])
    expect(error.code).toBe('ERR_TENSOR_MISSING')
    expect(error.message).toContain('pooler.dense.bias')
  })

  test.each([...SHAPES, ...POOLER])('another shape of %s', (name, shape) => {
    const wrong = [
      [...shape.slice(0, -1), shape.at(-1)! + 1],
      [...shape, 1],
      [1, ...shape],
      shape.slice(1),
      [...shape].fill(0),
    ]
    for (const size of wrong) {
      const tensors = new Map([...encoder(), ...pooler()])
      tensors.set(name, stored(size))
      const error = refusal(tensors)
      expect(error.code).toBe('ERR_TENSOR_SHAPE')
      expect(error.message).toContain(`[${shape.join(', ')}]`)
      expect(error.message).toContain(name)
      expect(error.message).toContain(`received [${size.join(', ')}]`)
    }
  })

  test.each(['F64', 'I64', 'I8', 'U8', 'BOOL', 'F8_E4M3', 'C64'] as const)('dtype %s', (dtype) => {
    const name = 'encoder.layer.0.attention.self.key.weight'
    const tensors = new Map(encoder())
    tensors.set(name, stored([16, 16], { dtype }))
    const error = refusal(tensors)
    expect(error.code).toBe('ERR_TENSOR_DTYPE')
    expect(error.message).toContain(dtype)
    expect(error.message).toContain(name)
  })
})

describe('golden models', () => {
  const manifest = JSON.parse(readFileSync(join(GOLDEN, 'manifest.json'), 'utf8')) as {
    models: { name: string; pooler: boolean; dtype: string }[]
  }
  const dtypes: Record<string, string> = { float32: 'F32', float16: 'F16', bfloat16: 'BF16' }

  test.each(manifest.models)('$name', async ({ name, pooler: hasPooler, dtype }) => {
    const folder = await ModelFolder.open(join(GOLDEN, name))
    const geometry = await readConfig(folder)
    const result = bertTensors(await openCheckpoint(folder), geometry)
    expect(result.has_pooler).toBe(hasPooler)
    expect(new Set(result.tensors.map((tensor) => tensor.dtype))).toEqual(new Set([dtypes[dtype]]))
    const embeddings = geometry.geometry.has_token_types ? 5 : 4
    const count = embeddings + 16 * geometry.geometry.num_hidden_layers + (hasPooler ? 2 : 0)
    expect(new Set(result.tensors.map((tensor) => tensor.name)).size).toBe(count)
  })
})

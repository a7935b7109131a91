// Golden models with heads in the other names and file formats that checkpoints come in: what
// transformers computed must come out of each.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, describe, expect, test } from 'vitest'

import {
  AutoModelForMaskedLM,
  AutoModelForQuestionAnswering,
  AutoModelForSequenceClassification,
  AutoModelForTokenClassification,
} from '../../dist/index.js'
import { dict, safetensors, tensor, torchLegacy, torchZip } from '../checkpoint/build.js'
import { GOLDEN } from '../support/require.js'
import { inputsOf, logitsOf, readExpected, rowsOfLogits } from './golden-heads.js'

const TOLERANCE = 1e-5
const SAFETENSORS = 'model.safetensors'
const CLASSES = {
  'masked-lm': AutoModelForMaskedLM,
  'masked-lm-untied': AutoModelForMaskedLM,
  'sequence-classification': AutoModelForSequenceClassification,
  'token-classification': AutoModelForTokenClassification,
  'question-answering': AutoModelForQuestionAnswering,
  'roberta-masked-lm': AutoModelForMaskedLM,
  'roberta-token-classification': AutoModelForTokenClassification,
  'distilbert-masked-lm': AutoModelForMaskedLM,
  'electra-sequence-classification': AutoModelForSequenceClassification,
}

const scratch = mkdtempSync(join(tmpdir(), 'fusebert-head-formats-'))
afterAll(() => rmSync(scratch, { recursive: true }))

/** A tensor of a safetensors file. */
interface Stored {
  shape: number[]
  data: Buffer
}

function readTensors(file: string): Map<string, Stored> {
  const bytes = readFileSync(file)
  const end = 8 + Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.toString('utf8', 8, end)) as Record<
    string, { dtype: string; shape: number[]; data_offsets: [number, number] }
  >
  const tensors = Object.entries(header).filter(([name]) => name !== '__metadata__')
  return new Map(tensors.map(([name, { dtype, shape, data_offsets: [from, to] }]) => {
    expect(dtype).toBe('F32')
    return [name, { shape, data: bytes.subarray(end + from, end + to) }]
  }))
}

function safetensorsOf(tensors: [string, Stored][]): Buffer {
  let end = 0
  const header = tensors.map(([name, { shape, data }]) => {
    const begin = end
    end += data.length
    return [name, { dtype: 'F32', shape, data_offsets: [begin, end] }]
  })
  const text = JSON.stringify(Object.fromEntries(header))
  const padded = text.padEnd(Math.ceil(text.length / 8) * 8)
  return safetensors(padded, Buffer.concat(tensors.map(([, { data }]) => data)))
}

const stridesOf = (shape: number[]): number[] =>
  shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1))

/** The tensors as torch.save writes them, each with a storage of its own. */
function torchDict(tensors: Map<string, Stored>, legacy: boolean): Buffer {
  return dict([...tensors].map(([name, { shape, data }], i) => {
    const strides = stridesOf(shape)
    return [name, tensor({ key: `${i}`, numel: data.length / 4, shape, strides, legacy })]
  }))
}

type Write = (folder: string, tensors: Map<string, Stored>) => void

const renamed = (rename: (name: string) => string): Write => (folder, tensors) => {
  const others = [...tensors].map(([name, stored]): [string, Stored] => [rename(name), stored])
  writeFileSync(join(folder, SAFETENSORS), safetensorsOf(others))
}

const FORMATS: Record<string, Write> = {
  'gamma and beta': renamed((name) =>
    name.replace(/LayerNorm\.weight$/, 'LayerNorm.gamma')
      .replace(/LayerNorm\.bias$/, 'LayerNorm.beta')),
  'the prefix of DataParallel': renamed((name) => `module.${name}`),
  'two shards': (folder, tensors) => {
    const all = [...tensors]
    const half = all.length >> 1
    const shards = [all.slice(0, half), all.slice(half)]
    const weight_map: Record<string, string> = {}
    shards.forEach((shard, i) => {
      const name = `model-0000${i + 1}-of-00002.safetensors`
      for (const [key] of shard) weight_map[key] = name
      writeFileSync(join(folder, name), safetensorsOf(shard))
    })
    writeFileSync(
      join(folder, `${SAFETENSORS}.index.json`), JSON.stringify({ metadata: {}, weight_map }),
    )
  },
  'pytorch_model.bin': (folder, tensors) => {
    const storages = [...tensors.values()].map(({ data }, i) => [`${i}`, data])
    writeFileSync(
      join(folder, 'pytorch_model.bin'),
      torchZip(torchDict(tensors, false), Object.fromEntries(storages) as Record<string, Buffer>),
    )
  },
  'pytorch_model.bin before PyTorch 1.6': (folder, tensors) => {
    const stored = [...tensors.values()]
    writeFileSync(
      join(folder, 'pytorch_model.bin'),
      torchLegacy(torchDict(tensors, true), {
        keys: stored.map((_, i) => `${i}`),
        storages: stored.map(({ data }) => [data.length / 4, data]),
      }),
    )
  },
}

describe.each(Object.entries(FORMATS))('%s', (format, write) => {
  test.each(Object.entries(CLASSES))('%s', async (name, Class) => {
    const golden = `${GOLDEN}/heads/${name}`
    const folder = join(scratch, format, name)
    cpSync(golden, folder, { recursive: true })
    rmSync(join(folder, SAFETENSORS))
    write(folder, readTensors(join(golden, SAFETENSORS)))
    const expected = readExpected(name)
    const model = await Class.from_pretrained(folder)
    const found = rowsOfLogits(await model(inputsOf(expected)), expected)
    await model.dispose()
    const wanted = logitsOf(expected)
    expect(found).toHaveLength(wanted.length)
    found.forEach((logit, i) => expect(Math.abs(logit - wanted[i]!)).toBeLessThan(TOLERANCE))
  })
})

// Folders of sentence-transformers with every pooling, layers after it and prompts: the vectors
// that the Python library computes, on every instruction set of this machine, and what is refused.
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, describe, expect, test } from 'vitest'

import {
  devices,
  pipeline,
  type FeatureExtractionOptions,
  type FeatureExtractionPipeline,
  type Tensor,
  type VectorPooling,
} from '../../dist/index.js'
import { GOLDEN } from '../support/require.js'

const TOLERANCE = 2e-5
const SENTENCE = join(GOLDEN, 'sentence')

interface Expected {
  texts: string[]
  columns: number
  calls: { options: FeatureExtractionOptions; result: string }[]
}

const { models } = JSON.parse(readFileSync(join(SENTENCE, 'manifest.json'), 'utf8')) as {
  models: { name: string }[]
}
const readExpected = (name: string): Expected =>
  JSON.parse(readFileSync(join(SENTENCE, name, 'expected.json'), 'utf8')) as Expected
const floats = (base64: string): Float32Array =>
  new Float32Array(new Uint8Array(Buffer.from(base64, 'base64')).buffer)

function difference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length)
  return Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0)
}

let embed: FeatureExtractionPipeline | undefined
let copy: string | undefined
async function load(name: string): Promise<FeatureExtractionPipeline> {
  embed = await pipeline('feature-extraction', join(SENTENCE, name))
  return embed
}
async function loadChanged(
  name: string,
  change: (folder: string) => Promise<unknown>,
): Promise<FeatureExtractionPipeline> {
  copy = await mkdtemp(join(tmpdir(), 'fusebert-sentence-'))
  await cp(join(SENTENCE, name), copy, { recursive: true })
  await change(copy)
  embed = await pipeline('feature-extraction', copy)
  return embed
}

afterEach(async () => {
  delete process.env['FUSEBERT_CPU_ISA']
  await embed?.dispose()
  embed = undefined
  if (copy !== undefined) await rm(copy, { recursive: true })
  copy = undefined
})

const isas = devices().flatMap((each) => (each.device === 'cpu' ? each.isas : []))

describe.each(isas)('as sentence-transformers on %s', (isa) => {
  test.each(models)('$name', async ({ name }) => {
    process.env['FUSEBERT_CPU_ISA'] = isa
    const { texts, columns, calls } = readExpected(name)
    const mine = await load(name)
    expect(mine.device.isa).toBe(isa)
    expect(mine.defaults.embedding_size).toBe(columns)
    for (const { options, result } of calls) {
      const found = (await mine(texts, options)) as Tensor<'float32'>
      expect(found.dims).toEqual([texts.length, columns])
      expect(difference(found.data, floats(result))).toBeLessThan(TOLERANCE)
      // Alone, to the bit.
      for (const [i, text] of texts.entries()) {
        const one = (await mine(text, options)) as Tensor<'float32'>
        expect(one.data).toEqual(found.data.slice(i * columns, (i + 1) * columns))
      }
    }
  })
})

describe('options', () => {
  test('each pooling alone, and some in another order', async () => {
    const { texts } = readExpected('poolings')
    const mine = await load('poolings')
    const own = mine.defaults.pooling as VectorPooling[]
    const size = mine.hidden_size
    const all = await mine(texts, { pooling: own })
    expect(all.dims).toEqual([texts.length, own.length * size])
    const part = (row: number, index: number): Float32Array => {
      const begin = (row * own.length + index) * size
      return all.data.slice(begin, begin + size)
    }
    for (const [index, pooling] of own.entries()) {
      const one = await mine(texts, { pooling })
      texts.forEach((_, row) => {
        expect(one.data.slice(row * size, (row + 1) * size)).toEqual(part(row, index))
      })
    }
    const two = await mine(texts[0]!, { pooling: [own[4]!, own[0]!] })
    expect((two as Tensor).dims).toEqual([1, 2 * size])
    expect((two as Tensor<'float32'>).data.slice(size)).toEqual(part(0, 0))
    const unit = await mine(texts, { pooling: own, normalize: true })
    for (const row of unit.tolist<number[][]>()) expect(Math.hypot(...row)).toBeCloseTo(1, 5)
  })

  test('layers follow the folder’s own pooling alone', async () => {
    const mine = await load('dense')
    const layered = await mine(['not'], { pooling: 'mean' })
    expect(layered.dims).toEqual([1, 24])
    expect(layered.data).toEqual(((await mine(['not'])) as Tensor).data)
    expect((await mine(['not'], { pooling: 'cls' })).dims).toEqual([1, 32])
    const raw = await mine(['not'], { pooling: 'mean', normalize: false })
    expect(Math.hypot(...raw.data)).not.toBeCloseTo(1, 2)
    expect(difference(raw.data.map((x) => x / Math.hypot(...raw.data)), layered.data)).toBeLessThan(
      1e-6,
    )
  })

  test('a prompt wins over its name, and is what stands before the text', async () => {
    const mine = await load('prompts-pooled')
    expect(mine.defaults).toMatchObject({ default_prompt_name: null })
    const prompted = (await mine('today', { prompt: 'i feel ', prompt_name: 'query' })) as Tensor
    expect(prompted.data).toEqual(((await mine('i feel today')) as Tensor).data)
    const hidden = await mine(['today'], { prompt: 'i feel ', pooling: 'none' })
    expect(hidden[0]!.dims[0]).toBe(5)
  })

  test.each([
    [{ prompt_name: 'no such' }, 'prompt_name'],
    [{ prompt: 7 }, 'prompt'],
    [{ pooling: [] }, 'pooling'],
    [{ pooling: ['mean', 'none'] }, 'pooling'],
    [{ pooling: 'median' }, 'pooling'],
  ])('refuses %j', async (options, named) => {
    const mine = await load('prompts')
    await expect(mine(['a'], options as FeatureExtractionOptions)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringContaining(named) as string,
    })
  })
})

describe('layers that do not fit', () => {
  test('another width than the pooling’s', async () => {
    const change = (folder: string) =>
      writeFile(join(folder, '1_Pooling/config.json'), '{"pooling_mode": ["mean", "cls"]}')
    await expect(loadChanged('dense', change)).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      message: expect.stringContaining('Dense that takes 64') as string,
    })
  })

  test('another shape than its own config says', async () => {
    const config = '{"in_features": 32, "out_features": 23}'
    const change = (folder: string) => writeFile(join(folder, '2_Dense/config.json'), config)
    await expect(loadChanged('dense', change)).rejects.toMatchObject({ code: 'ERR_TENSOR_SHAPE' })
  })

  test('no weights', async () => {
    const change = (folder: string) => rm(join(folder, '2_Dense/model.safetensors'))
    await expect(loadChanged('dense', change)).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' })
  })
})

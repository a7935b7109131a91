// The model inside the package: its name, its files, its vectors against transformers, and that
// they carry meaning.
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { AutoModel, AutoTokenizer, pipeline } from '../../lib/index.js'
import { DEFAULT_MODEL, embeddedModelPath } from '../../lib/hub/embedded-model.js'
import { ModelFolder } from '../../lib/hub/folder.js'
import type { FeatureExtractionPipeline } from '../../lib/pipelines/feature-extraction.js'
import { GOLDEN, ROOT } from '../support/require.js'

const FOLDER = `${ROOT}models/fusebert-mini`
const HIDDEN = 192
/** What a package may cost that promises a quick install; nearly all of it is weights. */
const MAX_MODEL_BYTES = 16e6
const TOLERANCE = 1e-5

interface Golden {
  made_with: Record<string, string>
  texts: string[]
  embeddings: number[][]
}

const golden = JSON.parse(readFileSync(`${GOLDEN}/fusebert-mini.json`, 'utf8')) as Golden

let embed: FeatureExtractionPipeline

beforeAll(async () => {
  embed = await pipeline('feature-extraction')
})

afterAll(() => embed.dispose())

describe('the name', () => {
  test('no model, null and the name are the same model', async () => {
    for (const model of [undefined, null, 'fusebert-mini'] as const) {
      const other = await pipeline('feature-extraction', model, { threads: 1 })
      try {
        const [a, b] = [await embed('The same.'), await other('The same.')]
        expect(b.data).toEqual(a.data)
      } finally {
        await other.dispose()
      }
    }
  })

  test('AutoTokenizer and AutoModel know it', async () => {
    const tokenizer = await AutoTokenizer.from_pretrained('fusebert-mini')
    const model = await AutoModel.from_pretrained('fusebert-mini')
    try {
      const { last_hidden_state } = await model(await tokenizer('hello'))
      expect(last_hidden_state.dims).toEqual([1, 3, HIDDEN])
    } finally {
      await model.dispose()
    }
  })

  test('is a name and not a path', async () => {
    expect(embeddedModelPath(DEFAULT_MODEL)).toBe(FOLDER)
    for (const other of ['./fusebert-mini', 'fusebert-mini/', 'Fusebert-mini', '', '__proto__']) {
      expect(embeddedModelPath(other)).toBeUndefined()
    }
    const work = mkdtempSync(join(tmpdir(), 'fusebert-name-'))
    try {
      mkdirSync(join(work, 'fusebert-mini'))
      const opened = await ModelFolder.open(join(work, 'fusebert-mini'))
      expect(opened.path).toBe(join(work, 'fusebert-mini'))
      expect((await ModelFolder.open('fusebert-mini')).path).toBe(FOLDER)
    } finally {
      rmSync(work, { recursive: true })
    }
  })
})

describe('the folder', () => {
  test('is small, and its files are those of the recorded training run', () => {
    const record = JSON.parse(
      readFileSync(`${ROOT}scripts/default-model/training.json`, 'utf8'),
    ) as { seed: number; files: Record<string, string> }
    expect(record.seed).toBeGreaterThan(0)
    const files = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
      .filter((name) => statSync(join(FOLDER, name)).isFile())
      .filter((name) => !name.endsWith('.md'))
      .sort()
    expect(files).toEqual(Object.keys(record.files).sort())
    const hash = (name: string): string =>
      createHash('sha256').update(readFileSync(join(FOLDER, name))).digest('hex')
    expect(Object.fromEntries(files.map((name) => [name, hash(name)]))).toEqual(record.files)
    const bytes = files.map((name) => statSync(join(FOLDER, name)).size)
    expect(bytes.reduce((a, b) => a + b)).toBeLessThan(MAX_MODEL_BYTES)
  })

  test('the card quotes the recorded evaluation, which the floors of its script hold', () => {
    type Measure = { student: { value: number }; ahead: { interval: number[] } }
    const evaluation = JSON.parse(
      readFileSync(`${ROOT}scripts/default-model/evaluation.json`, 'utf8'),
    ) as Record<'heldout' | 'unseen', Record<string, Measure>>
    const card = readFileSync(`${FOLDER}/README.md`, 'utf8')
    const measures = Object.values(evaluation).flatMap((part) => Object.values(part))
    expect(measures).toHaveLength(8)
    for (const { student, ahead } of measures) {
      expect(card).toContain(` ${student.value.toFixed(3)} [`)
      expect(ahead.interval[0]).toBeGreaterThan(0)
    }
  })

  test('the card says what the model is not', () => {
    const card = readFileSync(`${FOLDER}/README.md`, 'utf8')
    expect(card).toMatch(/no psychiatric diagnosis/)
    expect(card).toMatch(/mental-bert-base-uncased/)
    expect(card).toMatch(/Trying out/)
  })
})

describe('its vectors', () => {
  test('are those of transformers', async () => {
    const { data, dims } = await embed(golden.texts, { pooling: 'mean' })
    expect(dims).toEqual([golden.texts.length, HIDDEN])
    const expected = golden.embeddings.flat()
    expect(expected).toHaveLength(data.length)
    const worst = Math.max(...expected.map((value, i) => Math.abs(value - data[i]!)))
    expect(worst).toBeLessThan(TOLERANCE)
  })

  test.each([
    ['I cannot sleep', 'Awake all night again', 'The train arrives at noon'],
    ['How do I bake bread?', 'a recipe for a loaf of sourdough', 'reset my password'],
    ['my dog is ill', 'the puppy has a fever', 'stock prices fell on Monday'],
    ['feeling sad and lonely', 'nobody calls me and I cry a lot', 'a new graphics card'],
    ['The parcel never came', 'my delivery is late', 'she sang in the choir'],
  ])('%s is nearer to "%s" than to "%s"', async (text, near, far) => {
    const rows = (await embed([text, near, far], { pooling: 'mean' })).tolist<number[][]>()
    const cosine = (a: number[], b: number[]): number => a.reduce((s, v, i) => s + v * b[i]!, 0)
    expect(cosine(rows[0]!, rows[1]!)).toBeGreaterThan(cosine(rows[0]!, rows[2]!) + 0.1)
  })
})

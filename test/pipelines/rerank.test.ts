// The rerank and sentence-similarity pipelines against what sentence-transformers gives, and their
// options, limits, abort and disposal.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import {
  pipeline,
  type RankedDocument,
  type RerankOptions,
  type RerankPipeline,
  type SentenceSimilarityOptions,
  type SentenceSimilarityPipeline,
} from '../../dist/index.js'
import { GOLDEN } from '../support/require.js'
import { expectAnswer, folderOf } from './golden-pipelines.js'

const TOLERANCE = 1e-5
const ROOT = `${GOLDEN}/sentence-transformers`
const read = (path: string): unknown => JSON.parse(readFileSync(`${ROOT}/${path}`, 'utf8'))
const { cross_encoders } = read('manifest.json') as { cross_encoders: { name: string }[] }

interface GoldenRanking {
  query: string
  documents: string[]
  result: RankedDocument[]
}

interface GoldenCosines {
  sources: string[]
  sentences: string[]
  result: number[][]
}

const withoutText = ({ index, score }: RankedDocument): RankedDocument => ({ index, score })

describe.each(cross_encoders)('$name', ({ name }) => {
  const { query, documents, result } = read(`${name}/expected.json`) as GoldenRanking
  let rerank: RerankPipeline
  beforeAll(async () => {
    rerank = await pipeline('rerank', `${ROOT}/${name}`)
  })
  afterAll(() => rerank.dispose())

  test('ranks as CrossEncoder does', async () => {
    expectAnswer(await rerank(query, documents, { return_documents: true }), result)
    expectAnswer(await rerank(query, documents), result.map(withoutText))
  })

  test('top_k takes the first', async () => {
    const best = await rerank(query, documents, { top_k: 2 })
    expectAnswer(best, result.slice(0, 2).map(withoutText))
    expect(await rerank(query, documents, { top_k: null })).toHaveLength(documents.length)
  })
})

test('a prompt stands before the query, the one that the call names before all', async () => {
  const { query, documents, result } = read('cross-encoder-prompt/expected.json') as GoldenRanking
  const rerank = await pipeline('rerank', `${ROOT}/cross-encoder-prompt`)
  const expected = result.map(withoutText)
  const prompt = 'The day is not '
  expectAnswer(await rerank(query, documents, { prompt_name: 'nights' }), expected)
  expectAnswer(await rerank(prompt + query, documents, { prompt: '' }), expected)
  expectAnswer(await rerank(query, documents, { prompt, prompt_name: 'query' }), expected)
  const plain = await rerank(query, documents, { prompt_name: 'query' })
  expect(plain).toEqual(await rerank(query, documents, { prompt: '' }))
  expect(plain).not.toEqual(expected)
  await expect(rerank(query, documents, { prompt_name: 'days' })).rejects.toMatchObject({
    code: 'ERR_INVALID_ARGUMENT', message: expect.stringContaining("'nights'") as string,
  })
  await rerank.dispose()
})

describe('rerank', () => {
  const documents = Array.from({ length: 10_000 }, (_, i) => `a b c ${i}`)
  let rerank: RerankPipeline
  beforeAll(async () => {
    rerank = await pipeline('rerank', `${ROOT}/cross-encoder`)
  })
  afterAll(() => rerank.dispose())

  test('usage, and what a pipeline says of itself', async () => {
    const { usage } = await rerank('a', ['b', 'a '.repeat(100)])
    expect(usage).toEqual({ texts: 2, tokens: 5 + 40, truncated: 1 })
    expect(await rerank('a', [])).toHaveLength(0)
    expect(rerank.task).toBe('rerank')
    expect(rerank.max_length).toBe(40)
  })

  test('a score does not depend on the documents beside it', async () => {
    const some = Array.from({ length: 300 }, (_, i) => 'a better day '.repeat(i % 9))
    const together = await rerank('a day', some)
    for (const i of [0, 8, 299]) {
      const [alone] = await rerank('a day', [some[i]!])
      expect(together.find(({ index }) => index === i)!.score).toBe(alone!.score)
    }
  })

  test('an AbortSignal rejects with its reason, and others go on', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const aborted = rerank('a', documents, { signal: controller.signal })
    const other = rerank('a', ['b'])
    setTimeout(() => controller.abort(reason), 20)
    await expect(aborted).rejects.toBe(reason)
    expect(await other).toHaveLength(1)
  })

  test('dispose rejects what runs and what comes', async () => {
    const mine = await pipeline('rerank', `${ROOT}/cross-encoder`)
    const running = expect(mine('a', documents)).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
    await mine.dispose()
    await running
    await expect(mine('a', [])).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
  })

  test('truncation: false refuses, naming the document by its number only', async () => {
    const call = rerank('a', ['b', 'confidential '.repeat(50)], { truncation: false })
    await expect(call).rejects.toMatchObject({
      code: 'ERR_INPUT_TOO_LONG',
      message: expect.stringMatching(/Text 1(?!.*confidential)/) as string,
    })
    // Long lists go through in parts.
    const many = [...new Array<string>(60).fill('x'.repeat(20_000)), 'confidential '.repeat(50)]
    await expect(rerank('a', many, { truncation: false })).rejects.toMatchObject({
      code: 'ERR_INPUT_TOO_LONG',
      message: expect.stringMatching(/Text 60(?!.*confidential)/) as string,
    })
  })

  test('a list that goes through in parts is ranked as one', async () => {
    const long = 'x'.repeat(20_000)
    const ranked = await rerank('a', [...new Array<string>(40).fill(long), 'a day', 'sleep'])
    expect(ranked).toHaveLength(42)
    expect(ranked.map(({ index }) => index).sort((a, b) => a - b)).toEqual([...ranked.keys()])
    const alone = await rerank('a', ['sleep'])
    expect(ranked.find(({ index }) => index === 41)!.score).toBe(alone[0]!.score)
    expect(ranked.usage.texts).toBe(42)
  })

  test.each<[unknown, unknown, unknown]>([
    [42, ['a'], {}],
    ['a', 'b', {}],
    ['a', ['b', 7], {}],
    ['a', ['b'], { top_k: 0 }],
    ['a', ['b'], { return_documents: 1 }],
    ['a', ['b'], { max_length: 2 }],
    ['a', ['b'], { topk: 1 }],
  ])('%j, %j with %j is refused', async (query, list, options) => {
    const call = rerank(query as string, list as string[], options as RerankOptions)
    await expect(call).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
  })

  test('a model with one label is needed, and a function that is known', async () => {
    const several = pipeline('rerank', folderOf('softmax'))
    await expect(several).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED_MODEL' })
    const other = pipeline('rerank', folderOf('fill-mask'))
    await expect(other).rejects.toMatchObject({ code: 'ERR_TENSOR_MISSING' })
    const folder = mkdtempSync(join(tmpdir(), 'fusebert-'))
    try {
      cpSync(`${ROOT}/cross-encoder`, folder, { recursive: true })
      const file = 'config_sentence_transformers.json'
      const say = (name: string) =>
        writeFileSync(join(folder, file), JSON.stringify({ activation_fn: name }))
      say('torch.nn.modules.activation.Tanh')
      await expect(pipeline('rerank', folder)).rejects.toMatchObject({
        code: 'ERR_UNSUPPORTED_MODEL',
        message: expect.stringContaining('Tanh') as string,
      })
      say('torch.nn.modules.linear.Identity')
      const mine = await pipeline('rerank', folder)
      const [logit] = await mine('a', ['b'])
      const [score] = await rerank('a', ['b'])
      await mine.dispose()
      expect(1 / (1 + Math.exp(-logit!.score))).toBeCloseTo(score!.score, 10)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

describe('sentence-similarity', () => {
  const { sources, sentences, result } = read('bi-encoder/expected.json') as GoldenCosines
  let compare: SentenceSimilarityPipeline
  beforeAll(async () => {
    compare = await pipeline('sentence-similarity', `${ROOT}/bi-encoder`)
  })
  afterAll(() => compare.dispose())

  function expectNear(found: readonly number[], expected: readonly number[]): void {
    expect(found).toHaveLength(expected.length)
    expected.forEach((cosine, i) => {
      expect(Math.abs(found[i]! - cosine)).toBeLessThan(TOLERANCE)
    })
  }

  test('is util.cos_sim', async () => {
    const rows = await compare(sources, sentences)
    expect(rows).toHaveLength(sources.length)
    result.forEach((row, i) => expectNear(rows[i]!, row))
    const one = await compare(sources[0]!, sentences)
    expectNear(one, result[0]!)
    expect(one.usage).toMatchObject({ texts: 1 + sentences.length, truncated: 1 })
  })

  test.each([
    'sentence/dense', 'sentence/layer-norm', 'sentence/poolings', 'sentence/prompts',
    'sentence/roberta',
  ])('is the cosines of the vectors of %s', async (name) => {
    const folder = `${GOLDEN}/${name}`
    const { texts, columns, calls } = JSON.parse(
      readFileSync(`${folder}/expected.json`, 'utf8'),
    ) as { texts: string[]; columns: number; calls: { result: string }[] }
    const bytes = Uint8Array.from(Buffer.from(calls[0]!.result, 'base64'))
    const vectors = new Float32Array(bytes.buffer)
    const row = (i: number): Float32Array => vectors.subarray(i * columns, (i + 1) * columns)
    const dot = (a: Float32Array, b: Float32Array): number =>
      a.reduce((sum, x, column) => sum + x * b[column]!, 0)
    const mine = await pipeline('sentence-similarity', folder)
    const found = await mine(texts, texts)
    await mine.dispose()
    expect(found).toHaveLength(texts.length)
    found.forEach((cosines, i) => {
      expectNear(cosines, texts.map((_, j) =>
        dot(row(i), row(j)) / Math.sqrt(dot(row(i), row(i)) * dot(row(j), row(j)))))
    })
  })

  test.each(['lasttoken', 'weightedmean', 'mean_sqrt_len_tokens', ['cls', 'max']] as const)(
    'pooling may be %j',
    async (pooling) => {
      const [same, other] = await compare('a better day', ['a better day', 'sleep'], {
        pooling: typeof pooling === 'string' ? pooling : [...pooling],
      })
      expect(same).toBeCloseTo(1, 5)
      expect(other).toBeLessThan(same!)
    },
  )

  test('a text that is too long is named by its number among its own', async () => {
    const long = 'confidential '.repeat(500)
    const limits = { truncation: false } as const
    for (const call of [compare('a', ['b', long], limits), compare(['a', long], ['b'], limits)]) {
      const error: unknown = await call.catch((reason: unknown) => reason)
      expect(error).toMatchObject({
        code: 'ERR_INPUT_TOO_LONG', message: expect.stringMatching(/^Text 1\b/) as string,
      })
      expect((error as Error).message).not.toContain('confidential')
    }
  })

  test('a text is nearest to itself; pooling may be another', async () => {
    const [same, other] = await compare('a better day', ['a better day', 'sleep'], {
      pooling: 'cls',
    })
    expect(same).toBeCloseTo(1, 5)
    expect(other).toBeLessThan(same!)
  })

  test('nothing to compare', async () => {
    expect(await compare('a', [])).toHaveLength(0)
    expect(await compare([], ['a'])).toHaveLength(0)
  })

  test('the model inside the package will do', async () => {
    const mine = await pipeline('sentence-similarity')
    const cosines = await mine('I cannot sleep.', ['Awake all night again.', 'My cat is grey.'])
    await mine.dispose()
    expect(cosines[0]).toBeGreaterThan(cosines[1]!)
    await expect(mine('a', ['b'])).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
  })

  test('an AbortSignal rejects with its reason, and others go on', async () => {
    const reason = new Error('enough')
    const call = compare('a', ['b'], { signal: AbortSignal.abort(reason) })
    await expect(call).rejects.toBe(reason)
    const controller = new AbortController()
    const many = Array.from({ length: 20_000 }, (_, i) => `a b c ${i}`)
    const aborted = compare(many, ['a'], { signal: controller.signal })
    const other = compare('a', ['b'])
    setTimeout(() => controller.abort(reason), 10)
    await expect(aborted).rejects.toBe(reason)
    expect(await other).toHaveLength(1)
  })

  test.each<[unknown, unknown, unknown]>([
    [42, ['a'], {}],
    ['a', 'b', {}],
    [['a', 1], ['b'], {}],
    ['a', ['b'], { pooling: 'none' }],
    ['a', ['b'], { normalize: true }],
  ])('%j, %j with %j is refused', async (source, others, options) => {
    const call = compare(
      source as string, others as string[], options as SentenceSimilarityOptions,
    )
    await expect(call).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
  })
})

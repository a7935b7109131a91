// The text-classification pipeline against Python's answers, and its shapes, options, abort and
// disposal.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import {
  pipeline,
  type Classification,
  type TextClassificationOptions,
  type TextClassificationPipeline,
} from '../../dist/index.js'
import { callsOf, expectAnswer, folderOf, namesOf } from './golden-pipelines.js'

const LIMIT = 40
const PAIR = { text: 'I feel better.', text_pair: 'I sleep.' }
let classify: TextClassificationPipeline

beforeAll(async () => {
  classify = await pipeline('text-classification', folderOf('softmax'))
})

afterAll(() => classify.dispose())

describe.each(namesOf('text-classification'))('%s answers as Python does', (name) => {
  let loaded: TextClassificationPipeline
  beforeAll(async () => {
    loaded = await pipeline('text-classification', folderOf(name))
  })
  afterAll(() => loaded.dispose())

  test.each(callsOf(name).map((call, i) => ({ ...call, i })))('call $i', async (call) => {
    const answer = await loaded(call.inputs as string, call.options as TextClassificationOptions)
    expectAnswer(answer, call.result)
  })
})

test('sentiment-analysis is another name of the task', async () => {
  const mine = await pipeline('sentiment-analysis', folderOf('softmax'))
  const call = callsOf('softmax')[0]!
  expectAnswer(await mine(call.inputs as string), call.result)
  expect(mine.task).toBe('text-classification')
  await mine.dispose()
})

describe('shapes', () => {
  test('an array with top_k 1 gives a label a text', async () => {
    const one = await classify('I sleep.')
    const flat: Classification[] = await classify(['I sleep.', 'a'], { top_k: 1 })
    expect(Array.from(one)).toEqual([flat[0]])
    expect(flat).toHaveLength(2)
    expect(Array.from(await classify(['I sleep.', 'a']))).toEqual(Array.from(flat))
  })

  test('types follow from top_k', async () => {
    const some: Classification[][] = await classify(['a', 'b'], { top_k: 2 })
    expect(some.map((each) => each.length)).toEqual([2, 2])
    const all: Classification[][] = await classify(['a', 'b'], { top_k: null })
    expect(all.map((each) => each.length)).toEqual([5, 5])
    const k: number = 7
    const either: Classification[] | Classification[][] = await classify(['a'], { top_k: k })
    expect(either).toHaveLength(1)
  })

  test('Infinity is all, as null is', async () => {
    const all = await classify('a', { top_k: Infinity })
    expect(Array.from(all)).toEqual(Array.from(await classify('a', { top_k: null })))
    expect(all.reduce((sum, { score }) => sum + score, 0)).toBeCloseTo(1, 6)
  })

  test('usage counts both texts of a pair', async () => {
    expect((await classify(PAIR)).usage).toEqual({ texts: 1, tokens: 10, truncated: 0 })
    const long = { ...PAIR, text: 'a '.repeat(100) }
    const answer = await classify([PAIR, long])
    expect(answer.usage).toEqual({ texts: 2, tokens: 10 + LIMIT, truncated: 1 })
  })

  test('no texts', async () => {
    const none = await classify([], { top_k: null })
    expect(none).toHaveLength(0)
    expect(none.usage).toEqual({ texts: 0, tokens: 0, truncated: 0 })
  })

  test('what a pipeline says of itself', () => {
    expect(classify.task).toBe('text-classification')
    expect(classify.max_length).toBe(LIMIT)
    expect(classify.device.device).toBe('cpu')
    expect(classify.config.id2label[0]).toBe('joy')
  })

  test('an answer does not depend on the texts beside it', async () => {
    const texts = Array.from({ length: 300 }, (_, i) => 'a better day '.repeat(i % 9))
    const together = await classify(texts, { top_k: null })
    for (const i of [0, 8, 299]) {
      const alone = await classify(texts[i]!, { top_k: null })
      expect(together[i]).toEqual(Array.from(alone))
    }
  })
})

describe('abort and dispose', () => {
  const texts = Array.from({ length: 50_000 }, (_, i) => `a b c ${i}`)

  test('an AbortSignal rejects with its reason, and others go on', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const aborted = classify(texts, { signal: controller.signal })
    const other = classify('a')
    setTimeout(() => controller.abort(reason), 20)
    await expect(aborted).rejects.toBe(reason)
    expect(await other).toHaveLength(1)
    await expect(classify('a', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })

  test('dispose rejects what runs and what comes', async () => {
    const mine = await pipeline('text-classification', folderOf('softmax'))
    await mine.trim()
    const running = expect(mine(texts)).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
    await mine.dispose()
    await running
    await expect(mine('a')).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
    await expect(mine([])).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
    await mine[Symbol.asyncDispose]()
  })
})

describe('arguments', () => {
  test.each<[unknown, unknown]>([
    [42, {}],
    [null, {}],
    [['a', 42], {}],
    [['a', PAIR], {}],
    [[PAIR, 'a'], {}],
    [[['a', 'b']], {}],
    [{ text: 'a' }, {}],
    [{ text: 1, text_pair: 'a' }, {}],
    ['a', { top_k: 0 }],
    ['a', { top_k: 1.5 }],
    ['a', { top_k: 'all' }],
    ['a', { function_to_apply: 'default' }],
    ['a', { max_length: LIMIT + 1 }],
    [PAIR, { max_length: 2 }],
    ['a', { truncation: 1 }],
    ['a', { signal: {} }],
    ['a', { topk: 5 }],
  ])('%j with %j is refused', async (texts, options) => {
    const call = classify(texts as string, options as TextClassificationOptions)
    await expect(call).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
  })

  test('truncation: false refuses, naming the pair by its number only', async () => {
    const long = { ...PAIR, text_pair: 'confidential '.repeat(50) }
    await expect(classify([PAIR, long], { truncation: false })).rejects.toMatchObject({
      code: 'ERR_INPUT_TOO_LONG',
      message: expect.stringMatching(/Text 1(?!.*confidential)/) as string,
    })
  })

  test('messages about wrong pairs do not have their texts', async () => {
    const wrong = { text: 'confidential', text_pair: null } as never
    await expect(classify(wrong)).rejects.toMatchObject({
      message: expect.not.stringContaining('confidential') as string,
    })
  })

  test('a model is needed, and one with this head', async () => {
    const none = pipeline('text-classification', null as unknown as string)
    await expect(none).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
    const other = pipeline('text-classification', folderOf('fill-mask'))
    await expect(other).rejects.toMatchObject({
      code: 'ERR_TENSOR_MISSING',
      message: expect.stringContaining('masked-lm') as string,
    })
  })
})

// The token-classification pipeline against Python's answers, and its shapes, options, windows,
// abort and disposal.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import {
  pipeline,
  type EntityGroup,
  type LabelledToken,
  type TokenClassificationOptions,
  type TokenClassificationPipeline,
} from '../../dist/index.js'
import { callsOf, expectAnswer, folderOf, inUtf16, namesOf } from './golden-pipelines.js'

const LIMIT = 40
const NOBODY = { ignore_labels: [] }
let label: TokenClassificationPipeline

beforeAll(async () => {
  label = await pipeline('token-classification', folderOf('entities'))
})

afterAll(() => label.dispose())

describe.each(namesOf('token-classification'))('%s answers as Python does', (name) => {
  let loaded: TokenClassificationPipeline
  beforeAll(async () => {
    loaded = await pipeline('ner', folderOf(name))
  })
  afterAll(() => loaded.dispose())

  test.each(callsOf(name).map((call, i) => ({ ...call, i })))('call $i', async (call) => {
    const answer = await loaded(call.inputs as string, call.options as TokenClassificationOptions)
    const many = Array.isArray(call.inputs)
    const texts = (many ? call.inputs : [call.inputs]) as string[]
    const results = (many ? call.result : [call.result]) as unknown[]
    const expected = results.map((result, i) => inUtf16(texts[i]!, result))
    expectAnswer(many ? answer : [answer], expected)
  })
})

describe('shapes', () => {
  test('types follow from the strategy', async () => {
    const tokens: LabelledToken[] = await label('I sleep.', NOBODY)
    expect(tokens.map(({ word }) => word)).toEqual(['i', 'sleep', '.'])
    expect(tokens.map(({ index }) => index)).toEqual([1, 2, 3])
    const groups: EntityGroup[][] = await label(['I sleep.'], {
      aggregation_strategy: 'first', ...NOBODY,
    })
    expect(groups).toHaveLength(1)
    expect(groups[0]!.map(({ word }) => word).join(' ')).toContain('sleep')
    const none: LabelledToken[][] = await label(['I', 'a'], { aggregation_strategy: 'none' })
    expect(none).toHaveLength(2)
  })

  test('offsets are those of String.prototype.slice', async () => {
    const text = '🎉🎉 sleep 🎉 Łódź'
    const tokens = await label(text, NOBODY)
    const slices = tokens.map(({ start, end }) => text.slice(start, end))
    expect(slices).toEqual(['🎉🎉', 'sleep', '🎉', 'Łódź'])
    // Unknown words are what they stand for, others what the vocabulary has.
    expect(tokens.map(({ word }) => word)).toEqual(slices)
  })

  test('no texts', async () => {
    const none = await label([])
    expect(none).toHaveLength(0)
    expect(none.usage).toEqual({ texts: 0, tokens: 0, truncated: 0 })
  })

  test('what a pipeline says of itself', () => {
    expect(label.task).toBe('token-classification')
    expect(label.max_length).toBe(LIMIT)
    expect(label.config.id2label[1]).toBe('B-PER')
  })

  test('an answer does not depend on the texts beside it', async () => {
    const texts = Array.from({ length: 300 }, (_, i) => 'a better day '.repeat(i % 9))
    const together = await label(texts, NOBODY)
    for (const i of [0, 8, 299]) {
      expect(together[i]).toEqual(Array.from(await label(texts[i]!, NOBODY)))
    }
  })
})

describe('long texts', () => {
  const long = 'a better day, and I feel better '.repeat(40)

  test('are cut and counted', async () => {
    const answer = await label([long, 'a'])
    expect(answer.usage).toEqual({ texts: 2, tokens: LIMIT + 3, truncated: 1 })
  })

  test('go through the model in windows with a stride, to their end', async () => {
    const options = { aggregation_strategy: 'first', stride: 8, ...NOBODY } as const
    const answer = await label([long, 'a'], options)
    expect(answer.usage).toMatchObject({ texts: 2, truncated: 0 })
    expect(answer.usage.tokens).toBeGreaterThan(8 * 40)
    const ends = answer[0]!.map(({ end }) => end)
    expect(ends).toEqual([...ends].sort((a, b) => a - b))
    // As in Python, an entity at the end that a longer one overlaps is not there.
    expect(ends.at(-1)).toBeGreaterThan(long.length - 40)
    // The second text is as alone.
    expect(answer[1]).toEqual(Array.from(await label('a', options)))
  })

  test('let timers run while they are put together', async () => {
    let longest = 0
    let before = performance.now()
    const timer = setInterval(() => {
      const now = performance.now()
      longest = Math.max(longest, now - before)
      before = now
    }, 1)
    const text = 'a '.repeat(40_000)
    const begin = performance.now()
    await label(text, { aggregation_strategy: 'simple', stride: 0, ...NOBODY })
    const elapsed = performance.now() - begin
    clearInterval(timer)
    expect(longest).toBeLessThan(elapsed / 2)
  })

  test('truncation: false refuses, naming the text by its number only', async () => {
    const call = label(['a', 'confidential '.repeat(50)], { truncation: false })
    await expect(call).rejects.toMatchObject({
      code: 'ERR_INPUT_TOO_LONG',
      message: expect.stringMatching(/Text 1(?!.*confidential)/) as string,
    })
  })
})

describe('abort and dispose', () => {
  const texts = Array.from({ length: 10_000 }, (_, i) => `a b c ${i}`)

  test('an AbortSignal rejects with its reason, and others go on', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const aborted = label(texts, { signal: controller.signal })
    const other = label('a', NOBODY)
    setTimeout(() => controller.abort(reason), 20)
    await expect(aborted).rejects.toBe(reason)
    expect(await other).toHaveLength(1)
    await expect(label('a', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })

  test('dispose rejects what runs and what comes', async () => {
    const mine = await pipeline('token-classification', folderOf('entities'))
    const running = expect(mine(texts)).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
    await mine.dispose()
    await running
    await expect(mine('a')).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
    await expect(mine([])).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
  })
})

describe('arguments', () => {
  const simple = { aggregation_strategy: 'simple' }
  test.each<[unknown, unknown]>([
    [42, {}],
    [null, {}],
    [['a', 42], {}],
    [{ text: 'a' }, {}],
    ['a', { aggregation_strategy: 'SIMPLE' }],
    ['a', { ignore_labels: 'O' }],
    ['a', { ignore_labels: [1] }],
    ['a', { stride: 1 }],
    ['a', { ...simple, stride: -1 }],
    ['a', { ...simple, stride: LIMIT - 2 }],
    ['a', { ...simple, stride: 3, max_length: 5 }],
    ['a', { max_length: LIMIT + 1 }],
    ['a', { truncation: 1 }],
    ['a', { signal: {} }],
    ['a', { strategy: 'simple' }],
  ])('%j with %j is refused', async (texts, options) => {
    const call = label(texts as string, options as TokenClassificationOptions)
    await expect(call).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
  })

  test('a model is needed, and one with this head', async () => {
    const none = pipeline('token-classification', null as unknown as string)
    await expect(none).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
    const other = pipeline('token-classification', folderOf('fill-mask'))
    await expect(other).rejects.toMatchObject({
      code: 'ERR_TENSOR_MISSING',
      message: expect.stringContaining('masked-lm') as string,
    })
  })
})

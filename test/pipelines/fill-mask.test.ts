// The fill-mask pipeline against Python's answers, and its options, limits, abort and disposal.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import {
  pipeline,
  type FilledMask,
  type FillMaskOptions,
  type FillMaskPipeline,
} from '../../dist/index.js'
import { GOLDEN_MODEL } from '../support/require.js'
import { callsOf, expectAnswer, folderOf, namesOf } from './golden-pipelines.js'

const VOCABULARY = 97
const LIMIT = 40
/** Without what stands beside the elements. */
const plain = (list: readonly unknown[]): unknown[] => Array.from(list)
let fill: FillMaskPipeline

beforeAll(async () => {
  fill = await pipeline('fill-mask', folderOf('fill-mask'))
})

afterAll(() => fill.dispose())

describe.each(namesOf('fill-mask'))('%s answers as Python does', (name) => {
  const calls = callsOf(name)
  let loaded: FillMaskPipeline
  beforeAll(async () => {
    loaded = await pipeline('fill-mask', folderOf(name))
  })
  afterAll(() => loaded.dispose())

  test.each(calls.map((call, i) => ({ ...call, i })))('call $i', async (call) => {
    const answer = await loaded(call.inputs as string, call.options as FillMaskOptions)
    if (call.options['top_k'] !== VOCABULARY) return expectAnswer(answer, call.result)
    // Of the whole vocabulary some have scores that no order can be told from.
    const byToken = (words: unknown): FilledMask[] =>
      [...(words as FilledMask[])].sort((a, b) => a.token - b.token)
    expectAnswer(byToken(answer), byToken(call.result))
    const scores = (answer as FilledMask[]).map(({ score }) => score)
    expect(scores).toEqual([...scores].sort((a, b) => b - a))
    expect(scores.reduce((sum, score) => sum + score, 0)).toBeCloseTo(1, 5)
  })
})

describe('shapes', () => {
  test('an array of one text gives an array', async () => {
    const one = await fill<FilledMask[]>('I feel [MASK].', { top_k: 2 })
    const many = await fill<FilledMask[]>(['I feel [MASK].'], { top_k: 2 })
    expect(many).toHaveLength(1)
    expect(plain(many)).toEqual([plain(one)])
    expect(many[0]![1]!.token).toBe(one[1]!.token)
    expect(one.usage).toEqual({ texts: 1, tokens: 6, truncated: 0 })
    expect(many.usage).toEqual(one.usage)
  })

  test('five words are the default', async () => {
    expect(await fill('I feel [MASK].')).toHaveLength(5)
  })

  test('no texts', async () => {
    const none = await fill([])
    expect(none).toHaveLength(0)
    expect(none.usage).toEqual({ texts: 0, tokens: 0, truncated: 0 })
  })

  test('what a pipeline says of itself', () => {
    expect(fill.task).toBe('fill-mask')
    expect(fill.max_length).toBe(LIMIT)
    expect(fill.device.device).toBe('cpu')
    expect(fill.tokenizer.mask_token_id).toBe(4)
  })
})

test('more words than are selected natively go on in the same order', async () => {
  const mine = await pipeline('fill-mask', folderOf('fill-mask-tokenizer-json'))
  const text = 'I feel [MASK] today.'
  const selected = await mine<FilledMask[]>(text, { top_k: 256 })
  const all = await mine<FilledMask[]>(text, { top_k: 300 })
  await mine.dispose()
  expect(all).toHaveLength(300)
  expect(all.slice(0, 256)).toEqual(plain(selected))
  expect(new Set(all.map(({ token }) => token)).size).toBe(300)
  expect(all.reduce((sum, { score }) => sum + score, 0)).toBeCloseTo(1, 5)
})

describe('batches', () => {
  test('an answer does not depend on the texts beside it', async () => {
    const texts = Array.from({ length: 300 }, (_, i) =>
      `${'a better day '.repeat(i % 5)}[MASK]${i % 4 === 0 ? ' and [MASK]' : ''} today`)
    const together = await fill(texts, { top_k: 3 })
    for (const i of [0, 1, 4, 150, 299]) {
      expect(plain(together[i]!)).toEqual(plain(await fill(texts[i]!, { top_k: 3 })))
    }
  })

  test('more texts than a call has arguments', async () => {
    const texts = new Array<string>(200_000).fill('[MASK]')
    const filled = await fill<FilledMask[]>(texts, { top_k: 1 })
    expect(filled).toHaveLength(200_000)
    expect(filled.at(-1)).toEqual(filled[0])
  })

  test('more numbers than are kept at once come in groups, in order', async () => {
    // 97 words for each of 37 masks among 40 ids: 144 thousand numbers a text, of 4 million.
    const masks = '[MASK] '.repeat(37)
    const texts = Array.from({ length: 44 }, (_, i) => `${i % 10} ${masks}`)
    const together = await fill(texts, { top_k: VOCABULARY })
    expect(together).toHaveLength(44)
    const alone = await fill(texts[3]!, { top_k: VOCABULARY })
    expect(plain(together[43]!)).toEqual(plain(alone))
  })
})

describe('limits', () => {
  const long = `[MASK] ${'a '.repeat(100)}`

  test('texts are cut and counted', async () => {
    const answer = await fill([long, '[MASK]'])
    expect(answer.usage).toEqual({ texts: 2, tokens: LIMIT + 3, truncated: 1 })
  })

  test('truncation: false refuses, naming the text by its number only', async () => {
    const call = fill(['[MASK]', `[MASK] ${'confidential '.repeat(50)}`], { truncation: false })
    await expect(call).rejects.toMatchObject({
      code: 'ERR_INPUT_TOO_LONG',
      message: expect.stringMatching(/Text 1(?!.*confidential)/) as string,
    })
  })

  test.each([
    ['without a mask', 'confidential', /wanted\.$/],
    ['whose mask is cut off', `${'confidential '.repeat(20)} [MASK]`, /before .* max_length\.$/],
    ['that is empty', '', /wanted\.$/],
  ])('a text %s is refused by its number', async (_, text, advice) => {
    const error = await fill(['a [MASK]', text]).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ name: 'FusebertError', code: 'ERR_INVALID_ARGUMENT' })
    const { message } = error as Error
    expect(message).toMatch(/^Text 1: Expected \[MASK\](?!.*confidential)/)
    expect(message).toMatch(advice)
  })
})

test('advice about max_length is for texts that were cut', async () => {
  const call = fill([`[MASK] ${'a '.repeat(2 * LIMIT)}`, 'a b'])
  await expect(call).rejects.toThrow(/^Text 1: .*wanted\.$/)
})

describe('abort and dispose', () => {
  const texts = Array.from({ length: 20_000 }, (_, i) => `a b c ${i} [MASK]`)

  test('an AbortSignal rejects with its reason, and others go on', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const aborted = fill(texts, { signal: controller.signal })
    const other = fill('[MASK]')
    setTimeout(() => controller.abort(reason), 20)
    await expect(aborted).rejects.toBe(reason)
    expect(await other).toHaveLength(5)
    await expect(fill('[MASK]', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })

  test('dispose rejects what runs and what comes', async () => {
    const mine = await pipeline('fill-mask', folderOf('fill-mask'))
    await mine.trim()
    const running = expect(mine(texts)).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
    await mine.dispose()
    await running
    await expect(mine('[MASK]')).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
    await expect(mine([])).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
    await mine[Symbol.asyncDispose]()
  })
})

describe('arguments', () => {
  test.each<[unknown, unknown]>([
    [42, {}],
    [null, {}],
    [['a [MASK]', 42], {}],
    [{ text: '[MASK]' }, {}],
    ['[MASK]', { top_k: 0 }],
    ['[MASK]', { top_k: VOCABULARY + 1 }],
    ['[MASK]', { top_k: 1.5 }],
    ['[MASK]', { targets: [] }],
    ['[MASK]', { targets: [' ', ''] }],
    ['[MASK]', { targets: 7 }],
    ['[MASK]', { targets: ['a', 7] }],
    ['[MASK]', { max_length: LIMIT + 1 }],
    ['[MASK]', { truncation: 'longest_first' }],
    ['[MASK]', { signal: 'now' }],
    ['[MASK]', { topk: 5 }],
  ])('%j with %j is refused', async (texts, options) => {
    const call = fill(texts as string, options as FillMaskOptions)
    await expect(call).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
  })

  test('a model is needed, and one with this head', async () => {
    const none = pipeline('fill-mask', undefined as unknown as string)
    await expect(none).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
    const other = pipeline('fill-mask', folderOf('softmax'))
    await expect(other).rejects.toMatchObject({
      code: 'ERR_TENSOR_MISSING',
      message: expect.stringContaining('sequence-classification') as string,
    })
  })

  test('a checkpoint in the layout of MentalBERT has the head', async () => {
    const mine = await pipeline('fill-mask', GOLDEN_MODEL)
    expect(await mine('I feel [MASK].')).toHaveLength(5)
    await mine.dispose()
  })
})

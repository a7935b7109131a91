// The zero-shot-classification pipeline against Python's answers, and its options, limits, abort
// and disposal.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import {
  pipeline,
  type ZeroShotClassificationPipeline,
  type ZeroShotOptions,
  type ZeroShotResult,
} from '../../dist/index.js'
import { callsOf, folderOf, namesOf } from './golden-pipelines.js'

const TOLERANCE = 1e-5
const LABELS = ['sleep', 'a day', 'better']
let classify: ZeroShotClassificationPipeline

beforeAll(async () => {
  classify = await pipeline('zero-shot-classification', folderOf('entailment-last'))
})

afterAll(() => classify.dispose())

function expectSame(found: ZeroShotResult, expected: ZeroShotResult): void {
  expect(found.sequence).toBe(expected.sequence)
  expect(found.labels).toEqual(expected.labels)
  expect(found.scores).toHaveLength(expected.scores.length)
  expected.scores.forEach((score, i) => {
    expect(Math.abs(found.scores[i]! - score)).toBeLessThan(TOLERANCE)
  })
}

describe.each(namesOf('zero-shot-classification'))('%s answers as Python does', (name) => {
  let loaded: ZeroShotClassificationPipeline
  beforeAll(async () => {
    loaded = await pipeline('zero-shot-classification', folderOf(name))
  })
  afterAll(() => loaded.dispose())

  test.each(callsOf(name).map((call, i) => ({ ...call, i })))('call $i', async (call) => {
    const { candidate_labels, ...options } = call.options
    const labels = candidate_labels as string[]
    if (!Array.isArray(call.inputs)) {
      const found = await loaded(call.inputs as string, labels, options)
      return expectSame(found, call.result as ZeroShotResult)
    }
    const results = await loaded(call.inputs as string[], labels, options)
    const expected = call.result as ZeroShotResult[]
    expect(results).toHaveLength(expected.length)
    expected.forEach((each, i) => expectSame(results[i]!, each))
  })
})

describe('shapes', () => {
  test('usage stands beside the answer', async () => {
    const one = await classify('I sleep.', LABELS)
    expect(Object.keys(one)).toEqual(['sequence', 'labels', 'scores'])
    expect(one.usage).toMatchObject({ texts: 3, truncated: 0 })
    expect(one.scores.reduce((sum, score) => sum + score, 0)).toBeCloseTo(1, 6)
    const many = await classify(['I sleep.'], LABELS)
    expect(many[0]).toEqual({ ...one })
  })

  test('an answer does not depend on the texts beside it', async () => {
    const texts = Array.from({ length: 100 }, (_, i) => 'a better day '.repeat(1 + (i % 9)))
    const together = await classify(texts, LABELS)
    for (const i of [0, 8, 99]) {
      const alone = await classify(texts[i]!, LABELS)
      expect({ ...together[i] }).toEqual({ ...together[i], ...alone, usage: undefined })
    }
  })

  test('no texts', async () => {
    expect(await classify([], LABELS)).toHaveLength(0)
  })

  test('texts are cut, labels are not', async () => {
    const { usage } = await classify('a better day '.repeat(40), LABELS)
    expect(usage).toEqual({ texts: 3, tokens: 3 * 40, truncated: 3 })
    await expect(classify('a', ['confidential '.repeat(30)])).rejects.toMatchObject({
      code: 'ERR_INPUT_TOO_LONG',
      message: expect.not.stringContaining('confidential') as string,
    })
    const long = ['a', 'confidential '.repeat(40)]
    await expect(classify(long, LABELS, { truncation: false })).rejects.toMatchObject({
      code: 'ERR_INPUT_TOO_LONG',
      message: expect.stringMatching(/^Text 1:(?!.*confidential)/) as string,
    })
  })
})

describe('abort and dispose', () => {
  const texts = Array.from({ length: 10_000 }, (_, i) => `a b c ${i}`)

  test('an AbortSignal rejects with its reason, and others go on', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const aborted = classify(texts, LABELS, { signal: controller.signal })
    const other = classify('a', LABELS)
    setTimeout(() => controller.abort(reason), 20)
    await expect(aborted).rejects.toBe(reason)
    expect((await other).labels).toHaveLength(3)
  })

  test('dispose rejects what runs and what comes', async () => {
    const mine = await pipeline('zero-shot-classification', folderOf('entailment-last'))
    const running = expect(mine(texts, LABELS)).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
    await mine.dispose()
    await running
    await expect(mine('a', LABELS)).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
  })
})

describe('arguments', () => {
  test.each<[unknown, unknown, unknown]>([
    [42, LABELS, {}],
    [['a', 42], LABELS, {}],
    ['a', undefined, {}],
    ['a', [], {}],
    ['a', ' , ', {}],
    ['a', [1], {}],
    ['a', LABELS, { hypothesis_template: 'nothing' }],
    ['a', LABELS, { hypothesis_template: '{} {}' }],
    ['a', LABELS, { multi_label: 1 }],
    ['a', LABELS, { multilabel: true }],
    ['a', LABELS, { max_length: 2 }],
  ])('%j of %j with %j is refused', async (texts, labels, options) => {
    const call = classify(texts as string, labels as string[], options as ZeroShotOptions)
    await expect(call).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
  })

  test('a model with two labels at least is needed', async () => {
    const one = pipeline('zero-shot-classification', folderOf('one-label'))
    await expect(one).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED_MODEL' })
    const other = pipeline('zero-shot-classification', folderOf('fill-mask'))
    await expect(other).rejects.toMatchObject({ code: 'ERR_TENSOR_MISSING' })
  })
})

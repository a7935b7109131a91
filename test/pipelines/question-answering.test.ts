// The question-answering pipeline against Python's answers, and its shapes, options, windows, abort
// and disposal.
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import {
  pipeline,
  type Answer,
  type QuestionAnsweringOptions,
  type QuestionAnsweringPipeline,
  type QuestionInput,
} from '../../dist/index.js'
import {
  BYTE_LEVEL_QUESTIONS, expectAnswer, folderOf, inUtf16, QUESTIONS,
} from './golden-pipelines.js'

const LIMIT = 64
const CONTEXT = 'Zoë sleeps a lot 🎉 in Łódź, and I feel better today.'
const INPUT = { question: 'Is it better?', context: CONTEXT }

interface GoldenCall {
  question: string | string[]
  context: string | string[]
  options: QuestionAnsweringOptions
  result: unknown
}

const MODELS = [QUESTIONS, ...BYTE_LEVEL_QUESTIONS].map((folder) => ({
  folder, name: basename(folder),
}))
let ask: QuestionAnsweringPipeline

beforeAll(async () => {
  ask = await pipeline('question-answering', QUESTIONS)
})

afterAll(() => ask.dispose())

describe.each(MODELS)('$name answers as Python does', ({ folder }) => {
  const calls = JSON.parse(readFileSync(`${folder}/expected.json`, 'utf8')) as GoldenCall[]
  let loaded: QuestionAnsweringPipeline
  beforeAll(async () => {
    loaded = await pipeline('question-answering', folder)
  })
  afterAll(() => loaded.dispose())

  test.each(calls.map((call, i) => ({ ...call, i })))('call $i', async (call) => {
    const { question, context, options, result } = call
    const found = await loaded({ question, context } as QuestionInput, options)
    const many = Array.isArray(question)
    const results = (many ? result : [result]) as unknown[]
    const contexts = Array.isArray(context) ? context : results.map(() => context)
    expectAnswer(many ? found : [found], results.map((each, i) => inUtf16(contexts[i]!, each)))
  })
})

describe('shapes', () => {
  test('one answer for one question, without what it took', async () => {
    const found = await ask(INPUT)
    const { answer, start, end }: Answer = found
    expect(Object.keys(found).sort()).toEqual(['answer', 'end', 'score', 'start'])
    expect(CONTEXT.slice(start, end)).toBe(answer)
    expect(found.usage).toMatchObject({ texts: 1, truncated: 0 })
    expect(found.usage.tokens).toBeGreaterThan(20)
  })

  test('a list with top_k above 1, and for an array', async () => {
    const best: Answer[] = await ask(INPUT, { top_k: 2 })
    expect(best).toHaveLength(2)
    const many: Answer[] = await ask([INPUT])
    expect(many).toHaveLength(1)
    expect(many[0]).toEqual({ ...best[0] })
    const lists: Answer[][] = await ask([INPUT], { top_k: 2 })
    expect(lists[0]).toEqual(Array.from(best))
  })

  test('as transformers.js is called', async () => {
    const { question, context } = INPUT
    expect(await ask(question, context)).toEqual(await ask(INPUT))
    expect(await ask(question, context, { top_k: 2 })).toHaveLength(2)
  })

  test('that there is no answer is one of several', async () => {
    const [best, ...others] = await ask(INPUT, { top_k: 5000, handle_impossible_answer: true })
    const none = [best!, ...others].find(({ answer }) => answer === '')
    expect(none).toMatchObject({ start: 0, end: 0 })
    expect(none!.score).toBeGreaterThan(0)
    const without = await ask(INPUT, { top_k: 60 })
    expect(without.every(({ answer }) => answer !== '')).toBe(true)
  })

  test('fewer answers than wanted where there are no more', async () => {
    const found = await ask({ question: 'Is it?', context: 'Zoë.' }, { top_k: 10 })
    expect(found.map(({ answer }) => answer).sort()).toEqual(['.', 'Zoë', 'Zoë.'])
  })

  test('no questions', async () => {
    const none = await ask([])
    expect(none).toHaveLength(0)
    expect(none.usage).toEqual({ texts: 0, tokens: 0, truncated: 0 })
  })

  test('what a pipeline says of itself', () => {
    expect(ask.task).toBe('question-answering')
    expect(ask.max_length).toBe(LIMIT)
  })
})

describe('long inputs', () => {
  test('an answer is found at the end of a long context', async () => {
    const before = 'and not the day is '.repeat(60)
    const found = await ask({ question: 'Is it?', context: before + CONTEXT }, { top_k: 20 })
    expect(found.some(({ start }) => start >= before.length)).toBe(true)
    for (const { answer, start, end } of found) {
      expect((before + CONTEXT).slice(start, end)).toBe(answer)
    }
  })

  test('an answer does not depend on the questions beside it', async () => {
    const inputs = Array.from({ length: 100 }, (_, i) => ({
      question: INPUT.question, context: `${'a day '.repeat(i % 7)}${CONTEXT}`,
    }))
    const together = await ask(inputs, { top_k: 2 })
    for (const i of [0, 6, 99]) {
      expect(together[i]).toEqual(Array.from(await ask(inputs[i]!, { top_k: 2 })))
    }
  })

  test('questions are cut where it is asked for, and counted', async () => {
    const long = { question: `${INPUT.question} ${'and then? '.repeat(3)}`, context: CONTEXT }
    const cut = await ask(long, { max_question_len: 5 })
    expect(cut.usage.truncated).toBe(1)
    expect(cut).toEqual(await ask(INPUT))
  })

  test('windows share less where a question leaves no room for the default', async () => {
    const context = `${'and not the day is '.repeat(20)}${CONTEXT}`
    // With the special tokens 64 are full at 61: windows of 26, 9 and 1 tokens of the context.
    const inputs = [35, 52, 60, 4].map((tokens) => ({ question: 'a '.repeat(tokens), context }))
    const together = await ask(inputs, { top_k: 3 })
    for (const [i, input] of inputs.entries()) {
      const alone = await ask(input, { top_k: 3 })
      expect(together[i]).toEqual(alone)
      for (const { answer, start, end } of alone) expect(context.slice(start, end)).toBe(answer)
    }
    const least = await ask(inputs[1]!, { top_k: 3, doc_stride: 8 })
    expect(together[1]).toEqual(least)
    expect(together.usage.tokens).toBeGreaterThan(4 * 64)
  })

  test('a doc_stride that leaves windows nothing new is refused by its name', async () => {
    const context = `${'and not the day is '.repeat(20)}${CONTEXT}`
    const inputs = [{ question: 'a?', context }, { question: 'a '.repeat(52), context }]
    await expect(ask(inputs, { doc_stride: 12 })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringMatching(
        /^Question 1: Expected a doc_stride of less than 9, .* max_seq_len .* received 12\.$/,
      ) as string,
    })
  })

  test('a question that fills a window is refused without its words', async () => {
    const question = 'confidential '.repeat(20)
    const call = ask([INPUT, { question, context: CONTEXT }])
    await expect(call).rejects.toMatchObject({ code: 'ERR_INPUT_TOO_LONG' })
    const { message } = await call.catch((error: unknown) => error as Error) as Error
    expect(message).toMatch(/^Question 1: (?!.*(confidential|max_length))/)
    expect(message).toMatch(/max_seq_len .* a shorter question, or set max_question_len\.$/)
  })
})

describe('abort and dispose', () => {
  const inputs = Array.from({ length: 5_000 }, (_, i) => ({
    question: `a ${i}?`, context: 'a better day. '.repeat(20),
  }))

  test('an AbortSignal rejects with its reason, and others go on', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const aborted = ask(inputs, { signal: controller.signal })
    const other = ask(INPUT, { top_k: 2 })
    setTimeout(() => controller.abort(reason), 20)
    await expect(aborted).rejects.toBe(reason)
    expect(await other).toHaveLength(2)
    await expect(ask(INPUT, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })

  test('dispose rejects what runs and what comes', async () => {
    const mine = await pipeline('question-answering', QUESTIONS)
    const running = expect(mine(inputs)).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
    await mine.dispose()
    await running
    await expect(mine(INPUT)).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
    await expect(mine([])).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
  })
})

describe('arguments', () => {
  test.each<[unknown, unknown]>([
    [42, {}],
    [null, {}],
    ['only a question', {}],
    [{ question: 'a' }, {}],
    [{ question: 'a', context: '' }, {}],
    [{ question: '', context: 'a' }, {}],
    [[INPUT, 'a'], {}],
    [{ question: ['a', 'b'], context: ['a'] }, {}],
    [{ question: ['a', ''], context: 'a' }, {}],
    [INPUT, { top_k: 0 }],
    [INPUT, { max_answer_len: 0 }],
    [INPUT, { max_seq_len: LIMIT + 1 }],
    [INPUT, { max_seq_len: 3 }],
    [INPUT, { max_seq_len: 20, doc_stride: 21 }],
    [INPUT, { max_seq_len: 20, doc_stride: 19 }],
    [INPUT, { max_question_len: 0 }],
    [INPUT, { handle_impossible_answer: 1 }],
    [INPUT, { align_to_words: 'no' }],
    [INPUT, { signal: {} }],
    [INPUT, { topk: 2 }],
  ])('%j with %j is refused', async (input, options) => {
    const call = ask(input as QuestionInput, options as QuestionAnsweringOptions)
    await expect(call).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
  })

  test('a model with this head is needed', async () => {
    const other = pipeline('question-answering', folderOf('softmax'))
    await expect(other).rejects.toMatchObject({
      code: 'ERR_TENSOR_MISSING',
      message: expect.stringContaining('sequence-classification') as string,
    })
  })
})

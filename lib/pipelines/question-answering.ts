// The question-answering task: questions, and texts that have the answers, in; spans of them out.

import { withSignal } from '../abort.js'
import { callable } from '../callable.js'
import { FusebertError, invalidArgument } from '../errors.js'
import type { LoadOptions } from '../models/load-options.js'
import { ALL_LOGITS } from '../models/loaded-model.js'
import type { NativeEncoding } from '../native/addon.js'
import { checkBoolean, checkInteger, checkOptions, checkSignal } from '../options.js'
import type { Tokenizer } from '../tokenizer/auto-tokenizer.js'
import { nativeOf } from '../tokenizer/native-of.js'
import { groupsOf, lengthsOf, sliceSequences } from './groups.js'
import { loadHeadParts, membersOf, type HeadParts, type HeadPipeline } from './head-pipeline.js'
import {
  checkQuestions,
  type QuestionInput,
  type QuestionLists,
  type Questions,
} from './questions.js'
import { Slices } from './slices.js'
import { Answers, findSpans, type Answer } from './spans.js'
import { WordStarts, type TextSpan } from '../tokenizer/words.js'
import { tokenizeTexts, usageOf, withUsage, type Limits, type Usage } from './text-calls.js'

export type { Answer } from './spans.js'
export type { QuestionInput, QuestionLists } from './questions.js'

export interface QuestionAnsweringOptions<TopK extends number = number> {
  /** So many answers at most. Default 1. */
  top_k?: TopK
  /**
   * Tokens of question and context together, special ones included; a longer context is read in
   * windows. Default: 384, or less where the model or the tokenizer's files say so.
   */
  max_seq_len?: number
  /**
   * Tokens of the context that a window repeats. Default: half of max_seq_len, 128 at most, and
   * less for a question that leaves windows no room for so many.
   */
  doc_stride?: number
  /** Longer questions are cut, and counted as truncated. Default: they are not. */
  max_question_len?: number
  /** Tokens of an answer at most. Default 15. */
  max_answer_len?: number
  /** Whether '' may be the answer: that the context has none. Default false. */
  handle_impossible_answer?: boolean
  /** Answers are whole words. Default true. */
  align_to_words?: boolean
  /** Aborts the call, which then rejects with the signal's reason. */
  signal?: AbortSignal
}

/** One answer where top_k is 1, else a list. */
export type AnswersOf<TopK extends number> = number extends TopK
  ? Answer | Answer[]
  : TopK extends 1
    ? Answer
    : Answer[]

export interface QuestionAnsweringPipeline extends HeadPipeline<'question-answering'> {
  /**
   * Shapes are Python's, with two exceptions: an array of one question gives an array, and with
   * top_k above 1 there is always a list, of a single answer too.
   *
   * @returns for one question `{ answer, score, start, end }`, with top_k above 1 a list by falling
   * score; for several one of these for each; always with `usage`, which is not enumerable
   * Equal answers are one, with the sum of their scores: a score may be above 1.
   *
   * @throws ERR_INVALID_ARGUMENT (also for an empty question or context, and for a doc_stride that
   * leaves a window nothing new), ERR_INPUT_TOO_LONG where the question alone fills a window,
   * ERR_DISPOSED, ERR_OUT_OF_MEMORY, and on a GPU ERR_NOT_FINITE; the signal's reason when aborted
   */
  <const TopK extends number = 1>(
    input: QuestionInput,
    options?: QuestionAnsweringOptions<TopK>,
  ): Promise<AnswersOf<TopK> & { usage: Usage }>
  <const TopK extends number = 1>(
    inputs: readonly QuestionInput[] | QuestionLists,
    options?: QuestionAnsweringOptions<TopK>,
  ): Promise<AnswersOf<TopK>[] & { usage: Usage }>
  /** As in transformers.js. */
  <const TopK extends number = 1>(
    question: string,
    context: string,
    options?: QuestionAnsweringOptions<TopK>,
  ): Promise<AnswersOf<TopK> & { usage: Usage }>
}

const OPTIONS = [
  'top_k', 'max_seq_len', 'doc_stride', 'max_question_len', 'max_answer_len',
  'handle_impossible_answer', 'align_to_words', 'signal',
] as const

const DEFAULT_SEQ_LEN = 384
const DEFAULT_STRIDE = 128
const DEFAULT_ANSWER_LEN = 15
const MAX_TOP_K = 10_000

interface Wish {
  top_k: number
  stride: number
  /** Whether a question may make the stride less: nobody has asked for this one. */
  adapts_stride: boolean
  max_question_len: number | undefined
  max_answer_len: number
  impossible: boolean
  align: boolean
  limits: Limits
}

function checkWish(
  given: Partial<QuestionAnsweringOptions>,
  { model, tokenizer, max_length }: HeadParts,
): Wish {
  const longest = model.config.max_sequence_length
  const shortest = nativeOf(tokenizer).specialTokenCount(true) + 1
  const length = checkInteger(
    'max_seq_len', given.max_seq_len ?? Math.min(DEFAULT_SEQ_LEN, max_length), shortest, longest,
  )
  const stride = given.doc_stride ?? Math.min(Math.floor(length / 2), DEFAULT_STRIDE)
  const cut = given.max_question_len
  return {
    top_k: checkInteger('top_k', given.top_k ?? 1, 1, MAX_TOP_K),
    stride: checkInteger('doc_stride', stride, 0, length),
    adapts_stride: given.doc_stride === undefined,
    max_question_len:
      cut === undefined ? undefined : checkInteger('max_question_len', cut, 1, longest),
    max_answer_len: checkInteger(
      'max_answer_len', given.max_answer_len ?? DEFAULT_ANSWER_LEN, 1, Number.MAX_SAFE_INTEGER,
    ),
    impossible: checkBoolean(
      'handle_impossible_answer', given.handle_impossible_answer ?? false,
    ),
    align: checkBoolean('align_to_words', given.align_to_words ?? true),
    limits: { truncation: true, max_length: length, signal: checkSignal(given.signal) },
  }
}

/** Questions cut to so many tokens, and how many of them were longer. */
async function cutQuestions(
  tokenizer: Tokenizer,
  questions: readonly string[],
  { max_question_len, limits }: Wish,
): Promise<{ questions: readonly string[]; truncated: number }> {
  if (max_question_len === undefined) return { questions, truncated: 0 }
  const cut = { ...limits, max_length: max_question_len }
  const { cu_seqlens, offsets, truncated } = await tokenizeTexts(tokenizer, questions, null, cut, {
    add_special_tokens: false, offsets: 'utf16',
  })
  const ends = questions.map((_, i) => offsets?.[2 * (cu_seqlens[i + 1] ?? 0) - 1] ?? 0)
  return { questions: questions.map((question, i) => question.slice(0, ends[i])), truncated }
}

/**
 * Indices of questions by the stride of their windows, which leaves each window a token that is
 * new. What stands beside a question has no part in it.
 */
async function groupByStride(
  tokenizer: Tokenizer,
  questions: readonly string[],
  { stride, adapts_stride, limits }: Wish,
): Promise<ReadonlyMap<number, readonly number[]>> {
  if (!adapts_stride || questions.length === 0) {
    return new Map([[stride, questions.map((_, i) => i)]])
  }
  const counting = tokenizer.countTokens(questions, { add_special_tokens: false })
  const tokens = await withSignal(counting, limits.signal, () => undefined)
  const room = limits.max_length - nativeOf(tokenizer).specialTokenCount(true)
  const groups = new Map<number, number[]>()
  tokens.forEach((count, i) => {
    const own = Math.max(0, Math.min(stride, room - count - 1))
    const group = groups.get(own)
    if (group === undefined) groups.set(own, [i])
    else group.push(i)
  })
  return groups
}

/** Throws what is wrong with a pair of texts in the words of this task's options. */
function refuseQuestion(error: unknown, numberOf: (text: number) => number): never {
  if (!(error instanceof FusebertError)) throw error
  const message = error.message
    .replace(/^Text (\d+)/, (_, i) => `Question ${numberOf(Number(i))}`)
    .replaceAll('max_length', 'max_seq_len')
    .replace("use truncation 'longest_first'", 'ask a shorter question, or set max_question_len')
    .replaceAll(/\bstride\b/g, 'doc_stride')
  throw new FusebertError(error.code, message)
}

function offsetsOf({ offsets }: NativeEncoding, position: number): TextSpan {
  return [offsets?.[2 * position] ?? 0, offsets?.[2 * position + 1] ?? 0]
}

/** Words of the contexts of all windows, which come context by context. */
class ContextWords {
  readonly #encoding: NativeEncoding
  readonly #tokenizer: Tokenizer
  #sample = -1
  #words: WordStarts | undefined

  constructor(encoding: NativeEncoding, tokenizer: Tokenizer) {
    this.#encoding = encoding
    this.#tokenizer = tokenizer
  }

  /** @param window - the first of its context, or a later one */
  of(window: number, context: string): WordStarts | undefined {
    const { byte_level } = this.#tokenizer
    const sample = this.#sampleOf(window)
    if (byte_level !== undefined && sample !== this.#sample) {
      this.#sample = sample
      const added = [...this.#addedTokens(window, byte_level.added_ids)]
      this.#words = new WordStarts(context, byte_level, added)
    }
    return this.#words
  }

  #sampleOf(window: number): number {
    return this.#encoding.samples?.[window] ?? window
  }

  /** Where the context itself has added tokens. */
  *#addedTokens(first: number, ids: ReadonlySet<number>): Generator<TextSpan> {
    const windows = this.#encoding.cu_seqlens.length - 1
    const sample = this.#sampleOf(first)
    for (let i = first; i < windows && this.#sampleOf(i) === sample; i += 1) {
      const { begin, end } = new Window(this.#encoding, i, this.#tokenizer, undefined)
      const from = this.#encoding.cu_seqlens[i] ?? 0
      for (let position = from + begin; position < from + end; position += 1) {
        const id = this.#encoding.input_ids[position] ?? 0
        if (ids.has(id)) yield offsetsOf(this.#encoding, position)
      }
    }
  }
}

/** One window: its tokens, and those of the context among them. */
class Window {
  readonly begin: number
  readonly end: number
  readonly #encoding: NativeEncoding
  readonly #first: number
  readonly #tokenizer: Tokenizer
  readonly #words: WordStarts | undefined

  /** @param words - of the context, where its tokens do not tell */
  constructor(
    encoding: NativeEncoding,
    window: number,
    tokenizer: Tokenizer,
    words: WordStarts | undefined,
  ) {
    const { cu_seqlens, special_tokens_mask } = encoding
    this.#encoding = encoding
    this.#tokenizer = tokenizer
    this.#words = words
    this.#first = cu_seqlens[window] ?? 0
    const tokens = (cu_seqlens[window + 1] ?? 0) - this.#first
    const isSpecial = (token: number): boolean =>
      special_tokens_mask?.[this.#first + token] === 1
    // All special tokens but the last are before the context.
    let before = nativeOf(tokenizer).specialTokenCount(true) - 1
    let begin = 0
    while (begin < tokens && before > 0) {
      if (isSpecial(begin)) before -= 1
      begin += 1
    }
    let end = begin
    while (end < tokens && !isSpecial(end)) end += 1
    this.begin = begin
    this.end = end
  }

  #wordOf(token: number, words: WordStarts): number {
    const position = this.#first + token
    const [start, end] = offsetsOf(this.#encoding, position)
    const id = this.#encoding.input_ids[position] ?? 0
    const opening = token === this.begin ? nativeOf(this.#tokenizer).idToToken(id) : undefined
    return words.wordOf(start, end, opening)
  }

  /** Whether a token goes on the word of the one before. */
  #continues(token: number): boolean {
    const words = this.#words
    if (words !== undefined) return this.#wordOf(token, words) === this.#wordOf(token - 1, words)
    const { continuing_subword_prefix: prefix } = this.#tokenizer
    if (prefix === '') return false
    const id = this.#encoding.input_ids[this.#first + token] ?? 0
    return nativeOf(this.#tokenizer).idToToken(id).startsWith(prefix)
  }

  /** Where tokens [first, last] are in the context. */
  locate(first: number, last: number, align: boolean): { start: number; end: number } {
    let from = first
    let to = last
    while (align && from > this.begin && this.#continues(from)) from -= 1
    while (align && to + 1 < this.end && this.#continues(to + 1)) to += 1
    const [start] = offsetsOf(this.#encoding, this.#first + from)
    const [, end] = offsetsOf(this.#encoding, this.#first + to)
    return { start, end }
  }
}

async function findAnswers(
  { model, tokenizer }: HeadParts,
  contexts: readonly string[],
  encoding: NativeEncoding,
  wish: Wish,
): Promise<Answer[][]> {
  const { signal } = wish.limits
  const found = contexts.map(() => new Answers())
  const slices = new Slices(signal)
  // Some are one when they are whole words.
  const candidates = wish.align ? 2 * wish.top_k + 10 : wish.top_k
  const words = new ContextWords(encoding, tokenizer)
  const lengths = lengthsOf(encoding.cu_seqlens)
  for (const { begin, end } of groupsOf(lengths, (tokens) => 2 * tokens)) {
    const ids = sliceSequences(encoding, begin, end)
    const result = await model.encodeHead(ids, ALL_LOGITS, 0, signal)
    const logits = result.logits ?? new Float32Array(0)
    for (let i = begin; i < end; i += 1) {
      if (slices.over) await slices.next()
      const sample = encoding.samples?.[i] ?? i
      const context = contexts[sample] ?? ''
      const answers = found[sample]
      const window = new Window(encoding, i, tokenizer, words.of(i, context))
      const from = ids.cu_seqlens[i - begin] ?? 0
      const to = ids.cu_seqlens[i - begin + 1] ?? 0
      const own = logits.subarray(2 * from, 2 * to)
      const { spans, null_score } = findSpans(own, window, wish.max_answer_len, candidates)
      answers?.addWindow(null_score)
      for (const { first, last, score } of spans) {
        const { start, end: stop } = window.locate(first, last, wish.align)
        answers?.add({ answer: context.slice(start, stop), score, start, end: stop })
      }
    }
  }
  return found.map((answers) => answers.best(wish.top_k, wish.impossible))
}

/** @throws ERR_INVALID_ARGUMENT for a context of which nothing is left for the tokenizer */
function onlyAnswer([first]: readonly Answer[], i: number): Answer {
  if (first !== undefined) return first
  throw new FusebertError(
    'ERR_INVALID_ARGUMENT',
    `Question ${i}: Expected a context with a token in it but there is none.`,
  )
}

async function answer(
  parts: HeadParts,
  { single, questions, contexts }: Questions,
  options: QuestionAnsweringOptions | undefined,
): Promise<unknown> {
  const { tokenizer } = parts
  const given = checkOptions<QuestionAnsweringOptions>('options', OPTIONS, options)
  const wish = checkWish(given, parts)
  const cut = await cutQuestions(tokenizer, questions, wish)
  const found: Answer[][] = []
  const usage: Usage = { texts: questions.length, tokens: 0, truncated: cut.truncated }
  for (const [stride, chosen] of await groupByStride(tokenizer, cut.questions, wish)) {
    const asked = chosen.map((i) => cut.questions[i] ?? '')
    const read = chosen.map((i) => contexts[i] ?? '')
    const encoding = await tokenizeTexts(tokenizer, asked, read, wish.limits, {
      truncation: 'only_second',
      overflowing: true,
      stride,
      offsets: 'utf16',
      special_tokens_mask: true,
    }).catch((error: unknown) => refuseQuestion(error, (text) => chosen[text] ?? text))
    const answers = await findAnswers(parts, read, encoding, wish)
    chosen.forEach((question, i) => (found[question] = answers[i] ?? []))
    usage.tokens += usageOf(encoding.cu_seqlens, 0).tokens
  }
  const results = wish.top_k === 1 ? found.map(onlyAnswer) : found
  return withUsage((single ? results[0] : undefined) ?? results, usage)
}

/** Loads the folder's tokenizer, and its model with the head of a question answerer. */
export async function loadQuestionAnswering(
  path: string,
  options?: LoadOptions,
): Promise<QuestionAnsweringPipeline> {
  const parts = await loadHeadParts(path, 'question-answering', options)
  const call = async (
    first: unknown,
    second?: string | QuestionAnsweringOptions,
    third?: QuestionAnsweringOptions,
  ) => {
    if (typeof first !== 'string') {
      if (third !== undefined) throw invalidArgument('two arguments', 'the call', third)
      return answer(parts, checkQuestions(first), second as QuestionAnsweringOptions | undefined)
    }
    return answer(parts, checkQuestions({ question: first, context: second }), third)
  }
  return callable(call, membersOf('question-answering', parts)) as unknown as
    QuestionAnsweringPipeline
}

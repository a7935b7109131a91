// The token-classification task: texts in; labelled tokens out, or the entities that they make.

import { callable } from '../callable.js'
import { invalidChoice } from '../errors.js'
import type { LoadOptions } from '../models/load-options.js'
import type { LoadedModel } from '../models/loaded-model.js'
import type { NativeEncodeResult, NativeEncoding } from '../native/addon.js'
import { fromNative } from '../native/load.js'
import { checkChoice, checkInteger, checkOptions, checkTexts } from '../options.js'
import type { Tokenizer } from '../tokenizer/auto-tokenizer.js'
import { decodedText } from '../tokenizer/encoder.js'
import { nativeOf } from '../tokenizer/native-of.js'
import { gatherTexts } from '../tokenizer/text-parts.js'
import { listSource } from '../tokenizer/text-source.js'
import { atOnce } from '../turns.js'
import {
  AGGREGATION_STRATEGIES,
  groupEntities,
  labelTokens,
  mergeWindows,
  placeToken,
  type AggregationStrategy,
  type ChooseLabel,
  type Labelled,
  type TextToken,
} from './entities.js'
import { groupsOf, lengthsOf, sliceSequences } from './groups.js'
import { loadHeadParts, membersOf, type HeadParts, type HeadPipeline } from './head-pipeline.js'
import { labelOf } from './labels.js'
import { Slices } from './slices.js'
import {
  checkLimits,
  TEXT_CALL_OPTIONS,
  tokenizeTexts,
  usageOf,
  withUsage,
  type Limits,
  type TextCallOptions,
  type Usage,
} from './text-calls.js'
import { likeliestOfMean, likeliestOfTop } from './token-scores.js'

export type { AggregationStrategy } from './entities.js'

export interface TokenClassificationOptions<
  Strategy extends AggregationStrategy = AggregationStrategy,
> extends TextCallOptions {
  /**
   * 'none' (default): a label a token. 'simple': neighbouring tokens of one label are an entity.
   * 'first', 'average', 'max': the same of whole words, whose label is that of their first token,
   * that of the mean of their tokens' scores, or the likeliest of all.
   */
  aggregation_strategy?: Strategy
  /** Labels that are left out; with entities without B- and I-. Default ['O']. */
  ignore_labels?: readonly string[]
  /**
   * Texts that are longer than max_length are not cut but go through the model in windows, each of
   * which repeats so many tokens of the one before; of entities that overlap the longest stays.
   * 0 to max_length less the special tokens less 1; not with the strategy 'none'.
   */
  stride?: number
}

export interface LabelledToken {
  entity: string
  /** The softmax of the label's logit over all labels. */
  score: number
  /** Which token of the text it is, special ones included. */
  index: number
  word: string
  /** text.slice(start, end) is what the token stands for. */
  start: number
  end: number
}

export interface EntityGroup {
  /** The label, without B- or I-. */
  entity_group: string
  /** The mean of its tokens', or words', scores. */
  score: number
  /** Its tokens decoded; text.slice(start, end) is the same as the text has it. */
  word: string
  start: number
  end: number
}

/** What a text becomes, by strategy. */
export type Entities<Strategy extends AggregationStrategy> = AggregationStrategy extends Strategy
  ? LabelledToken[] | EntityGroup[]
  : Strategy extends 'none'
    ? LabelledToken[]
    : EntityGroup[]

export interface TokenClassificationPipeline extends HeadPipeline<'token-classification'> {
  /**
   * Shapes are Python's, which has start and end beside what transformers.js has.
   *
   * @returns for one text a list in reading order, for an array a list for each text; always with
   * `usage`
   * @throws ERR_INVALID_ARGUMENT, ERR_INPUT_TOO_LONG, ERR_DISPOSED, ERR_OUT_OF_MEMORY, and on a GPU
   * ERR_NOT_FINITE; the signal's reason when aborted
   */
  <const Strategy extends AggregationStrategy = 'none'>(
    text: string,
    options?: TokenClassificationOptions<Strategy>,
  ): Promise<Entities<Strategy> & { usage: Usage }>
  <const Strategy extends AggregationStrategy = 'none'>(
    texts: readonly string[],
    options?: TokenClassificationOptions<Strategy>,
  ): Promise<Entities<Strategy>[] & { usage: Usage }>
  (
    texts: string | readonly string[],
    options?: TokenClassificationOptions,
  ): Promise<(LabelledToken[] | EntityGroup[] | (LabelledToken[] | EntityGroup[])[]) & {
    usage: Usage
  }>
}

const OPTIONS = [
  'aggregation_strategy', 'ignore_labels', 'stride', ...TEXT_CALL_OPTIONS,
] as const

/** Tokens whose texts cross into native code at once. */
const DECODED_TOKENS = 2048

interface Wish {
  strategy: AggregationStrategy
  ignored: ReadonlySet<string>
  /** undefined: one window a text. */
  stride: number | undefined
}

function checkWish(
  given: Partial<TokenClassificationOptions>,
  { max_length }: Limits,
  tokenizer: Tokenizer,
): Wish {
  const { stride } = given
  const strategy = checkChoice(
    AGGREGATION_STRATEGIES, 'aggregation_strategy', given.aggregation_strategy ?? 'none',
  )
  const ignored = new Set(checkTexts('ignore_labels', given.ignore_labels ?? ['O']))
  if (stride === undefined) return { strategy, ignored, stride }
  if (strategy === 'none') {
    const others = AGGREGATION_STRATEGIES.filter((name) => name !== 'none')
    throw invalidChoice(others, 'aggregation_strategy with a stride', strategy)
  }
  const most = Math.max(0, max_length - nativeOf(tokenizer).specialTokenCount(false) - 1)
  return { strategy, ignored, stride: checkInteger('stride', stride, 0, most) }
}

/** What entities are made of: texts, their windows, and tokens by id. */
class Windows {
  readonly encoding: NativeEncoding
  readonly #texts: readonly string[]
  readonly #tokenizer: Tokenizer
  readonly #words = new Map<number, string>()

  constructor(texts: readonly string[], encoding: NativeEncoding, tokenizer: Tokenizer) {
    this.#texts = texts
    this.encoding = encoding
    this.#tokenizer = tokenizer
  }

  /** The text of a window. */
  sampleOf(window: number): number {
    return this.encoding.samples?.[window] ?? window
  }

  #wordOf(id: number): string {
    const known = this.#words.get(id)
    if (known !== undefined) return known
    const word = nativeOf(this.#tokenizer).idToToken(id)
    this.#words.set(id, word)
    return word
  }

  /** @param firstRow - of the window's scores */
  tokensOf(window: number, firstRow: number): TextToken[] {
    const { input_ids, cu_seqlens, offsets, special_tokens_mask } = this.encoding
    const text = this.#texts[this.sampleOf(window)] ?? ''
    const begin = cu_seqlens[window] ?? 0
    const end = cu_seqlens[window + 1] ?? 0
    const tokens: TextToken[] = []
    for (let position = begin; position < end; position += 1) {
      if (special_tokens_mask?.[position] === 1) continue
      const id = input_ids[position] ?? 0
      const token = {
        id,
        word: this.#wordOf(id),
        start: offsets?.[2 * position] ?? 0,
        end: offsets?.[2 * position + 1] ?? 0,
        index: position - begin,
        row: firstRow + position - begin,
      }
      tokens.push(placeToken(text, token, this.#tokenizer))
    }
    return tokens
  }
}

function chooserOf(
  result: NativeEncodeResult,
  model: LoadedModel,
  strategy: AggregationStrategy,
): ChooseLabel {
  const label = (i: number): string => labelOf(model.config, i)
  return strategy === 'average'
    ? likeliestOfMean(result.logits ?? new Float32Array(0), model.headOutputs, label)
    : likeliestOfTop(result, strategy === 'max', label)
}

/** Entities of each text, windows merged. */
async function findEntities(
  { model, tokenizer }: HeadParts,
  texts: readonly string[],
  encoding: NativeEncoding,
  { strategy, ignored }: Wish,
  signal: AbortSignal | undefined,
): Promise<Labelled[][]> {
  const mean = strategy === 'average'
  const head = { logits: mean, token: -1, top: mean ? 0 : 1 }
  const lengths = lengthsOf(encoding.cu_seqlens)
  // The likeliest label, its logit and log Σ exp where not all of them are needed.
  const groups = groupsOf(lengths, (tokens) => tokens * (mean ? model.headOutputs : 3))
  const all = new Windows(texts, encoding, tokenizer)
  const found = texts.map(() => ({ windows: 0, entities: [] as Labelled[] }))
  const slices = new Slices(signal)
  for (const { begin, end } of groups) {
    const ids = sliceSequences(encoding, begin, end)
    const choose = chooserOf(await model.encodeHead(ids, head, 0, signal), model, strategy)
    for (let window = begin; window < end; window += 1) {
      if (slices.over) await slices.next()
      const tokens = all.tokensOf(window, ids.cu_seqlens[window - begin] ?? 0)
      const labelled = labelTokens(tokens, choose, strategy)
      const entities = strategy === 'none' ? labelled : groupEntities(labelled)
      const text = found[all.sampleOf(window)]
      if (text === undefined) continue
      text.windows += 1
      for (const entity of entities) if (!ignored.has(entity.label)) text.entities.push(entity)
    }
  }
  return found.map(({ windows, entities }, i) =>
    windows > 1 ? mergeWindows(texts[i] ?? '', entities) : entities)
}

/** The text of each list of tokens, as a decoder joins them. */
async function decodeTokens(
  tokenizer: Tokenizer,
  lists: readonly (readonly string[])[],
  slices: Slices,
): Promise<string[]> {
  const texts: string[] = []
  for (let begin = 0; begin < lists.length; ) {
    if (slices.over) await slices.next()
    const tokens: string[] = []
    const ends = [0]
    while (begin < lists.length && tokens.length < DECODED_TOKENS) {
      for (const token of lists[begin] ?? []) tokens.push(token)
      ends.push(tokens.length)
      begin += 1
    }
    const packed = Int32Array.from(ends)
    const bytes = atOnce(gatherTexts(listSource(tokens)))
    const decoded = await fromNative(() => nativeOf(tokenizer).decodeTokens(bytes, packed))
    for (const text of decoded) texts.push(atOnce(decodedText(text)))
  }
  return texts
}

async function describeGroups(
  tokenizer: Tokenizer,
  found: readonly Labelled[][],
  { strategy }: Wish,
  signal: AbortSignal | undefined,
): Promise<EntityGroup[][]> {
  const slices = new Slices(signal)
  const groups = found.flat()
  // As in Python: whole words are texts before they are joined, and single tokens are not.
  let words: readonly (readonly string[])[] = groups.map((group) => group.words.flat())
  if (strategy !== 'simple') {
    const spelled = (await decodeTokens(tokenizer, groups.flatMap((g) => g.words), slices)).values()
    words = groups.map((group) => group.words.map(() => spelled.next().value ?? ''))
  }
  const decoded = (await decodeTokens(tokenizer, words, slices)).values()
  return found.map((list) =>
    list.map(({ label, score, start, end }) => ({
      entity_group: label, score, word: decoded.next().value ?? '', start, end,
    })),
  )
}

function describeTokens(found: readonly Labelled[][]): LabelledToken[][] {
  return found.map((list) =>
    list.map(({ label, score, index, start, end, words }) => ({
      entity: label, score, index, word: words[0]?.[0] ?? '', start, end,
    })),
  )
}

async function classifyTokens(
  parts: HeadParts,
  texts: string | readonly string[],
  options: TokenClassificationOptions | undefined,
): Promise<unknown> {
  const { model, tokenizer, max_length } = parts
  const given = checkOptions<TokenClassificationOptions>('options', OPTIONS, options)
  const list = typeof texts === 'string' ? [texts] : checkTexts('texts', texts)
  const limits = checkLimits(given, false, max_length, model, tokenizer)
  const wish = checkWish(given, limits, tokenizer)
  const { stride } = wish
  const encoding = await tokenizeTexts(tokenizer, list, null, limits, {
    offsets: 'utf16',
    special_tokens_mask: true,
    ...(stride === undefined ? {} : { truncation: 'longest_first', overflowing: true, stride }),
  })
  const { signal } = limits
  const found = await findEntities(parts, list, encoding, wish, signal)
  const described =
    wish.strategy === 'none'
      ? describeTokens(found)
      : await describeGroups(tokenizer, found, wish, signal)
  const usage: Usage = {
    ...usageOf(encoding.cu_seqlens, stride === undefined ? encoding.truncated : 0),
    texts: list.length,
  }
  const [only] = described
  const answer = typeof texts === 'string' && only !== undefined ? only : described
  return withUsage(answer, usage)
}

/** Loads the folder's tokenizer, and its model with the head of a token classifier. */
export async function loadTokenClassification(
  path: string,
  options?: LoadOptions,
): Promise<TokenClassificationPipeline> {
  const parts = await loadHeadParts(path, 'token-classification', options)
  const call = (texts: string | readonly string[], callOptions?: TokenClassificationOptions) =>
    classifyTokens(parts, texts, callOptions)
  const members = membersOf('token-classification', parts)
  return callable(call, members) as unknown as TokenClassificationPipeline
}

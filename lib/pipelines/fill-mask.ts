// The fill-mask task: texts with masked words in, the words that fit there out.

import { callable } from '../callable.js'
import { FusebertError, invalidArgument } from '../errors.js'
import type { LoadOptions } from '../models/load-options.js'
import { MAX_TOP_LOGITS, type NativeEncoding } from '../native/addon.js'
import { checkInteger, checkOptions, checkTexts } from '../options.js'
import type { Tokenizer } from '../tokenizer/auto-tokenizer.js'
import { nativeOf } from '../tokenizer/native-of.js'
import { groupsOf, sliceSequences } from './groups.js'
import { loadHeadParts, membersOf, type HeadParts, type HeadPipeline } from './head-pipeline.js'
import { chooseTop, chooseTargets, type Candidate } from './masked-words.js'
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

export interface FillMaskOptions extends TextCallOptions {
  /** So many words for each mask, 1 to vocab_size; with targets, those at most. Default 5. */
  top_k?: number
  /**
   * Only these words, with the scores that they have among all. As in Python, the first token of
   * a word stands for it where the vocabulary does not have it; words without tokens are left out.
   */
  targets?: string | readonly string[]
}

export interface FilledMask {
  /** The softmax of the word's logit over the whole vocabulary. */
  score: number
  token: number
  token_str: string
  /**
   * The text with the word in it: without special tokens, but in a text of several masks with them,
   * so that the other masks can be seen.
   */
  sequence: string
}

/** By falling score; for each mask, where there are several in the text. */
export type FilledText = FilledMask[] | FilledMask[][]

export interface FillMaskPipeline extends HeadPipeline<'fill-mask'> {
  /**
   * Shapes are Python's, with the one exception that transformers.js makes too: an array of one
   * text gives an array of one result. Who knows that each text has one mask may say so in
   * TypeScript: `fill<FilledMask[]>(text)`.
   *
   * @returns for one text `[{ score, token, token_str, sequence }]`, or such a list for each mask
   * where there are several; for an array one of these for each text; always with `usage`
   * @throws ERR_INVALID_ARGUMENT (also for a text without a mask), ERR_INPUT_TOO_LONG,
   * ERR_DISPOSED, ERR_OUT_OF_MEMORY, and on a GPU ERR_NOT_FINITE; the signal's reason when aborted
   */
  <Filled extends FilledText = FilledText>(
    text: string,
    options?: FillMaskOptions,
  ): Promise<Filled & { usage: Usage }>
  <Filled extends FilledText = FilledText>(
    texts: readonly string[],
    options?: FillMaskOptions,
  ): Promise<Filled[] & { usage: Usage }>
  (
    texts: string | readonly string[],
    options?: FillMaskOptions,
  ): Promise<(FilledText | FilledText[]) & { usage: Usage }>
}

const OPTIONS = ['top_k', 'targets', ...TEXT_CALL_OPTIONS] as const
const DEFAULT_TOP_K = 5

interface Parts extends HeadParts {
  mask_token_id: number
}

interface MaskedText {
  ids: Int32Array
  /** Where the masks are in it; at least one. */
  masks: number[]
}

/** @throws ERR_INVALID_ARGUMENT for a text without a mask, which it names by its number only */
function maskedTexts(
  { input_ids, cu_seqlens, truncated }: NativeEncoding,
  { tokenizer, mask_token_id }: Parts,
  max_length: number,
): MaskedText[] {
  return Array.from({ length: cu_seqlens.length - 1 }, (_, i) => {
    const ids = input_ids.subarray(cu_seqlens[i], cu_seqlens[i + 1])
    const masks: number[] = []
    ids.forEach((id, position) => {
      if (id === mask_token_id) masks.push(position)
    })
    if (masks.length > 0) return { ids, masks }
    const mask = nativeOf(tokenizer).idToToken(mask_token_id)
    const mayBeCut = truncated > 0 && ids.length >= max_length
    throw new FusebertError(
      'ERR_INVALID_ARGUMENT',
      `Text ${i}: Expected ${mask} in it but there is none among its ${ids.length} tokens. ` +
        `Write it where a word is wanted${mayBeCut ? ', before what is beyond max_length' : ''}.`,
    )
  })
}

/** The ids of words, each once. */
async function targetIds(tokenizer: Tokenizer, targets: unknown): Promise<number[]> {
  const words = typeof targets === 'string' ? [targets] : checkTexts('targets', targets)
  const known = words.map((word) => nativeOf(tokenizer).tokenToId(word))
  const others = words.filter((_, i) => (known[i] ?? -1) < 0)
  const pieces =
    others.length === 0
      ? null
      : await tokenizer.encodeBatch(others, {
          add_special_tokens: false, truncation: true, max_length: 1,
        })
  const first = Array.from(pieces?.input_ids ?? [])
  const ids = [...new Set([...known.filter((id) => id >= 0), ...first])]
  if (ids.length > 0) return ids
  throw invalidArgument('at least one word that has a token', 'targets', targets)
}

interface Wish {
  top_k: number
  /** null: any word. */
  targets: number[] | null
}

/** Candidates for each mask of packed texts, in reading order. */
async function candidatesOf(
  { model, mask_token_id }: Parts,
  encoding: NativeEncoding,
  { top_k, targets }: Wish,
  signal: AbortSignal | undefined,
): Promise<Candidate[][]> {
  const all = targets !== null || top_k > MAX_TOP_LOGITS
  // With all logits the one largest, for the sake of log Σ exp.
  const head = { logits: all, token: mask_token_id, top: all ? 1 : top_k }
  const result = await model.encodeHead(encoding, head, 0, signal)
  return all ? chooseTargets(result, model.headOutputs, targets, top_k) : chooseTop(result, top_k)
}

/** Sequences end to end, as the tokenizer takes them. */
class PackedSequences {
  readonly #ids: Int32Array
  readonly #ends = [0]
  #length = 0

  constructor(capacity: number) {
    this.#ids = new Int32Array(capacity)
  }

  /** A text with a word in the place of one mask, without padding tokens. */
  add(text: Int32Array, mask: number, word: number, pad: number | undefined): void {
    text.forEach((id, position) => {
      const token = position === mask ? word : id
      if (token !== pad) this.#ids[this.#length++] = token
    })
    this.#ends.push(this.#length)
  }

  get packed(): { input_ids: Int32Array; cu_seqlens: Int32Array } {
    return { input_ids: this.#ids, cu_seqlens: Int32Array.from(this.#ends) }
  }
}

/** @param words - candidates for each mask of each text, in reading order */
async function describeWords(
  tokenizer: Tokenizer,
  texts: readonly MaskedText[],
  words: readonly Candidate[][],
): Promise<FilledText[]> {
  const most = words[0]?.length ?? 0
  const capacity = texts.reduce((sum, { ids, masks }) => sum + most * masks.length * ids.length, 0)
  const kinds = { single: new PackedSequences(capacity), several: new PackedSequences(capacity) }
  let row = 0
  for (const { ids, masks } of texts) {
    const kind = masks.length === 1 ? kinds.single : kinds.several
    for (const mask of masks) {
      for (const { token } of words[row] ?? []) kind.add(ids, mask, token, tokenizer.pad_token_id)
      row += 1
    }
  }
  const tokens = [...new Set(words.flat().map(({ token }) => token))]
  const [single, several, names] = await Promise.all([
    tokenizer.batchDecode(kinds.single.packed, { skip_special_tokens: true }),
    tokenizer.batchDecode(kinds.several.packed),
    tokenizer.batchDecode(tokens.map((token) => [token])),
  ])
  const nameOf = new Map(tokens.map((token, i) => [token, names[i] ?? '']))
  const next = { single: single.values(), several: several.values(), words: words.values() }
  return texts.map(({ masks }) => {
    const sequences = masks.length === 1 ? next.single : next.several
    const rows = masks.map(() =>
      (next.words.next().value ?? []).map(({ token, score }) => ({
        score,
        token,
        token_str: nameOf.get(token) ?? '',
        sequence: sequences.next().value ?? '',
      })),
    )
    const [only] = rows
    return rows.length === 1 && only !== undefined ? only : rows
  })
}

async function fillTexts(
  parts: Parts,
  list: readonly string[],
  wish: Wish,
  limits: Limits,
): Promise<{ filled: FilledText[]; usage: Usage }> {
  const { model, tokenizer } = parts
  const encoding = await tokenizeTexts(tokenizer, list, null, limits)
  const texts = maskedTexts(encoding, parts, limits.max_length)
  const outputs = wish.targets === null && wish.top_k <= MAX_TOP_LOGITS ? 0 : model.headOutputs
  // Logits, and the ids of filled texts.
  const groups = groupsOf(texts, ({ ids, masks }) =>
    masks.length * (outputs + wish.top_k * ids.length))
  const filled: FilledText[][] = []
  for (const { begin, end } of groups) {
    const group = sliceSequences(encoding, begin, end)
    const words = await candidatesOf(parts, group, wish, limits.signal)
    filled.push(await describeWords(tokenizer, texts.slice(begin, end), words))
    limits.signal?.throwIfAborted()
  }
  const usage = usageOf(encoding.cu_seqlens, encoding.truncated)
  return { filled: filled.flat(), usage }
}

async function fill(
  parts: Parts,
  texts: string | readonly string[],
  options: FillMaskOptions | undefined,
): Promise<(FilledText | FilledText[]) & { usage: Usage }> {
  const { model, tokenizer, max_length } = parts
  const given = checkOptions<FillMaskOptions>('options', OPTIONS, options)
  const list = typeof texts === 'string' ? [texts] : checkTexts('texts', texts)
  const most = model.headOutputs
  const asked = checkInteger('top_k', given.top_k ?? Math.min(DEFAULT_TOP_K, most), 1, most)
  const limits = checkLimits(given, false, max_length, model, tokenizer)
  const targets = given.targets === undefined ? null : await targetIds(tokenizer, given.targets)
  const top_k = Math.min(asked, targets?.length ?? asked)
  const { filled, usage } = await fillTexts(parts, list, { top_k, targets }, limits)
  const [only] = filled
  return withUsage(typeof texts === 'string' && only !== undefined ? only : filled, usage)
}

/** Loads the folder's tokenizer, and its model with the head of masked words. */
export async function loadFillMask(
  path: string,
  options?: LoadOptions,
): Promise<FillMaskPipeline> {
  const parts = await loadHeadParts(path, 'masked-lm', options)
  const { mask_token_id } = parts.tokenizer
  if (mask_token_id === undefined) {
    await parts.model.dispose()
    throw new FusebertError(
      'ERR_UNSUPPORTED_TOKENIZER',
      'Expected a mask token in the vocabulary but there is none. Choose a model that has one.',
    )
  }
  const call = (texts: string | readonly string[], callOptions?: FillMaskOptions) =>
    fill({ ...parts, mask_token_id }, texts, callOptions)
  return callable(call, membersOf('fill-mask', parts)) as FillMaskPipeline
}

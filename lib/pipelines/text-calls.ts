// What calls of every task on texts share: options, the ids that texts become, and the report of
// what a call consumed.

import { withSignal } from '../abort.js'
import { FusebertError } from '../errors.js'
import type { LoadedModel } from '../models/loaded-model.js'
import type { NativeEncodeOptions, NativeEncoding } from '../native/addon.js'
import { checkBoolean, checkInteger, checkSignal } from '../options.js'
import type { Tokenizer } from '../tokenizer/auto-tokenizer.js'
import { encodeTexts } from '../tokenizer/encoder.js'
import { nativeOf } from '../tokenizer/native-of.js'

export interface TextCallOptions {
  /**
   * Cut texts that are longer than max_length tokens (default). false: refuse them with
   * ERR_INPUT_TOO_LONG.
   */
  truncation?: boolean
  /**
   * Tokens, special ones included, at most max_position_embeddings. Default: what the tokenizer
   * says, else that.
   */
  max_length?: number
  /** Aborts the call, which then rejects with the signal's reason. */
  signal?: AbortSignal
}

export const TEXT_CALL_OPTIONS = ['truncation', 'max_length', 'signal'] as const

/** What a call consumed. */
export interface Usage {
  texts: number
  /** Tokens that went through the encoder, special ones included. */
  tokens: number
  /** Texts that were longer than the limit and were cut. */
  truncated: number
}

export interface Limits {
  readonly truncation: boolean
  readonly max_length: number
  readonly signal: AbortSignal | undefined
}

/**
 * @param pairs - whether each text has a second one
 * @param max_length - the default
 * @throws ERR_INVALID_ARGUMENT
 */
export function checkLimits(
  given: TextCallOptions,
  pairs: boolean,
  max_length: number,
  model: LoadedModel,
  tokenizer: Tokenizer,
): Limits {
  // A shorter limit than the special tokens could never be met.
  const shortest = Math.max(1, nativeOf(tokenizer).specialTokenCount(pairs))
  const longest = model.config.max_sequence_length
  return {
    truncation: checkBoolean('truncation', given.truncation ?? true),
    max_length: checkInteger('max_length', given.max_length ?? max_length, shortest, longest),
    signal: checkSignal(given.signal),
  }
}

export function encodeOptions({ truncation, max_length }: Limits): NativeEncodeOptions {
  return {
    truncation: truncation ? 'longest_first' : null,
    max_length,
    add_special_tokens: true,
    offsets: 'none',
    special_tokens_mask: false,
  }
}

/**
 * The packed ids of texts, or of pairs, cut as Python's tokenizers cuts them.
 * @param more - what is wanted beside the ids, or another truncation
 * @throws ERR_INPUT_TOO_LONG without truncation; the signal's reason when aborted
 */
export async function tokenizeTexts(
  tokenizer: Tokenizer,
  texts: readonly string[],
  pairs: readonly string[] | null,
  limits: Limits,
  more: Partial<NativeEncodeOptions> = {},
): Promise<NativeEncoding> {
  const { signal } = limits
  signal?.throwIfAborted()
  const options = { ...encodeOptions(limits), whole_lengths: true, ...more }
  const encoding = encodeTexts(nativeOf(tokenizer), texts, pairs, options)
  // Ids are made in no time compared with what follows; nobody need be told to stop.
  return withSignal(encoding, signal, () => undefined)
}

/**
 * A result with its usage. Of lists, objects and tensors alike `usage` is not enumerable: keys,
 * copies, JSON and comparisons are of the answer alone.
 */
export function withUsage<Result extends object>(
  result: Result,
  usage: Usage,
): Result & { usage: Usage } {
  return Object.defineProperty(result, 'usage', { value: usage, enumerable: false }) as Result & {
    usage: Usage
  }
}

/** Throws an error of a part of a call with the number that the text has in the whole. */
export function renumber(error: unknown, numberOf: (text: number) => number): never {
  if (!(error instanceof FusebertError)) throw error
  const message = error.message.replace(/^Text (\d+)/, (_, i) => `Text ${numberOf(Number(i))}`)
  throw new FusebertError(error.code, message)
}

/** Counts one part of a call to the others. */
export function addUsage(sum: Usage, part: Usage): void {
  sum.texts += part.texts
  sum.tokens += part.tokens
  sum.truncated += part.truncated
}

export function usageOf(cu_seqlens: Int32Array, truncated: number): Usage {
  return { texts: cu_seqlens.length - 1, tokens: cu_seqlens.at(-1) ?? 0, truncated }
}

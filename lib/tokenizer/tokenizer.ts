// A loaded tokenizer: callable as in transformers.js, with a packed form beside it.

import { callable } from '../callable.js'
import { FusebertError, invalidArgument } from '../errors.js'
import type {
  NativeEncodeOptions,
  NativeEncoding,
  NativeTokenizer,
  TruncationStrategy,
} from '../native/addon.js'
import { fromNative } from '../native/load.js'
import {
  checkBoolean,
  checkChoice,
  checkInteger,
  checkOptions,
  checkTexts,
} from '../options.js'
import { toTensors, type Encoding } from './batch-encoding.js'
import type { Role, SpecialToken } from './tokenizer-config.js'

export type { Encoding } from './batch-encoding.js'

const TRUNCATIONS = ['longest_first', 'only_first', 'only_second'] as const
const PADDINGS = ['longest', 'max_length'] as const
const OFFSET_UNITS = ['utf16', 'code_point'] as const
const MAX_LENGTH = 2 ** 31 - 1
const ENCODE_OPTIONS = [
  'text_pair', 'truncation', 'max_length', 'add_special_tokens', 'return_offsets_mapping',
  'return_special_tokens_mask', 'offsets_unit',
] as const
const TOKENIZER_OPTIONS = [...ENCODE_OPTIONS, 'padding', 'return_token_type_ids'] as const

/** Options of the packed form. */
export interface EncodeOptions {
  /** Second texts, as many as texts. */
  text_pair?: string | readonly string[]
  /** true: 'longest_first'. Default false. */
  truncation?: boolean | TruncationStrategy
  /** Tokens, special ones included; used with truncation. Default: model_max_length. */
  max_length?: number
  /** Default true. */
  add_special_tokens?: boolean
  /** Where each token is in its text. Default false. */
  return_offsets_mapping?: boolean
  /** 1 for tokens that the template added, 0 for those of the text. Default false. */
  return_special_tokens_mask?: boolean
  /** Unit of the offsets. Default 'utf16', which String.prototype.slice takes. */
  offsets_unit?: 'utf16' | 'code_point'
}

export interface TokenizerOptions extends EncodeOptions {
  /** true or 'longest': to the longest of the call; 'max_length': to max_length. Default false. */
  padding?: boolean | 'longest' | 'max_length'
  /** Default true. */
  return_token_type_ids?: boolean
}

/** Texts end to end, nothing padded. */
export interface PackedEncoding {
  input_ids: Int32Array // [total_tokens]
  token_type_ids: Int32Array // [total_tokens]
  cu_seqlens: Int32Array // [texts + 1]
  offsets?: Int32Array // [total_tokens, 2]
  special_tokens_mask?: Uint8Array // [total_tokens]
  /** Texts that lost tokens. */
  truncated: number
}

export interface Tokenizer {
  /**
   * Tensors of int64 [texts, tokens]; one text gives one row.
   * @throws ERR_INVALID_ARGUMENT (also for rows of different lengths without padding),
   * ERR_INPUT_TOO_LONG when truncation cannot make a text fit
   */
  (texts: string | readonly string[], options?: TokenizerOptions): Promise<Encoding>
  /**
   * The ids of one text.
   * @throws as calling it does
   */
  encode(text: string, options?: EncodeOptions): Promise<number[]>
  /**
   * Many texts, packed.
   * @throws as calling it does
   */
  encodeBatch(texts: readonly string[], options?: EncodeOptions): Promise<PackedEncoding>
  /** The id of a token, or of each; undefined where there is none. */
  convert_tokens_to_ids(token: string): number | undefined
  convert_tokens_to_ids(tokens: readonly string[]): (number | undefined)[]
  /** Longest input of the model in tokens; Infinity when the files do not say. */
  readonly model_max_length: number
  /** Highest id + 1, added tokens included. */
  readonly vocab_size: number
  readonly pad_token_id: number | undefined
  readonly cls_token_id: number | undefined
  readonly sep_token_id: number | undefined
  readonly mask_token_id: number | undefined
  readonly unk_token_id: number | undefined
  readonly native: NativeTokenizer
}

interface Inputs {
  texts: readonly string[]
  pairs: readonly string[] | null
}

function checkInputs(texts: unknown, pair: unknown): Inputs {
  if (typeof texts === 'string') {
    if (pair !== undefined && typeof pair !== 'string') {
      throw invalidArgument('a string, like the text,', 'text_pair', pair)
    }
    return { texts: [texts], pairs: pair === undefined ? null : [pair] }
  }
  const list = checkTexts('texts', texts)
  if (list.length === 0) {
    throw new FusebertError('ERR_INPUT_EMPTY', 'Expected at least one text but received none.')
  }
  if (pair === undefined) return { texts: list, pairs: null }
  const pairs = checkTexts('text_pair', pair)
  if (pairs.length !== list.length) {
    throw invalidArgument(`as many texts as texts (${list.length})`, 'text_pair', pairs)
  }
  return { texts: list, pairs }
}

function checkTruncation(value: unknown): TruncationStrategy | null {
  if (value === undefined || value === false) return null
  return value === true ? 'longest_first' : checkChoice(TRUNCATIONS, 'truncation', value)
}

class Encoder {
  readonly native: NativeTokenizer
  readonly padTokenId: number | undefined
  readonly #modelMaxLength: number

  constructor(native: NativeTokenizer, padTokenId: number | undefined, modelMaxLength: number) {
    this.native = native
    this.padTokenId = padTokenId
    this.#modelMaxLength = modelMaxLength
  }

  #options(given: Partial<EncodeOptions>, hasPair: boolean): NativeEncodeOptions {
    const truncation = checkTruncation(given.truncation)
    const add_special_tokens = checkBoolean('add_special_tokens', given.add_special_tokens ?? true)
    const offsets = checkBoolean('return_offsets_mapping', given.return_offsets_mapping ?? false)
    const mask = given.return_special_tokens_mask ?? false
    const unit = checkChoice(OFFSET_UNITS, 'offsets_unit', given.offsets_unit ?? 'utf16')
    const shortest = add_special_tokens ? this.native.specialTokenCount(hasPair) : 0
    const max_length = this.maxLength(given, Math.max(1, shortest))
    return {
      truncation,
      max_length: truncation === null ? 0 : (max_length ?? 0),
      add_special_tokens,
      offsets: offsets ? unit : 'none',
      special_tokens_mask: checkBoolean('return_special_tokens_mask', mask),
    }
  }

  /** undefined: no limit. */
  maxLength(given: Partial<EncodeOptions>, shortest = 1): number | undefined {
    if (given.max_length !== undefined) {
      return checkInteger('max_length', given.max_length, shortest, MAX_LENGTH)
    }
    return Number.isFinite(this.#modelMaxLength)
      ? Math.max(shortest, Math.min(this.#modelMaxLength, MAX_LENGTH))
      : undefined
  }

  async run(texts: unknown, given: Partial<EncodeOptions>): Promise<NativeEncoding> {
    const inputs = checkInputs(texts, given.text_pair)
    const options = this.#options(given, inputs.pairs !== null)
    return fromNative(() => this.native.encode(inputs.texts, inputs.pairs, options))
  }
}

async function call(
  encoder: Encoder,
  texts: string | readonly string[],
  options?: TokenizerOptions,
): Promise<Encoding> {
  const given = checkOptions<TokenizerOptions>('options', TOKENIZER_OPTIONS, options)
  const padding =
    typeof given.padding === 'string'
      ? checkChoice(PADDINGS, 'padding', given.padding)
      : checkBoolean('padding', given.padding ?? false) && 'longest'
  const typeIds = checkBoolean('return_token_type_ids', given.return_token_type_ids ?? true)
  const length = padding === 'max_length' ? encoder.maxLength(given) : undefined
  if (padding === 'max_length' && length === undefined) {
    throw invalidArgument("a number of tokens with padding: 'max_length'", 'max_length', undefined)
  }
  if (padding !== false && encoder.padTokenId === undefined) {
    throw new FusebertError(
      'ERR_INVALID_ARGUMENT',
      'Expected padding: false, because this tokenizer has no padding token.',
    )
  }
  const packed = await encoder.run(texts, given)
  return toTensors(packed, {
    padding: padding !== false,
    length: length ?? 0,
    pad_token_id: encoder.padTokenId ?? 0,
    token_type_ids: typeIds,
  })
}

function checkEncodeOptions(options: EncodeOptions | undefined): Partial<EncodeOptions> {
  return checkOptions<EncodeOptions>('options', ENCODE_OPTIONS, options)
}

async function encodeBatch(
  encoder: Encoder,
  texts: readonly string[],
  options?: EncodeOptions,
): Promise<PackedEncoding> {
  const list = checkTexts('texts', texts)
  const packed = await encoder.run(list, checkEncodeOptions(options))
  const { input_ids, token_type_ids, cu_seqlens, truncated } = packed
  return {
    input_ids,
    token_type_ids,
    cu_seqlens,
    ...(packed.offsets === null ? {} : { offsets: packed.offsets }),
    ...(packed.special_tokens_mask === null
      ? {}
      : { special_tokens_mask: packed.special_tokens_mask }),
    truncated,
  }
}

async function encode(encoder: Encoder, text: string, options?: EncodeOptions): Promise<number[]> {
  if (typeof text !== 'string') throw invalidArgument('a string', 'text', text)
  return Array.from((await encoder.run(text, checkEncodeOptions(options))).input_ids)
}

/** Makes a native tokenizer and the names of its special tokens a Tokenizer. */
export function createTokenizer(
  native: NativeTokenizer,
  specialTokens: Readonly<Record<Role, SpecialToken>>,
  modelMaxLength: number,
): Tokenizer {
  const idOf = (token: unknown): number | undefined => {
    if (typeof token !== 'string') throw invalidArgument('a string', 'tokens', token)
    const id = native.tokenToId(token)
    return id < 0 ? undefined : id
  }
  const roleId = (role: Role): number | undefined => idOf(specialTokens[role].content)
  const encoder = new Encoder(native, roleId('pad_token'), modelMaxLength)
  return callable(
    (texts: string | readonly string[], options?: TokenizerOptions) =>
      call(encoder, texts, options),
    {
      encode: (text: string, options?: EncodeOptions) => encode(encoder, text, options),
      encodeBatch: (texts: readonly string[], options?: EncodeOptions) =>
        encodeBatch(encoder, texts, options),
      convert_tokens_to_ids: (tokens: string | readonly string[]) =>
        typeof tokens === 'string' ? idOf(tokens) : checkTexts('tokens', tokens).map(idOf),
      model_max_length: modelMaxLength,
      vocab_size: native.vocabSize,
      pad_token_id: encoder.padTokenId,
      cls_token_id: roleId('cls_token'),
      sep_token_id: roleId('sep_token'),
      mask_token_id: roleId('mask_token'),
      unk_token_id: roleId('unk_token'),
      native,
    },
  ) as Tokenizer
}

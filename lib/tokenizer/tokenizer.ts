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
import {
  checkInputs,
  checkTextInputs,
  pairUp,
  type Inputs,
  type TextInput,
  type TextInputs,
} from './texts.js'
import {
  checkIds,
  checkRows,
  type PackedIds,
  type TokenIdRows,
  type TokenIds,
} from './token-ids.js'
import type { Role, TokenizerConfig } from './tokenizer-config.js'

export type { Encoding } from './batch-encoding.js'

const TRUNCATIONS = ['longest_first', 'only_first', 'only_second'] as const
const PADDINGS = ['longest', 'max_length'] as const
const OFFSET_UNITS = ['utf16', 'code_point'] as const
const MAX_LENGTH = 2 ** 31 - 1
const ENCODE_OPTIONS = [
  'text_pair', 'truncation', 'max_length', 'stride', 'add_special_tokens',
  'return_overflowing_tokens', 'return_offsets_mapping', 'return_special_tokens_mask',
  'offsets_unit',
] as const
const TOKENIZER_OPTIONS = [...ENCODE_OPTIONS, 'padding', 'return_token_type_ids'] as const
const COUNT_OPTIONS = ['text_pair', 'truncation', 'max_length', 'add_special_tokens'] as const
const TOKENIZE_OPTIONS = ['text_pair', 'add_special_tokens'] as const
const DECODE_OPTIONS = ['skip_special_tokens', 'clean_up_tokenization_spaces'] as const

/** Options of the packed form. */
export interface EncodeOptions {
  /** Second texts, as many as texts. */
  text_pair?: TextInput | TextInputs
  /** true: 'longest_first'. Default false. */
  truncation?: boolean | TruncationStrategy
  /** Tokens, special ones included; used with truncation. Default: model_max_length. */
  max_length?: number
  /** Default true. */
  add_special_tokens?: boolean
  /**
   * What truncation cuts off follows in sequences of its own, to the end of the text. Default
   * false.
   */
  return_overflowing_tokens?: boolean
  /** Tokens of a text that such a sequence repeats from the one before. Default 0. */
  stride?: number
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

export type CountOptions = Pick<EncodeOptions, (typeof COUNT_OPTIONS)[number]>
export type TokenizeOptions = Pick<EncodeOptions, (typeof TOKENIZE_OPTIONS)[number]>

export interface DecodeOptions {
  /** Default false. */
  skip_special_tokens?: boolean
  /**
   * No spaces before punctuation and in English contractions, as transformers does after what the
   * tokenizer's own decoder does. Default: what tokenizer_config.json says, else false.
   */
  clean_up_tokenization_spaces?: boolean
}

/** Texts end to end, nothing padded. */
export interface PackedEncoding {
  input_ids: Int32Array // [total_tokens]
  token_type_ids: Int32Array // [total_tokens]
  cu_seqlens: Int32Array // [texts + 1], or [sequences + 1]
  offsets?: Int32Array // [total_tokens, 2]
  special_tokens_mask?: Uint8Array // [total_tokens]
  /** The text of each sequence, with return_overflowing_tokens. */
  overflow_to_sample_mapping?: Int32Array // [sequences]
  /** Texts that lost tokens. */
  truncated: number
}

export interface Tokenizer {
  /**
   * Tensors of int64 [texts, tokens]; one text gives one row.
   * @throws ERR_INVALID_ARGUMENT (also for rows of different lengths without padding),
   * ERR_INPUT_TOO_LONG when truncation cannot make a text fit
   */
  (texts: TextInput | TextInputs, options?: TokenizerOptions): Promise<Encoding>
  /**
   * The ids of one text.
   * @throws as calling it does
   */
  encode(text: TextInput, options?: EncodeOptions): Promise<number[]>
  /**
   * Many texts, packed.
   * @throws as calling it does
   */
  encodeBatch(texts: TextInputs, options?: EncodeOptions): Promise<PackedEncoding>
  /**
   * How many tokens encoding would give, without arrays of them.
   * @throws as calling it does
   */
  countTokens(text: TextInput, options?: CountOptions): Promise<number>
  countTokens(texts: TextInputs, options?: CountOptions): Promise<Int32Array>
  /**
   * The tokens of one text, without special tokens unless they are asked for.
   * @throws as calling it does
   */
  tokenize(text: TextInput, options?: TokenizeOptions): Promise<string[]>
  /**
   * The text of tokens. Ids that no token has are left out.
   * @throws ERR_INVALID_ARGUMENT
   */
  decode(ids: TokenIds, options?: DecodeOptions): Promise<string>
  /**
   * The text of each sequence.
   * @throws ERR_INVALID_ARGUMENT
   */
  batchDecode(rows: TokenIdRows, options?: DecodeOptions): Promise<string[]>
  /** The id of a token, or of each; undefined where there is none. */
  convert_tokens_to_ids(token: string): number | undefined
  convert_tokens_to_ids(tokens: readonly string[]): (number | undefined)[]
  /** The same as convert_tokens_to_ids. */
  convertTokensToIds(token: string): number | undefined
  convertTokensToIds(tokens: readonly string[]): (number | undefined)[]
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

function checkTruncation(value: unknown): TruncationStrategy | null {
  if (value === undefined || value === false) return null
  return value === true ? 'longest_first' : checkChoice(TRUNCATIONS, 'truncation', value)
}

class Encoder {
  readonly native: NativeTokenizer
  readonly padTokenId: number | undefined
  readonly #config: TokenizerConfig

  constructor(native: NativeTokenizer, padTokenId: number | undefined, config: TokenizerConfig) {
    this.native = native
    this.padTokenId = padTokenId
    this.#config = config
  }

  #options(given: Partial<EncodeOptions>, hasPair: boolean): NativeEncodeOptions {
    const truncation = checkTruncation(given.truncation)
    const add_special_tokens = checkBoolean('add_special_tokens', given.add_special_tokens ?? true)
    const offsets = checkBoolean('return_offsets_mapping', given.return_offsets_mapping ?? false)
    const mask = given.return_special_tokens_mask ?? false
    const overflowing = given.return_overflowing_tokens ?? false
    const unit = checkChoice(OFFSET_UNITS, 'offsets_unit', given.offsets_unit ?? 'utf16')
    const shortest = add_special_tokens ? this.native.specialTokenCount(hasPair) : 0
    const max_length = this.maxLength(given, Math.max(1, shortest))
    return {
      truncation,
      max_length: truncation === null ? 0 : (max_length ?? 0),
      add_special_tokens,
      offsets: offsets ? unit : 'none',
      special_tokens_mask: checkBoolean('return_special_tokens_mask', mask),
      overflowing: checkBoolean('return_overflowing_tokens', overflowing),
      stride: checkInteger('stride', given.stride ?? 0, 0, MAX_LENGTH),
    }
  }

  /** undefined: no limit. */
  maxLength(given: Partial<EncodeOptions>, shortest = 1): number | undefined {
    if (given.max_length !== undefined) {
      return checkInteger('max_length', given.max_length, shortest, MAX_LENGTH)
    }
    const { model_max_length } = this.#config
    return Number.isFinite(model_max_length)
      ? Math.max(shortest, Math.min(model_max_length, MAX_LENGTH))
      : undefined
  }

  async run(inputs: Inputs, given: Partial<EncodeOptions>): Promise<NativeEncoding> {
    const options = this.#options(given, inputs.pairs !== null)
    return fromNative(() => this.native.encode(inputs.texts, inputs.pairs, options))
  }

  async count(texts: unknown, given: Partial<CountOptions>): Promise<number | Int32Array> {
    const inputs = checkInputs(texts, given.text_pair)
    const options = this.#options(given, inputs.pairs !== null)
    const counts = await fromNative(() => this.native.count(inputs.texts, inputs.pairs, options))
    return inputs.single ? (counts[0] ?? 0) : counts
  }

  async decode({ ids, cu_seqlens }: PackedIds, options?: DecodeOptions): Promise<string[]> {
    const given = checkOptions<DecodeOptions>('options', DECODE_OPTIONS, options)
    const skip = given.skip_special_tokens ?? false
    const cleanUp =
      given.clean_up_tokenization_spaces ?? this.#config.clean_up_tokenization_spaces
    const checked = {
      skip_special_tokens: checkBoolean('skip_special_tokens', skip),
      clean_up_tokenization_spaces: checkBoolean('clean_up_tokenization_spaces', cleanUp),
    }
    return fromNative(() => this.native.decode(ids, cu_seqlens, checked))
  }
}

async function call(
  encoder: Encoder,
  texts: TextInput | TextInputs,
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
  const packed = await encoder.run(checkInputs(texts, given.text_pair), given)
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
  texts: TextInputs,
  options?: EncodeOptions,
): Promise<PackedEncoding> {
  const list = checkTextInputs('texts', texts)
  const given = checkEncodeOptions(options)
  const packed = await encoder.run(pairUp(list, given.text_pair), given)
  const { input_ids, token_type_ids, cu_seqlens, truncated } = packed
  return {
    input_ids,
    token_type_ids,
    cu_seqlens,
    ...(packed.offsets === null ? {} : { offsets: packed.offsets }),
    ...(packed.special_tokens_mask === null
      ? {}
      : { special_tokens_mask: packed.special_tokens_mask }),
    ...(packed.samples === null ? {} : { overflow_to_sample_mapping: packed.samples }),
    truncated,
  }
}

/** The ids of one text, without what overflows. */
async function idsOf(
  encoder: Encoder,
  text: TextInput,
  given: Partial<EncodeOptions>,
): Promise<Int32Array> {
  if (typeof text !== 'string' && !(text instanceof Uint8Array)) {
    throw invalidArgument('a string or a Uint8Array', 'text', text)
  }
  const { input_ids, cu_seqlens } = await encoder.run(checkInputs(text, given.text_pair), given)
  return input_ids.subarray(0, cu_seqlens[1])
}

async function encode(
  encoder: Encoder,
  text: TextInput,
  options?: EncodeOptions,
): Promise<number[]> {
  return Array.from(await idsOf(encoder, text, checkEncodeOptions(options)))
}

async function tokenize(
  encoder: Encoder,
  text: TextInput,
  options?: TokenizeOptions,
): Promise<string[]> {
  const given = checkOptions<TokenizeOptions>('options', TOKENIZE_OPTIONS, options)
  const ids = await idsOf(encoder, text, {
    ...given,
    add_special_tokens: given.add_special_tokens ?? false,
  })
  return Array.from(ids, (id) => encoder.native.idToToken(id))
}

async function count(
  encoder: Encoder,
  texts: TextInput | TextInputs,
  options?: CountOptions,
): Promise<number | Int32Array> {
  return encoder.count(texts, checkOptions<CountOptions>('options', COUNT_OPTIONS, options))
}

async function decode(encoder: Encoder, ids: TokenIds, options?: DecodeOptions): Promise<string> {
  const checked = checkIds('ids', ids)
  const packed = { ids: checked, cu_seqlens: Int32Array.of(0, checked.length) }
  return (await encoder.decode(packed, options))[0] ?? ''
}

async function batchDecode(
  encoder: Encoder,
  rows: TokenIdRows,
  options?: DecodeOptions,
): Promise<string[]> {
  return encoder.decode(checkRows(rows), options)
}

/** Makes a native tokenizer and the names of its special tokens a Tokenizer. */
export function createTokenizer(
  native: NativeTokenizer,
  config: TokenizerConfig,
): Tokenizer {
  const idOf = (token: unknown): number | undefined => {
    if (typeof token !== 'string') throw invalidArgument('a string', 'tokens', token)
    const id = native.tokenToId(token)
    return id < 0 ? undefined : id
  }
  const roleId = (role: Role): number | undefined => idOf(config.special_tokens[role].content)
  const encoder = new Encoder(native, roleId('pad_token'), config)
  const convert = (tokens: string | readonly string[]) =>
    typeof tokens === 'string' ? idOf(tokens) : checkTexts('tokens', tokens).map(idOf)
  return callable(
    (texts: TextInput | TextInputs, options?: TokenizerOptions) => call(encoder, texts, options),
    {
      encode: (text: TextInput, options?: EncodeOptions) => encode(encoder, text, options),
      encodeBatch: (texts: TextInputs, options?: EncodeOptions) =>
        encodeBatch(encoder, texts, options),
      countTokens: (texts: TextInput | TextInputs, options?: CountOptions) =>
        count(encoder, texts, options),
      tokenize: (text: TextInput, options?: TokenizeOptions) => tokenize(encoder, text, options),
      decode: (ids: TokenIds, options?: DecodeOptions) => decode(encoder, ids, options),
      batchDecode: (rows: TokenIdRows, options?: DecodeOptions) =>
        batchDecode(encoder, rows, options),
      convert_tokens_to_ids: convert,
      convertTokensToIds: convert,
      model_max_length: config.model_max_length,
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

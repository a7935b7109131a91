// A loaded tokenizer: callable as in transformers.js, with a packed form beside it.

import { callable } from '../callable.js'
import { FusebertError, invalidArgument } from '../errors.js'
import type {
  NativeEncoding,
  NativeLayout,
  NativeTokenizer,
  TruncationStrategy,
} from '../native/addon.js'
import {
  checkBoolean,
  checkChoice,
  checkInteger,
  checkOptions,
  checkTexts,
} from '../options.js'
import { atOnce, inTurns, type Slices } from '../turns.js'
import { toTensors, type Encoding } from './batch-encoding.js'
import { Encoder } from './encoder.js'
import { keepNative } from './native-of.js'
import {
  checkInputs,
  checkTextInputs,
  isText,
  pairUp,
  type Inputs,
  type TextInput,
  type TextInputs,
} from './texts.js'
import {
  checkIds,
  checkRows,
  mapIds,
  type PackedIds,
  type TokenIdRows,
  type TokenIds,
} from './token-ids.js'
import type { Role, TokenizerConfig } from './tokenizer-config.js'
import type { ByteLevelWords } from './words.js'

export type { Encoding } from './batch-encoding.js'

const MAX_ID = 2 ** 31 - 1
const PADDINGS = ['longest', 'max_length'] as const
const ENCODE_OPTIONS = [
  'text_pair', 'truncation', 'max_length', 'stride', 'add_special_tokens',
  'return_overflowing_tokens', 'return_offsets_mapping', 'return_special_tokens_mask',
  'offsets_unit', 'threads',
] as const
const TOKENIZER_OPTIONS = [...ENCODE_OPTIONS, 'padding', 'return_token_type_ids'] as const
const COUNT_OPTIONS = [
  'text_pair', 'truncation', 'max_length', 'add_special_tokens', 'threads',
] as const
const TOKENIZE_OPTIONS = ['text_pair', 'add_special_tokens'] as const

/** Options of the packed form. */
export interface EncodeOptions {
  /** Second texts, as many as texts. */
  text_pair?: TextInput | TextInputs
  /**
   * true: 'longest_first', which gives an odd token to the longer text. Where both reach
   * max_length it compares how far they were read, as the npm package tokenizers does, and of equal
   * lengths the second gets it; pipelines compare whole texts, as Python does. Default false.
   */
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
  /**
   * Threads of Node's pool that work on one call at once, where there is enough text for that; at
   * most the pool's size, which is 4 unless UV_THREADPOOL_SIZE says otherwise. Default: as many as
   * CPUs, at most 4.
   */
  threads?: number
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
   * tokenizer's own decoder does. Default: what tokenizer_config.json says, else false; for
   * byte-level tokens, which have their texts' own spaces, false as in transformers 5.
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
  /** The same at once, on this thread: for a text of some thousand characters at most. */
  encodeSync(text: TextInput, options?: EncodeOptions): number[]
  /**
   * Many texts, packed.
   * @throws as calling it does
   */
  encodeBatch(texts: TextInputs, options?: EncodeOptions): Promise<PackedEncoding>
  /** The same at once, on this thread: for a few short texts. */
  encodeBatchSync(texts: TextInputs, options?: EncodeOptions): PackedEncoding
  /**
   * How many tokens encoding would give, without arrays of them.
   * @throws as calling it does
   */
  countTokens(text: TextInput, options?: CountOptions): Promise<number>
  countTokens(texts: TextInputs, options?: CountOptions): Promise<Int32Array>
  /** The same at once, on this thread: for a few short texts. */
  countTokensSync(text: TextInput, options?: CountOptions): number
  countTokensSync(texts: TextInputs, options?: CountOptions): Int32Array
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
  /** The same at once, on this thread: for a few thousand ids at most. */
  decodeSync(ids: TokenIds, options?: DecodeOptions): string
  /**
   * The text of each sequence. Its own turns are short, but V8 collects garbage for the longer the
   * more strings live: several milliseconds at a time for 10,000 texts.
   * @throws ERR_INVALID_ARGUMENT
   */
  batchDecode(rows: TokenIdRows, options?: DecodeOptions): Promise<string[]>
  /** The id of a token, or of each; undefined where there is none. */
  convert_tokens_to_ids(token: string): number | undefined
  convert_tokens_to_ids(tokens: readonly string[]): (number | undefined)[]
  /** The same as convert_tokens_to_ids. */
  convertTokensToIds(token: string): number | undefined
  convertTokensToIds(tokens: readonly string[]): (number | undefined)[]
  /** The token with an id, or of each; undefined where there is none. */
  convert_ids_to_tokens(id: number): string | undefined
  convert_ids_to_tokens(ids: readonly number[]): (string | undefined)[]
  /** The same as convert_ids_to_tokens. */
  convertIdsToTokens(id: number): string | undefined
  convertIdsToTokens(ids: readonly number[]): (string | undefined)[]
  /** Longest input of the model in tokens; Infinity when the files do not say. */
  readonly model_max_length: number
  /** Highest id + 1, added tokens included. */
  readonly vocab_size: number
  readonly pad_token_id: number | undefined
  readonly cls_token_id: number | undefined
  readonly sep_token_id: number | undefined
  readonly mask_token_id: number | undefined
  readonly unk_token_id: number | undefined
  /** What tokens that go on a word begin with; '' where nothing tells them apart. */
  readonly continuing_subword_prefix: string
  /** How texts are split into words; undefined where a prefix tells what goes on a word. */
  readonly byte_level: ByteLevelWords | undefined
}

function checkEncodeOptions(options: EncodeOptions | undefined): Partial<EncodeOptions> {
  return checkOptions<EncodeOptions>('options', ENCODE_OPTIONS, options)
}

/** How rows are laid out by the options of a call. */
function layoutOf(encoder: Encoder, given: Partial<TokenizerOptions>): NativeLayout {
  const padding =
    typeof given.padding === 'string'
      ? checkChoice(PADDINGS, 'padding', given.padding)
      : checkBoolean('padding', given.padding ?? false) && 'longest'
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
  return {
    padding: padding !== false,
    length: length ?? 0,
    pad_token_id: encoder.padTokenId ?? 0,
    token_type_ids: checkBoolean('return_token_type_ids', given.return_token_type_ids ?? true),
  }
}

async function call(
  encoder: Encoder,
  texts: TextInput | TextInputs,
  options?: TokenizerOptions,
): Promise<Encoding> {
  const given = checkOptions<TokenizerOptions>('options', TOKENIZER_OPTIONS, options)
  const layout = layoutOf(encoder, given)
  const inputs = await inTurns(checkInputs(texts, given.text_pair))
  return toTensors(await encoder.encodePadded(inputs, given, layout))
}

function toPacked(packed: NativeEncoding): PackedEncoding {
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

function* batchInputs(texts: TextInputs, given: Partial<EncodeOptions>): Slices<Inputs> {
  return yield* pairUp(yield* checkTextInputs('texts', texts), given.text_pair)
}

async function encodeBatch(
  encoder: Encoder,
  texts: TextInputs,
  options?: EncodeOptions,
): Promise<PackedEncoding> {
  const given = checkEncodeOptions(options)
  return toPacked(await encoder.encode(await inTurns(batchInputs(texts, given)), given))
}

function encodeBatchSync(
  encoder: Encoder,
  texts: TextInputs,
  options?: EncodeOptions,
): PackedEncoding {
  const given = checkEncodeOptions(options)
  return toPacked(encoder.encodeSync(atOnce(batchInputs(texts, given)), given))
}

function oneInput(text: TextInput, pair: unknown): Inputs {
  if (!isText(text)) throw invalidArgument('a string or a Uint8Array', 'text', text)
  return atOnce(checkInputs(text, pair))
}

/** The ids of one text, without what overflows. */
function firstIds({ input_ids, cu_seqlens }: NativeEncoding): Int32Array {
  return input_ids.subarray(0, cu_seqlens[1])
}

async function encode(
  encoder: Encoder,
  text: TextInput,
  options?: EncodeOptions,
): Promise<number[]> {
  const given = checkEncodeOptions(options)
  const ids = firstIds(await encoder.encode(oneInput(text, given.text_pair), given))
  return inTurns(mapIds(ids, (id) => id))
}

function encodeSync(encoder: Encoder, text: TextInput, options?: EncodeOptions): number[] {
  const given = checkEncodeOptions(options)
  return Array.from(firstIds(encoder.encodeSync(oneInput(text, given.text_pair), given)))
}

async function tokenize(
  encoder: Encoder,
  text: TextInput,
  options?: TokenizeOptions,
): Promise<string[]> {
  const given = checkOptions<TokenizeOptions>('options', TOKENIZE_OPTIONS, options)
  const add_special_tokens = given.add_special_tokens ?? false
  const inputs = oneInput(text, given.text_pair)
  const ids = firstIds(await encoder.encode(inputs, { ...given, add_special_tokens }))
  return inTurns(mapIds(ids, (id) => encoder.token(id)))
}

function checkCountOptions(options: CountOptions | undefined): Partial<CountOptions> {
  return checkOptions<CountOptions>('options', COUNT_OPTIONS, options)
}

async function count(
  encoder: Encoder,
  texts: TextInput | TextInputs,
  options?: CountOptions,
): Promise<number | Int32Array> {
  const given = checkCountOptions(options)
  const inputs = await inTurns(checkInputs(texts, given.text_pair))
  const counts = await encoder.count(inputs, given)
  return inputs.single ? (counts[0] ?? 0) : counts
}

function countSync(
  encoder: Encoder,
  texts: TextInput | TextInputs,
  options?: CountOptions,
): number | Int32Array {
  const given = checkCountOptions(options)
  const inputs = atOnce(checkInputs(texts, given.text_pair))
  const counts = encoder.countSync(inputs, given)
  return inputs.single ? (counts[0] ?? 0) : counts
}

function* idRow(ids: TokenIds): Slices<PackedIds> {
  const checked = yield* checkIds('ids', ids)
  return { ids: checked, cu_seqlens: Int32Array.of(0, checked.length) }
}

async function decode(encoder: Encoder, ids: TokenIds, options?: DecodeOptions): Promise<string> {
  return (await encoder.decode(await inTurns(idRow(ids)), options))[0] ?? ''
}

function decodeSync(encoder: Encoder, ids: TokenIds, options?: DecodeOptions): string {
  return encoder.decodeSync(atOnce(idRow(ids)), options)[0] ?? ''
}

async function batchDecode(
  encoder: Encoder,
  rows: TokenIdRows,
  options?: DecodeOptions,
): Promise<string[]> {
  return encoder.decode(await inTurns(checkRows(rows)), options)
}

/** Makes a native tokenizer and the names of its special tokens a Tokenizer. */
export function createTokenizer(
  native: NativeTokenizer,
  config: TokenizerConfig,
  { continuing_subword_prefix, byte_level }: Pick<
    Tokenizer, 'continuing_subword_prefix' | 'byte_level'
  >,
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
  const tokenOf = (id: unknown): string | undefined =>
    encoder.token(checkInteger('ids', id, 0, MAX_ID)) || undefined
  const toTokens = (ids: number | readonly number[]) =>
    typeof ids === 'number' ? tokenOf(ids) : Array.from(ids, tokenOf)
  const tokenizer = callable(
    (texts: TextInput | TextInputs, options?: TokenizerOptions) => call(encoder, texts, options),
    {
      encode: (text: TextInput, options?: EncodeOptions) => encode(encoder, text, options),
      encodeSync: (text: TextInput, options?: EncodeOptions) =>
        encodeSync(encoder, text, options),
      encodeBatch: (texts: TextInputs, options?: EncodeOptions) =>
        encodeBatch(encoder, texts, options),
      encodeBatchSync: (texts: TextInputs, options?: EncodeOptions) =>
        encodeBatchSync(encoder, texts, options),
      countTokens: (texts: TextInput | TextInputs, options?: CountOptions) =>
        count(encoder, texts, options),
      countTokensSync: (texts: TextInput | TextInputs, options?: CountOptions) =>
        countSync(encoder, texts, options),
      tokenize: (text: TextInput, options?: TokenizeOptions) => tokenize(encoder, text, options),
      decode: (ids: TokenIds, options?: DecodeOptions) => decode(encoder, ids, options),
      decodeSync: (ids: TokenIds, options?: DecodeOptions) => decodeSync(encoder, ids, options),
      batchDecode: (rows: TokenIdRows, options?: DecodeOptions) =>
        batchDecode(encoder, rows, options),
      convert_tokens_to_ids: convert,
      convertTokensToIds: convert,
      convert_ids_to_tokens: toTokens,
      convertIdsToTokens: toTokens,
      model_max_length: config.model_max_length,
      vocab_size: native.vocabSize,
      pad_token_id: encoder.padTokenId,
      cls_token_id: roleId('cls_token'),
      sep_token_id: roleId('sep_token'),
      mask_token_id: roleId('mask_token'),
      unk_token_id: roleId('unk_token'),
      continuing_subword_prefix,
      byte_level,
    },
  ) as Tokenizer
  return keepNative(tokenizer, native)
}

// The one typed description of what the native addon exports. Nothing here is for users; lib/ calls
// it through load.ts. Calls that return a Promise do their work off the JavaScript thread. Native
// failures are Errors with a `code` from ErrorCode, made into FusebertErrors by load.ts.

import type { WeightDtype } from '../checkpoint/tensor-table.js'

/** How a text's hidden states become one vector. */
export type VectorPooling =
  | 'mean'
  | 'cls'
  | 'max'
  | 'mean_sqrt_len_tokens'
  | 'weightedmean'
  | 'lasttoken'
/** 'none': it does not. Several: their vectors, end to end. */
export type Pooling = 'none' | VectorPooling | readonly VectorPooling[]
export type TruncationStrategy = 'longest_first' | 'only_first' | 'only_second'

export interface NativeAddedToken {
  content: string
  id: number
  special: boolean
  single_word: boolean
  lstrip: boolean
  rstrip: boolean
  normalized: boolean
}

export interface NativeTemplatePiece {
  kind: 'special_token' | 'sequence_a' | 'sequence_b'
  /** Token id of the special token; ignored for sequences. */
  id: number
  type_id: number
}

export type NativeDecoder =
  | {
      type: 'WordPiece'
      /** What tokens that go on a word begin with. */
      prefix: string
      /** No spaces before punctuation and in English contractions. */
      cleanup: boolean
    }
  /** Characters of tokens stand for bytes of UTF-8. */
  | { type: 'ByteLevel' }

/** BertNormalizer, BertPreTokenizer and WordPiece. */
export interface NativeWordPiece {
  type: 'WordPiece'
  unk_token: string
  continuing_subword_prefix: string
  max_input_chars_per_word: number
  clean_text: boolean
  handle_chinese_chars: boolean
  /** null: as lowercase. */
  strip_accents: boolean | null
  lowercase: boolean
}

/** Byte-level BPE, and what its post-processors do to offsets. */
export interface NativeBytePair {
  type: 'BPE'
  /** [merges, 3] ids of two tokens and of what they become; the first merges are done first. */
  merges: Int32Array
  /** null: bytes that no token has are left out. */
  unk_token: string | null
  /** One unknown token for neighbours. */
  fuse_unk: boolean
  /** A word that is a token is that token. */
  ignore_merges: boolean
  add_prefix_space: boolean
  /** By the pattern of GPT-2. */
  split_words: boolean
  /** White space is left out of offsets, */
  trim_offsets: boolean
  /** but one space that a text begins with. */
  keep_first_space: boolean
}

export interface NativeTokenizerSpec {
  /** Token of each id, UTF-8, end to end; an id without a token has an empty range. */
  vocab_bytes: Uint8Array
  /** [vocab_size + 1] byte offsets into vocab_bytes. */
  vocab_offsets: Int32Array
  model: NativeWordPiece | NativeBytePair
  added_tokens: NativeAddedToken[]
  single_template: NativeTemplatePiece[]
  pair_template: NativeTemplatePiece[]
  /** null: spaces between tokens. */
  decoder: NativeDecoder | null
}

/**
 * Texts in one array: text i is the UTF-8 of bytes [offsets[i], offsets[i + 1]), in which malformed
 * bytes stand for U+FFFD. The arrays are read while a call is under way, on other threads: they
 * must be ones that only this package knows, and nobody may write to them.
 */
export interface NativeTexts {
  bytes: Uint8Array
  /** [texts + 1] */
  offsets: Int32Array
}

export interface NativeEncodeOptions {
  truncation: TruncationStrategy | null
  /** Tokens, special ones included. 0: no limit. */
  max_length: number
  add_special_tokens: boolean
  offsets: 'none' | 'utf16' | 'code_point'
  special_tokens_mask: boolean
  /** Whether what truncation cuts off follows in sequences of its own. Default false. */
  overflowing?: boolean
  /** Tokens that such a sequence repeats; with overflowing. */
  stride?: number
  /**
   * Whether 'longest_first' gives an odd token to the text that is really longer, as Python does,
   * where both reach max_length. Default false, as in the npm package tokenizers.
   */
  whole_lengths?: boolean
  /** Whether a second text that is '' is none. Default false. */
  drop_empty_pairs?: boolean
}

export interface NativeEncoding {
  input_ids: Int32Array // [total_tokens]
  token_type_ids: Int32Array // [total_tokens]
  cu_seqlens: Int32Array // [sequences + 1]
  offsets: Int32Array | null // [total_tokens, 2]
  special_tokens_mask: Uint8Array | null // [total_tokens]
  /** The text of each sequence, with `overflowing`. */
  samples: Int32Array | null // [sequences]
  /** Texts that lost tokens. */
  truncated: number
}

/** How sequences become rows of one length. */
export interface NativeLayout {
  /** Without it all sequences must have the same length. */
  padding: boolean
  /** Tokens of a row at least; longer sequences make all rows longer. */
  length: number
  pad_token_id: number
  token_type_ids: boolean
}

export interface NativePaddedEncoding {
  rows: number
  columns: number
  input_ids: BigInt64Array // [rows, columns]
  attention_mask: BigInt64Array // [rows, columns]
  token_type_ids: BigInt64Array | null // [rows, columns]
  special_tokens_mask: BigInt64Array | null // [rows, columns]; 1 in padding
  offsets: Int32Array | null // [rows, columns, 2]
  samples: BigInt64Array | null // [rows]
}

declare const lanesBrand: unique symbol

/** Threads of Node's pool that work on parts of one call, each part after part. */
export interface NativeLanes {
  readonly [lanesBrand]: true
}

/** Texts of one batch, which come in parts. */
export interface NativeBatch {
  /**
   * Encodes the next part in one of the batch's lanes; parts may be under way together.
   * @param pairs - as many as texts, or null
   */
  add(texts: NativeTexts, pairs: NativeTexts | null): Promise<void>
  /** What all parts became, in their order; packed, at once. Once, when all are done. */
  finish(): NativeEncoding | Promise<NativePaddedEncoding>
}

export interface NativeDecodeOptions {
  skip_special_tokens: boolean
  clean_up_tokenization_spaces: boolean
}

export interface NativeTokenizer {
  readonly vocabSize: number
  /**
   * @param pairs - as many as texts, or null
   * @param layout - null: packed
   */
  encode(
    texts: NativeTexts,
    pairs: NativeTexts | null,
    options: NativeEncodeOptions,
    layout: null,
  ): Promise<NativeEncoding>
  encode(
    texts: NativeTexts,
    pairs: NativeTexts | null,
    options: NativeEncodeOptions,
    layout: NativeLayout | null,
  ): Promise<NativeEncoding | NativePaddedEncoding>
  /** The same on this thread, packed. */
  encodeSync(
    texts: NativeTexts,
    pairs: NativeTexts | null,
    options: NativeEncodeOptions,
  ): NativeEncoding
  /**
   * @param layout - null: packed
   * @param expected_bytes - of all texts, for memory that is taken at once; a guess
   */
  startBatch(
    options: NativeEncodeOptions,
    layout: NativeLayout | null,
    expected_bytes: number,
    lanes: NativeLanes,
  ): NativeBatch
  /**
   * Tokens of each text, as encode would give them without overflowing ones.
   * @param first_text - what messages count texts from
   */
  count(
    texts: NativeTexts,
    pairs: NativeTexts | null,
    options: NativeEncodeOptions,
    first_text: number,
    lanes: NativeLanes,
  ): Promise<Int32Array>
  countSync(
    texts: NativeTexts,
    pairs: NativeTexts | null,
    options: NativeEncodeOptions,
    first_text: number,
  ): Int32Array
  /**
   * The text of each sequence, a long one as UTF-8. What NativeTexts says of its arrays holds for
   * these.
   */
  decode(
    ids: Int32Array,
    cu_seqlens: Int32Array,
    options: NativeDecodeOptions,
  ): Promise<(string | Uint8Array)[]>
  decodeSync(
    ids: Int32Array,
    cu_seqlens: Int32Array,
    options: NativeDecodeOptions,
  ): (string | Uint8Array)[]
  /**
   * The same for tokens by their text, which need not be in the vocabulary: sequence i is tokens
   * [cu_seqlens[i], cu_seqlens[i + 1]).
   */
  decodeTokens(tokens: NativeTexts, cu_seqlens: Int32Array): Promise<(string | Uint8Array)[]>
  /** -1 when there is no such token. */
  tokenToId(token: string): number
  /** '' when there is no such id. */
  idToToken(id: number): string
  /** Special tokens that the template adds. */
  specialTokenCount(pair: boolean): number
}

export interface NativeTensor {
  name: string
  dtype: WeightDtype
  shape: readonly number[]
  strides: readonly number[]
  file_index: number
  offset_bytes: number
}

/** What stands on an encoder, as in native/model/head.h; its tensors are `head.*`. */
export interface NativeHead {
  /** The first token of each text, or every token. */
  rows: 'first' | 'all'
  /** A dense layer, and what follows it. */
  dense: 'none' | 'tanh' | 'gelu' | 'relu' | 'hidden_act'
  layer_norm: boolean
  /** head.output.weight is embeddings.word_embeddings.weight, and not there. */
  tied: boolean
  outputs: number
}

export interface NativeGeometry {
  vocab_size: number
  hidden_size: number
  num_hidden_layers: number
  num_attention_heads: number
  intermediate_size: number
  max_position_embeddings: number
  type_vocab_size: number
  /** false: there are no embeddings of token types, and types are not looked at. */
  has_token_types: boolean
  /** The id of padding, after which RoBERTa counts positions; null: positions are indices. */
  padding_idx: number | null
  layer_norm_eps: number
  hidden_act: 'gelu' | 'gelu_tanh' | 'quick_gelu' | 'relu' | 'silu'
  has_pooler: boolean
  head: NativeHead | null
}

/**
 * What happens to the vectors that pooling gives, as in native/model/pooled_layers.h. The tensors
 * of layer i are pooled.<i>.weight and pooled.<i>.bias.
 */
export interface NativePooledLayer {
  kind: 'dense' | 'layer_norm' | 'normalize'
  inputs: number
  /** As many as inputs, but of a dense layer. */
  outputs: number
  /** Of a dense layer. */
  bias: boolean
  activation: 'none' | 'tanh' | 'gelu' | 'relu' | 'silu'
}

export interface NativeModelSpec {
  geometry: NativeGeometry
  pooled_layers: readonly NativePooledLayer[]
  files: { path: string; size_bytes: number }[]
  tensors: NativeTensor[]
  device: 'auto' | 'cpu' | 'cuda'
  /** A CUDA device for it; null: none, and why. */
  cuda: NativeCudaSpec | null
  no_cuda_reason: string
  /** 0: as many as are worth it. */
  threads: number
  /** 0: the backend's choice. */
  max_batch_tokens: number
  /** 0: no limit. */
  max_device_bytes: number
}

export type CudaType = 'fp16' | 'bf16'
export type CudaImageKind = 'cubin' | 'ptx'

/** Kernels compiled for an architecture; 80 is compute capability 8.0. */
export interface NativeCudaImage {
  file: string
  type: CudaType
  architecture: number
  kind: CudaImageKind
}

export interface NativeCudaDevice {
  ordinal: number
  name: string
  architecture: number
}

export interface NativeCudaSpec {
  /** Of devices of one architecture, which share the model's batches. */
  ordinals: Int32Array
  type: CudaType
  /** Of each file in the order in which they are tried. */
  images: { file: string; kind: CudaImageKind; architecture: number; data: Uint8Array }[]
  /** A setting that left other images out; '' when none did. */
  images_limited_by: string
}

export interface NativeCpu {
  device: 'cpu'
  name: string
  isa: string
  isas: string[]
  threads: number
}

export interface NativeGpu {
  device: `cuda:${number}`
  name: string
  isa: string
  memory_bytes: number
}

export interface NativeModelInfo {
  device: string
  name: string
  isa: string
  dtype: string
  threads: number
  weight_bytes: number
  max_batch_tokens: number
  /** Why this device was chosen. */
  reason: string
}

/** What is wanted of a head. */
export interface NativeHeadOutput {
  logits: boolean
  /** ≥ 0: of a head of all tokens, only rows of tokens with this id. -1: all. */
  token: number
  /** 0 to MAX_TOP_LOGITS of the largest logits of each row. */
  top: number
}

/** TopLogits::kMost of native/backend/backend.h. */
export const MAX_TOP_LOGITS = 256

export interface NativeOutputOptions {
  pooling: Pooling
  /** Tokens at the start of each text that pooling leaves out; one is always left. Default 0. */
  skip_tokens?: number
  /** Whether the model's pooled layers follow the pooling. Default false. */
  pooled_layers?: boolean
  normalize: boolean
  /** Return the last layer's hidden states, or with pooling the pooled rows. */
  hidden_states: boolean
  pooler_output: boolean
  head: NativeHeadOutput | null
}

export interface NativeEncodeResult {
  /** [total_tokens, hidden] or null. */
  hidden_states: Float32Array | null
  /** [texts, hidden × poolings], or what the pooled layers put out; or null. */
  pooled: Float32Array | null
  /** [texts, hidden] or null. */
  pooler_output: Float32Array | null
  /** [rows, outputs] or null. */
  logits: Float32Array | null
  /** [rows, top] or null: columns of the largest logits, falling, equal ones by rising column. */
  top_columns: Int32Array | null
  /** [rows, top] or null: the logits there. */
  top_values: Float32Array | null
  /** [rows] or null: log Σ exp over all logits of the row. */
  log_sum_exp: Float32Array | null
  /** [rows] or null: which of all packed tokens they are; null unless they are those of one id. */
  head_tokens: Int32Array | null
  cu_seqlens: Int32Array // [texts + 1]
  truncated: number
}

/** A running request: its promise, and the id that cancels it. */
export interface NativeRequest {
  id: number
  promise: Promise<NativeEncodeResult>
}

export interface NativeModel {
  readonly info: NativeModelInfo
  /** Tokenizes and encodes. */
  encodeTexts(
    tokenizer: NativeTokenizer,
    texts: NativeTexts,
    options: NativeEncodeOptions,
    output: NativeOutputOptions,
  ): NativeRequest
  /** Encodes ids that are already packed; the arrays are copied before this returns. */
  encodeIds(
    input_ids: Int32Array,
    token_type_ids: Int32Array,
    cu_seqlens: Int32Array,
    output: NativeOutputOptions,
    /**
     * > 0: hidden_states, and logits of all tokens, come back as [sequences, padded_length, …],
     * zeros in the padding.
     */
    padded_length: number,
  ): NativeRequest
  /** The request rejects with ERR_ABORTED soon; nothing happens when it has ended already. */
  cancel(id: number): void
  /** Gives back memory that only running needs, between two batches. */
  trim(): Promise<void>
  /** Rejects what waits with ERR_DISPOSED and frees the weights; resolves when they are free. */
  dispose(): Promise<void>
}

export interface NativeAddon {
  version: string
  devices(): (NativeGpu | NativeCpu)[]
  /** Rejects with ERR_DEVICE_UNAVAILABLE, and why. */
  findCudaDevice(ordinal: number): Promise<NativeCudaDevice>
  /** [] in a build without CUDA. */
  cudaImages(): NativeCudaImage[]
  /** The image at this index of cudaImages(), compressed with Brotli. */
  cudaImage(index: number): Uint8Array
  createTokenizer(spec: NativeTokenizerSpec): Promise<NativeTokenizer>
  /**
   * @param most - parts that are worked on at once
   * @param pool - threads that Node's pool has, at least as many
   */
  createLanes(most: number, pool: number): NativeLanes
  loadModel(spec: NativeModelSpec): Promise<NativeModel>
}

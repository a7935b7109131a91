// From a packed encoding to the rectangular Tensors that transformers.js returns.

import { FusebertError } from '../errors.js'
import type { NativeEncoding } from '../native/addon.js'
import { Tensor } from '../tensor.js'

/** int64 Tensors of shape [texts, tokens]; of [rows, tokens] where texts overflow into several. */
export interface Encoding {
  input_ids: Tensor
  /** 1 for tokens, 0 for padding. */
  attention_mask: Tensor
  token_type_ids?: Tensor
  /** 1 for special tokens and padding. */
  special_tokens_mask?: Tensor
  /** int32 [texts, tokens, 2]: start and end in the text; 0, 0 for special tokens and padding. */
  offset_mapping?: Tensor
  /** int64 [rows]: the text of each row, with return_overflowing_tokens. */
  overflow_to_sample_mapping?: Tensor
}

export interface Layout {
  padding: boolean
  /** Tokens of a row at least; longer texts make all rows longer. */
  length: number
  pad_token_id: number
  token_type_ids: boolean
}

/** 1 GiB of int64. Real batches are thousands of times smaller. */
const MAX_ELEMENTS = 2 ** 27

/** Row length; without padding all texts must have the same. */
function rowLength(cu_seqlens: Int32Array, layout: Layout): number {
  let longest = 0
  let shortest = Number.POSITIVE_INFINITY
  for (let i = 0; i + 1 < cu_seqlens.length; i += 1) {
    const length = (cu_seqlens[i + 1] ?? 0) - (cu_seqlens[i] ?? 0)
    longest = Math.max(longest, length)
    shortest = Math.min(shortest, length)
  }
  if (layout.padding) return Math.max(longest, layout.length)
  if (longest === shortest) return longest
  throw new FusebertError(
    'ERR_INVALID_ARGUMENT',
    `Expected texts of the same number of tokens but received ${shortest} to ${longest}. ` +
      'Set padding: true, or use encodeBatch(), which needs no padding.',
  )
}

/** @throws ERR_INVALID_ARGUMENT for texts of different lengths without padding */
export function toTensors(packed: NativeEncoding, layout: Layout): Encoding {
  const { cu_seqlens } = packed
  const rows = cu_seqlens.length - 1
  const columns = rowLength(cu_seqlens, layout)
  if (rows * columns > MAX_ELEMENTS) {
    throw new FusebertError(
      'ERR_INVALID_ARGUMENT',
      `Expected at most ${MAX_ELEMENTS} elements in a padded Tensor but received ` +
        `${rows} rows of ${columns}. Lower max_length, or use encodeBatch().`,
    )
  }
  const dims = [rows, columns]
  const spread = (source: ArrayLike<number>, fill: number): Tensor => {
    const data = new BigInt64Array(rows * columns).fill(BigInt(fill))
    for (let row = 0; row < rows; row += 1) {
      const begin = cu_seqlens[row] ?? 0
      const end = cu_seqlens[row + 1] ?? 0
      const shift = row * columns - begin
      for (let i = begin; i < end; i += 1) data[shift + i] = BigInt(source[i] ?? 0)
    }
    return new Tensor('int64', data, dims)
  }
  const encoding: Encoding = {
    input_ids: spread(packed.input_ids, layout.pad_token_id),
    attention_mask: spread(new Uint8Array(packed.input_ids.length).fill(1), 0),
  }
  if (layout.token_type_ids) encoding.token_type_ids = spread(packed.token_type_ids, 0)
  if (packed.special_tokens_mask !== null) {
    encoding.special_tokens_mask = spread(packed.special_tokens_mask, 1)
  }
  if (packed.offsets !== null) {
    const data = new Int32Array(rows * columns * 2)
    for (let row = 0; row < rows; row += 1) {
      const begin = cu_seqlens[row] ?? 0
      const end = cu_seqlens[row + 1] ?? 0
      data.set(packed.offsets.subarray(begin * 2, end * 2), row * columns * 2)
    }
    encoding.offset_mapping = new Tensor('int32', data, [...dims, 2])
  }
  if (packed.samples !== null) {
    const samples = BigInt64Array.from(packed.samples, BigInt)
    encoding.overflow_to_sample_mapping = new Tensor('int64', samples, [rows])
  }
  return encoding
}

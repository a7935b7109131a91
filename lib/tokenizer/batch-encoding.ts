// The rectangular Tensors that transformers.js returns, around what native code made.

import type { NativePaddedEncoding } from '../native/addon.js'
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

export function toTensors(padded: NativePaddedEncoding): Encoding {
  const { rows, columns } = padded
  const tensor = (data: BigInt64Array): Tensor => new Tensor('int64', data, [rows, columns])
  const encoding: Encoding = {
    input_ids: tensor(padded.input_ids),
    attention_mask: tensor(padded.attention_mask),
  }
  if (padded.token_type_ids !== null) encoding.token_type_ids = tensor(padded.token_type_ids)
  if (padded.special_tokens_mask !== null) {
    encoding.special_tokens_mask = tensor(padded.special_tokens_mask)
  }
  if (padded.offsets !== null) {
    encoding.offset_mapping = new Tensor('int32', padded.offsets, [rows, columns, 2])
  }
  if (padded.samples !== null) {
    encoding.overflow_to_sample_mapping = new Tensor('int64', padded.samples, [rows])
  }
  return encoding
}

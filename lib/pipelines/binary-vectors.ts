// Vectors of one bit a number, thirty-two times smaller: what transformers.js calls quantized and
// sentence-transformers binary and ubinary embeddings. They are compared by the bits that differ.

import { FusebertError } from '../errors.js'
import { Tensor } from '../tensor.js'
import { sliced, type Slices } from '../turns.js'

export const PRECISIONS = ['binary', 'ubinary'] as const
/** Bytes as int8, 128 less than they are, or as uint8. */
export type BinaryPrecision = (typeof PRECISIONS)[number]

const BITS = 8
const MOST_OF_INT8 = 128
/** Bytes between two turns of the event loop: some tenths of a millisecond. */
const SLICE = 1 << 14

/** The bits of 8 numbers from `at` on, 1 above zero; the first is the highest. */
function packed(numbers: Float32Array, at: number): number {
  let byte = 0
  for (let i = at; i < at + BITS; i += 1) byte = (byte << 1) | Number((numbers[i] ?? 0) > 0)
  return byte
}

/** @throws ERR_INVALID_ARGUMENT where vectors of so many numbers do not make whole bytes */
export function checkBits(size: number): void {
  if (size % BITS === 0) return
  throw new FusebertError(
    'ERR_INVALID_ARGUMENT',
    `Expected vectors of a multiple of ${BITS} numbers to quantize but they have ${size}. ` +
      'Leave quantize out for this model.',
  )
}

/**
 * @param vectors - [texts, size], of a size that checkBits lets pass
 * @returns [texts, size / 8]
 */
export function* binaryVectors(
  { data, dims: [rows = 0, size = 0] }: Tensor<'float32'>,
  precision: BinaryPrecision,
): Slices<Tensor<'int8' | 'uint8'>> {
  const columns = size / BITS
  const signed = precision === 'binary'
  const bytes = signed ? new Int8Array(rows * columns) : new Uint8Array(rows * columns)
  const less = signed ? MOST_OF_INT8 : 0
  yield* sliced(bytes.length, SLICE, (from, to) => {
    for (let i = from; i < to; i += 1) bytes[i] = packed(data, BITS * i) - less
  })
  return bytes instanceof Int8Array
    ? new Tensor('int8', bytes, [rows, columns])
    : new Tensor('uint8', bytes, [rows, columns])
}

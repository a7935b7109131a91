// From what a PyTorch pickle describes to byte ranges in the file: the last step of both
// serialisations, and where every tensor's range is checked against its storage.

import { FusebertError } from '../errors.js'
import { formatError, quote, type ByteSource } from './byte-source.js'
import type { PickleValue } from './pickle-values.js'
import { DTYPE_BITS, safeProduct, type FileTensor } from './tensor-table.js'
import { namedTensors, RefusedTensor, type StorageRef, type TensorRef } from './torch-objects.js'

/**
 * @param value - the checkpoint's pickle
 * @param storageStart - byte offset of a storage in the file; the storage lies inside it
 * @throws ERR_CHECKPOINT_FORMAT when no tensors are there, ERR_TENSOR_SHAPE, ERR_TENSOR_DTYPE
 */
export function locateTensors(
  source: ByteSource,
  value: PickleValue,
  storageStart: (storage: StorageRef) => number,
): Map<string, FileTensor> {
  const named = namedTensors(value)
  if (named === undefined) {
    throw formatError(source, 'a dict from names to tensors', 'a pickle without one')
  }
  const located = new Map<string, FileTensor>()
  for (const [name, tensor] of named) {
    if (tensor instanceof RefusedTensor) throw refused(source, name, tensor.what)
    const inStorage = checkedOffset(source, name, tensor)
    const offsetBytes = storageStart(tensor.storage) + inStorage
    const { dtype, shape, strides } = tensor
    located.set(name, { dtype, shape, strides, offsetBytes })
  }
  return located
}

function refused(source: ByteSource, name: string, what: string): FusebertError {
  return new FusebertError(
    'ERR_TENSOR_DTYPE',
    `Expected a plain tensor for ${quote(name)} in ${source.path} but received ${what}. ` +
      'Use a checkpoint in float32, float16 or bfloat16.',
  )
}

function misfit(
  source: ByteSource,
  name: string,
  tensor: TensorRef,
  expected: string,
  next: string,
): FusebertError {
  const { shape, strides, offset } = tensor
  const shown = `shape [${shape.join(', ')}], strides [${strides.join(', ')}], offset ${offset}`
  return new FusebertError(
    'ERR_TENSOR_SHAPE',
    `Expected ${expected} for tensor ${quote(name)} in ${source.path} ` +
      `but received ${shown.slice(0, 300)}. ${next}`,
  )
}

/** Byte offset of a tensor's first element in its storage, all of its range being inside. */
function checkedOffset(source: ByteSource, name: string, tensor: TensorRef): number {
  const { storage, dtype, shape, strides, offset } = tensor
  const fail = (): FusebertError =>
    misfit(source, name, tensor, 'a range inside its storage', 'Download the file again.')
  const bits = DTYPE_BITS[dtype]
  if (offset < 0) throw fail()
  if (shape.some((size) => size < 0) || strides.some((stride) => stride < 0)) throw fail()
  const elements = safeProduct(shape)
  if (elements === undefined || !Number.isSafeInteger(elements * bits)) throw fail()
  let last = offset
  if (elements > 0) {
    shape.forEach((size, axis) => {
      last += (size - 1) * (strides[axis] ?? 0)
    })
  }
  const bytes = bits / 8
  // Elements up to and including the last; none of an empty tensor.
  const endBytes = (elements > 0 ? last + 1 : offset) * bytes
  const viewBytes = storage.viewElements * storage.elementBytes
  if (!Number.isSafeInteger(endBytes) || endBytes > viewBytes) throw fail()
  // A stride of 0 would make terabytes of a file of a few bytes.
  if (elements * bytes > viewBytes) {
    const room = Math.floor(viewBytes / bytes)
    const expected = `no more elements than the ${room} of its storage`
    throw misfit(source, name, tensor, expected, 'Save it again after tensor.contiguous().')
  }
  return storage.viewOffset * storage.elementBytes + offset * bytes
}

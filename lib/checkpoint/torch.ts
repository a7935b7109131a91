// pytorch_model.bin: tells PyTorch's two serialisations apart by their first bytes.

import { formatError, refuseLfsPointer, type ByteSource } from './byte-source.js'
import type { FileTensor } from './tensor-table.js'
import { readTorchLegacy } from './torch-legacy.js'
import { readTorchZip } from './torch-zip.js'

const ZIP_SIGNATURE = 0x04034b50
/** The opcode PROTO, which begins every pickle since protocol 2. */
const PICKLE_START = 0x80
const SIGNATURE_BYTES = 4

/**
 * @throws ERR_CHECKPOINT_FORMAT, ERR_CHECKPOINT_UNSAFE, ERR_TENSOR_SHAPE, ERR_TENSOR_DTYPE,
 * ERR_FILE_READ
 */
export async function readTorch(source: ByteSource): Promise<Map<string, FileTensor>> {
  if (source.sizeBytes < SIGNATURE_BYTES) {
    throw formatError(source, 'a PyTorch checkpoint', `${source.sizeBytes} bytes`)
  }
  const start = await source.read(0, SIGNATURE_BYTES)
  if (start.readUInt32LE(0) === ZIP_SIGNATURE) return readTorchZip(source)
  if (start[0] === PICKLE_START) return readTorchLegacy(source)
  await refuseLfsPointer(source)
  throw formatError(source, 'a PyTorch checkpoint', 'another kind of file')
}

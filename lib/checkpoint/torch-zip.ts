// PyTorch's serialisation since 1.6: a zip archive with <prefix>/data.pkl, which describes the
// tensors, and one stored entry <prefix>/data/<key> for each storage.

import { formatError, quote, unsafeError, type ByteSource } from './byte-source.js'
import { unpickle } from './pickle.js'
import type { FileTensor } from './tensor-table.js'
import { TorchHost, type StorageRef } from './torch-objects.js'
import { locateTensors } from './torch-tensors.js'
import { readZipDirectory, type ZipEntry } from './zip-directory.js'

/** Names, shapes and the like; BERT-Large needs 100 KB. */
const MAX_PICKLE_BYTES = 64 * 1024 * 1024
const MAX_BYTEORDER_BYTES = 16

/** @throws ERR_CHECKPOINT_FORMAT, ERR_CHECKPOINT_UNSAFE, ERR_TENSOR_SHAPE, ERR_TENSOR_DTYPE */
export async function readTorchZip(source: ByteSource): Promise<Map<string, FileTensor>> {
  const entries = await readZipDirectory(source)
  const pickles = [...entries.values()].filter(({ name }) => /^[^/]+\/data\.pkl$/.test(name))
  const [pickle] = pickles
  if (pickle === undefined || pickles.length > 1) {
    throw formatError(source, 'one data.pkl in the zip archive', `${pickles.length}`)
  }
  const prefix = pickle.name.slice(0, -'data.pkl'.length)
  if (entries.has(`${prefix}constants.pkl`)) {
    throw unsafeError(source, 'a TorchScript program')
  }
  await checkByteOrder(source, entries.get(`${prefix}byteorder`))
  if (pickle.sizeBytes > MAX_PICKLE_BYTES) {
    throw formatError(
      source,
      `a data.pkl of at most ${MAX_PICKLE_BYTES} bytes`,
      `${pickle.sizeBytes}`,
    )
  }
  const host = new TorchHost(source)
  const bytes = await source.read(pickle.offsetBytes, pickle.sizeBytes)
  const result = unpickle(bytes, 0, host)
  if (!result.complete) throw host.malformed('one cut short')
  const storageStart = (storage: StorageRef): number => {
    const entry = entries.get(`${prefix}data/${storage.key}`)
    const expected = storage.elements * storage.elementBytes
    if (entry === undefined || entry.sizeBytes !== expected) {
      throw formatError(
        source,
        `${expected} bytes for storage ${quote(storage.key)}`,
        entry === undefined ? 'none' : `${entry.sizeBytes}`,
      )
    }
    return entry.offsetBytes
  }
  return locateTensors(source, result.value, storageStart)
}

async function checkByteOrder(source: ByteSource, entry: ZipEntry | undefined): Promise<void> {
  if (entry === undefined) return
  const length = Math.min(entry.sizeBytes, MAX_BYTEORDER_BYTES)
  const order = (await source.read(entry.offsetBytes, length)).toString('utf8')
  if (order !== 'little') {
    throw formatError(source, "the byte order 'little'", quote(order))
  }
}

// PyTorch's serialisation before 1.6: pickles end to end (magic number, protocol version, system
// information, the checkpoint, the keys of its storages), then the storages in that order, each a
// count of elements in 8 bytes, little-endian, and the elements.

import { formatError, quote, type ByteSource } from './byte-source.js'
import { unpickle } from './pickle.js'
import { isDict, isList, type PickleValue } from './pickle-values.js'
import type { FileTensor } from './tensor-table.js'
import { TorchHost, type StorageRef } from './torch-objects.js'
import { locateTensors } from './torch-tensors.js'

const MAGIC_NUMBER = 0x1950a86a20f9469cfc6cn
const PROTOCOL_VERSION = 1001
const COUNT_BYTES = 8

/** The pickles of BERT-Large take 100 KB; more is read only when they go on. */
const FIRST_READ_BYTES = 256 * 1024
const READ_GROWTH = 4
const MAX_PICKLE_BYTES = 64 * 1024 * 1024

/** Reads pickle after pickle from the start of the file, and grows what it has read as needed. */
class PickleReader {
  position = 0
  #bytes: Buffer = Buffer.alloc(0)
  readonly #source: ByteSource
  readonly #host: TorchHost

  constructor(source: ByteSource, host: TorchHost) {
    this.#source = source
    this.#host = host
  }

  async next(): Promise<PickleValue> {
    for (;;) {
      const result = unpickle(this.#bytes, this.position, this.#host)
      if (result.complete) {
        this.position = result.end
        return result.value
      }
      // Begins the pickle again: its references to storages are the same the second time.
      await this.#grow()
    }
  }

  async #grow(): Promise<void> {
    const have = this.#bytes.length
    const limit = Math.min(this.#source.sizeBytes, MAX_PICKLE_BYTES)
    if (have >= limit) throw this.#host.malformed('one cut short')
    const wanted = Math.min(limit, Math.max(FIRST_READ_BYTES, have * READ_GROWTH))
    this.#bytes = await this.#source.read(0, wanted)
  }
}

/** @throws ERR_CHECKPOINT_FORMAT, ERR_CHECKPOINT_UNSAFE, ERR_TENSOR_SHAPE, ERR_TENSOR_DTYPE */
export async function readTorchLegacy(source: ByteSource): Promise<Map<string, FileTensor>> {
  const host = new TorchHost(source)
  const reader = new PickleReader(source, host)
  if ((await reader.next()) !== MAGIC_NUMBER) {
    throw formatError(source, "PyTorch's magic number", 'another pickle')
  }
  if ((await reader.next()) !== PROTOCOL_VERSION) {
    throw formatError(source, `PyTorch's protocol version ${PROTOCOL_VERSION}`, 'another')
  }
  checkSystem(source, await reader.next())
  const value = await reader.next()
  const keys = await reader.next()
  if (!isList(keys) || !keys.items.every((key) => typeof key === 'string')) {
    throw formatError(source, 'a list of the keys of storages', 'another value')
  }
  const starts = await walkStorages(source, host, keys.items as string[], reader.position)
  return locateTensors(source, value, (storage: StorageRef) => {
    const start = starts.get(storage.key)
    if (start !== undefined) return start
    throw formatError(source, `storage ${quote(storage.key)}`, 'none of this key')
  })
}

function checkSystem(source: ByteSource, value: PickleValue): void {
  if (isDict(value) && value.entries.get('little_endian') === true) return
  throw formatError(source, 'numbers in little-endian order', 'another order')
}

/** Byte offset of each storage's first element. */
async function walkStorages(
  source: ByteSource,
  host: TorchHost,
  keys: readonly string[],
  begin: number,
): Promise<Map<string, number>> {
  const starts = new Map<string, number>()
  let at = begin
  for (const key of keys) {
    const storage = host.storages.get(key)
    if (storage === undefined || starts.has(key)) {
      throw formatError(source, 'each storage of the pickle once', `key ${quote(key)}`)
    }
    if (at > source.sizeBytes - COUNT_BYTES) {
      throw formatError(source, `storage ${quote(key)}`, 'the end of the file')
    }
    const count = (await source.read(at, COUNT_BYTES)).readBigUInt64LE(0)
    if (count !== BigInt(storage.elements)) {
      throw formatError(
        source,
        `${storage.elements} elements in storage ${quote(key)}`,
        `${count}`,
      )
    }
    const start = at + COUNT_BYTES
    at = start + storage.elements * storage.elementBytes
    if (at > source.sizeBytes) {
      throw formatError(source, `${at} bytes at least`, `${source.sizeBytes}`)
    }
    starts.set(key, start)
  }
  if (at !== source.sizeBytes) {
    throw formatError(source, `${at} bytes`, `${source.sizeBytes}`)
  }
  return starts
}

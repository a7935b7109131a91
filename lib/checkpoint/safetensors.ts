// Reads the header of a safetensors file: 8 bytes of length, little-endian, then JSON that maps
// names to dtype, shape and data_offsets, then the data. As strict as the reference implementation
// (huggingface/safetensors): the tensors must fill the data from its first byte to its last,
// without overlap. Stricter in one thing: a name that stands twice is refused, since readers would
// disagree about which one counts.

import { isObject } from '../hub/folder.js'
import { formatError, quote, refuseLfsPointer, type ByteSource } from './byte-source.js'
import { duplicateKey } from './json-keys.js'
import {
  DTYPE_BITS,
  rowMajorStrides,
  safeProduct,
  type FileTensor,
  type StoredDtype,
} from './tensor-table.js'

const LENGTH_BYTES = 8
/** The reference implementation's limit. */
const MAX_HEADER_BYTES = 100_000_000
/** PyTorch's limit is 64; no weight of an encoder has more than 2. */
const MAX_AXES = 64
const BYTE_BITS = 8

interface Entry extends FileTensor {
  name: string
  begin: number
  end: number
}

/** @throws ERR_CHECKPOINT_FORMAT, ERR_FILE_READ */
export async function readSafetensors(source: ByteSource): Promise<Map<string, FileTensor>> {
  if (source.sizeBytes < LENGTH_BYTES) {
    throw formatError(source, `at least ${LENGTH_BYTES} bytes`, `${source.sizeBytes}`)
  }
  await refuseLfsPointer(source)
  const length = (await source.read(0, LENGTH_BYTES)).readBigUInt64LE(0)
  const available = source.sizeBytes - LENGTH_BYTES
  if (length > BigInt(Math.min(MAX_HEADER_BYTES, available))) {
    throw formatError(
      source,
      `a header of at most ${MAX_HEADER_BYTES} bytes and inside the file of ${source.sizeBytes}`,
      `one of ${length}`,
    )
  }
  const header = await source.read(LENGTH_BYTES, Number(length))
  const dataStart = LENGTH_BYTES + header.length
  const entries: Entry[] = []
  for (const [name, value] of Object.entries(parseHeader(source, header))) {
    if (name === '__metadata__') checkMetadata(source, value)
    else entries.push(parseEntry(source, name, value, dataStart))
  }
  checkCoverage(source, entries, source.sizeBytes - dataStart)
  return new Map(
    entries.map(({ name, dtype, shape, strides, offsetBytes }) => [
      name,
      { dtype, shape, strides, offsetBytes },
    ]),
  )
}

function parseHeader(source: ByteSource, bytes: Buffer): Record<string, unknown> {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw formatError(source, 'a header in UTF-8', 'other bytes')
  }
  if (!text.startsWith('{')) {
    throw formatError(source, 'a header that starts with {', 'something else')
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw formatError(source, 'a header in JSON', 'text that does not parse')
  }
  if (!isObject(value)) throw formatError(source, 'a JSON object as header', 'another value')
  const twice = duplicateKey(text)
  if (twice !== undefined) {
    throw formatError(source, 'each tensor once', `${quote(twice)} twice`)
  }
  return value
}

function checkMetadata(source: ByteSource, value: unknown): void {
  if (isObject(value) && Object.values(value).every((entry) => typeof entry === 'string')) return
  throw formatError(source, 'an object of strings for __metadata__', 'another value')
}

function isSize(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function isStoredDtype(value: unknown): value is StoredDtype {
  return typeof value === 'string' && Object.hasOwn(DTYPE_BITS, value)
}

function parseEntry(source: ByteSource, name: string, value: unknown, dataStart: number): Entry {
  const subject = `tensor ${quote(name)}`
  if (!isObject(value)) throw formatError(source, `an object for ${subject}`, 'another value')
  const { dtype, shape, data_offsets: offsets } = value
  if (!isStoredDtype(dtype)) {
    const received = typeof dtype === 'string' ? quote(dtype) : 'no name'
    throw formatError(source, `a dtype of safetensors for ${subject}`, received)
  }
  if (!Array.isArray(shape) || shape.length > MAX_AXES || !shape.every(isSize)) {
    throw formatError(source, `a shape of integers ≥ 0 for ${subject}`, 'another value')
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize)) {
    throw formatError(source, `two integers ≥ 0 as data_offsets of ${subject}`, 'another value')
  }
  const [begin, end] = offsets as [number, number]
  const bits = safeProduct([...shape, DTYPE_BITS[dtype]])
  if (bits === undefined || bits % BYTE_BITS !== 0 || end - begin !== bits / BYTE_BITS) {
    throw formatError(
      source,
      `the bytes of ${dtype} [${shape.join(', ')}] for ${subject}`,
      `the range from ${begin} to ${end}`,
    )
  }
  const strides = rowMajorStrides(shape)
  if (!strides.every(Number.isSafeInteger)) {
    throw formatError(source, `a shape that fits memory for ${subject}`, `[${shape.join(', ')}]`)
  }
  return { name, dtype, shape, strides, offsetBytes: dataStart + begin, begin, end }
}

/** Ranges, in order, must follow each other from 0 to the end of the data. */
function checkCoverage(source: ByteSource, entries: readonly Entry[], dataBytes: number): void {
  const sorted = [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)
  let end = 0
  for (const entry of sorted) {
    if (entry.begin !== end) {
      throw formatError(
        source,
        `tensors end to end, the next from byte ${end},`,
        `${quote(entry.name)} from byte ${entry.begin}`,
      )
    }
    if (entry.end > dataBytes) {
      throw formatError(
        source,
        `tensor ${quote(entry.name)} inside ${dataBytes} bytes of data`,
        `the range from ${entry.begin} to ${entry.end}`,
      )
    }
    end = entry.end
  }
  if (end !== dataBytes) {
    throw formatError(source, `${end} bytes of data, as the header says,`, `${dataBytes}`)
  }
}

// Builds checkpoint files byte by byte, valid and not.
import { memorySource, type ByteSource } from '../../lib/checkpoint/byte-source.js'
import type { CheckpointFile, FileTensor } from '../../lib/checkpoint/tensor-table.js'
import { DTYPE_BITS } from '../../lib/checkpoint/tensor-table.js'

export const source = (bytes: Buffer): ByteSource => memorySource('/models/test.bin', bytes)

/** Whether every byte of a tensor lies in its file, which holds as many elements. */
export function insideFile(tensor: FileTensor, file: Pick<CheckpointFile, 'sizeBytes'>): boolean {
  const { shape, strides, offsetBytes, dtype } = tensor
  const numbers = [...shape, ...strides, offsetBytes]
  if (!numbers.every((value) => Number.isSafeInteger(value) && value >= 0)) return false
  if (shape.length !== strides.length) return false
  if (shape.includes(0)) return offsetBytes <= file.sizeBytes
  const bits = BigInt(DTYPE_BITS[dtype])
  const elements = shape.reduce((product, size) => product * BigInt(size), 1n)
  if (elements * bits > BigInt(file.sizeBytes) * 8n) return false
  let last = 0n
  shape.forEach((size, axis) => {
    last += BigInt(size - 1) * BigInt(strides[axis]!)
  })
  const end = BigInt(offsetBytes) + ((last + 1n) * bits) / 8n
  return end <= BigInt(file.sizeBytes)
}

export function safetensors(header: unknown, data: Buffer | number): Buffer {
  const text = typeof header === 'string' ? header : JSON.stringify(header)
  const json = Buffer.from(text)
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  return Buffer.concat([length, json, typeof data === 'number' ? Buffer.alloc(data) : data])
}

export interface ZipPart {
  name: string
  data: Buffer
  method?: number
  flags?: number
  /** Bytes of the local extra field, as PyTorch pads with. */
  padding?: number
  zip64?: boolean
  /** What stands in the directory instead of the truth. */
  central?: { size?: number; compressed?: number; offset?: number; disk?: number; name?: string }
  local?: { name?: string; method?: number; flags?: number; size?: number }
}

export interface ZipOptions {
  zip64?: boolean
  comment?: Buffer
  end?: (record: Buffer) => void
  end64?: (record: Buffer) => void
  locator?: (record: Buffer) => void
  /** Bytes between the last entry and the directory, and between the directory and its end. */
  before?: Buffer
  after?: Buffer
}

function u64(...values: (number | bigint)[]): Buffer {
  const bytes = Buffer.alloc(values.length * 8)
  values.forEach((value, index) => bytes.writeBigUInt64LE(BigInt(value), index * 8))
  return bytes
}

function localHeader(part: ZipPart): Buffer {
  const name = Buffer.from(part.local?.name ?? part.name)
  const extra = Buffer.alloc(part.padding ?? 0, 'Z')
  const flags = part.local?.flags ?? part.flags ?? 0
  const size = part.local?.size ?? ((flags & 8) !== 0 ? 0 : part.data.length)
  const header = Buffer.alloc(30)
  header.writeUInt32LE(0x04034b50, 0)
  header.writeUInt16LE(flags, 6)
  header.writeUInt16LE(part.local?.method ?? part.method ?? 0, 8)
  header.writeUInt32LE(size, 18)
  header.writeUInt32LE(size, 22)
  header.writeUInt16LE(name.length, 26)
  header.writeUInt16LE(extra.length, 28)
  return Buffer.concat([header, name, extra])
}

function centralHeader(part: ZipPart, offset: number): Buffer {
  const name = Buffer.from(part.central?.name ?? part.name)
  const size = part.central?.size ?? part.data.length
  const compressed = part.central?.compressed ?? size
  const at = part.central?.offset ?? offset
  const fields = u64(size, compressed, at)
  const extra = part.zip64 ? Buffer.concat([Buffer.from([1, 0, 24, 0]), fields]) : Buffer.alloc(0)
  const header = Buffer.alloc(46)
  header.writeUInt32LE(0x02014b50, 0)
  header.writeUInt16LE(part.flags ?? 0, 8)
  header.writeUInt16LE(part.method ?? 0, 10)
  header.writeUInt32LE(part.zip64 ? 0xffffffff : compressed, 20)
  header.writeUInt32LE(part.zip64 ? 0xffffffff : size, 24)
  header.writeUInt16LE(name.length, 28)
  header.writeUInt16LE(extra.length, 30)
  header.writeUInt16LE(part.central?.disk ?? 0, 34)
  header.writeUInt32LE(part.zip64 ? 0xffffffff : at, 42)
  return Buffer.concat([header, name, extra])
}

export function zip(parts: readonly ZipPart[], options: ZipOptions = {}): Buffer {
  const chunks: Buffer[] = []
  const centrals: Buffer[] = []
  let offset = 0
  for (const part of parts) {
    const chunk = Buffer.concat([localHeader(part), part.data])
    centrals.push(centralHeader(part, offset))
    chunks.push(chunk)
    offset += chunk.length
  }
  const before = options.before ?? Buffer.alloc(0)
  const directory = Buffer.concat(centrals)
  const after = options.after ?? Buffer.alloc(0)
  const directoryAt = offset + before.length
  const comment = options.comment ?? Buffer.alloc(0)
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(options.zip64 ? 0xffff : parts.length, 8)
  end.writeUInt16LE(options.zip64 ? 0xffff : parts.length, 10)
  end.writeUInt32LE(options.zip64 ? 0xffffffff : directory.length, 12)
  end.writeUInt32LE(options.zip64 ? 0xffffffff : directoryAt, 16)
  end.writeUInt16LE(comment.length, 20)
  options.end?.(end)
  const tail = options.zip64 ? zip64End(parts.length, directory.length, directoryAt, options) : []
  return Buffer.concat([...chunks, before, directory, after, ...tail, end, comment])
}

function zip64End(count: number, bytes: number, at: number, options: ZipOptions): Buffer[] {
  const record = Buffer.alloc(56)
  record.writeUInt32LE(0x06064b50, 0)
  record.writeBigUInt64LE(44n, 4)
  u64(count, count, bytes, at).copy(record, 24)
  options.end64?.(record)
  const locator = Buffer.alloc(20)
  locator.writeUInt32LE(0x07064b50, 0)
  locator.writeBigUInt64LE(BigInt(at + bytes + (options.after?.length ?? 0)), 8)
  locator.writeUInt32LE(1, 16)
  options.locator?.(locator)
  return [record, locator]
}

/** Opcodes of pickles, end to end. A string is a BINUNICODE, a number its shortest integer. */
type Op = Buffer | string | number

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

function encodeOp(op: Op): Buffer {
  if (Buffer.isBuffer(op)) return op
  if (typeof op === 'string') {
    const text = Buffer.from(op)
    return Buffer.concat([Buffer.from('X'), u32(text.length), text])
  }
  if (Number.isInteger(op) && op >= -(2 ** 31) && op < 2 ** 31) {
    return Buffer.concat([Buffer.from('J'), u32(op >>> 0)])
  }
  const long = Buffer.alloc(8)
  long.writeBigInt64LE(BigInt(op))
  return Buffer.concat([Buffer.from([0x8a, 8]), long])
}

export const ops = (...list: Op[]): Buffer => Buffer.concat(list.map(encodeOp))
export const code = (text: string): Buffer => Buffer.from(text, 'latin1')
export const pickle = (...list: Op[]): Buffer => ops(code('\x80\x02'), ...list, code('.'))
export const tuple = (...list: Op[]): Buffer => ops(code('('), ...list, code('t'))
export const global = (module: string, name: string): Buffer => code(`c${module}\n${name}\n`)
export const NONE = code('N')
export const FALSE = code('\x89')
export const TRUE = code('\x88')

export interface TensorSpec {
  key?: string
  type?: string
  numel?: number
  offset?: number
  shape?: number[]
  strides?: number[]
  view?: Buffer
  /** Five items in the zip format, six in the older one. */
  legacy?: boolean
}

export function storageId(spec: TensorSpec): Buffer {
  const { key = '0', type = 'FloatStorage', numel = 6, legacy = false } = spec
  const items: Op[] = ['storage', global('torch', type), key, 'cpu', numel]
  if (legacy) items.push(spec.view ?? NONE)
  return ops(tuple(...items), code('Q'))
}

export function tensor(spec: TensorSpec = {}, rebuild = '_rebuild_tensor_v2'): Buffer {
  const { offset = 0, shape = [2, 3], strides = [3, 1] } = spec
  const hooks = ops(global('collections', 'OrderedDict'), code(')R'))
  return ops(
    global('torch._utils', rebuild),
    tuple(storageId(spec), offset, tuple(...shape), tuple(...strides), FALSE, hooks),
    code('R'),
  )
}

export function dict(entries: readonly (readonly [Op, Op])[]): Buffer {
  return ops(code('}('), ...entries.flat(), code('u'))
}

export const floats = (count: number): Buffer =>
  Buffer.from(Float32Array.from({ length: count }, (_, index) => index).buffer)

export function torchZip(
  body: Buffer,
  storages: Record<string, Buffer> = { '0': floats(6) },
  extra: readonly ZipPart[] = [],
  options?: ZipOptions,
): Buffer {
  const parts: ZipPart[] = [
    { name: 'archive/data.pkl', data: pickle(body), padding: 11 },
    ...extra,
    ...Object.entries(storages).map(([key, data]) => ({
      name: `archive/data/${key}`,
      data,
      padding: 23,
      flags: 0x0808,
    })),
  ]
  return zip(parts, options)
}

export const MAGIC = ops(
  code('\x80\x02\x8a\x0a'),
  Buffer.from('6cfc9c46f9206aa85019', 'hex'),
  code('.'),
)

export interface LegacySpec {
  magic?: Buffer
  version?: number
  littleEndian?: Buffer
  keys?: readonly string[]
  /** Count of elements and bytes of each storage. */
  storages?: readonly (readonly [number | bigint, Buffer])[]
  tail?: Buffer
}

export function torchLegacy(body: Buffer, spec: LegacySpec = {}): Buffer {
  const storages = spec.storages ?? [[6, floats(6)]]
  return Buffer.concat([
    spec.magic ?? MAGIC,
    pickle(spec.version ?? 1001),
    pickle(dict([['little_endian', spec.littleEndian ?? TRUE]])),
    pickle(body),
    pickle(code(']('), ...(spec.keys ?? ['0']), code('e')),
    ...storages.flatMap(([count, data]) => [u64(count), data]),
    spec.tail ?? Buffer.alloc(0),
  ])
}

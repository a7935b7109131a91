// Where the entries of a zip archive lie in their file. Written here because what a checkpoint
// needs is byte ranges of stored entries, never inflated contents; zip libraries give streams. As
// only stored entries are taken there is nothing that could unpack to more than the file.
//
// Everything that readers could understand in two ways is refused: entries that overlap, stand
// twice, or whose local header disagrees with the central directory; bytes between directory and
// end record; encryption; parts on other disks. Format: PKWARE APPNOTE.TXT, sections 4.3 and 4.5.

import { formatError, quote, unsafeError, type ByteSource } from './byte-source.js'

const LOCAL_SIGNATURE = 0x04034b50
const LOCAL_BYTES = 30
const CENTRAL_SIGNATURE = 0x02014b50
const CENTRAL_BYTES = 46
const END_SIGNATURE = 0x06054b50
const END_BYTES = 22
const MAX_COMMENT_BYTES = 0xffff
const LOCATOR_SIGNATURE = 0x07064b50
const LOCATOR_BYTES = 20
const END64_SIGNATURE = 0x06064b50
const END64_BYTES = 56

const MAX_16 = 0xffff
const MAX_32 = 0xffffffff
/** Extra field that holds what does not fit 32 bits. */
const ZIP64_EXTRA = 0x0001

/** Bits 0 and 6: encrypted; 13: the directory is. */
const ENCRYPTED_FLAGS = (1 << 0) | (1 << 6) | (1 << 13)
/** Bit 3: sizes stand after the data; the local header may have zeros. */
const DESCRIPTOR_FLAG = 1 << 3
const STORED = 0

const MAX_ENTRIES = 1 << 16
const MAX_DIRECTORY_BYTES = 1 << 24

export interface ZipEntry {
  readonly name: string
  /** Of the entry's contents in the file. */
  readonly offsetBytes: number
  readonly sizeBytes: number
}

interface CentralEntry {
  name: string
  rawName: Buffer
  flags: number
  sizeBytes: number
  headerOffset: number
}

interface Directory {
  count: number
  sizeBytes: number
  offset: number
}

/** @throws ERR_CHECKPOINT_FORMAT, ERR_CHECKPOINT_UNSAFE (names that leave the archive) */
export async function readZipDirectory(source: ByteSource): Promise<Map<string, ZipEntry>> {
  const directory = await findDirectory(source)
  const bytes = await source.read(directory.offset, directory.sizeBytes)
  const centrals = parseCentrals(source, bytes, directory.count)
  const entries = new Map<string, ZipEntry>()
  let end = 0
  // In the order of the file, so that each must end before the next begins.
  for (const central of centrals.sort((a, b) => a.headerOffset - b.headerOffset)) {
    if (central.headerOffset < end) {
      throw formatError(source, 'zip entries side by side', `${quote(central.name)} over another`)
    }
    const entry = await readLocal(source, central, directory.offset)
    end = entry.offsetBytes + entry.sizeBytes
    if (entries.has(entry.name)) {
      throw formatError(source, 'each zip entry once', `${quote(entry.name)} twice`)
    }
    entries.set(entry.name, entry)
  }
  return entries
}

/** A 64-bit number that is a safe integer. */
function readSafe(source: ByteSource, bytes: Buffer, at: number): number {
  const value = bytes.readBigUInt64LE(at)
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw formatError(source, 'zip sizes that fit the file', `${value}`)
  }
  return Number(value)
}

async function findDirectory(source: ByteSource): Promise<Directory> {
  const tailBytes = Math.min(source.sizeBytes, END_BYTES + MAX_COMMENT_BYTES)
  const tail = await source.read(source.sizeBytes - tailBytes, tailBytes)
  let at = tail.length - END_BYTES
  while (at >= 0) {
    const comment = tail.length - END_BYTES - at
    if (tail.readUInt32LE(at) === END_SIGNATURE && tail.readUInt16LE(at + 20) === comment) break
    at -= 1
  }
  if (at < 0) throw formatError(source, 'a zip archive with an end record', 'one cut short')
  const disks = [tail.readUInt16LE(at + 4), tail.readUInt16LE(at + 6)]
  const counts = [tail.readUInt16LE(at + 8), tail.readUInt16LE(at + 10)]
  const sizeBytes = tail.readUInt32LE(at + 12)
  const offset = tail.readUInt32LE(at + 16)
  const endAt = source.sizeBytes - tail.length + at
  const zip64 = await findZip64(source, endAt)
  const count = zip64?.count ?? counts[1] ?? 0
  const directory = zip64 ?? { count, sizeBytes, offset, recordAt: endAt }
  const agrees =
    disks.every((disk) => disk === 0 || (zip64 !== undefined && disk === MAX_16)) &&
    counts.every((value) => value === count || (zip64 !== undefined && value === MAX_16)) &&
    (sizeBytes === directory.sizeBytes || (zip64 !== undefined && sizeBytes === MAX_32)) &&
    (offset === directory.offset || (zip64 !== undefined && offset === MAX_32))
  if (!agrees) {
    throw formatError(source, 'a zip archive on one disk', 'end records that disagree')
  }
  if (directory.count > MAX_ENTRIES || directory.sizeBytes > MAX_DIRECTORY_BYTES) {
    throw formatError(source, `at most ${MAX_ENTRIES} zip entries`, `${directory.count}`)
  }
  if (directory.offset + directory.sizeBytes !== directory.recordAt) {
    throw formatError(source, 'a zip directory that ends where its end record begins', 'another')
  }
  return directory
}

/** The zip64 end record, where the locator before the end record says. */
async function findZip64(
  source: ByteSource,
  endAt: number,
): Promise<(Directory & { recordAt: number }) | undefined> {
  const locatorAt = endAt - LOCATOR_BYTES
  if (locatorAt < 0) return undefined
  const locator = await source.read(locatorAt, LOCATOR_BYTES)
  if (locator.readUInt32LE(0) !== LOCATOR_SIGNATURE) return undefined
  const recordAt = readSafe(source, locator, 8)
  if (locator.readUInt32LE(4) !== 0 || locator.readUInt32LE(16) > 1) {
    throw formatError(source, 'a zip archive on one disk', 'a part of one on several')
  }
  if (recordAt > locatorAt - END64_BYTES) {
    throw formatError(source, 'a zip64 end record before its locator', 'one elsewhere')
  }
  const record = await source.read(recordAt, END64_BYTES)
  // The record's size leaves out its first 12 bytes.
  const recordBytes = readSafe(source, record, 4) + 12
  if (record.readUInt32LE(0) !== END64_SIGNATURE || recordAt + recordBytes !== locatorAt) {
    throw formatError(source, 'a zip64 end record', 'something else')
  }
  const count = readSafe(source, record, 32)
  const otherDisk = record.readUInt32LE(16) !== 0 || record.readUInt32LE(20) !== 0
  if (otherDisk || readSafe(source, record, 24) !== count) {
    throw formatError(source, 'a zip archive on one disk', 'a part of one on several')
  }
  return {
    count,
    sizeBytes: readSafe(source, record, 40),
    offset: readSafe(source, record, 48),
    recordAt,
  }
}

function parseCentrals(source: ByteSource, bytes: Buffer, count: number): CentralEntry[] {
  const entries: CentralEntry[] = []
  let at = 0
  for (let index = 0; index < count; index += 1) {
    if (at > bytes.length - CENTRAL_BYTES || bytes.readUInt32LE(at) !== CENTRAL_SIGNATURE) {
      throw formatError(source, `${count} entries in the zip directory`, `${index}`)
    }
    const nameEnd = at + CENTRAL_BYTES + bytes.readUInt16LE(at + 28)
    const extraEnd = nameEnd + bytes.readUInt16LE(at + 30)
    const end = extraEnd + bytes.readUInt16LE(at + 32)
    if (end > bytes.length) {
      throw formatError(source, 'a whole zip directory', 'an entry that runs out of it')
    }
    const header = bytes.subarray(at, at + CENTRAL_BYTES)
    const rawName = bytes.subarray(at + CENTRAL_BYTES, nameEnd)
    entries.push(parseCentral(source, header, rawName, bytes.subarray(nameEnd, extraEnd)))
    at = end
  }
  if (at !== bytes.length) {
    throw formatError(source, `a zip directory of ${at} bytes`, `${bytes.length}`)
  }
  return entries
}

function parseCentral(
  source: ByteSource,
  header: Buffer,
  rawName: Buffer,
  extra: Buffer,
): CentralEntry {
  const name = rawName.toString('utf8')
  checkName(source, name)
  const subject = `zip entry ${quote(name)}`
  const flags = header.readUInt16LE(8)
  if ((flags & ENCRYPTED_FLAGS) !== 0) {
    throw formatError(source, `plain contents of ${subject}`, 'encrypted ones')
  }
  const method = header.readUInt16LE(10)
  if (method !== STORED) {
    throw formatError(
      source,
      `stored contents of ${subject}, as PyTorch writes them,`,
      `compressed ones (method ${method})`,
    )
  }
  let compressed = header.readUInt32LE(20)
  let sizeBytes = header.readUInt32LE(24)
  const disk = header.readUInt16LE(34)
  let headerOffset = header.readUInt32LE(42)
  const wide = zip64Numbers(source, extra)
  const next = (): number => {
    const value = wide.shift()
    if (value === undefined) throw formatError(source, `a zip64 size of ${subject}`, 'none')
    return value
  }
  if (sizeBytes === MAX_32) sizeBytes = next()
  if (compressed === MAX_32) compressed = next()
  if (headerOffset === MAX_32) headerOffset = next()
  if (disk !== 0 || compressed !== sizeBytes) {
    throw formatError(source, `one size and place of ${subject}`, 'contradicting ones')
  }
  return { name, rawName, flags, sizeBytes, headerOffset }
}

function checkName(source: ByteSource, name: string): void {
  const climbs = name.split('/').includes('..')
  if (climbs || name.startsWith('/') || /[\\\0]|^[A-Za-z]:/.test(name)) {
    throw unsafeError(source, `an entry outside the archive, ${quote(name)}`)
  }
}

/** The 64-bit numbers of the zip64 extra field, in their fixed order. */
function zip64Numbers(source: ByteSource, extra: Buffer): number[] {
  let at = 0
  while (at <= extra.length - 4) {
    const start = at + 4
    const end = start + extra.readUInt16LE(at + 2)
    if (end > extra.length) throw formatError(source, 'whole zip extra fields', 'one cut short')
    if (extra.readUInt16LE(at) === ZIP64_EXTRA) {
      const numbers: number[] = []
      for (let from = start; from <= end - 8 && numbers.length < 3; from += 8) {
        numbers.push(readSafe(source, extra, from))
      }
      return numbers
    }
    at = end
  }
  return []
}

/** Checks the local header against the directory; the contents begin after it. */
async function readLocal(
  source: ByteSource,
  central: CentralEntry,
  directoryOffset: number,
): Promise<ZipEntry> {
  const { name, rawName, flags, sizeBytes, headerOffset } = central
  const subject = `zip entry ${quote(name)}`
  const headerBytes = LOCAL_BYTES + rawName.length
  if (headerOffset > directoryOffset - headerBytes) {
    throw formatError(source, `${subject} before the directory`, `offset ${headerOffset}`)
  }
  const header = await source.read(headerOffset, headerBytes)
  const sizes = [header.readUInt32LE(18), header.readUInt32LE(22)]
  const sizesFollow = (flags & DESCRIPTOR_FLAG) !== 0
  const agrees =
    header.readUInt32LE(0) === LOCAL_SIGNATURE &&
    header.readUInt16LE(6) === flags &&
    header.readUInt16LE(8) === STORED &&
    header.readUInt16LE(26) === rawName.length &&
    header.subarray(LOCAL_BYTES).equals(rawName) &&
    // MAX_32: in a zip64 field, which the directory has as well.
    sizes.every((size) => size === sizeBytes || size === MAX_32 || (sizesFollow && size === 0))
  if (!agrees) {
    throw formatError(source, `a local header of ${subject} like the directory's`, 'another')
  }
  // The local extra field has its own length: PyTorch pads there to align the contents.
  const offsetBytes = headerOffset + headerBytes + header.readUInt16LE(28)
  if (offsetBytes + sizeBytes > directoryOffset) {
    throw formatError(source, `${subject} before the directory`, `${sizeBytes} bytes`)
  }
  return { name, offsetBytes, sizeBytes }
}

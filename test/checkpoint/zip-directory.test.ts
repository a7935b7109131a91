// The zip reader: where entries lie, and archives that two readers could understand differently.
import { describe, expect, test } from 'vitest'

import { FusebertError } from '../../lib/errors.js'
import { readZipDirectory } from '../../lib/checkpoint/zip-directory.js'
import { source, zip, type ZipOptions, type ZipPart } from './build.js'

const read = (bytes: Buffer) => readZipDirectory(source(bytes))
const refusal = async (bytes: Buffer): Promise<FusebertError> => {
  const error: unknown = await read(bytes).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(FusebertError)
  return error as FusebertError
}

const A: ZipPart = { name: 'archive/a', data: Buffer.from('first'), padding: 17 }
const B: ZipPart = { name: 'archive/data/b', data: Buffer.from('second one'), flags: 0x0808 }
const C: ZipPart = { name: 'archive/c', data: Buffer.alloc(0), padding: 3 }

async function contents(bytes: Buffer): Promise<Record<string, string>> {
  const entries = [...(await read(bytes)).values()]
  return Object.fromEntries(
    entries.map(({ name, offsetBytes, sizeBytes }) => [
      name,
      bytes.toString('utf8', offsetBytes, offsetBytes + sizeBytes),
    ]),
  )
}
const WANTED = { 'archive/a': 'first', 'archive/data/b': 'second one', 'archive/c': '' }

describe('valid archives', () => {
  test.each<[string, ZipPart[], ZipOptions]>([
    ['plain', [A, B, C], {}],
    ['with zip64 records', [A, B, C], { zip64: true }],
    ['with zip64 entries', [A, B, C].map((part) => ({ ...part, zip64: true })), { zip64: true }],
    ['with zip64 entries only', [A, B, C].map((part) => ({ ...part, zip64: true })), {}],
    ['with sizes in zip64 fields of local headers', [
      { ...A, zip64: true, local: { size: 0xffffffff } }, B, C], {}],
    ['with a comment', [A, B, C], { comment: Buffer.from('a comment, PK\x05\x06 included') }],
    ['with bytes before the directory, as data descriptors are', [A, B, C], {
      before: Buffer.alloc(24) }],
  ])('%s', async (_, parts, options) => {
    expect(await contents(zip(parts, options))).toEqual(WANTED)
  })

  test('none', async () => {
    expect((await read(zip([]))).size).toBe(0)
  })
})

describe('refused archives', () => {
  test.each([
    ['plain', {}],
    ['zip64', { zip64: true }],
  ])('%s, cut short at every byte', async (_, options) => {
    const whole = zip([A, B, C], options)
    for (let length = 0; length < whole.length; length += 1) {
      expect((await refusal(whole.subarray(0, length))).code).toBe('ERR_CHECKPOINT_FORMAT')
    }
  })

  test.each([
    '../outside',
    'archive/../../outside',
    'archive/..',
    '/etc/passwd',
    'C:/windows',
    'archive\\..\\outside',
    'archive/a\0b',
  ])('a name that leaves the archive: %j', async (name) => {
    const error = await refusal(zip([A, { ...B, name }]))
    expect(error.code).toBe('ERR_CHECKPOINT_UNSAFE')
  })

  test('dots inside a name are fine', async () => {
    expect((await read(zip([{ ...A, name: 'archive/..a/b..' }]))).size).toBe(1)
  })

  test.each([8, 9, 12, 14, 93])('compression method %d, so that nothing can explode', async (m) => {
    const error = await refusal(zip([{ ...A, method: m, central: { size: 2 ** 31 } }]))
    expect(error.code).toBe('ERR_CHECKPOINT_FORMAT')
    expect(error.message).toContain('compressed')
    expect(error.message).toContain("'archive/a'")
  })

  test.each([1, 1 << 6, 1 << 13])('encryption, flag %d', async (flags) => {
    expect((await refusal(zip([{ ...A, flags }]))).message).toContain('encrypted')
  })

  test.each<[string, ZipPart[]]>([
    ['a size beyond the directory', [{ ...A, central: { size: 5000 }, local: { size: 5000 } }]],
    ['sizes that differ', [{ ...A, central: { compressed: 4 } }]],
    ['a size that the local header denies', [{ ...A, central: { size: 4 } }]],
    ['another name in the local header', [{ ...A, local: { name: 'archive/x' } }]],
    ['a longer name in the local header', [{ ...A, local: { name: 'archive/ab' } }]],
    ['a method that only the local header has', [{ ...A, local: { method: 8 } }]],
    ['flags that only the local header has', [{ ...A, local: { flags: 8 } }]],
    ['no local header where it should be', [A, { ...B, central: { offset: 7 } }]],
    ['a local header beyond the file', [{ ...A, central: { offset: 2 ** 31 } }]],
    ['a local header beyond safe integers', [{ ...A, zip64: true, central: { offset: 2 ** 60 } }]],
    ['another disk', [{ ...A, central: { disk: 1 } }]],
    ['the same name twice', [A, A]],
    ['one place with two names', [A, { ...A, name: 'archive/b', central: { offset: 0 } }]],
  ])('%s', async (_, parts) => {
    expect((await refusal(zip(parts))).code).toBe('ERR_CHECKPOINT_FORMAT')
  })

  test('an entry inside another', async () => {
    const inner = zip([A]).subarray(0, 200)
    const outer: ZipPart = { name: 'archive/o', data: inner }
    const offset = 30 + 'archive/o'.length
    const bytes = zip([outer, { ...A, central: { offset } }])
    expect((await refusal(bytes)).message).toContain('over another')
  })

  test.each<[string, ZipOptions]>([
    ['a directory elsewhere', { end: (end) => end.writeUInt32LE(0, 16) }],
    ['a directory beyond the file', { end: (end) => end.writeUInt32LE(0xfffffff0, 16) }],
    ['a larger directory', { end: (end) => end.writeUInt32LE(1 << 23, 12) }],
    ['a directory of 4 GB', { end: (end) => end.writeUInt32LE(0xfffffff0, 12) }],
    ['more entries than there are', { end: (end) => end.fill(0x44, 8, 12) }],
    ['fewer entries than there are', { end: (end) => end.writeUInt32LE(0x10001, 8) }],
    ['counts that differ', { end: (end) => end.writeUInt16LE(2, 8) }],
    ['zip64 sentinels without a record', { end: (end) => end.writeUInt32LE(0xffffffff, 16) }],
    ['a second disk', { end: (end) => end.writeUInt16LE(1, 4) }],
    ['bytes between directory and end', { after: Buffer.from('x') }],
    ['zip64: bytes between directory and end', { zip64: true, after: Buffer.from('x') }],
    ['zip64: another count', { zip64: true, end: (end) => end.writeUInt16LE(7, 10) }],
    ['zip64: no record', { zip64: true, end64: (record) => record.fill(0, 0, 4) }],
    ['zip64: a longer record', { zip64: true, end64: (record) => record.writeUInt8(45, 4) }],
    ['zip64: counts that differ', { zip64: true, end64: (r) => r.writeUInt8(9, 24) }],
    ['zip64: a count of 2^60', { zip64: true, end64: (r) => r.fill(0x10, 24, 40) }],
    ['zip64: 65537 entries', { zip64: true, end64: (r) => {
      r.writeUInt32LE(65_537, 24); r.writeUInt32LE(65_537, 32) } }],
    ['zip64: an offset of 2^60', { zip64: true, end64: (r) => r.writeUInt8(16, 55) }],
    ['zip64: another disk', { zip64: true, end64: (r) => r.writeUInt8(1, 16) }],
    ['zip64: a record elsewhere', { zip64: true, locator: (l) => l.writeUInt8(1, 8) }],
    ['zip64: a record beyond the file', { zip64: true, locator: (l) => l.writeUInt8(16, 15) }],
    ['zip64: two disks', { zip64: true, locator: (l) => l.writeUInt8(2, 16) }],
  ])('%s', async (_, options) => {
    expect((await refusal(zip([A, B, C], options))).code).toBe('ERR_CHECKPOINT_FORMAT')
  })

  test('an extra field that runs out of its entry', async () => {
    const bytes = zip([{ ...A, zip64: true }])
    bytes.writeUInt16LE(500, bytes.lastIndexOf(Buffer.from([1, 0, 24, 0])) + 2)
    expect((await refusal(bytes)).message).toContain('extra fields')
  })
})

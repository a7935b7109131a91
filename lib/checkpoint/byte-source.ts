// Bounded reads from a checkpoint file. Parsers see a ByteSource, so that they never hold a whole
// file, and so that tests and fuzzers can give them bytes from memory.

import { constants } from 'node:fs'

import { FusebertError } from '../errors.js'
import {
  close as closeFile, fstat, open, openError, read as readFile, realpath, stat,
} from '../hub/files.js'

export interface ByteSource {
  /** Absolute path with symlinks resolved; for messages too. */
  readonly path: string
  readonly sizeBytes: number
  /** Exactly these bytes; the range must lie inside the source. ERR_FILE_READ when it fails. */
  read(offset: number, length: number): Promise<Buffer>
}

export interface OpenByteSource extends ByteSource {
  close(): Promise<void>
}

/**
 * Opens a file and follows its symlinks once, so that path and content belong together.
 * @throws ERR_FILE_NOT_FOUND, ERR_FILE_READ
 */
export async function openByteSource(path: string): Promise<OpenByteSource> {
  const notFound = (cause: unknown): never => {
    throw openError(path, cause)
  }
  const real = await realpath(path).catch(notFound)
  // Opening a pipe would wait for its other end: look first.
  if (!(await stat(real).catch(notFound)).isFile()) {
    throw new FusebertError('ERR_FILE_READ', `Expected a file at ${path} but it is not a file.`)
  }
  const flags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)
  const fd = await open(real, flags).catch(notFound)
  const failed = (cause: unknown): never => {
    throw new FusebertError('ERR_FILE_READ', `Could not read ${real}.`, { cause })
  }
  const close = (): Promise<void> => closeFile(fd).catch(() => undefined)
  try {
    const { size: sizeBytes } = await fstat(fd)
    const read = async (offset: number, length: number): Promise<Buffer> => {
      checkRange(real, sizeBytes, offset, length)
      const bytes = await readFile(fd, offset, length).catch(failed)
      if (bytes.length === length) return bytes
      throw new FusebertError(
        'ERR_FILE_READ',
        `Expected ${sizeBytes} bytes in ${real} but it became shorter while it was read.`,
      )
    }
    return { path: real, sizeBytes, read, close }
  } catch (error) {
    await close()
    return failed(error)
  }
}

/** Bytes as a source, as if they were the file `path`. */
export function memorySource(path: string, bytes: Buffer): ByteSource {
  const sizeBytes = bytes.length
  return {
    path,
    sizeBytes,
    read: async (offset, length) => {
      checkRange(path, sizeBytes, offset, length)
      return bytes.subarray(offset, offset + length)
    },
  }
}

/** Parsers check ranges themselves, with messages that say what is wrong; this is the last line. */
function checkRange(path: string, sizeBytes: number, offset: number, length: number): void {
  const whole = Number.isSafeInteger(offset) && Number.isSafeInteger(length)
  if (whole && offset >= 0 && length >= 0 && offset <= sizeBytes - length) return
  throw new FusebertError(
    'ERR_CHECKPOINT_FORMAT',
    `Expected bytes inside ${path}, which has ${sizeBytes}, but it points to ${length} bytes at ` +
      `${offset}. Download the file again.`,
  )
}

/** ERR_CHECKPOINT_FORMAT about a file: what was expected but what was there, and what to do. */
export function formatError(source: ByteSource, expected: string, received: string): FusebertError {
  return new FusebertError(
    'ERR_CHECKPOINT_FORMAT',
    `Expected ${expected} in ${source.path} but received ${received}. Download the file again.`,
  )
}

/** ERR_CHECKPOINT_UNSAFE about a file: what it asks for. */
export function unsafeError(source: ByteSource, received: string): FusebertError {
  return new FusebertError(
    'ERR_CHECKPOINT_UNSAFE',
    `Expected nothing but tensors in ${source.path} but received ${received}. ` +
      'Nothing of it was run. Use a safetensors version of this checkpoint, ' +
      'or convert it where you trust it.',
  )
}

/** A name from a file, quoted and short enough for a message. */
export function quote(name: string): string {
  const text = JSON.stringify(name.length > 120 ? `${name.slice(0, 120)}…` : name)
  return `'${text.slice(1, -1)}'`
}

const LFS_POINTER_START = Buffer.from('version https://git-lfs')

/** @throws ERR_CHECKPOINT_FORMAT for a Git LFS pointer, which a clone without LFS leaves behind */
export async function refuseLfsPointer(source: ByteSource): Promise<void> {
  const start = await source.read(0, Math.min(source.sizeBytes, LFS_POINTER_START.length))
  if (!start.equals(LFS_POINTER_START)) return
  throw new FusebertError(
    'ERR_CHECKPOINT_FORMAT',
    `Expected weights in ${source.path} but received a Git LFS pointer to them. ` +
      'Fetch the file itself, for example with `git lfs pull`.',
  )
}

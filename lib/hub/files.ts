// The file operations that loading a model needs, as promises over Node's callback functions.
//
// Not node:fs/promises: in Node 20 a worker that is terminated at the wrong moment inside one of
// its functions aborts the whole process ("Assertion failed: (req_wrap_async) != nullptr"), about
// once in 400 terminations during a load. The callback functions do not.

import fs from 'node:fs'
import { promisify } from 'node:util'

import { FusebertError } from '../errors.js'

export const close = promisify(fs.close)
export const fstat = promisify(fs.fstat)
export const lstat = promisify(fs.lstat)
export const open = promisify(fs.open)
export const realpath = promisify(fs.realpath.native)
export const stat = promisify(fs.stat)

function errno(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : undefined
}

/** Whether an error says that there is no such name. */
export function isMissing(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(errno(error) ?? '')
}

/** ERR_FILE_NOT_FOUND for what is missing, ERR_FILE_READ with the system's word for the rest. */
export function openError(path: string, cause: unknown): FusebertError {
  return isMissing(cause)
    ? new FusebertError('ERR_FILE_NOT_FOUND', `Expected a file at ${path}.`, { cause })
    : new FusebertError(
        'ERR_FILE_READ',
        `Expected a readable file at ${path} but received ${errno(cause) ?? 'an error'}.`,
        { cause },
      )
}

const readInto = promisify(fs.read)

/**
 * Fills a new buffer with the file's bytes from `offset` on; fewer when the file ends before.
 */
export async function read(fd: number, offset: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length)
  let filled = 0
  while (filled < length) {
    const { bytesRead } = await readInto(fd, buffer, filled, length - filled, offset + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return buffer.subarray(0, filled)
}

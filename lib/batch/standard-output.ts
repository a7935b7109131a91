// Standard output as the destination of a job. A reader that goes away (| head) ends the job
// without an error.

import { fstatSync, readSync, statSync } from 'node:fs'
import type { Writable } from 'node:stream'

import { FusebertError } from '../errors.js'
import { errorCode } from './input.js'
import { outputError } from './temporary-file.js'

const NULL_DEVICE = '/dev/null'

/**
 * Node opens the null device for reading and writing in the place of a standard output that is
 * closed. A shell's > /dev/null can only be written; a parent's "ignore" looks like a closed one.
 */
function isClosed(descriptor: number): boolean {
  try {
    const info = fstatSync(descriptor)
    if (!info.isCharacterDevice() || info.rdev !== statSync(NULL_DEVICE).rdev) return false
    readSync(descriptor, Buffer.alloc(1))
    return true
  } catch {
    // It can only be written, or there is no null device of this name; what else may be wrong
    // with it, write() reports.
    return false
  }
}

/** @throws ERR_OUTPUT_WRITE when there is no standard output: all results would be lost */
export function checkStandardOutput(): void {
  if (!isClosed(1)) return
  throw new FusebertError(
    'ERR_OUTPUT_WRITE',
    'Expected an open standard output but it is closed or ignored. Redirect it to a file or a ' +
      'pipe (> /dev/null drops the results), or give --output a file.',
  )
}

/** Thrown when the reader has gone away: whatever comes is not wanted. */
export class OutputClosed extends Error {}

export class StandardOutput {
  readonly #stream: Writable

  constructor(stream: Writable) {
    this.#stream = stream
    // Failures reach write(); one that comes when nobody waits must not end the process.
    stream.on('error', () => undefined)
  }

  /** Resolves when the bytes have left. @throws ERR_OUTPUT_WRITE, OutputClosed */
  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#stream.write(bytes, (error) => {
        if (!error) return resolve()
        const code = errorCode(error)
        const closed = code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED'
        reject(closed ? new OutputClosed() : outputError('standard output', error))
      })
    })
  }

  async commit(): Promise<void> {
    // Every write has been waited for.
  }

  async discard(): Promise<void> {
    // What has been read cannot be taken back.
  }
}

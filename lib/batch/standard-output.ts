// Standard output as the destination of a job. A reader that goes away (| head) ends the job
// without an error.

import type { Writable } from 'node:stream'

import { errorCode } from './input.js'
import { outputError } from './temporary-file.js'

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

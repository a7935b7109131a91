// Opens a file, a named pipe or standard input as a stream of bytes: UTF-8 without its byte order
// mark, in pieces of bounded size.

import { constants, createReadStream, fstatSync, open, type Stats } from 'node:fs'
import { stat } from 'node:fs/promises'
import { Socket } from 'node:net'
import { addAbortSignal, type Readable } from 'node:stream'
import { promisify } from 'node:util'

import { FusebertError } from '../errors.js'

const openFile = promisify(open) as (path: string, flags: number) => Promise<number>

/** Large enough that reading costs nothing beside encoding, small enough to forget about. */
const READ_BYTES = 256 * 1024

const UTF8_BOM = Buffer.from([0xef, 0xbb, 0xbf])
const UTF16_BOMS = [Buffer.from([0xff, 0xfe]), Buffer.from([0xfe, 0xff])]

/** What an input is called in messages. */
export function inputName(path: string): string {
  return path === '-' ? 'standard input' : path
}

export interface Input {
  /** Bytes of the file; null where that is not known in advance. */
  readonly size_bytes: number | null
  chunks(): AsyncGenerator<Buffer>
  /** Ends the reading, if it has not ended. Idempotent. */
  close(): void
}

/** Removes a UTF-8 byte order mark, refuses UTF-16. `head` is the whole input or 3 bytes of it. */
function withoutMark(head: Buffer, name: string): Buffer {
  if (UTF16_BOMS.some((mark) => head.subarray(0, 2).equals(mark))) {
    throw new FusebertError(
      'ERR_INPUT_RECORD',
      `Expected UTF-8 on line 1 of ${name} but received UTF-16. Convert it first, for example ` +
        'with iconv -f UTF-16 -t UTF-8.',
    )
  }
  return head.subarray(0, 3).equals(UTF8_BOM) ? head.subarray(3) : head
}

class StreamInput implements Input {
  readonly size_bytes: number | null
  readonly #stream: Readable
  readonly #name: string
  readonly #signal: AbortSignal | undefined

  constructor(stream: Readable, name: string, size: number | null, signal?: AbortSignal) {
    this.#stream = stream
    this.#name = name
    this.#signal = signal
    this.size_bytes = size
  }

  async *chunks(): AsyncGenerator<Buffer> {
    // The first bytes may arrive one by one; a mark needs three.
    let head: Buffer | null = Buffer.alloc(0)
    for await (const bytes of this.#bytes()) {
      if (head === null) {
        yield bytes
        continue
      }
      head = Buffer.concat([head, bytes])
      if (head.length < UTF8_BOM.length) continue
      const first = withoutMark(head, this.#name)
      head = null
      if (first.length > 0) yield first
    }
    const rest = head === null ? head : withoutMark(head, this.#name)
    if (rest !== null && rest.length > 0) yield rest
  }

  close(): void {
    this.#stream.destroy()
  }

  async *#bytes(): AsyncGenerator<Buffer> {
    if (this.#signal !== undefined) addAbortSignal(this.#signal, this.#stream)
    try {
      for await (const bytes of this.#stream) yield bytes as Buffer
    } catch (cause) {
      this.#signal?.throwIfAborted()
      throw new FusebertError(
        'ERR_FILE_READ',
        `Could not read ${this.#name} to its end (${errorCode(cause)}).`,
        { cause },
      )
    } finally {
      this.close()
    }
  }
}

/** The system's code of an error, for messages: 'ENOENT', 'EACCES', … */
export function errorCode(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : 'unknown error'
}

/**
 * @returns what is there; null for standard input
 * @throws ERR_FILE_NOT_FOUND when there is no file that can be opened
 */
export async function checkInput(path: string): Promise<Stats | null> {
  if (path === '-') return null
  const info = await stat(path).catch((cause: unknown) => {
    throw new FusebertError(
      'ERR_FILE_NOT_FOUND',
      `Expected an input file at ${path} but it cannot be opened (${errorCode(cause)}). ` +
        'Check the path; - reads standard input.',
      { cause },
    )
  })
  if (info.isDirectory()) {
    throw new FusebertError(
      'ERR_FILE_NOT_FOUND',
      `Expected an input file at ${path} but there is a folder. Give one file.`,
    )
  }
  return info
}

/**
 * A named pipe without a writer would keep an opening thread, and so the end of the process,
 * waiting. Opened without waiting, it has nothing to read until a writer has come.
 */
function openFlags(info: Stats | null): number {
  return constants.O_RDONLY | (info?.isFIFO() === true ? constants.O_NONBLOCK : 0)
}

/**
 * @param path - a file, a named pipe, or - for standard input
 * @throws ERR_FILE_NOT_FOUND; what is wrong later comes from chunks(): ERR_FILE_READ,
 * ERR_INPUT_RECORD (UTF-16), the signal's reason
 */
export async function openInput(path: string, signal?: AbortSignal): Promise<Input> {
  if (path === '-') return new StreamInput(process.stdin, inputName(path), null, signal)
  const flags = openFlags(await checkInput(path))
  const fd = await openFile(path, flags).catch((cause: unknown) => {
    throw new FusebertError(
      'ERR_FILE_NOT_FOUND',
      `Expected a readable file at ${path} but it cannot be opened (${errorCode(cause)}).`,
      { cause },
    )
  })
  const info = fstatSync(fd)
  // A blocking read of a pipe would hold up the end of the process; a socket's does not.
  const stream = info.isFIFO()
    ? new Socket({ fd, readable: true, writable: false })
    : createReadStream(path, { fd, highWaterMark: READ_BYTES })
  return new StreamInput(stream, inputName(path), info.isFile() ? info.size : null, signal)
}

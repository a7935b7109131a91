// Splits a stream of bytes into lines of bounded length, without their LF or CRLF. A last line
// needs no newline, and a final newline begins no further line.

const LF = 0x0a
const CR = 0x0d

export interface Line {
  /** Counted from 1. */
  number: number
  /** Offset of the byte after the line and its LF. */
  end_bytes: number
  /** null for a line that is longer than the bound; its bytes have been dropped. */
  bytes: Buffer | null
}

/** The part of a line that has arrived so far. */
class PartialLine {
  #parts: Buffer[] = []
  #length = 0
  #overlong = false
  readonly #maxBytes: number

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get empty(): boolean {
    return this.#length === 0
  }

  append(bytes: Buffer): void {
    this.#length += bytes.length
    if (this.#length > this.#maxBytes) {
      this.#overlong = true
      this.#parts = []
    }
    if (!this.#overlong && bytes.length > 0) this.#parts.push(bytes)
  }

  /** The line; begins the next one. */
  take(): Buffer | null {
    const [only] = this.#parts
    const whole = this.#parts.length === 1 && only ? only : Buffer.concat(this.#parts)
    const bytes = this.#overlong ? null : whole
    this.#parts = []
    this.#length = 0
    this.#overlong = false
    return bytes?.at(-1) === CR ? bytes.subarray(0, -1) : bytes
  }
}

/**
 * @param chunks - UTF-8 (or anything in which LF is one byte 0x0A)
 * @param maxBytes - longest line, without its LF; memory stays within it and one chunk
 */
export async function* splitLines(
  chunks: AsyncIterable<Buffer>,
  maxBytes: number,
): AsyncGenerator<Line[]> {
  const partial = new PartialLine(maxBytes)
  let number = 1
  let seen_bytes = 0
  for await (const chunk of chunks) {
    const lines: Line[] = []
    let begin = 0
    for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, begin)) {
      partial.append(chunk.subarray(begin, end))
      begin = end + 1
      lines.push({ number, end_bytes: seen_bytes + begin, bytes: partial.take() })
      number += 1
    }
    partial.append(chunk.subarray(begin))
    seen_bytes += chunk.length
    if (lines.length > 0) yield lines
  }
  if (!partial.empty) yield [{ number, end_bytes: seen_bytes, bytes: partial.take() }]
}

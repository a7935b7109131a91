// Where texts come from, and the arrays of bytes they are written to: one text after the other, or
// piece by piece where a text is long.

import { FusebertError } from '../errors.js'
import type { NativeTexts } from '../native/addon.js'

/**
 * Work is counted in UTF-16 units, or bytes of UTF-8, that are written; a text costs this many
 * more.
 */
const TEXT_COST = 64
/** Work between two turns of the event loop, well below a millisecond; UTF-8 is only copied. */
const SLICE_OF_LIST = 1 << 17
const SLICE_OF_RANGE = 1 << 19
/** Of one text at once. */
const MAX_PIECE = 1 << 16
/** Bytes of UTF-8 that one UTF-16 unit makes at most. */
export const MAX_BYTES_OF_UNIT = 3
const MIN_BYTES = 4_096
const MIN_TEXTS = 64
/** Native offsets are 32-bit. */
const MAX_BYTES = 2 ** 31 - 1

/** Texts of UTF-8, end to end, in arrays that grow and can be used again. */
export class TextWriter {
  #bytes: Buffer
  #length = 0
  #offsets = new Int32Array(MIN_TEXTS)
  #texts = 0

  /** @param bytes - there is room for; more is made when it is needed */
  constructor(bytes = MIN_BYTES) {
    this.#bytes = Buffer.allocUnsafeSlow(Math.min(Math.max(bytes, MIN_BYTES), MAX_BYTES))
  }

  clear(): void {
    this.#length = 0
    this.#texts = 0
  }

  /** Makes room at once for what comes in pieces, as far as there can be any. */
  makeRoom(bytes: number): void {
    const needed = Math.min(this.#length + bytes, MAX_BYTES)
    if (needed <= this.#bytes.length) return
    const size = Math.min(Math.max(needed, this.#bytes.length * 2), MAX_BYTES)
    const larger = Buffer.allocUnsafeSlow(size)
    this.#bytes.copy(larger, 0, 0, this.#length)
    this.#bytes = larger
  }

  writeString(piece: string): void {
    this.#reserve(piece.length * MAX_BYTES_OF_UNIT)
    this.#length += this.#bytes.write(piece, this.#length)
  }

  writeBytes(piece: Uint8Array): void {
    // Of memory that was taken away there is nothing, and set() would not have it.
    if (piece.length === 0) return
    this.#reserve(piece.length)
    this.#bytes.set(piece, this.#length)
    this.#length += piece.length
  }

  /** Ends the text that was written last. */
  endText(): void {
    const texts = this.#texts + 1
    if (texts >= this.#offsets.length) this.#makeRoomForTexts(1)
    this.#texts = texts
    this.#offsets[texts] = this.#length
  }

  /**
   * Ends the texts that were written last.
   * @param ends - where each ends
   * @param written - what of `ends` is where the writer is now
   */
  endTexts(ends: Int32Array, written: number): void {
    this.#makeRoomForTexts(ends.length)
    const offsets = this.#offsets
    const first = this.#texts + 1
    const shift = this.#length - written
    for (let i = 0; i < ends.length; i += 1) offsets[first + i] = (ends[i] as number) + shift
    this.#texts += ends.length
  }

  /** What was written, not copied. */
  texts(): NativeTexts {
    return { bytes: this.#bytes, offsets: this.#offsets.subarray(0, this.#texts + 1) }
  }

  #makeRoomForTexts(count: number): void {
    const needed = this.#texts + 1 + count
    if (needed <= this.#offsets.length) return
    const larger = new Int32Array(Math.max(needed, this.#offsets.length * 2))
    larger.set(this.#offsets)
    this.#offsets = larger
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes > MAX_BYTES) {
      throw new FusebertError(
        'ERR_INPUT_TOO_LONG',
        'Expected at most 2 GiB of text in one call, in UTF-8. Make several calls.',
      )
    }
    this.makeRoom(bytes)
  }
}

/** Texts that are written in their order, a budget of work at a time. */
export interface TextSource {
  readonly count: number
  /** UTF-16 units, or bytes, of all texts. */
  readonly units: number
  /** Texts that have been written. */
  readonly written: number
  /** Whether the next one has been written in part. */
  readonly inText: boolean
  /** The work that may be done between two turns of the event loop. */
  readonly slice: number
  /**
   * Writes texts up to text `until`, or pieces of one, until the budget is used up; it may be
   * exceeded by one piece.
   * @returns the work
   */
  write(writer: TextWriter, until: number, budget: number): number
}

/** About the work of all texts of a source. */
export function workOf({ count, units }: TextSource): number {
  return units + count * TEXT_COST
}

export function changed(): FusebertError {
  return new FusebertError(
    'ERR_INVALID_ARGUMENT',
    'Expected texts that stay as they are until the call has settled but they changed.',
  )
}

/** Bytes of UTF-8 that a text takes at most. */
function mostBytes(text: string | Uint8Array): number {
  return typeof text === 'string' ? text.length * MAX_BYTES_OF_UNIT : text.length
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00
}

/** Strings and arrays of UTF-8. */
export class ListSource implements TextSource {
  readonly slice = SLICE_OF_LIST
  readonly units: number
  readonly #texts: readonly (string | Uint8Array)[]
  #index = 0
  /** In the text at #index. */
  #position = 0

  constructor(texts: readonly (string | Uint8Array)[], units: number) {
    this.#texts = texts
    this.units = units
  }

  get count(): number {
    return this.#texts.length
  }

  get written(): number {
    return this.#index
  }

  get inText(): boolean {
    return this.#position > 0
  }

  write(writer: TextWriter, until: number, budget: number): number {
    const texts = this.#texts
    let index = this.#index
    let work = 0
    while (index < until && work < budget) {
      const text = texts[index] ?? ''
      if (this.#position === 0 && text.length <= MAX_PIECE) {
        if (typeof text === 'string') writer.writeString(text)
        else writer.writeBytes(text)
        work += text.length
      } else {
        work += this.#writePiece(writer, text)
        if (this.#position > 0) continue
      }
      writer.endText()
      work += TEXT_COST
      index += 1
    }
    this.#index = index
    return work
  }

  /** One of a text that is too long to be written at once. @returns its length */
  #writePiece(writer: TextWriter, text: string | Uint8Array): number {
    const from = this.#position
    if (from > text.length) throw changed()
    if (from === 0) writer.makeRoom(mostBytes(text))
    const to = this.#pieceEnd(text)
    if (typeof text === 'string') writer.writeString(text.slice(from, to))
    else writer.writeBytes(text.subarray(from, to))
    this.#position = to < text.length ? to : 0
    return to - from
  }

  /** A pair of surrogates stays together. */
  #pieceEnd(text: string | Uint8Array): number {
    const end = this.#position + MAX_PIECE
    if (end >= text.length) return text.length
    return typeof text === 'string' && isHighSurrogate(text.charCodeAt(end - 1)) ? end - 1 : end
  }
}

export function listSource(texts: readonly (string | Uint8Array)[]): TextSource {
  return new ListSource(texts, texts.reduce((units, text) => units + text.length, 0))
}

/** Texts that lie in one array. */
export class RangeSource implements TextSource {
  readonly slice = SLICE_OF_RANGE
  readonly #bytes: Uint8Array
  readonly #offsets: Int32Array
  #index = 0
  /** In all bytes. */
  #position: number

  constructor(bytes: Uint8Array, offsets: Int32Array) {
    this.#bytes = bytes
    this.#offsets = offsets
    this.#position = this.#offset(0)
  }

  get count(): number {
    return this.#offsets.length - 1
  }

  get units(): number {
    return this.#offset(this.count) - this.#offset(0)
  }

  get written(): number {
    return this.#index
  }

  get inText(): boolean {
    return this.#position > this.#offset(this.#index)
  }

  write(writer: TextWriter, until: number, budget: number): number {
    let work = 0
    while (this.#index < until && work < budget) {
      const from = this.#position
      if (!this.inText) writer.makeRoom(this.#offset(this.#index + 1) - from)
      const piece = Math.max(budget - work, MAX_PIECE)
      const end = this.#lastWithin(piece, until)
      const to = end > this.#index ? this.#offset(end) : from + piece
      if (to > this.#bytes.length) throw changed()
      if (to > from) writer.writeBytes(this.#bytes.subarray(from, to))
      writer.endTexts(this.#offsets.subarray(this.#index + 1, end + 1), to)
      this.#position = to
      work += to - from + (end - this.#index) * TEXT_COST
      this.#index = end
    }
    return work
  }

  /** The end of the texts, at most `until`, that are so much work; the first if its bytes are. */
  #lastWithin(most: number, until: number): number {
    let end = this.#index
    let beyond = until + 1
    while (beyond - end > 1) {
      const middle = (end + beyond) >> 1
      const bytes = this.#offset(middle) - this.#position
      if (bytes + (middle - this.#index - 1) * TEXT_COST <= most) end = middle
      else beyond = middle
    }
    return end
  }

  #offset(i: number): number {
    return this.#offsets[i] ?? 0
  }
}

// Batches of texts on their way to native code, in parts: each is gathered in slices of the
// JavaScript thread's time and worked on by Node's thread pool while the next is gathered.

import type { NativeTexts } from '../native/addon.js'
import { nextTurn, type Slices } from '../turns.js'
import { MAX_BYTES_OF_UNIT, TextWriter, workOf, type TextSource } from './text-source.js'
import type { Inputs } from './texts.js'

/** Work (see text-source.ts) of a part: half a millisecond of a thread, more than a start costs. */
const LEAST_PART_WORK = 1 << 16
/** Some milliseconds, in which the JavaScript thread, busy or asleep, comes to start another. */
const MOST_PART_WORK = 1 << 19
/** A thread's share of what is left is so many parts: none waits long for the last one. */
const PARTS_A_SHARE = 4
/**
 * Times what is under way at once: so many parts may start after one that is not done yet. What
 * they become waits for it, in memory.
 */
const PARTS_AHEAD = 4

export interface TextPart {
  texts: NativeTexts
  pairs: NativeTexts | null
  /** Which of all texts the first one is. */
  first_text: number
  writers: readonly [TextWriter, TextWriter | null]
}

export class TextParts {
  readonly #texts: TextSource
  readonly #pairs: TextSource | null
  readonly #threads: number
  /** Work that is left for parts to come. */
  #left: number
  /** Work after which a part ends; the first are small, so that all threads soon have one. */
  #enough = LEAST_PART_WORK / 2
  readonly #spare: TextWriter[] = []
  /** Work of the part that is being gathered. */
  #work = 0
  #begun = false
  #ready: TextPart | undefined

  /** @param threads - that the parts will be worked on by */
  constructor({ texts, pairs }: Inputs, threads: number) {
    this.#texts = texts
    this.#pairs = pairs
    this.#threads = threads
    this.#left = workOf(texts) + (pairs === null ? 0 : workOf(pairs))
  }

  get ended(): boolean {
    const { written, count } = this.#texts
    return written === count && (this.#pairs === null || this.#pairs.written === count)
  }

  /** Bytes of all texts, if they are ASCII. */
  get expectedBytes(): number {
    return this.#texts.units + (this.#pairs?.units ?? 0)
  }

  /** The next part; undefined when there is none. */
  async next(): Promise<TextPart | undefined> {
    const ready = this.#ready
    this.#ready = undefined
    if (ready !== undefined) return ready
    if (this.ended) return undefined
    if (this.#begun) await nextTurn()
    this.#begun = true
    this.#left -= this.#work
    this.#work = 0
    const share = Math.ceil(this.#left / this.#threads / PARTS_A_SHARE)
    const most = Math.min(this.#enough * 2, MOST_PART_WORK)
    this.#enough = Math.max(Math.min(share, most), LEAST_PART_WORK)
    const first_text = this.#texts.written
    const sources = this.#pairs === null ? 1 : 2
    const room = Math.ceil(Math.min(this.#enough, this.#left) / sources)
    const texts = this.#writer(room)
    const pairs = this.#pairs === null ? null : this.#writer(room)
    while (!this.#gather(texts, pairs)) await nextTurn()
    return {
      texts: texts.texts(), pairs: pairs?.texts() ?? null, first_text, writers: [texts, pairs],
    }
  }

  /** The next part if it is the last; else undefined, and next() gives it. */
  async nextIfLast(): Promise<TextPart | undefined> {
    const part = await this.next()
    if (this.ended) return part
    this.#ready = part
    return undefined
  }

  /** Takes back the memory of a part that nobody reads any more. */
  release({ writers }: TextPart): void {
    for (const writer of writers) {
      if (writer !== null) this.#spare.push(writer)
    }
  }

  /** @param room - for so many bytes at first */
  #writer(room: number): TextWriter {
    const writer = this.#spare.pop() ?? new TextWriter(room)
    writer.clear()
    return writer
  }

  /** A slice. Texts and their pairs come in step. @returns whether the part is complete */
  #gather(texts: TextWriter, pairs: TextWriter | null): boolean {
    let left = 1
    let complete = false
    while (!complete && left > 0) {
      left -= this.#step(texts, pairs, left)
      complete = this.ended || (this.#work >= this.#enough && this.#betweenTexts())
    }
    return complete
  }

  /** @returns how much of a slice it took, of which `left` was left */
  #step(texts: TextWriter, pairs: TextWriter | null, left: number): number {
    const source = this.#texts
    if (this.#pairs === null || pairs === null) {
      // A part that has enough ends with the text that it is in.
      const until = this.#work >= this.#enough ? source.written + 1 : source.count
      return this.#write(source, texts, until, left)
    }
    return this.#pairs.written < source.written
      ? this.#write(this.#pairs, pairs, source.written, left)
      : this.#write(source, texts, source.written + 1, left)
  }

  #write(source: TextSource, writer: TextWriter, until: number, left: number): number {
    const wanted = Math.max(this.#enough - this.#work, 1)
    const work = source.write(writer, until, Math.ceil(Math.min(left * source.slice, wanted)))
    this.#work += work
    return work / source.slice
  }

  #betweenTexts(): boolean {
    return !this.#texts.inText && (this.#pairs === null ||
      this.#pairs.written === this.#texts.written)
  }
}

/**
 * Calls `work` for every part, for at most `atOnce` at once, while one more is gathered.
 * @throws the failure of the first part, in their order, that fails
 */
export async function forEachPart(
  parts: TextParts,
  atOnce: number,
  work: (part: TextPart) => Promise<void>,
): Promise<void> {
  const underWay = new Map<number, Promise<void>>()
  let failure: { index: number; error: unknown } | undefined
  const run = async (index: number, part: TextPart): Promise<void> => {
    try {
      await work(part)
      parts.release(part)
    } catch (error) {
      // Parts start in their order, so none before these can fail once they are done.
      if (failure === undefined || index < failure.index) failure = { index, error }
    }
  }
  try {
    let index = 0
    for (let part = await parts.next(); part !== undefined; part = await parts.next()) {
      if (underWay.size >= atOnce) await Promise.race(underWay.values())
      const [oldest] = underWay.entries()
      if (oldest !== undefined && index - oldest[0] >= PARTS_AHEAD * atOnce) await oldest[1]
      if (failure !== undefined) break
      const key = index
      underWay.set(key, run(key, part).then(() => void underWay.delete(key)))
      index += 1
    }
  } catch (error) {
    // Of the gathering; that of a part comes before it.
    failure ??= { index: Infinity, error }
  }
  await Promise.all(underWay.values())
  if (failure !== undefined) throw failure.error
}

/** All texts as one part, for calls that take them whole. */
export function* gatherTexts(texts: TextSource): Slices<NativeTexts> {
  // Room for whatever the strings are: memory that is not written to is not taken.
  const writer = new TextWriter(texts.units * MAX_BYTES_OF_UNIT)
  for (;;) {
    texts.write(writer, texts.count, texts.slice)
    if (texts.written === texts.count) return writer.texts()
    yield
  }
}

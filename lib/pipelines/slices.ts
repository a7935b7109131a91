// Work on the JavaScript thread in slices, so that long answers keep nobody else waiting.

import { nextTurn } from '../turns.js'

/** How long a slice may be before others get their turn. */
const SLICE_MS = 2

export class Slices {
  readonly #signal: AbortSignal | undefined
  #begin = performance.now()

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal
  }

  /** Whether it is time to await next(). */
  get over(): boolean {
    return performance.now() - this.#begin > SLICE_MS
  }

  /** @throws the signal's reason when aborted */
  async next(): Promise<void> {
    await nextTurn()
    this.#signal?.throwIfAborted()
    this.#begin = performance.now()
  }
}

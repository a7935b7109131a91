// Turns of the event loop. Work that would hold it up is written as a generator that yields between
// slices, and everybody else has a turn after each; or it is done at once, where a caller wants it.

/** Work in slices of well below a millisecond; what it returns is its result. */
export type Slices<T> = Generator<void, T>

/** Settles after what waits for its turn, input, output and timers included, has had it. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

export async function inTurns<T>(work: Slices<T>): Promise<T> {
  for (;;) {
    const slice = work.next()
    if (slice.done === true) return slice.value
    await nextTurn()
  }
}

export function atOnce<T>(work: Slices<T>): T {
  for (;;) {
    const slice = work.next()
    if (slice.done === true) return slice.value
  }
}

/** Calls `work(from, to)` for [0, count), `length` at a time. */
export function* sliced(
  count: number,
  length: number,
  work: (from: number, to: number) => void,
): Slices<void> {
  for (let from = 0; from < count; from += length) {
    if (from > 0) yield
    work(from, Math.min(from + length, count))
  }
}

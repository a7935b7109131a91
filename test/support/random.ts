// Seeded random numbers for tests: mulberry32.

/** Integers in [0, 2^32). */
export function randomUint32(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (t ^ (t >>> 14)) >>> 0
  }
}

/** Numbers in [0, 1). */
export function random(seed: number): () => number {
  const next = randomUint32(seed)
  return () => next() / 2 ** 32
}

// Whether two sides computed the same: asked before anything is timed.

/** The largest |a[i] - b[i]|; NaN when a value is not a number or the lengths differ. */
export function maxAbsDifference(a, b) {
  if (a.length !== b.length || a.length === 0) return NaN
  let largest = 0
  for (let i = 0; i < a.length; i += 1) {
    const difference = Math.abs(a[i] - b[i])
    if (Number.isNaN(difference)) return NaN
    if (difference > largest) largest = difference
  }
  return largest
}

/** The cosine of two vectors; NaN for a vector of zeros. */
export function cosine(a, b) {
  let dot = 0
  let aa = 0
  let bb = 0
  for (let i = 0; i < a.length; i += 1) {
    dot += a[i] * b[i]
    aa += a[i] * a[i]
    bb += b[i] * b[i]
  }
  return dot / Math.sqrt(aa * bb)
}

/**
 * Lists of Float32Arrays, one per text, are equal within `tolerance`.
 * @returns what to print
 * @throws when they are not
 */
export function checkClose(ours, theirs, tolerance) {
  if (ours.length !== theirs.length) {
    throw new Error(`Expected ${theirs.length} results but received ${ours.length}.`)
  }
  let largest = 0
  ours.forEach((values, i) => {
    const difference = maxAbsDifference(values, theirs[i])
    // NaN fails the comparison too.
    if (!(difference <= tolerance)) {
      throw new Error(
        `Expected results within ${tolerance} but text ${i} differs by ${difference} ` +
          `(${values.length} and ${theirs[i].length} numbers).`,
      )
    }
    largest = Math.max(largest, difference)
  })
  return `max abs difference ${largest.toExponential(1)}`
}

/** The same for vectors by their cosines, each at least `minimum`. */
export function checkCosine(ours, theirs, minimum) {
  if (ours.length !== theirs.length) {
    throw new Error(`Expected ${theirs.length} vectors but received ${ours.length}.`)
  }
  let least = 1
  ours.forEach((vector, i) => {
    const value = vector.length === theirs[i].length ? cosine(vector, theirs[i]) : NaN
    if (!(value >= minimum)) {
      throw new Error(`Expected a cosine ≥ ${minimum} but text ${i} has ${value}.`)
    }
    least = Math.min(least, value)
  })
  return `1 - least cosine ${(1 - least).toExponential(1)}`
}

// Scores of logits.

/** exp(x) / Σ exp, in fp64. */
export function softmax(logits: Iterable<number>): number[] {
  const values = Array.from(logits)
  const largest = values.reduce((most, value) => Math.max(most, value), -Infinity)
  const powers = values.map((value) => Math.exp(value - largest))
  const sum = powers.reduce((total, value) => total + value, 0)
  return powers.map((value) => value / sum)
}

export function sigmoid(logit: number): number {
  return 1 / (1 + Math.exp(-logit))
}

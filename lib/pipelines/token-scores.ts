// From logits of tokens to the label that is likeliest, of a token alone and of several together.

import type { NativeEncodeResult } from '../native/addon.js'
import type { Choice, ChooseLabel } from './entities.js'
import { softmax } from './softmax.js'

/**
 * Of a result with the largest logit of each row and log Σ exp.
 * @param all - the likeliest of all rows; else that of the first
 */
export function likeliestOfTop(
  { top_columns, top_values, log_sum_exp }: NativeEncodeResult,
  all: boolean,
  label: (i: number) => string,
): ChooseLabel {
  const scoreOf = (row: number): number =>
    Math.exp((top_values?.[row] ?? -Infinity) - (log_sum_exp?.[row] ?? 0))
  return (rows): Choice => {
    const first = { row: rows[0] ?? 0, score: scoreOf(rows[0] ?? 0) }
    const { row, score } = (all ? rows : []).reduce((most, other) => {
      const candidate = scoreOf(other)
      return candidate > most.score ? { row: other, score: candidate } : most
    }, first)
    return { label: label(top_columns?.[row] ?? 0), score }
  }
}

/**
 * Of the mean of the rows' softmax.
 * @param logits - [rows, labels]
 */
export function likeliestOfMean(
  logits: Float32Array,
  labels: number,
  label: (i: number) => string,
): ChooseLabel {
  return (rows): Choice => {
    const sums = new Float64Array(labels)
    for (const row of rows) {
      softmax(logits.subarray(row * labels, (row + 1) * labels)).forEach((score, i) => {
        sums[i] = (sums[i] ?? 0) + score
      })
    }
    let most = 0
    sums.forEach((sum, i) => {
      if (sum > (sums[most] ?? 0)) most = i
    })
    return { label: label(most), score: (sums[most] ?? 0) / rows.length }
  }
}

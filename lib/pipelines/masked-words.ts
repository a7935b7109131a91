// From the logits of masked rows to words and their scores, the likeliest first.

import type { NativeEncodeResult } from '../native/addon.js'

export interface Candidate {
  token: number
  /** exp(logit - log Σ exp): the softmax over the whole vocabulary. */
  score: number
}

const rowsOf = <T>({ log_sum_exp }: NativeEncodeResult, row: (i: number, lse: number) => T): T[] =>
  Array.from(log_sum_exp ?? [], (lse, i) => row(i, lse))

/** Of a result with the `top` largest logits of each row. */
export function chooseTop(result: NativeEncodeResult, top: number): Candidate[][] {
  const { top_columns, top_values } = result
  return rowsOf(result, (i, lse) =>
    Array.from(top_columns?.subarray(i * top, (i + 1) * top) ?? [], (token, j) => ({
      token,
      score: Math.exp((top_values?.[i * top + j] ?? -Infinity) - lse),
    })),
  )
}

/**
 * Of a result with all logits and log Σ exp: by falling logits, equal ones by rising id.
 * @param columns - of a row of logits
 * @param targets - the ids to choose from; null: all
 */
export function chooseTargets(
  result: NativeEncodeResult,
  columns: number,
  targets: readonly number[] | null,
  top: number,
): Candidate[][] {
  const logits = result.logits ?? new Float32Array(0)
  return rowsOf(result, (i, lse) => {
    const row = logits.subarray(i * columns, (i + 1) * columns)
    const ids = targets === null ? Array.from(row.keys()) : [...targets]
    const at = (id: number): number => row[id] ?? -Infinity
    return ids
      .sort((a, b) => at(b) - at(a) || a - b)
      .slice(0, top)
      .map((token) => ({ token, score: Math.exp(at(token) - lse) }))
  })
}

// Whether the other side is fast enough to be a competitor, by its share of the processor's peak.

import { isConclusive } from './options.mjs'

const LEAST_SHARE = 0.7

const percent = (share) => `${(share * 100).toFixed(1)} %`

/**
 * @param row - of a pair whose peak was measured, in a run with `options`
 * @throws when the run measures something and the other side is too slow
 */
export function checkCompetitor(row, options) {
  if (!isConclusive(options) || row.theirs_share >= LEAST_SHARE) return
  throw new Error(
    `Expected ${row.against} to reach ${percent(LEAST_SHARE)} of the peak at ${row.name} but it ` +
      `reaches ${percent(row.theirs_share)}: no competitor.`,
  )
}

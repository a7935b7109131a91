// Compares two sides of a pair: checks that they compute the same, then times them alternately,
// A B A B …, and reports the ratio of each round. On a machine whose speed drifts the ratio
// within a round is steady where the times are not.

import { setTimeout as sleep } from 'node:timers/promises'

import { summarize } from './support/statistics.mjs'
import { anyOf, atLeast } from './support/targets.mjs'

// A side is called until this much time has passed, so that short calls are averaged.
const ROUND_MS = 1_000
const QUICK_ROUND_MS = 50
const MAX_CALLS = 100_000
// The quartiles of the rounds' peaks lie this near to each other, in parts of their median, or
// shares of them say nothing: then the processor's speed changes within rounds.
const MAX_PEAK_SPREAD = 0.1
// Threads of the side before may spin for a while after their last call; they are asleep by then.
const SETTLE_MS = 50

async function time(call, calls) {
  const begin = performance.now()
  for (let i = 0; i < calls; i += 1) await call()
  return (performance.now() - begin) / calls
}

/** Warms a side up and finds how many calls make up a round. */
async function warmUp(call, roundMs) {
  const first = await time(call, 1)
  if (first >= roundMs) return 1
  const calls = Math.min(MAX_CALLS, Math.ceil(roundMs / Math.max(first, 0.001)))
  // The first calls are slower than those to come: the mean of a round's worth decides.
  const mean = await time(call, calls)
  return Math.min(MAX_CALLS, Math.max(1, Math.ceil(roundMs / Math.max(mean, 0.001))))
}

async function timeSide(call, calls) {
  await sleep(SETTLE_MS)
  // One call that does not count, where it costs little beside those that do.
  if (calls > 1) await call()
  return time(call, calls)
}

/** What a side reached of the peak of the same round, as a median. */
const shareOf = (flop, times, peaks) =>
  summarize(times.map((ms, i) => flop / (ms * 1e6) / peaks[i])).median

const isSteady = (peaks) => {
  const { q1, q3, median } = summarize(peaks)
  return q3 - q1 <= MAX_PEAK_SPREAD * median
}

/**
 * The targets of a pair: a ratio, or a share of the peak that counts as much; a rate; a share.
 * Nothing is met by a share of an unsteady peak.
 */
function targetsOf({ target, share_target, rate_target, least_share, unit }, row) {
  const percent = (share) => `${Math.round(share * 100)} % of the peak`
  const { ours_share, peak_is_steady } = row
  const share = peak_is_steady === true ? ours_share : 0
  const atLeastShare = (least, text) =>
    ours_share === undefined ? [] : atLeast(share, least, text)
  const unsteady = peak_is_steady === false ? ' (unsteady)' : ''
  return [
    ...anyOf(
      ...atLeast(row.ratio.median, target),
      ...atLeastShare(share_target, percent(share_target) + unsteady),
    ),
    ...atLeastShare(least_share, `≥ ${percent(least_share)}${unsteady}`),
    ...atLeast(row.ours_rate, rate_target, `≥ ${rate_target} ${unit}/s`),
  ]
}

/**
 * A line of the table of ratios.
 * @param pair - name, against, unit, amount, agreement, rounds. Targets, where there are any:
 *   `target`, the least ratio; `share_target`, the share of the peak that counts as much;
 *   `least_share`; `rate_target`, our least rate. `flop` of a call, where there are peaks
 * @param ours_ms, theirs_ms - milliseconds a call, one number a round
 * @param peaks - GFLOP/s of the processor, measured in each round
 */
export function pairRow(pair, ours_ms, theirs_ms, peaks) {
  const { name, against, unit, amount, agreement, rounds, flop } = pair
  const rate = (times) => (amount * 1_000) / summarize(times).median
  const row = {
    kind: 'pair',
    name,
    against,
    unit,
    amount,
    agreement,
    rounds,
    ours_ms,
    theirs_ms,
    ours_rate: rate(ours_ms),
    theirs_rate: rate(theirs_ms),
    ratio: summarize(theirs_ms.map((theirs, i) => theirs / ours_ms[i])),
  }
  if (peaks !== undefined) {
    row.peak_gflops = peaks
    row.peak_is_steady = isSteady(peaks)
    row.ours_share = shareOf(flop, ours_ms, peaks)
    row.theirs_share = shareOf(flop, theirs_ms, peaks)
  }
  return { ...row, targets: targetsOf(pair, row) }
}

/**
 * @param pair - as for pairRow, and:
 * @param pair.ours, pair.theirs - async functions: one call of each side
 * @param pair.check - (ours, theirs) → what to print about the difference of one call's results;
 *   throws when they differ, and then nothing is timed
 * @param pair.amount - what a call processes, in `pair.unit` (real tokens, texts, MB)
 * @param pair.peak - async function → GFLOP/s of the processor; absent: no shares of it
 * @param options.rounds, options.quick
 * @returns the pair's row: per side its times in ms a call and their median rate in units a
 *   second; the ratio theirs/ours of the times of a round: median, min, max, quartiles. Above 1 we
 *   are faster.
 */
export async function comparePair(pair, options) {
  const agreement = pair.check(await pair.ours(), await pair.theirs())
  const roundMs = options.quick ? QUICK_ROUND_MS : ROUND_MS
  const ourCalls = await warmUp(pair.ours, roundMs)
  const theirCalls = await warmUp(pair.theirs, roundMs)
  const ours_ms = []
  const theirs_ms = []
  const peaks = pair.peak === undefined ? undefined : []
  for (let round = 0; round < options.rounds; round += 1) {
    ours_ms.push(await timeSide(pair.ours, ourCalls))
    theirs_ms.push(await timeSide(pair.theirs, theirCalls))
    peaks?.push(await pair.peak())
  }
  return pairRow({ ...pair, agreement, rounds: options.rounds }, ours_ms, theirs_ms, peaks)
}

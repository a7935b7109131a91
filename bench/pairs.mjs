// Compares two sides of a pair: checks that they compute the same, then times them alternately,
// A B A B …, and reports the ratio of each round. On a machine whose speed drifts the ratio
// within a round is steady where the times are not.

import { setTimeout as sleep } from 'node:timers/promises'

import { summarize } from './support/statistics.mjs'

// A side is called until this much time has passed, so that short calls are averaged.
const ROUND_MS = 1_000
const QUICK_ROUND_MS = 50
const MAX_CALLS = 100_000
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

/**
 * @param pair.ours, pair.theirs - async functions: one call of each side
 * @param pair.check - (ours, theirs) → what to print about the difference of one call's results;
 *   throws when they differ, and then nothing is timed
 * @param pair.amount - what a call processes, in `pair.unit` (real tokens, texts, MB)
 * @param options.rounds, options.quick
 * @returns per side its times in ms a call and their median rate in units a second; the ratio
 *   theirs/ours of the times of a round: median, min, max, quartiles. Above 1 we are faster.
 */
export async function comparePair(pair, options) {
  const agreement = pair.check(await pair.ours(), await pair.theirs())
  const roundMs = options.quick ? QUICK_ROUND_MS : ROUND_MS
  const ourCalls = await warmUp(pair.ours, roundMs)
  const theirCalls = await warmUp(pair.theirs, roundMs)
  const ours_ms = []
  const theirs_ms = []
  for (let round = 0; round < options.rounds; round += 1) {
    ours_ms.push(await timeSide(pair.ours, ourCalls))
    theirs_ms.push(await timeSide(pair.theirs, theirCalls))
  }
  const rate = (times) => (pair.amount * 1_000) / summarize(times).median
  return {
    kind: 'pair',
    name: pair.name,
    against: pair.against,
    unit: pair.unit,
    amount: pair.amount,
    target: pair.target,
    agreement,
    rounds: options.rounds,
    ours_ms,
    theirs_ms,
    ours_rate: rate(ours_ms),
    theirs_rate: rate(theirs_ms),
    ratio: summarize(theirs_ms.map((theirs, i) => theirs / ours_ms[i])),
  }
}

// What the machine does to the times of calls that do nothing but compute: on a shared machine a
// processor is taken away for a while, or is slower while somebody else computes beside it.

import { quantile } from './statistics.mjs'

const CALIBRATION_STEPS = 20_000
const CALIBRATIONS = 200

/** Arithmetic without memory, system calls or garbage. @returns something that depends on all */
function compute(steps) {
  let state = 1
  for (let i = 0; i < steps; i += 1) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
  }
  return state
}

function timesOf(steps, calls) {
  const times = []
  for (let i = 0; i < calls; i += 1) {
    const start = performance.now()
    compute(steps)
    times.push(performance.now() - start)
  }
  return times
}

/**
 * The tail, p99 over p50, of calls that compute for so long.
 * @param milliseconds - of a call, about
 */
export function machineTail(milliseconds, calls) {
  const unit = quantile(timesOf(CALIBRATION_STEPS, CALIBRATIONS), 0.5)
  const steps = Math.max(1, Math.round((CALIBRATION_STEPS * milliseconds) / unit))
  const times = timesOf(steps, calls)
  return quantile(times, 0.99) / quantile(times, 0.5)
}

// What the machine does to the times of calls that do nothing but compute: on a shared machine a
// processor is taken away for a while, or is slower while somebody else computes beside it. On as
// many threads as the sides have, since a call ends with the last of them.

import { once } from 'node:events'
import { Worker, isMainThread, workerData } from 'node:worker_threads'

import { quantile } from './statistics.mjs'

const CALIBRATION_STEPS = 20_000
const CALIBRATIONS = 200
/** Of the shared numbers: the call that begins, its steps, shares that are done. */
const [CALL, STEPS, DONE] = [0, 1, 2]
const STOP = -1

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

/** A thread that computes in every call; between them it watches, as a pool's thread does. */
function computeBeside(shared) {
  let seen = 0
  for (;;) {
    const call = Atomics.load(shared, CALL)
    if (call === seen) continue
    if (call === STOP) return
    seen = call
    compute(Atomics.load(shared, STEPS))
    Atomics.add(shared, DONE, 1)
  }
}

/** Milliseconds of calls of `steps` on this thread and `others`. */
function timesOf(shared, others, steps, calls) {
  const times = []
  Atomics.store(shared, STEPS, steps)
  for (let i = 0; i < calls; i += 1) {
    Atomics.store(shared, DONE, 0)
    const start = performance.now()
    Atomics.add(shared, CALL, 1)
    compute(steps)
    while (Atomics.load(shared, DONE) < others) continue
    times.push(performance.now() - start)
  }
  return times
}

/**
 * The tail, p99 over p50, of calls that compute for so long on each of some threads.
 * @param milliseconds - of a call, about
 */
export async function machineTail(milliseconds, calls, threads) {
  const shared = new Int32Array(new SharedArrayBuffer(3 * Int32Array.BYTES_PER_ELEMENT))
  const workers = Array.from({ length: threads - 1 }, () =>
    new Worker(new URL(import.meta.url), { workerData: { shared } }),
  )
  await Promise.all(workers.map((worker) => once(worker, 'online')))
  const unit = quantile(timesOf(shared, workers.length, CALIBRATION_STEPS, CALIBRATIONS), 0.5)
  const steps = Math.max(1, Math.round((CALIBRATION_STEPS * milliseconds) / unit))
  const times = timesOf(shared, workers.length, steps, calls)
  Atomics.store(shared, CALL, STOP)
  await Promise.all(workers.map((worker) => once(worker, 'exit')))
  return quantile(times, 0.99) / quantile(times, 0.5)
}

if (!isMainThread && workerData?.shared !== undefined) computeBeside(workerData.shared)

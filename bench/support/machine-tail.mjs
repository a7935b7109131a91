// What the machine does to the times of calls that do nothing but compute: on a shared machine a
// processor is taken away for a while, or is slower while somebody else computes beside it. On as
// many threads as the sides have, since a call ends with the last of them.

import { once } from 'node:events'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'

import { quantile } from './statistics.mjs'

const CALIBRATION_STEPS = 20_000
const CALIBRATIONS = 200
/** Of the shared numbers: the call that begins, its steps, shares that are done, their results. */
const [CALL, STEPS, DONE, RESULT] = [0, 1, 2, 3]
const NUMBERS = 4
/** A thread that has not done its share by then is lost. */
const LOST_MS = 60_000

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

/** A thread that computes in every call, for ever; between them it watches, as a pool's does. */
function computeBeside(shared) {
  let seen = 0
  for (;;) {
    const call = Atomics.load(shared, CALL)
    if (call === seen) continue
    seen = call
    Atomics.add(shared, RESULT, compute(Atomics.load(shared, STEPS)))
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
    Atomics.add(shared, RESULT, compute(steps))
    while (Atomics.load(shared, DONE) < others) {
      if (performance.now() - start > LOST_MS) throw new Error('a computing thread was lost')
    }
    times.push(performance.now() - start)
  }
  return times
}

/**
 * The tail, p99 over p50, of calls that compute for so long on each of some threads.
 * @param milliseconds - of a call, about
 */
export async function machineTail(milliseconds, calls, threads) {
  const shared = new Int32Array(new SharedArrayBuffer(NUMBERS * Int32Array.BYTES_PER_ELEMENT))
  const workers = Array.from({ length: threads - 1 }, () =>
    new Worker(new URL(import.meta.url), { workerData: { shared } }),
  )
  try {
    await Promise.all(workers.map((worker) => once(worker, 'message')))
    return tailOf(shared, workers.length, milliseconds, calls)
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()))
  }
}

function tailOf(shared, others, milliseconds, calls) {
  const unit = quantile(timesOf(shared, others, CALIBRATION_STEPS, CALIBRATIONS), 0.5)
  const steps = Math.max(1, Math.round((CALIBRATION_STEPS * milliseconds) / unit))
  timesOf(shared, others, steps, Math.min(calls, CALIBRATIONS))
  const times = timesOf(shared, others, steps, calls)
  return quantile(times, 0.99) / quantile(times, 0.5)
}

if (!isMainThread && workerData?.shared !== undefined) {
  parentPort.postMessage('ready')
  computeBeside(workerData.shared)
}

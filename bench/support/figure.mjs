// Single figures with Benchmark.js: how long an asynchronous call takes, as a distribution.

import Benchmark from 'benchmark'

import { summarize } from './statistics.mjs'

const MAX_SECONDS = 5
const MIN_SAMPLES = 20

/**
 * Samples `call` until Benchmark.js has enough.
 * @returns milliseconds a call: median, min, max, quartiles; `samples` and `calls` behind them
 * @throws what `call` throws
 */
export function sample(name, call, options, { minSamples = MIN_SAMPLES } = {}) {
  return new Promise((resolve, reject) => {
    let failure
    const benchmark = new Benchmark(name, {
      defer: true,
      async: true,
      initCount: 1,
      minSamples: options.quick ? 2 : minSamples,
      maxTime: options.quick ? 0.2 : MAX_SECONDS,
      fn: (deferred) => {
        call().then(
          () => deferred.resolve(),
          (error) => {
            failure = error
            benchmark.abort()
            deferred.resolve()
          },
        )
      },
      onComplete: () => {
        const error = failure ?? benchmark.error
        if (error !== undefined) return reject(error)
        // Benchmark.js keeps seconds a call, one number a cycle.
        const times = benchmark.stats.sample.map((seconds) => seconds * 1_000)
        resolve({ ...summarize(times), samples: times.length, calls: benchmark.count })
      },
    })
    benchmark.run({ async: true })
  })
}

/** A line of the table of single figures. `spread` is what to print beside the value. */
export function figure(name, value, unit, spread = '', more = {}) {
  return { kind: 'figure', name, value, unit, spread, ...more }
}

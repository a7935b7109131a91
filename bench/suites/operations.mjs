// Where the time of BERT-Base goes at 1,024 tokens: each operation of a layer alone, with the
// weights of twelve layers in turn, its arithmetic beside the processor's register-only peak of the
// moment before, and the bytes that it has to move at least.

import { hasNative, measurePeak, runOperations } from '../support/native.mjs'
import { figure } from '../support/figure.mjs'
import { selected } from '../support/options.mjs'
import { summarize } from '../support/statistics.mjs'
import { atLeast } from '../support/targets.mjs'

export const title = 'operations'

const PEAK = 'multiply-add peak'
const OPERATIONS = 'BERT-Base at 1,024 tokens'
const PRODUCTS = ['query, key, value', 'attention output', 'intermediate', 'output']
const EPILOGUES = { 'attention output': ', with residual', intermediate: ', with GELU',
  output: ', with residual' }
const LEAST_SHARE = 0.93
const ISAS = ['avx512', 'avx2', 'neon', 'scalar']

const sum = (values) => values.reduce((total, value) => total + value, 0)
const median = (values) => summarize(values).median

/** A row of the table from flop, bytes, and the seconds and peaks of the rounds. */
function operationRow(result, { leastShare, in_encoder = false } = {}) {
  const { name, threads, flop, bytes, seconds, peak_gflops } = result
  const share = median(seconds.map((each, i) => flop / each / 1e9 / peak_gflops[i]))
  const time = median(seconds)
  const text = `≥ ${(leastShare ?? 0) * 100} % of the peak`
  return {
    kind: 'operation',
    name,
    threads,
    in_encoder,
    microseconds: time * 1e6,
    gflops: flop / time / 1e9,
    gigabytes: bytes / time / 1e9,
    share,
    intensity: flop / bytes,
    peak: median(peak_gflops),
    seconds,
    peak_gflops,
    targets: atLeast(share, leastShare, text),
  }
}

/** Several operations one after the other, as one; the peak is the mean of theirs. */
function together(name, parts) {
  const all = (key) => sum(parts.map((part) => part[key]))
  const ofRounds = (key) =>
    parts[0][key].map((_, round) => sum(parts.map((part) => part[key][round])))
  const peak_gflops = ofRounds('peak_gflops').map((total) => total / parts.length)
  const [flop, bytes, seconds] = [all('flop'), all('bytes'), ofRounds('seconds')]
  return { ...parts[0], name, flop, bytes, seconds, peak_gflops }
}

function reportOperations(results, { report }) {
  const find = (name) => results.find((result) => result.name === name)
  const plain = PRODUCTS.map((name) => find(`${name}, bias only`))
  const used = PRODUCTS.map((name) => find(`${name}${EPILOGUES[name] ?? ', bias only'}`))
  for (const result of results) {
    // Of the products, those with the epilogues that the encoder gives them.
    const in_encoder = used.includes(result) || !plain.includes(result)
    report(operationRow(result, { in_encoder }))
  }
  const leastShare = LEAST_SHARE
  report(operationRow(together('the four products, bias only', plain), { leastShare }))
  report(operationRow(together('the four products, with epilogues', used)))
  const [without, withGelu] = [find('intermediate, bias only'), find('intermediate, with GELU')]
  const added = withGelu.seconds.map((each, i) => (each - without.seconds[i]) * 1e6)
  const { median: value, min, max } = summarize(added)
  const range = `${min.toFixed(0)}–${max.toFixed(0)}`
  report(figure('what GELU adds to the intermediate product', value, 'µs', range, { added }))
}

/** The peaks of every instruction set that runs here, on one thread and on all. */
async function reportPeaks(options, { report }) {
  for (const threads of new Set([1, options.threads])) {
    for (const isa of ISAS) {
      const peaks = []
      for (let round = 0; round < options.rounds; round += 1) {
        const found = await measurePeak(threads, options, isa).catch(() => undefined)
        if (found === undefined) break
        peaks.push(found.gflops)
      }
      if (peaks.length === 0) continue
      const { median: value, min, max } = summarize(peaks)
      const name = `${PEAK}, ${isa}, ${threads} thread${threads === 1 ? '' : 's'}`
      const range = `${min.toFixed(1)}–${max.toFixed(1)}`
      report(figure(name, value, 'GFLOP/s', range, { isa, threads, peaks }))
    }
  }
}

export async function run(options, reporter) {
  const peaks = selected(options, title, PEAK)
  const operations = selected(options, title, OPERATIONS)
  if (!peaks && !operations) return
  if (!hasNative()) return reporter.skip('fusebert_cpu_bench is not built')
  if (peaks) await reportPeaks(options, reporter)
  if (!operations) return
  reporter.progress(`${OPERATIONS}, one after the other`)
  reportOperations(await runOperations(options.threads, options.rounds), reporter)
}

// The tables that a run prints, in Markdown with aligned columns.

import { describeTargets } from './targets.mjs'

function table(header, rows) {
  if (rows.length === 0) return ''
  const widths = header.map((title, i) =>
    Math.max([...title].length, ...rows.map((row) => [...row[i]].length)),
  )
  const line = (cells) =>
    `| ${cells.map((cell, i) => cell + ' '.repeat(widths[i] - [...cell].length)).join(' | ')} |`
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`
  return ['', line(header), rule, ...rows.map(line)].join('\n')
}

const number = (value) =>
  value.toLocaleString('en-US', { maximumFractionDigits: value < 100 ? 1 : 0 })
const rate = (value, unit) => `${number(value)} ${unit}/s`
const percent = (share) => `${(share * 100).toFixed(1)} %`
const spread = ({ median, min, max }) =>
  `${median.toFixed(2)} (${min.toFixed(2)}–${max.toFixed(2)})`

/** Both sides' shares of the peak, where it was measured with them. */
const shares = ({ ours_share, theirs_share }) =>
  ours_share === undefined ? '' : `${percent(ours_share)}, ${percent(theirs_share)}`

/**
 * One line a pair: both rates, the median ratio with its spread, both shares of the peak, the
 * targets, and what the check of the results found.
 */
export const pairTable = (rows, conclusive) =>
  table(
    ['case', 'against', 'fusebert', 'other', 'ratio (min–max)', 'of peak: ours, theirs',
      'target', 'results'],
    rows.map((row) => [
      `${row.suite}: ${row.name}`,
      row.against,
      rate(row.ours_rate, row.unit),
      rate(row.theirs_rate, row.unit),
      `${spread(row.ratio)}, n=${row.rounds}`,
      shares(row),
      describeTargets(row.targets, conclusive),
      row.agreement,
    ]),
  )

/** One line a text whose calls were timed one by one. */
export const latencyTable = (rows, conclusive) =>
  table(
    ['case', 'fusebert p50', 'p99', 'other p50', 'p99', 'ours / theirs (min–max)',
      "p99 / p50: ours, a loop's", 'calls', 'target'],
    rows.map(({ suite, name, ours, theirs, ratio, tail, machine_tail, targets }) => [
      `${suite}: ${name}`,
      `${ours.p50.toFixed(3)} ms`,
      `${ours.p99.toFixed(3)} ms`,
      `${theirs.p50.toFixed(3)} ms`,
      `${theirs.p99.toFixed(3)} ms`,
      spread(ratio),
      `${tail.median.toFixed(2)}, ${machine_tail.median.toFixed(2)}`,
      `${ours.calls}, ${theirs.calls}`,
      describeTargets(targets, conclusive),
    ]),
  )

/** One line an operation of the CPU's kernels. */
export const operationTable = (rows, conclusive) =>
  table(
    ['operation', 'threads', 'time', 'GFLOP/s', 'of peak', 'GB/s', 'target'],
    rows.map(({ name, threads, microseconds, gflops, share, gigabytes, targets }) => [
      name,
      String(threads),
      `${number(microseconds)} µs`,
      number(gflops),
      percent(share),
      number(gigabytes),
      describeTargets(targets, conclusive),
    ]),
  )

/** One line a single figure. */
export const figureTable = (rows, conclusive) =>
  table(
    ['figure', 'value', 'spread', 'target'],
    rows.map(({ suite, name, value, unit, spread: found, targets }) => [
      `${suite}: ${name}`,
      `${value.toPrecision(4)} ${unit}`,
      found,
      describeTargets(targets, conclusive),
    ]),
  )

// The tables that a run prints, in Markdown with aligned columns.

function table(header, rows) {
  const widths = header.map((title, i) =>
    Math.max(title.length, ...rows.map((row) => [...row[i]].length)),
  )
  const line = (cells) =>
    `| ${cells.map((cell, i) => cell + ' '.repeat(widths[i] - [...cell].length)).join(' | ')} |`
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`
  return ['', line(header), rule, ...rows.map(line)].join('\n')
}

const rate = (value, unit) =>
  `${value.toLocaleString('en-US', { maximumFractionDigits: value < 100 ? 1 : 0 })} ${unit}/s`

function target({ ratio, target: least }, conclusive) {
  if (least === undefined) return ''
  const verdict = ratio.median >= least ? 'met' : 'missed'
  return conclusive ? `≥ ${least} ${verdict}` : `≥ ${least}`
}

/**
 * One line a pair: both rates, the median ratio with its spread, the target, and whether it is met
 * where the run can tell.
 */
export function pairTable(rows, conclusive) {
  if (rows.length === 0) return ''
  return table(
    ['case', 'against', 'fusebert', 'other', 'ratio (min–max)', 'target', 'results'],
    rows.map((row) => {
      const { median, min, max } = row.ratio
      return [
        `${row.suite}: ${row.name}`,
        row.against,
        rate(row.ours_rate, row.unit),
        rate(row.theirs_rate, row.unit),
        `${median.toFixed(2)} (${min.toFixed(2)}–${max.toFixed(2)}, n=${row.rounds})`,
        target(row, conclusive),
        row.agreement,
      ]
    }),
  )
}

/** One line a single figure. */
export function figureTable(rows) {
  if (rows.length === 0) return ''
  return table(
    ['figure', 'value', 'spread', 'target'],
    rows.map(({ suite, name, value, unit, spread, target: limit }) => [
      `${suite}: ${name}`,
      `${value.toPrecision(4)} ${unit}`,
      spread,
      limit ?? '',
    ]),
  )
}

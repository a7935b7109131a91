// The plot of `npm run bench:cpu`: shares of the processor's peak, end to end and operation by
// operation, the roofline that the operations lie under, and the ratios.

import { bar, document, dot, GRID, INK, line, OURS, text, THEIRS } from './svg.mjs'

const WIDTH = 980
const MARGIN = 24
const LABELS = 250
const ROW = 22
const BAR = 8
const TITLE = 34
const TICKS = [0, 0.25, 0.5, 0.75, 1]
const ROOFLINE_HEIGHT = 300
const RATIOS = 'Ratios, above 1 fusebert is faster; median (least to greatest)'

/** Bars end here, whatever a noisy machine says. */
const MOST_SHARE = 1.05
/** Where a dot's number stands, in turn, so that neighbours do not cover each other's. */
const NUMBER_PLACES = [[0, -8], [10, 4], [0, 17], [-10, 4]]

const percent = (share) => `${(share * 100).toFixed(0)} %`
const heading = (y, content) => text(MARGIN, y, content, { 'font-size': 15, 'font-weight': 'bold' })

/** Horizontal bars from 0 to the peak: rows of { name, values: [[share, colour], …] }. */
function shareBars(top, title, rows) {
  const left = MARGIN + LABELS
  const width = WIDTH - left - MARGIN - 120
  const bottom = top + TITLE + rows.length * ROW
  const content = [heading(top + 14, title)]
  for (const tick of TICKS) {
    const x = left + tick * width
    content.push(line(x, top + TITLE - 8, x, bottom, { stroke: GRID }))
    content.push(text(x, bottom + 14, percent(tick), { 'text-anchor': 'middle', fill: '#57606a' }))
  }
  rows.forEach(({ name, values }, i) => {
    const y = top + TITLE + i * ROW
    content.push(text(left - 8, y + 10, name, { 'text-anchor': 'end' }))
    values.forEach(([share, colour], j) => {
      const barTop = y + (values.length === 1 ? BAR / 2 : j * BAR)
      content.push(bar(left, barTop, Math.min(share, MOST_SHARE) * width, BAR - 1, colour))
    })
    const label = values.map(([share]) => percent(share)).join(' / ')
    const longest = Math.min(MOST_SHARE, Math.max(...values.map(([share]) => share)))
    content.push(text(left + longest * width + 6, y + 11, label))
  })
  return { content, bottom: bottom + 34 }
}

/** Operations by FLOP a byte and GFLOP/s, both on logarithmic axes, under the peak's roof. */
function roofline(top, operations) {
  const peak = operations[0].peak
  const [left, right] = [MARGIN + 60, WIDTH - MARGIN - 200]
  const [plotTop, plotBottom] = [top + TITLE, top + TITLE + ROOFLINE_HEIGHT]
  const exponents = (values) => [
    Math.floor(Math.log10(Math.min(...values))), Math.ceil(Math.log10(Math.max(...values))),
  ]
  const [x0, x1] = exponents(operations.map(({ intensity }) => intensity))
  const [y0, y1] = exponents([...operations.map(({ gflops }) => gflops), peak])
  const xOf = (value) => left + ((Math.log10(value) - x0) / (x1 - x0)) * (right - left)
  const yOf = (value) =>
    plotBottom - ((Math.log10(value) - y0) / (y1 - y0)) * (plotBottom - plotTop)
  const title = 'Roofline, as the encoder runs them: GFLOP/s by FLOP a byte that has to move'
  const content = [heading(top + 14, title)]
  for (let e = x0; e <= x1; e += 1) {
    content.push(line(xOf(10 ** e), plotTop, xOf(10 ** e), plotBottom, { stroke: GRID }))
    content.push(text(xOf(10 ** e), plotBottom + 16, 10 ** e, { 'text-anchor': 'middle' }))
  }
  for (let e = y0; e <= y1; e += 1) {
    content.push(line(left, yOf(10 ** e), right, yOf(10 ** e), { stroke: GRID }))
    content.push(text(left - 8, yOf(10 ** e) + 4, 10 ** e, { 'text-anchor': 'end' }))
  }
  content.push(line(left, yOf(peak), right, yOf(peak), { stroke: INK, 'stroke-width': 2 }))
  content.push(text(left + 6, yOf(peak) - 6, `multiply-add peak, ${peak.toFixed(0)} GFLOP/s`))
  operations.forEach(({ intensity, gflops, name }, i) => {
    content.push(dot(xOf(intensity), yOf(gflops), OURS))
    const [dx, dy] = NUMBER_PLACES[i % NUMBER_PLACES.length]
    const place = [xOf(intensity) + dx, yOf(gflops) + dy]
    content.push(text(...place, i + 1, { 'text-anchor': 'middle', 'font-size': 10 }))
    content.push(text(right + 16, plotTop + 12 + i * 18, `${i + 1} ${name}`, { 'font-size': 11 }))
  })
  return { content, bottom: plotBottom + 44 }
}

/** The ratios as a table. */
function ratios(top, rows) {
  const content = [heading(top + 14, RATIOS)]
  rows.forEach(({ suite, name, against, ratio, targets }, i) => {
    const y = top + TITLE + i * ROW
    const { median, min, max } = ratio
    content.push(text(MARGIN, y + 10, `${suite}: ${name}`))
    content.push(text(MARGIN + 300, y + 10, against))
    const found = `${median.toFixed(2)} (${min.toFixed(2)} to ${max.toFixed(2)})`
    content.push(text(MARGIN + 560, y + 10, found, { 'font-weight': 'bold' }))
    content.push(text(MARGIN + 700, y + 10, targets.map((target) => target.text).join('; ')))
  })
  return { content, bottom: top + TITLE + rows.length * ROW + 20 }
}

/** @returns an SVG document of the rows of a run, or undefined when it has nothing to show */
export function plotCpu(rows, caption) {
  const ends = rows.filter(({ kind, ours_share }) => kind === 'pair' && ours_share !== undefined)
  const operations = rows.filter(({ kind }) => kind === 'operation')
  const pairs = rows.filter(({ kind }) => kind === 'pair')
  const endRows = ends.map((row) => ({
    name: `${row.suite}: ${row.name}`,
    values: [[row.ours_share, OURS], [row.theirs_share, THEIRS]],
  }))
  const operationRows = operations.map(({ name, share }) => ({ name, values: [[share, OURS]] }))
  const ending = 'End to end, share of the peak: fusebert (blue), onnxruntime (yellow)'
  const used = operations.filter(({ in_encoder }) => in_encoder)
  const parts = [
    [endRows, (top) => shareBars(top, ending, endRows)],
    [operationRows, (top) => shareBars(top, 'Operations, share of the peak', operationRows)],
    [used, (top) => roofline(top, used)],
    [pairs, (top) => ratios(top, pairs)],
  ].filter(([content]) => content.length > 0)
  if (parts.length === 0) return undefined
  const content = [text(MARGIN, 28, caption, { fill: '#57606a' })]
  let top = 48
  for (const [, draw] of parts) {
    const part = draw(top)
    content.push(...part.content)
    top = part.bottom
  }
  return document(WIDTH, top, content)
}

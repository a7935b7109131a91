// node merge.mjs NAME FILE…: puts the rows of several runs of `npm run bench:cpu -- --filter …` on
// the same machine together, as results/NAME.json, and draws results/NAME.svg of them.

import { readFileSync } from 'node:fs'

import { plotCpu } from './support/plot.mjs'
import { writeResult } from './support/runner.mjs'

const [name, ...files] = process.argv.slice(2)
if (files.length === 0) {
  console.error('Usage: node merge.mjs NAME FILE…')
  process.exit(2)
}
const runs = files.map((file) => JSON.parse(readFileSync(file, 'utf8')))
const descriptions = new Set(runs.map(({ machine, options }) => `${machine}; ${options.threads}`))
if (descriptions.size !== 1) {
  console.error(`Expected runs of one machine and number of threads: ${[...descriptions]}.`)
  process.exit(1)
}
const [{ date, machine, options }] = runs
const rows = runs.flatMap((run) => run.rows)
writeResult(`${name}.json`, `${JSON.stringify({ date, machine, options, rows }, null, 2)}\n`)
const caption = `${machine}; ${options.threads} threads a side; ${date.slice(0, 10)}`
const plot = plotCpu(rows, caption)
if (plot !== undefined) writeResult(`${name}.svg`, plot)

// Runs suites, each in a process of its own, prints what they reported, and writes it as JSON. The
// sides of a pair alternate, in the same process where a suite says nothing else.

import { fork } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { isConclusive, RESULTS } from './options.mjs'
import { figureTable, latencyTable, operationTable, pairTable } from './tables.mjs'

const SUITE_PROCESS = fileURLToPath(new URL('suite-process.mjs', import.meta.url))
// Hugging Face's native tokenizer reads them once, when it is loaded: one thread, like ours.
const ONE_THREAD = { RAYON_NUM_THREADS: '1', TOKENIZERS_PARALLELISM: 'false' }
const ALL_THREADS = { RAYON_NUM_THREADS: undefined, TOKENIZERS_PARALLELISM: 'true' }
/** Suites with another environment. */
const ENVIRONMENTS = { 'tokenizer-threads': ALL_THREADS }

/** Runs a suite. Resolves with what it reported and how it ended. */
function runSuite(suite, options) {
  return new Promise((resolve) => {
    const rows = []
    let error
    const env = { ...process.env, ...(ENVIRONMENTS[suite] ?? ONE_THREAD) }
    const child = fork(SUITE_PROCESS, [], { env, execArgv: ['--expose-gc'] })
    child.on('message', (message) => {
      if (message.error !== undefined) error = message.error
      else if (message.row !== undefined) rows.push({ suite: message.suite, ...message.row })
      else console.error(message.progress)
    })
    // What it sent last may come after its end, and always before the channel's.
    const disconnected = new Promise((done) => child.once('disconnect', done))
    child.on('exit', async (code, signal) => {
      await disconnected
      if (code !== 0) error ??= `the process ended with ${signal ?? code}`
      resolve({ rows, error })
    })
    child.send({ suite, options })
  })
}

/** @returns all rows, and { suite, error } of those that failed */
export async function runSuites(suites, options) {
  const rows = []
  const failures = []
  for (const suite of suites) {
    const result = await runSuite(suite, options)
    rows.push(...result.rows)
    if (result.error !== undefined) failures.push({ suite, error: result.error })
  }
  return { rows, failures }
}

export function describeMachine() {
  const models = [...new Set(cpus().map(({ model }) => model.trim()))].join(', ')
  return `${models}, ${cpus().length} logical processors, Node ${process.version}`
}

export function printRows(rows, options) {
  const threads = `${options.threads} thread${options.threads === 1 ? '' : 's'}`
  console.log(`\n${describeMachine()}; ${threads} a side.`)
  const conclusive = isConclusive(options)
  if (!conclusive) {
    console.log('Few or short rounds: this shows that everything runs, it measures nothing.')
  }
  const ofKind = (kind) => rows.filter((row) => row.kind === kind)
  const tables = [
    pairTable(ofKind('pair'), conclusive),
    latencyTable(ofKind('latency'), conclusive),
    operationTable(ofKind('operation'), conclusive),
    figureTable(ofKind('figure'), conclusive),
  ]
  for (const table of tables.filter((text) => text !== '')) console.log(table)
  for (const { suite, reason } of ofKind('skip')) console.log(`Left out of "${suite}": ${reason}.`)
}

/** Writes a file into results/ and says so. */
export function writeResult(name, content) {
  mkdirSync(RESULTS, { recursive: true })
  const file = join(RESULTS, basename(name))
  writeFileSync(file, content)
  console.log(`Written to ${file}`)
}

export function writeJson(name, rows, options) {
  const content = { date: new Date().toISOString(), machine: describeMachine(), options, rows }
  writeResult(name, `${JSON.stringify(content, null, 2)}\n`)
}

/** Says what failed and sets the exit code. */
export function conclude(rows, failures) {
  for (const { suite, error } of failures) console.error(`FAILED ${suite}: ${error}`)
  if (rows.length === 0 && failures.length === 0) console.error('--filter selects no case.')
  if (rows.length === 0 || failures.length > 0) process.exitCode = 1
}

// npm run bench: runs every suite in a process of its own and prints a table of ratios and one of
// single figures. The sides of a pair run in the same process, alternating.

import { fork } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { MIN_ROUNDS, parseOptions, RESULTS } from './support/options.mjs'
import { figureTable, pairTable } from './support/tables.mjs'

const SUITES = [
  'fixed-shapes', 'ragged', 'minilm', 'embedded-model', 'tokenizer', 'latency', 'load', 'memory',
  'event-loop',
]
const SUITE_PROCESS = fileURLToPath(new URL('support/suite-process.mjs', import.meta.url))
// Hugging Face's tokenizer on one thread, like ours; read once, when it is loaded.
const ENVIRONMENT = { ...process.env, RAYON_NUM_THREADS: '1', TOKENIZERS_PARALLELISM: 'false' }

/** Runs a suite. Resolves with what it reported and how it ended. */
function runSuite(suite, options) {
  return new Promise((resolve) => {
    const rows = []
    let error
    const child = fork(SUITE_PROCESS, [], { env: ENVIRONMENT })
    child.on('message', (message) => {
      if (message.error !== undefined) error = message.error
      else if (message.row !== undefined) rows.push({ suite: message.suite, ...message.row })
      else console.error(message.progress)
    })
    child.on('exit', (code, signal) => {
      if (code !== 0) error ??= `the process ended with ${signal ?? code}`
      resolve({ rows, error })
    })
    child.send({ suite, options })
  })
}

function describeMachine() {
  const models = [...new Set(cpus().map(({ model }) => model.trim()))].join(', ')
  return `${models}, ${cpus().length} logical processors, Node ${process.version}`
}

function readOptions() {
  try {
    return parseOptions(process.argv.slice(2))
  } catch (error) {
    console.error(`${error.message} See --help.`)
    process.exit(2)
  }
}

async function main() {
  const options = readOptions()
  const rows = []
  const failures = []
  for (const suite of SUITES) {
    const result = await runSuite(suite, options)
    rows.push(...result.rows)
    if (result.error !== undefined) failures.push({ suite, error: result.error })
  }

  const threads = `${options.threads} thread${options.threads === 1 ? '' : 's'}`
  console.log(`\n${describeMachine()}; ${threads} a side.`)
  const conclusive = options.rounds >= MIN_ROUNDS && !options.quick
  if (!conclusive) {
    console.log('Few or short rounds: this shows that everything runs, it measures nothing.')
  }
  console.log(pairTable(rows.filter(({ kind }) => kind === 'pair'), conclusive))
  console.log(figureTable(rows.filter(({ kind }) => kind === 'figure')))
  for (const { suite, reason } of rows.filter(({ kind }) => kind === 'skip')) {
    console.log(`Left out of "${suite}": ${reason}.`)
  }
  if (options.json !== undefined) {
    mkdirSync(RESULTS, { recursive: true })
    const file = join(RESULTS, basename(options.json))
    const machine = describeMachine()
    const content = { date: new Date().toISOString(), machine, options, rows }
    writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`)
    console.log(`Written to ${file}`)
  }
  for (const { suite, error } of failures) console.error(`FAILED ${suite}: ${error}`)
  if (failures.length > 0 || rows.length === 0) {
    if (rows.length === 0 && failures.length === 0) console.error('--filter selects no case.')
    process.exitCode = 1
  }
}

await main()

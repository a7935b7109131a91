// The command line of the benchmarks: what can be set, and what the defaults are.

import { parseArgs } from 'node:util'
import { fileURLToPath } from 'node:url'

/** Below this a ratio is a check that things run, not a measurement. */
const MIN_ROUNDS = 5

/** Whether a run with these options measures, so that targets are judged. */
export const isConclusive = (options) => options.rounds >= MIN_ROUNDS && !options.quick

const DEFAULT_ROUNDS = 7
const DEFAULT_THREADS = 2

const HELP = `Usage: npm run bench -- [options]

  --quick            two short rounds and few texts: shows that everything runs, measures nothing
  --filter TEXT      only cases whose "suite: name" contains TEXT, case-insensitive; repeatable
  --rounds N         rounds of a pair, default ${DEFAULT_ROUNDS}, at least ${MIN_ROUNDS} to count
  --threads N        threads of both sides, default ${DEFAULT_THREADS}
  --texts FILE       texts, one a line, in place of corpus/english.txt, where the input is text
  --minilm FOLDER    all-MiniLM-L6-v2; its cases are left out where it is not there
  --python FILE      the Python with requirements.txt, default .venv/bin/python
  --json [NAME]      write every time measured to results/NAME, default results/<time>.json
  --help`

const folder = (path) => fileURLToPath(new URL(path, import.meta.url))

/** The folders that the benchmarks write to, and read models and texts from. */
export const MODELS = folder('../models')
export const RESULTS = folder('../results')
export const CORPUS = folder('../corpus')
const MINILM = folder('../../../shared/models/all-minilm-l6-v2')
const PYTHON = folder('../.venv/bin/python')

function positive(value, name, fallback) {
  if (value === undefined) return fallback
  const number = Number(value)
  if (Number.isSafeInteger(number) && number >= 1) return number
  throw new Error(`Expected an integer ≥ 1 for --${name} but received '${value}'.`)
}

/** "--json" alone is allowed: it then means a name made from the time. */
function withJsonDefault(args) {
  const index = args.indexOf('--json')
  if (index < 0) return args
  const next = args[index + 1]
  if (next !== undefined && !next.startsWith('--')) return args
  const name = `${new Date().toISOString().replaceAll(':', '-')}.json`
  return [...args.slice(0, index + 1), name, ...args.slice(index + 1)]
}

/** The options as a plain object, which a suite's process receives as JSON. */
function parseOptions(args) {
  const { values } = parseArgs({
    args: withJsonDefault(args),
    options: {
      quick: { type: 'boolean', default: false },
      filter: { type: 'string', multiple: true, default: [] },
      rounds: { type: 'string' },
      threads: { type: 'string' },
      texts: { type: 'string' },
      minilm: { type: 'string', default: MINILM },
      python: { type: 'string', default: PYTHON },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(HELP)
    process.exit(0)
  }
  const { quick, filter, texts, minilm, python, json } = values
  return {
    quick,
    filter: filter.map((text) => text.toLowerCase()),
    rounds: positive(values.rounds, 'rounds', quick ? 2 : DEFAULT_ROUNDS),
    threads: positive(values.threads, 'threads', DEFAULT_THREADS),
    texts,
    minilm,
    python,
    json,
  }
}

/** Whether --filter lets a case through. */
export function selected(options, suite, name) {
  const full = `${suite}: ${name}`.toLowerCase()
  return options.filter.length === 0 || options.filter.some((text) => full.includes(text))
}

/** parseOptions of the command line; says what is wrong with it and ends the process. */
export function readOptions() {
  try {
    return parseOptions(process.argv.slice(2))
  } catch (error) {
    console.error(`${error.message} See --help.`)
    process.exit(2)
  }
}

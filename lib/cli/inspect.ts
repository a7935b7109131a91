// fusebert inspect: what a model is, which tasks it is for and what it needs, without loading it.

import type { Command } from 'commander'

import { checkStandardOutput, StandardOutput } from '../batch/standard-output.js'
import { DEFAULT_MODEL } from '../hub/embedded-model.js'
import { pipelineTask, type HeadTask } from '../models/heads.js'
import { inspectModel, type ModelReport } from '../models/inspect.js'
import type { MemoryNeed } from '../models/memory.js'
import { count } from './format.js'
import { printable, printableJson, printLines } from './printing.js'

const MEBIBYTE = 1024 * 1024

const EXAMPLES = `
Examples:
  $ fusebert inspect ./mental-bert
  $ fusebert inspect ./mental-bert --json | jq .heads
`

/** 13400000 → "12.8 MiB" */
function mebibytes(bytes: number): string {
  return `${(bytes / MEBIBYTE).toFixed(1)} MiB`
}

function tasksOf({ heads, labels }: ModelReport): string {
  const names = Object.values(labels)
  const shown = names.length > 0 && names.length <= 10 ? ` (${names.join(', ')})` : ''
  const tasks = heads.map(pipelineTask)
  return ['feature-extraction', ...tasks.map((task) => labelled(task, shown))].join(', ')
}

const labelled = (task: string, labels: string): string =>
  task.endsWith('-classification') ? task + labels : task

function tokenizerOf({ tokenizer }: ModelReport): string {
  if (tokenizer === null) return 'none'
  const { file, model, vocab_size } = tokenizer
  const size = vocab_size === null ? '' : `, ${count(vocab_size)} entries`
  return `${model ?? 'of an unnamed kind'}${size} (${file})`
}

function poolingOf({ sentence_transformers: sentence }: ModelReport): string | null {
  if (sentence === null) return null
  const { pooling, layers, normalize } = sentence
  const steps = [
    typeof pooling === 'string' ? pooling : pooling.join(' + '),
    ...layers.map(({ module, outputs }) => (outputs === null ? module : `${module} ${outputs}`)),
    ...(normalize ? ['Normalize'] : []),
  ]
  return steps.join(', ')
}

function memoryOf(need: MemoryNeed): string {
  const heads = Object.entries(need.task_weight_bytes) as [HeadTask, number][]
  const withHead = heads.map(
    ([head, bytes]) => `, ${mebibytes(bytes)} with its head for ${pipelineTask(head)}`,
  )
  return (
    `about ${mebibytes(need.weight_bytes)} in ${need.dtype} for the encoder alone` +
    `${withHead.join('')}, and ${mebibytes(need.workspace_bytes)} for ` +
    `${count(need.max_batch_tokens)} tokens at once`
  )
}

/** The report as lines of a name and a value. */
function rows(report: ModelReport): [string, string][] {
  const { geometry, parameters, dtypes, files, memory } = report
  const heads = `${geometry.num_attention_heads} heads`
  const pooling = poolingOf(report)
  const license = report.license ?? 'not stated'
  return [
    ['model', report.path],
    ['architecture', [report.model_type, ...report.architectures].join(', ')],
    ['layers', `${geometry.num_hidden_layers} of ${geometry.hidden_size}, ${heads}`],
    ['activation', geometry.hidden_act],
    [
      'parameters',
      `${count(parameters.encoder)} in the encoder, ${count(parameters.checkpoint)} in all`,
    ],
    ['dtypes', Object.entries(dtypes).map(([name, many]) => `${name} ${count(many)}`).join(', ')],
    ['files', files.map(({ name, bytes }) => `${name} ${mebibytes(bytes)}`).join(', ')],
    ['tasks', tasksOf(report)],
    ['tokenizer', tokenizerOf(report)],
    ['tokens', `${count(report.max_tokens)} at most`],
    ...(pooling === null ? [] : [['pooling', pooling] as [string, string]]),
    ['licence', report.license_link === null ? license : `${license}, ${report.license_link}`],
    ...memory.map((need): [string, string] => [`memory, ${need.device}`, memoryOf(need)]),
  ]
}

/** As a person reads it. The folder's words may be anybody's: no terminal obeys them. */
function reportLines(report: ModelReport): string[] {
  const lines = rows(report)
  const width = Math.max(...lines.map(([name]) => name.length))
  return lines.map(([name, value]) => `${name.padEnd(width)}  ${printable(value)}`)
}

/** One JSON object over several lines. */
function jsonLines(report: ModelReport): string[] {
  return JSON.stringify(report, null, 2).split('\n').map(printableJson)
}

/** Adds the command to the program. */
export function addInspect(program: Command): void {
  program
    .command('inspect')
    .summary('say what a model is and what it needs')
    .description('Says what a model is, which tasks it is for and what it needs. Loads no weights.')
    .argument('[model]', 'folder with config.json, tokenizer and weights', DEFAULT_MODEL)
    .option('--json', 'one JSON object, for scripts')
    .addHelpText('after', EXAMPLES)
    .action(async (model: string, { json }: { json?: boolean }) => {
      checkStandardOutput()
      const report = await inspectModel(model)
      const output = new StandardOutput(process.stdout)
      await printLines(output, json === true ? jsonLines(report) : reportLines(report))
    })
}

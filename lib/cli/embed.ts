// fusebert embed: a file of texts in, a file of vectors out.

import { InvalidArgumentError, Option, type Command } from 'commander'

import {
  choosePooling,
  embedFile,
  type EmbedFileOptions,
  type EmbedFileSummary,
} from '../batch/embed-file.js'
import { INPUT_FORMATS, planEmbedFile, type InputFormat } from '../batch/plan.js'
import { checkStandardOutput } from '../batch/standard-output.js'
import type { FeatureExtractionPipeline, Pooling } from '../pipelines/feature-extraction.js'
import type { PipelineOptions } from '../pipelines/index.js'
import type { Context } from './context.js'
import { count, counted, duration, rate } from './format.js'
import { startProgress } from './progress.js'

/** Loads a pipeline; tests give their own. */
export type LoadPipeline = (
  model: string,
  options: PipelineOptions,
) => Promise<FeatureExtractionPipeline>

const loadPipeline: LoadPipeline = async (model, options) => {
  // The addon is loaded when there is something to do, not for --help.
  const { pipeline } = await import('../pipelines/index.js')
  return pipeline('feature-extraction', model, options)
}

const POOLINGS: readonly Pooling[] = ['none', 'mean', 'cls', 'max']

interface EmbedFlags {
  model: string
  input: string
  output: string
  format?: InputFormat
  field?: string
  column?: string
  pooling?: Pooling
  normalize?: boolean
  maxLength?: number
  batchTokens?: number
  threads?: number
  device: 'auto' | 'cpu'
  dtype: 'auto' | 'fp32'
  skipInvalid?: boolean
  withText?: boolean
  progress: boolean
}

const EXAMPLES = `
Examples:
  $ fusebert embed --model ./all-MiniLM-L6-v2 --input posts.jsonl --output posts.npy
  $ fusebert embed --model ./mental-bert --input posts.csv --column body --pooling mean \\
      --output posts.jsonl
  $ cat lines.txt | fusebert embed --model ./model --input - --format txt --output - | head -1

Input:
  .jsonl  objects, one a line; blank lines are no records. The text is the value of --field.
  .txt    texts, one a line.
  .csv    comma-separated with a header line. The text is the column --column.
  Text is UTF-8. Row i of the output belongs to record i of the input. A record whose text is
  empty, missing or not a string ends the job with its line number, unless --skip-invalid.

Output:
  .npy    float32 of shape (records, hidden size); NaN in the rows of invalid records.
  .jsonl  {"index", "id", "embedding", "text"}: id where the record has one, text with --with-text,
          embedding null for invalid records. With --pooling none an embedding is a list of vectors,
          one per token.
  A file appears when it is complete; until then what was there before stays.

Exit status: 0 done, 1 failed, 2 wrong usage, 130 and 143 ended by SIGINT and SIGTERM.
`

function positiveInteger(value: string): number {
  if (!/^[1-9][0-9]{0,8}$/.test(value)) {
    throw new InvalidArgumentError('Expected a positive integer below 1,000,000,000.')
  }
  return Number(value)
}

function notEmpty(value: string): string {
  if (value === '') throw new InvalidArgumentError('Expected something that is not empty.')
  return value
}

function choice(flags: string, description: string, choices: readonly string[]): Option {
  return new Option(flags, description).choices(choices)
}

function jobOptions(flags: EmbedFlags, { signal }: Context): EmbedFileOptions {
  const { format, field, column, pooling, normalize, maxLength, skipInvalid, withText } = flags
  return {
    input: flags.input,
    output: flags.output,
    signal,
    ...(format === undefined ? {} : { format }),
    ...(field === undefined ? {} : { field }),
    ...(column === undefined ? {} : { column }),
    ...(pooling === undefined ? {} : { pooling }),
    ...(normalize === undefined ? {} : { normalize }),
    ...(maxLength === undefined ? {} : { max_length: maxLength }),
    ...(skipInvalid === undefined ? {} : { skip_invalid: skipInvalid }),
    ...(withText === undefined ? {} : { with_text: withText }),
  }
}

function pipelineOptions(flags: EmbedFlags, { signal }: Context): PipelineOptions {
  const { device, dtype, threads, batchTokens } = flags
  return {
    device,
    dtype,
    signal,
    ...(threads === undefined ? {} : { threads }),
    ...(batchTokens === undefined ? {} : { max_batch_tokens: batchTokens }),
  }
}

/** What is worth knowing after a job. */
export function summaryLines(
  summary: EmbedFileSummary,
  elapsed_ms: number,
  max_length: number,
): string[] {
  const { records, invalid, tokens, truncated } = summary
  const texts = records - invalid
  const were = truncated === 1 ? 'was' : 'were'
  const lines: string[] = []
  if (truncated > 0) {
    lines.push(
      `${count(truncated)} of ${counted(texts, 'text')} ${were} longer than ` +
        `${counted(max_length, 'token')} and ${were} truncated`,
    )
  }
  if (invalid > 0) {
    lines.push(`${count(invalid)} of ${counted(records, 'record')} had no usable text`)
  }
  lines.push(
    `embedded ${counted(texts, 'text')} (${counted(tokens, 'token')}) in ` +
      `${duration(elapsed_ms)}: ${rate(texts, elapsed_ms)} texts/s, ` +
      `${rate(tokens, elapsed_ms)} tokens/s`,
  )
  return lines
}

async function runJob(
  embed: FeatureExtractionPipeline,
  flags: EmbedFlags,
  context: Context,
): Promise<void> {
  const { stderr } = context
  const options = jobOptions(flags, context)
  const { pooling, assumed } = choosePooling(embed, flags.pooling)
  if (assumed) {
    stderr.write(
      'fusebert: the model does not say how its tokens become one vector: using --pooling mean\n',
    )
  }
  // A bar and rows on one terminal would spoil each other.
  const shown = flags.progress && stderr.isTTY && !(flags.output === '-' && process.stdout.isTTY)
  const progress = startProgress(stderr, shown)
  const keep = context.beforeExit(() => progress.stop())
  const begin = performance.now()
  let summary: EmbedFileSummary
  try {
    const on_progress = progress.update
    summary = await embedFile(embed, { ...options, pooling, on_progress })
  } finally {
    progress.stop()
    keep()
  }
  if (summary.output_closed) return
  const max_length = options.max_length ?? embed.defaults.max_length
  for (const line of summaryLines(summary, performance.now() - begin, max_length)) {
    stderr.write(`fusebert: ${line}\n`)
  }
}

async function runEmbed(flags: EmbedFlags, context: Context, load: LoadPipeline): Promise<void> {
  // What is wrong with the files should not have to wait for the model.
  await planEmbedFile(jobOptions(flags, context))
  if (flags.output === '-') checkStandardOutput()
  const embed = await load(flags.model, pipelineOptions(flags, context))
  try {
    await runJob(embed, flags, context)
  } finally {
    await embed.dispose()
  }
}

/**
 * What commander's requiredOption does, but after it has looked for unknown options: a misspelt
 * --output should be told so.
 */
function checkRequired(command: Command): void {
  for (const name of ['model', 'input', 'output']) {
    if (command.getOptionValue(name) !== undefined) continue
    const flags = command.options.find((option) => option.attributeName() === name)?.flags
    command.error(`error: required option '${flags ?? name}' not specified`)
  }
}

/** Adds the command to the program. */
export function addEmbed(program: Command, context: Context, load = loadPipeline): void {
  program
    .command('embed')
    .summary('turn a file of texts into a file of vectors')
    .description('Turns a file of texts into a file of vectors, one row per text.')
    .option('--model <folder>', 'folder with config.json, tokenizer and weights', notEmpty)
    .option('--input <file>', '.jsonl, .txt or .csv, or - for stdin', notEmpty)
    .option('--output <file>', '.npy or .jsonl, or - for JSONL on stdout', notEmpty)
    .addOption(
      choice('--format <format>', 'what the input is (default: by name; - jsonl)', INPUT_FORMATS),
    )
    .option('--field <key>', 'JSONL: key of the text (default: "text")', notEmpty)
    .option('--column <name>', 'CSV: name or number of the text column (default: "text")', notEmpty)
    .addOption(
      choice('--pooling <how>', 'from token vectors to one (default: as the model says)', POOLINGS),
    )
    .option('--normalize', 'divide vectors by their length (default: as the model says)')
    .option('--no-normalize', 'leave vectors as they are')
    .option('--max-length <n>', 'truncate texts to n tokens', positiveInteger)
    .option('--batch-tokens <n>', 'tokens in the encoder at once', positiveInteger)
    .option('--threads <n>', 'CPU threads', positiveInteger)
    .addOption(choice('--device <device>', 'where to run', ['auto', 'cpu']).default('auto'))
    .addOption(choice('--dtype <type>', 'arithmetic', ['auto', 'fp32']).default('auto'))
    .option('--skip-invalid', 'let invalid records be NaN (JSONL: null) and go on')
    .option('--with-text', 'repeat the text in JSONL output')
    .option('--no-progress', 'no progress bar on a terminal')
    .addHelpText('after', EXAMPLES)
    .action((flags: EmbedFlags, command: Command) => {
      checkRequired(command)
      return runEmbed(flags, context, load)
    })
}

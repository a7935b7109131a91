// fusebert embed: a file of texts in, a file of vectors out.

import { Option, type Command } from 'commander'

import { embedFile, type EmbedFileOptions, type EmbedFileSummary } from '../batch/embed-file.js'
import { planEmbedFile } from '../batch/plan.js'
import { checkStandardOutput } from '../batch/standard-output.js'
import type { FeatureExtractionPipeline } from '../pipelines/feature-extraction.js'
import { POOLINGS } from '../pipelines/poolings.js'
import type { Context } from './context.js'
import { counted, duration, rate } from './format.js'
import { startProgress } from './progress.js'
import {
  addInputOptions,
  addRunOptions,
  checkInputGiven,
  choice,
  loadPipeline,
  MODEL_HELP,
  notEmpty,
  pipelineOptions,
  sharedJobOptions,
  warningLines,
  warnAssumedPooling,
  type LoadPipeline,
  type SharedFlags,
} from './shared-options.js'


interface EmbedFlags extends SharedFlags {
  output: string
  normalize?: boolean
  withText?: boolean
  progress: boolean
}

const EXAMPLES = `
Examples:
  $ fusebert embed --input posts.jsonl --output posts.npy
  $ fusebert embed --model ./all-MiniLM-L6-v2 --input posts.jsonl --output posts.npy
  $ fusebert embed --model ./mental-bert --input posts.csv --column body --pooling mean \\
      --output posts.jsonl
  $ cat lines.txt | fusebert embed --input - --format txt | head -1

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

function jobOptions(flags: EmbedFlags, context: Context): EmbedFileOptions {
  const { normalize, withText } = flags
  return {
    ...sharedJobOptions(flags, context),
    output: flags.output,
    ...(normalize === undefined ? {} : { normalize }),
    ...(withText === undefined ? {} : { with_text: withText }),
  }
}

/** What is worth knowing after a job. */
export function summaryLines(
  summary: EmbedFileSummary,
  elapsed_ms: number,
  max_length: number,
): string[] {
  const { records, invalid, tokens } = summary
  const texts = records - invalid
  return [
    ...warningLines(summary, max_length),
    `embedded ${counted(texts, 'text')} (${counted(tokens, 'token')}) in ` +
      `${duration(elapsed_ms)}: ${rate(texts, elapsed_ms)} texts/s, ` +
      `${rate(tokens, elapsed_ms)} tokens/s`,
  ]
}

async function runJob(
  embed: FeatureExtractionPipeline,
  flags: EmbedFlags,
  context: Context,
): Promise<void> {
  const { stderr } = context
  const options = jobOptions(flags, context)
  warnAssumedPooling(embed, flags, context)
  // A bar and rows on one terminal would spoil each other.
  const shown = flags.progress && stderr.isTTY && !(flags.output === '-' && process.stdout.isTTY)
  const progress = startProgress(stderr, shown)
  const keep = context.beforeExit(() => progress.stop())
  const begin = performance.now()
  let summary: EmbedFileSummary
  try {
    const on_progress = progress.update
    summary = await embedFile(embed, { ...options, on_progress })
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

/** Adds the command to the program. */
export function addEmbed(program: Command, context: Context, load = loadPipeline): void {
  const command = program
    .command('embed')
    .summary('turn a file of texts into a file of vectors')
    .description('Turns a file of texts into a file of vectors, one row per text.')
  addInputOptions(command)
    .addOption(
      new Option('--output <file>', '.npy or .jsonl, or - for JSONL on stdout')
        .argParser(notEmpty)
        .default('-'),
    )
    .addOption(
      choice('--pooling <how>', 'from token vectors to one (default: as the model says)', POOLINGS),
    )
    .option('--normalize', 'divide vectors by their length (default: as the model says)')
    .option('--no-normalize', 'leave vectors as they are')
  addRunOptions(command)
    .option('--skip-invalid', 'let invalid records be NaN (JSONL: null) and go on')
    .option('--with-text', 'repeat the text in JSONL output')
    .option('--no-progress', 'no progress bar on a terminal')
    .addHelpText('after', EXAMPLES + MODEL_HELP)
    .action((flags: EmbedFlags, self: Command) => {
      checkInputGiven(self)
      return runEmbed(flags, context, load)
    })
}

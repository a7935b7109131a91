// Options that commands over files of texts have in common: the model, the input, where to run.

import { InvalidArgumentError, Option, type Command } from 'commander'

import { choosePooling, type VectorOptions } from '../batch/embed-records.js'
import { INPUT_FORMATS, type InputFormat, type InputOptions } from '../batch/plan.js'
import { DTYPES, NUMBERED_DEVICE, type DeviceName, type Dtype } from '../device-names.js'
import { DEFAULT_MODEL } from '../hub/embedded-model.js'
import type { FeatureExtractionPipeline, Pooling } from '../pipelines/feature-extraction.js'
import type { PipelineOptions, Pipelines, Task } from '../pipelines/index.js'
import type { Context } from './context.js'
import { count, counted } from './format.js'

/** Loads a pipeline; tests give their own. */
export type LoadPipeline = (
  model: string,
  options: PipelineOptions,
) => Promise<FeatureExtractionPipeline>

export const loadPipeline: LoadPipeline = async (model, options) => {
  // The addon is loaded when there is something to do, not for --help.
  const { pipeline } = await import('../pipelines/index.js')
  return pipeline('feature-extraction', model, options)
}

/** The same for any task. */
export async function loadTask<Name extends Task>(
  task: Name,
  model: string,
  options: PipelineOptions,
): Promise<Pipelines[Name]> {
  const { pipeline } = await import('../pipelines/index.js')
  return pipeline(task, model, options)
}

export interface SharedFlags {
  model: string
  input: string
  format?: InputFormat
  field?: string
  column?: string
  pooling?: Pooling
  maxLength?: number
  batchTokens?: number
  threads?: number
  device: DeviceName
  dtype: Dtype
  skipInvalid?: boolean
}

/** What --help says about the model that is used when none is named. */
export const MODEL_HELP = `
The model:
  Without --model the vectors are those of fusebert-mini, a small English model inside the package.
  It is there to try things out, for tests and for light use, not for results that matter: it comes
  near all-MiniLM-L6-v2, which it was trained to imitate, and no further, and knows no language but
  English. Its card, with figures, is models/fusebert-mini/README.md. For real work give a folder:
    all-MiniLM-L6-v2   general English sentences
    bge-base-en-v1.5   retrieval, slower and better
    mental-bert-base-uncased   English posts about mental health; access is asked for on its page.
      As its card says, its predictions are no psychiatric diagnosis.
  $ hf download sentence-transformers/all-MiniLM-L6-v2 --local-dir all-MiniLM-L6-v2
`

function device(value: string): DeviceName {
  if (!/^(auto|cpu|cuda)$/.test(value) && !NUMBERED_DEVICE.test(value)) {
    throw new InvalidArgumentError('Expected auto, cpu, cuda or cuda: with a number.')
  }
  return value as DeviceName
}

export function positiveInteger(value: string): number {
  if (!/^[1-9][0-9]{0,8}$/.test(value)) {
    throw new InvalidArgumentError('Expected a positive integer below 1,000,000,000.')
  }
  return Number(value)
}

export function nonNegativeInteger(value: string): number {
  return value === '0' ? 0 : positiveInteger(value)
}

export function notEmpty(value: string): string {
  if (value === '') throw new InvalidArgumentError('Expected something that is not empty.')
  return value
}

export function choice(flags: string, description: string, choices: readonly string[]): Option {
  return new Option(flags, description).choices(choices)
}

const INPUT_FLAGS = '--input <file>'

/**
 * Options for the model's name and the input.
 * @param model - the one that is used when none is named; null: one must be named
 */
export function addInputOptions(command: Command, model: string | null = DEFAULT_MODEL): Command {
  const folder = new Option('--model <folder>', 'folder with config.json, tokenizer and weights')
    .argParser(notEmpty)
  return command
    .addOption(model === null ? folder.makeOptionMandatory() : folder.default(model))
    .option(INPUT_FLAGS, '.jsonl, .txt or .csv, or - for stdin', notEmpty)
    .addOption(
      choice('--format <format>', 'what the input is (default: by name; - jsonl)', INPUT_FORMATS),
    )
    .option('--field <key>', 'JSONL: key of the text (default: "text")', notEmpty)
    .option('--column <name>', 'CSV: name or number of the text column (default: "text")', notEmpty)
}

/** Options for how and where the model runs. */
export function addRunOptions(command: Command): Command {
  return command
    .option('--max-length <n>', 'truncate texts to n tokens', positiveInteger)
    .option('--batch-tokens <n>', 'tokens in the encoder at once', positiveInteger)
    .option('--threads <n>', 'CPU threads', positiveInteger)
    .option('--device <device>', 'where to run: auto, cpu, cuda or cuda:1', device, 'auto')
    .addOption(choice('--dtype <type>', 'arithmetic', DTYPES).default('auto'))
}

type SharedJob = InputOptions &
  Omit<VectorOptions, 'normalize'> & { signal: AbortSignal; skip_invalid?: boolean }

/** The options of a job that the shared flags ask for. */
export function sharedJobOptions(flags: SharedFlags, { signal }: Context): SharedJob {
  const { format, field, column, pooling, maxLength, skipInvalid } = flags
  return {
    input: flags.input,
    signal,
    ...(format === undefined ? {} : { format }),
    ...(field === undefined ? {} : { field }),
    ...(column === undefined ? {} : { column }),
    ...(pooling === undefined ? {} : { pooling }),
    ...(maxLength === undefined ? {} : { max_length: maxLength }),
    ...(skipInvalid === undefined ? {} : { skip_invalid: skipInvalid }),
  }
}

export function pipelineOptions(flags: SharedFlags, { signal }: Context): PipelineOptions {
  const { device, dtype, threads, batchTokens } = flags
  return {
    device,
    dtype,
    signal,
    ...(threads === undefined ? {} : { threads }),
    ...(batchTokens === undefined ? {} : { max_batch_tokens: batchTokens }),
  }
}

/** Says so when the way from token vectors to one had to be assumed. */
export function warnAssumedPooling(
  embed: FeatureExtractionPipeline,
  { pooling }: SharedFlags,
  { stderr }: Context,
): void {
  if (!choosePooling(embed, pooling).assumed) return
  stderr.write(
    'fusebert: the model does not say how its tokens become one vector: using --pooling mean\n',
  )
}

/** What happened to some of the records. */
export function warningLines(
  { records, invalid, truncated }: { records: number; invalid: number; truncated: number },
  max_length: number,
): string[] {
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
  return lines
}

/**
 * What commander's requiredOption does, but after it has looked for unknown options: a misspelt
 * --input should be told so.
 */
export function checkInputGiven(command: Command): void {
  if (command.getOptionValue('input') !== undefined) return
  command.error(`error: required option '${INPUT_FLAGS}' not specified`)
}

// What a job is going to do, checked before a model is loaded for it: formats, combinations of
// options, and that input and output can be opened and are not the same file.

import { fstat, stat, type BigIntStats } from 'node:fs'
import { extname } from 'node:path'
import { promisify } from 'node:util'

import { FusebertError, invalidChoice } from '../errors.js'
import { checkInput } from './input.js'
import type { Pooling } from './records.js'
import { checkOutput } from './temporary-file.js'

export type InputFormat = 'jsonl' | 'txt' | 'csv'
export type OutputFormat = 'npy' | 'jsonl'

export const INPUT_FORMATS: readonly InputFormat[] = ['jsonl', 'txt', 'csv']

/** Where the texts are. */
export interface InputOptions {
  /** A file, or - for standard input. */
  input: string
  /** Default: what the input's name ends in; jsonl for standard input. */
  format?: InputFormat
  /** JSONL: the key of the text; default 'text'. */
  field?: string
  /** CSV: the name or number (from 1) of the text's column; default 'text'. */
  column?: string
}

export interface PlanOptions extends InputOptions {
  /** A file that ends in .npy or .jsonl, or - for JSONL on standard output. */
  output: string
  /** Default: the model's own, and 'mean' for a model that has none. */
  pooling?: Pooling
  /** JSONL output: rows repeat the text. */
  with_text?: boolean
}

export interface Plan {
  input_format: InputFormat
  output_format: OutputFormat
}

const INPUT_EXTENSIONS: Record<string, InputFormat> = {
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.txt': 'txt',
  '.csv': 'csv',
}

const OUTPUT_EXTENSIONS: Record<string, OutputFormat> = {
  '.npy': 'npy',
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
}

function wrong(message: string): FusebertError {
  return new FusebertError('ERR_INVALID_ARGUMENT', message)
}

function inputFormat({ input, format }: InputOptions): InputFormat {
  if (format !== undefined) {
    if (!INPUT_FORMATS.includes(format)) throw invalidChoice(INPUT_FORMATS, 'format', format)
    return format
  }
  const known = input === '-' ? 'jsonl' : INPUT_EXTENSIONS[extname(input).toLowerCase()]
  if (known !== undefined) return known
  throw wrong(
    `Expected an input that ends in .jsonl, .txt or .csv but received ${input}. ` +
      'Say what it is with --format.',
  )
}

function outputFormat({ output }: PlanOptions): OutputFormat {
  const known = output === '-' ? 'jsonl' : OUTPUT_EXTENSIONS[extname(output).toLowerCase()]
  if (known !== undefined) return known
  throw wrong(
    `Expected an output that ends in .npy or .jsonl but received ${output}. ` +
      'Give such a name, or - for JSONL on standard output.',
  )
}

function checkColumns(options: InputOptions, input_format: InputFormat): void {
  if (options.field !== undefined && input_format !== 'jsonl') {
    throw wrong(
      `Expected no --field for ${input_format} input: it names a key of JSONL records. ` +
        'For CSV use --column.',
    )
  }
  if (options.column !== undefined && input_format !== 'csv') {
    throw wrong(
      `Expected no --column for ${input_format} input: it names a column of CSV. ` +
        'For JSONL use --field.',
    )
  }
}

function checkOutputOptions(options: PlanOptions, output_format: OutputFormat): void {
  if (options.with_text === true && output_format !== 'jsonl') {
    throw wrong('Expected JSONL output for --with-text: .npy holds numbers only.')
  }
  if (options.pooling === 'none' && output_format === 'npy') {
    throw wrong(
      'Expected --pooling mean, cls or max for .npy output: with none every text gives a matrix ' +
        'of its own length. Choose a pooling, or write .jsonl.',
    )
  }
}

async function identity(path: string, descriptor: 0 | 1): Promise<BigIntStats | undefined> {
  const info =
    path === '-'
      ? promisify(fstat)(descriptor, { bigint: true })
      : promisify(stat)(path, { bigint: true })
  return (await info.catch(() => undefined)) as BigIntStats | undefined
}

/** A job that replaces its input would lose it; one that appends to its input would never end. */
async function checkDistinct({ input, output }: PlanOptions): Promise<void> {
  const [from, to] = await Promise.all([identity(input, 0), identity(output, 1)])
  if (from === undefined || to === undefined || !from.isFile()) return
  if (from.dev === to.dev && from.ino === to.ino) {
    throw wrong('Expected an output other than the input but received the same file twice.')
  }
}

/**
 * What the input is, where nothing is written to a file.
 * @throws ERR_INVALID_ARGUMENT for a format or options that do not go with it, ERR_FILE_NOT_FOUND
 */
export async function planInput(options: InputOptions): Promise<InputFormat> {
  const input_format = inputFormat(options)
  checkColumns(options, input_format)
  await checkInput(options.input)
  return input_format
}

/**
 * @throws ERR_INVALID_ARGUMENT for formats or a combination that cannot be, ERR_FILE_NOT_FOUND,
 * ERR_OUTPUT_WRITE
 */
export async function planEmbedFile(options: PlanOptions): Promise<Plan> {
  const plan = { input_format: inputFormat(options), output_format: outputFormat(options) }
  checkColumns(options, plan.input_format)
  checkOutputOptions(options, plan.output_format)
  await checkInput(options.input)
  if (options.output !== '-') await checkOutput(options.output)
  await checkDistinct(options)
  return plan
}

// What commands that answer texts share: texts as arguments or from an input, answers as a table
// for a person or as JSON, an object a line.

import type { Command } from 'commander'

import { openInput } from '../batch/input.js'
import { planInput } from '../batch/plan.js'
import type { Chunk } from '../batch/records.js'
import { checkStandardOutput, StandardOutput } from '../batch/standard-output.js'
import { chunkOf, textChunks } from '../batch/text-chunks.js'
import { FusebertError } from '../errors.js'
import type { PipelineOptions } from '../pipelines/index.js'
import type { Context } from './context.js'
import {
  fit,
  printable,
  printableJson,
  printLines,
  tableLines,
  terminalColumns,
} from './printing.js'
import { commandError, refusesText } from './refusals.js'
import {
  addInputOptions,
  addRunOptions,
  pipelineOptions,
  sharedJobOptions,
  warningLines,
  type SharedFlags,
} from './shared-options.js'

export interface TextFlags extends Omit<SharedFlags, 'input'> {
  input?: string
  json?: boolean
}

interface Answered<Result> {
  results: readonly Result[]
  truncated: number
}

/** A loaded model, and what is asked of it. */
export interface Answerer<Result> {
  /** One result a text. */
  answer(texts: readonly string[], signal: AbortSignal): Promise<Answered<Result>>
  /** Tokens of a text at most, for messages. */
  readonly max_length: number
  dispose(): Promise<void>
}

export interface TextCommand<Flags extends TextFlags, Result> {
  /** @param leading - the arguments before the texts */
  open(
    flags: Flags,
    options: PipelineOptions,
    leading: string,
  ): Promise<Answerer<Result>>
  /** A table: what a person sees of a result. */
  rows(result: Result): readonly (readonly string[])[]
  /** Columns with numbers, which come first. */
  readonly numbers: number
}

/** What a JSON line has beside `index` and `id`: null for an invalid record. */
function jsonLine(chunk: Chunk, i: number, result: unknown): string {
  const id = chunk.records[i]?.id ?? 'null'
  const head = `{"index":${chunk.first + i},"id":${id}`
  return printableJson(`${head},"result":${JSON.stringify(result)}}`)
}

/** The lines of a chunk; texts stand above their tables where there may be several. */
function linesOf<Flags extends TextFlags, Result>(
  chunk: Chunk,
  results: readonly (Result | null)[],
  { rows, numbers }: TextCommand<Flags, Result>,
  { json, titles }: { json: boolean; titles: boolean },
): string[] {
  const columns = terminalColumns(process.stdout)
  const next = results.values()
  return chunk.records.flatMap((record, i) => {
    const result = (record.kind === 'text' ? next.next().value : null) ?? null
    if (json) return [jsonLine(chunk, i, result)]
    if (record.kind !== 'text' || result === null) return []
    const table = tableLines(rows(result), numbers, titles ? columns - 2 : columns)
    return titles
      ? [fit(printable(record.text), columns), ...table.map((line) => `  ${line}`)]
      : table
  })
}

/** The texts of a command: those of its arguments, or of its input. */
export async function* chunksOf(
  texts: readonly string[],
  flags: TextFlags,
  context: Context,
): AsyncGenerator<Chunk> {
  if (flags.input === undefined) {
    yield chunkOf(texts)
    return
  }
  const job = sharedJobOptions({ ...flags, input: flags.input }, context)
  const format = await planInput(job)
  const input = await openInput(flags.input, context.signal)
  let found = false
  try {
    for await (const chunk of textChunks(input, { ...job, format, skipping: 'pass over it' })) {
      found = true
      yield chunk
    }
  } finally {
    input.close()
  }
  if (found) return
  throw new FusebertError(
    'ERR_INPUT_EMPTY', 'Expected at least one record in the input but received none.',
  )
}

/** What a text without an id is called by its number: of a file a line, of arguments a text. */
export type Numbered = 'line' | 'text'

export function numberedBy({ input }: TextFlags): Numbered {
  return input === undefined ? 'text' : 'line'
}

/** Texts are arguments or those of an input. */
export function checkSource(command: Command, texts: readonly string[], flags: TextFlags): void {
  if (flags.input === undefined && texts.length === 0) {
    command.error("error: expected texts, or an input with option '--input <file>'")
  }
  if (flags.input !== undefined && texts.length > 0) {
    command.error("error: expected texts or '--input <file>', not both")
  }
}

/** What is wrong with the input should not have to wait for the model. */
export async function checkTexts(
  command: Command,
  texts: readonly string[],
  flags: TextFlags,
  context: Context,
): Promise<void> {
  checkSource(command, texts, flags)
  if (flags.input !== undefined) {
    await planInput(sharedJobOptions({ ...flags, input: flags.input }, context))
  }
  checkStandardOutput()
}

/**
 * The results of a chunk's texts. With skip_invalid null for each that the pipeline refuses, which
 * refuses whatever it is given with such a text: halves are tried, and halves of them.
 */
async function answerChunk<Result>(
  model: Answerer<Result>,
  { records, texts }: Chunk,
  { skipInvalid, input }: TextFlags,
  signal: AbortSignal,
): Promise<Answered<Result | null>> {
  const places = records.filter(({ kind }) => kind === 'text')
  const answer = async (begin: number, end: number): Promise<Answered<Result | null>> => {
    try {
      return await model.answer(texts.slice(begin, end), signal)
    } catch (error) {
      if (skipInvalid !== true || !refusesText(error)) {
        throw commandError(error, places.slice(begin, end), input)
      }
    }
    if (end - begin === 1) return { results: [null], truncated: 0 }
    const middle = Math.floor((begin + end) / 2)
    const first = await answer(begin, middle)
    const second = await answer(middle, end)
    return {
      results: [...first.results, ...second.results],
      truncated: first.truncated + second.truncated,
    }
  }
  return answer(0, texts.length)
}

export async function runTextCommand<Flags extends TextFlags, Result>(
  texts: readonly string[],
  flags: Flags,
  context: Context,
  task: TextCommand<Flags, Result>,
  leading = '',
): Promise<void> {
  const model = await task.open(flags, pipelineOptions(flagsForModel(flags), context), leading)
  const totals = { records: 0, invalid: 0, truncated: 0 }
  const output = new StandardOutput(process.stdout)
  const shown = {
    json: flags.json ?? false, titles: flags.input !== undefined || texts.length > 1,
  }
  try {
    for await (const chunk of chunksOf(texts, flags, context)) {
      const { results, truncated } = await answerChunk(model, chunk, flags, context.signal)
      totals.records += chunk.records.length
      totals.invalid +=
        chunk.records.length - results.filter((result) => result !== null).length
      totals.truncated += truncated
      if (!(await printLines(output, linesOf(chunk, results, task, shown)))) return
    }
    for (const line of warningLines(totals, model.max_length)) {
      context.stderr.write(`fusebert: ${line}\n`)
    }
  } finally {
    await model.dispose()
  }
}

/** The shared flags, for a command that may have no input. */
export function flagsForModel(flags: TextFlags): SharedFlags {
  return { ...flags, input: flags.input ?? '' }
}

/** Options of every such command. @param model - as addInputOptions has it */
export function addTextOptions(command: Command, model: string | null): Command {
  const both = addRunOptions(addInputOptions(command, model))
  return both
    .option('--skip-invalid', 'pass over records without a usable text (JSON: null)')
    .option('--json', 'JSON objects, one a line')
}

export const TEXTS_HELP = `
Texts are arguments, or the records of --input: .jsonl (objects, the text is --field), .txt (a text
a line) or .csv (the text is --column). With --json each has a line {"index", "id", "result"}, where
result is what the pipeline returns for it in JavaScript. Texts that the task cannot answer, such as
one without a mask, are invalid records too.

Exit status: 0 done, 1 failed, 2 wrong usage, 130 and 143 ended by SIGINT and SIGTERM.
`

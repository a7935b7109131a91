// What a pipeline refuses, in the words of the command line: options by their flags, and texts of
// an input by the lines that they are on.

import { inputName } from '../batch/input.js'
import type { SourceRecord } from '../batch/records.js'
import { FusebertError } from '../errors.js'

const FLAGS: Readonly<Record<string, string>> = {
  aggregation_strategy: '--strategy',
  max_length: '--max-length',
  max_seq_len: '--max-length',
  stride: '--stride',
  targets: '--targets',
  top_k: '--top',
}

/** Names that are words of English too only where they can be nothing else. */
const NAMES =
  /\b(?:aggregation_strategy|max_length|max_seq_len|top_k)\b|(?<= for )(?:stride|targets)\b/g

/** Of options that commands have not. */
const ELSEWHERE = /, or set max_question_len/g

const NUMBERED = /^(?:Text|Question) (\d+): /

/** Whether one of the texts is wrong in itself, and others may be answered. */
export function refusesText(error: unknown): boolean {
  return error instanceof FusebertError && error.code === 'ERR_INVALID_ARGUMENT' &&
    NUMBERED.test(error.message)
}

/**
 * The error that the user of a command sees.
 *
 * @param records - of the texts that the pipeline was given, in order
 * @param input - undefined where the texts were arguments: those keep their numbers
 */
export function commandError(
  error: unknown,
  records: readonly SourceRecord[],
  input: string | undefined,
): unknown {
  if (!(error instanceof FusebertError)) return error
  if (error.code !== 'ERR_INVALID_ARGUMENT' && error.code !== 'ERR_INPUT_TOO_LONG') return error
  const message = error.message
    .replaceAll(ELSEWHERE, '')
    .replace(NAMES, (name) => FLAGS[name] ?? name)
  const number = NUMBERED.exec(message)?.[1]
  const record = number === undefined ? undefined : records[Number(number)]
  if (input === undefined || record === undefined) return new FusebertError(error.code, message)
  const where = `Text on line ${record.line} of ${inputName(input)}: `
  const placed = message.replace(NUMBERED, where)
  return refusesText(error)
    ? new FusebertError('ERR_INPUT_RECORD', `${placed} Or pass over it with --skip-invalid.`)
    : new FusebertError(error.code, placed)
}

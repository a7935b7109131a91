// JSON Lines: every line that is not blank is a JSON object; the text is the value of one key, the
// id that of "id".

import { splitLines, type Line } from '../lines.js'
import type { Problem, RecordStream, SourceRecord } from '../records.js'
import { decode, kindOf, NOT_UTF8, overlong, type SourceOptions } from './common.js'

const BLANK = /^[ \t\r]*$/

/** An "id" key (a quote that no backslash precedes cannot lie inside a string) and its integer. */
const INTEGER_IDS = /(?<!\\)"id"[ \t]*:[ \t]*(-?[0-9]+)(?=[ \t\r]*[,}])/g

/** The id as JSON. Integers beyond 2^53, which JSON.parse rounds, are copied from the line. */
function idOf(record: object, source: string): string | null {
  const id: unknown = Object.hasOwn(record, 'id') ? (record as { id: unknown }).id : undefined
  if (typeof id === 'string') return JSON.stringify(id)
  if (typeof id !== 'number' || !Number.isFinite(id)) return null
  if (Number.isSafeInteger(id) || !Number.isInteger(id)) return JSON.stringify(id)
  const digits = [...source.matchAll(INTEGER_IDS)].map((match) => match[1] ?? '')
  return digits.findLast((candidate) => Number(candidate) === id) ?? JSON.stringify(id)
}

function parse(source: string): unknown {
  try {
    return JSON.parse(source) as unknown
  } catch {
    // JSON.parse's message quotes the line, so it goes no further.
    return undefined
  }
}

function toRecord(
  { number: line, end_bytes, bytes }: Line,
  options: SourceOptions,
): SourceRecord | null {
  const invalid = (problem: Problem, id: string | null = null): SourceRecord => {
    return { kind: 'invalid', line, end_bytes, id, problem }
  }
  if (bytes === null) return invalid(overlong(options.max_record_bytes))
  const source = decode(bytes)
  if (source === null) return invalid(NOT_UTF8)
  if (BLANK.test(source)) return null
  const record = parse(source)
  if (record === undefined) return invalid({ expected: 'JSON', received: 'something else' })
  if (typeof record !== 'object' || record === null || Array.isArray(record)) {
    return invalid({ expected: 'a JSON object', received: kindOf(record) })
  }
  const id = idOf(record, source)
  const text: unknown = Object.hasOwn(record, options.field)
    ? (record as Record<string, unknown>)[options.field]
    : undefined
  if (typeof text === 'string' && text !== '') return { kind: 'text', line, end_bytes, id, text }
  const expected = `a string that is not empty in the field ${JSON.stringify(options.field)}`
  return invalid({ expected, received: kindOf(text) }, id)
}

export async function* readJsonl(
  chunks: AsyncIterable<Buffer>,
  options: SourceOptions,
): RecordStream {
  for await (const lines of splitLines(chunks, options.max_record_bytes)) {
    yield lines.flatMap((line) => toRecord(line, options) ?? [])
  }
}

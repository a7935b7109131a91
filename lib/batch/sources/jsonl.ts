// JSON Lines: every line that is not blank is a JSON object; the text is the value of one key, the
// id that of "id".

import { splitLines, type Line } from '../lines.js'
import type { Problem, RecordStream, SourceRecord } from '../records.js'
import { decode, kindOf, NOT_UTF8, overlong, type SourceOptions } from './common.js'

const BLANK = /^[ \t\r]*$/

const QUOTE = 0x22
const BACKSLASH = 0x5c

/** What follows a key whose value is a number. */
const NUMBER_VALUE = /[ \t\r\n]*:[ \t\r\n]*(-?[0-9][0-9.eE+-]*)/y

/** The offset after the string that begins at `begin`. */
function stringEnd(json: string, begin: number): number {
  let at = begin + 1
  for (let unit = json.charCodeAt(at); unit !== QUOTE; unit = json.charCodeAt(at)) {
    if (at >= json.length) break
    at += unit === BACKSLASH ? 2 : 1
  }
  return at + 1
}

/**
 * A number of an object, as it is written.
 * @param json - an object that JSON.parse accepts
 */
function numberSource(json: string, key: string): string | null {
  let found: string | null = null
  let depth = 0
  for (let at = 0; at < json.length; ) {
    const unit = json[at]
    if (unit !== '"') {
      if (unit === '{' || unit === '[') depth += 1
      if (unit === '}' || unit === ']') depth -= 1
      at += 1
      continue
    }
    const end = stringEnd(json, at)
    NUMBER_VALUE.lastIndex = end
    const digits = depth === 1 ? NUMBER_VALUE.exec(json)?.[1] : undefined
    // Of keys that are repeated the last one counts, as for JSON.parse.
    if (digits !== undefined && JSON.parse(json.slice(at, end)) === key) found = digits
    at = end
  }
  return found
}

/** The id as JSON. Numbers that JSON.parse may have rounded are copied from the line. */
function idOf(record: object, source: string): string | null {
  const id: unknown = Object.hasOwn(record, 'id') ? (record as { id: unknown }).id : undefined
  if (typeof id === 'string') return JSON.stringify(id)
  if (typeof id !== 'number') return null
  return Number.isSafeInteger(id) ? JSON.stringify(id) : numberSource(source, 'id')
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

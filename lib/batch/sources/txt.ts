// Plain text: every line is a record.

import { splitLines, type Line } from '../lines.js'
import type { RecordStream, SourceRecord } from '../records.js'
import { decode, kindOf, NOT_UTF8, overlong, type SourceOptions } from './common.js'

function toRecord({ number, end_bytes, bytes }: Line, maxBytes: number): SourceRecord {
  const place = { line: number, end_bytes, id: null }
  if (bytes === null) return { kind: 'invalid', ...place, problem: overlong(maxBytes) }
  const text = decode(bytes)
  if (text === null) return { kind: 'invalid', ...place, problem: NOT_UTF8 }
  if (text !== '') return { kind: 'text', ...place, text }
  const problem = { expected: 'a text', received: kindOf(text) }
  return { kind: 'invalid', ...place, problem }
}

export async function* readTxt(
  chunks: AsyncIterable<Buffer>,
  { max_record_bytes }: SourceOptions,
): RecordStream {
  for await (const lines of splitLines(chunks, max_record_bytes)) {
    yield lines.map((line) => toRecord(line, max_record_bytes))
  }
}

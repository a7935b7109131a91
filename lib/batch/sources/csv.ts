// CSV (RFC 4180): comma-separated, with a header line; the text is one column, the id the column
// "id". Quoted fields may hold newlines, blank lines are no records. csv-parse finds the fields;
// line numbers and the bound on a record come from byte offsets kept here.

import { Parser } from 'csv-parse'

import { FusebertError } from '../../errors.js'
import type { Problem, RecordStream, SourceRecord } from '../records.js'
import { decode, kindOf, NOT_UTF8, overlong, type SourceOptions } from './common.js'

const LF = 0x0a
const QUOTE = 0x22
/** A blank line, with its CRLF. */
const BLANK_LINE_BYTES = 2

/** Which line a byte offset is on; offsets must be asked for in ascending order. */
class LineCounter {
  #newlines: number[] = []
  #next = 0
  #line = 1
  /** Bytes seen so far. */
  seen_bytes = 0

  append(bytes: Buffer): void {
    // What has been counted is dropped here, so the list stays as short as a chunk and a record.
    this.#newlines = this.#newlines.slice(this.#next)
    this.#next = 0
    for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, at + 1)) {
      this.#newlines.push(this.seen_bytes + at)
    }
    this.seen_bytes += bytes.length
  }

  lineAt(offset: number): number {
    while ((this.#newlines[this.#next] ?? Infinity) < offset) {
      this.#next += 1
      this.#line += 1
    }
    return this.#line
  }
}

interface Columns {
  count: number
  text: number
  id: number
}

function findColumns(header: readonly Uint8Array[], line: number, column: string): Columns {
  const names = header.map(decode)
  const fail = (received: string): FusebertError =>
    new FusebertError(
      'ERR_INPUT_RECORD',
      `Expected a column ${JSON.stringify(column)} in the header on line ${line} but received ` +
        `${received}. Give its name or number (from 1) with --column; fields are separated by ` +
        'commas.',
    )
  const named = names.flatMap((name, index) => (name === column ? [index] : []))
  if (named.length > 1) throw fail(`${named.length} of that name`)
  const number = /^[1-9][0-9]{0,8}$/.test(column) ? Number(column) : 0
  const text = named[0] ?? number - 1
  if (text < 0 || text >= header.length) throw fail(`${header.length} columns without it`)
  return { count: header.length, text, id: names.indexOf('id') }
}

/** Collects the records that one run of the parser finds. */
class RecordBuilder {
  readonly lines = new LineCounter()
  records: SourceRecord[] = []
  /** End of the last record, in bytes. */
  end_bytes = 0
  #columns: Columns | null = null
  #endsInQuotes = false
  readonly #column: string

  constructor(column: string) {
    this.#column = column
  }

  /** The line on which the record that is being read begins. */
  get line(): number {
    return this.lines.lineAt(this.end_bytes)
  }

  add(fields: readonly Uint8Array[], end: number): void {
    const { line } = this
    const size = end - this.end_bytes
    const atEnd = end >= this.lines.seen_bytes
    this.end_bytes = end
    const blank = fields.length === 1 && fields[0]?.length === 0 && size <= BLANK_LINE_BYTES
    // Two bytes may also be a quoted empty field, but only where the file ends without a newline.
    if (blank && !(atEnd && this.#endsInQuotes)) return
    if (this.#columns === null) this.#columns = findColumns(fields, line, this.#column)
    else this.records.push(this.#toRecord(fields, line, this.#columns))
  }

  append(bytes: Buffer): void {
    if (bytes.length > 0) this.#endsInQuotes = bytes.at(-1) === QUOTE
    this.lines.append(bytes)
  }

  #toRecord(fields: readonly Uint8Array[], line: number, columns: Columns): SourceRecord {
    const { end_bytes } = this
    const invalid = (problem: Problem, id: string | null): SourceRecord => {
      return { kind: 'invalid', line, end_bytes, id, problem }
    }
    if (fields.length !== columns.count) {
      // A comma outside quotes moves every later field; which one is the text is anyone's guess.
      const problem = { expected: `${columns.count} fields`, received: `${fields.length}` }
      return invalid(problem, null)
    }
    const idBytes = fields[columns.id]
    const idText = idBytes === undefined ? null : decode(idBytes)
    const id = idText === null ? null : JSON.stringify(idText)
    const bytes = fields[columns.text]
    const text = bytes === undefined ? null : decode(bytes)
    if (text === null) return invalid(NOT_UTF8, id)
    if (text !== '') return { kind: 'text', line, end_bytes, id, text }
    const expected = `a text in column ${JSON.stringify(this.#column)}`
    return invalid({ expected, received: kindOf(text) }, id)
  }
}

/** One step of the parser; resolves when all of `bytes` is parsed, null ends it. */
function feed(parser: Parser, bytes: Buffer | null): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error?: Error | null): void => {
      parser.off('error', reject)
      if (error) reject(error)
      else resolve()
    }
    parser.once('error', reject)
    if (bytes === null) parser.end(done)
    else parser.write(bytes, done)
  })
}

function brokenQuotes(line: number): FusebertError {
  return new FusebertError(
    'ERR_INPUT_RECORD',
    `Expected CSV but received a record with broken quotes on line ${line}, so where later ` +
      'records begin is not known. A field that holds a quote must be quoted, its quotes doubled.',
  )
}

export async function* readCsv(
  chunks: AsyncIterable<Buffer>,
  { column, max_record_bytes }: SourceOptions,
): RecordStream {
  const builder = new RecordBuilder(column)
  const parser = new Parser({
    columns: false,
    encoding: null,
    record_delimiter: ['\r\n', '\n'],
    relax_column_count: true,
    max_record_size: 0,
    on_record: (record: unknown, { bytes }) => {
      builder.add(record as Uint8Array[], bytes)
      return null
    },
  })
  // Errors reach feed(); one that comes when nobody waits must not end the process.
  parser.on('error', () => undefined)
  parser.resume()
  const step = async (bytes: Buffer | null): Promise<SourceRecord[]> => {
    try {
      if (bytes !== null) builder.append(bytes)
      await feed(parser, bytes)
    } catch (error) {
      // csv-parse's messages quote the field.
      throw error instanceof FusebertError ? error : brokenQuotes(builder.line)
    }
    const pending = builder.lines.seen_bytes - builder.end_bytes
    if (pending > max_record_bytes) {
      const { expected, received } = overlong(max_record_bytes)
      throw new FusebertError(
        'ERR_INPUT_RECORD',
        `Expected ${expected} on line ${builder.line} but received ${received}. Is a quote there ` +
          'never closed?',
      )
    }
    const { records } = builder
    builder.records = []
    return records
  }
  try {
    for await (const bytes of chunks) yield await step(bytes)
    yield await step(null)
  } finally {
    parser.destroy()
  }
}

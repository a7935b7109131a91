// Chunks of texts: those of an input, record by record, and those that somebody has at hand.

import { makeChunks, POOLED_LIMITS, type ChunkLimits } from './chunks.js'
import { inputName, type Input } from './input.js'
import type { InputFormat, InputOptions } from './plan.js'
import type { Chunk, RecordStream } from './records.js'
import { MAX_RECORD_BYTES, type SourceOptions } from './sources/common.js'
import { readCsv } from './sources/csv.js'
import { readJsonl } from './sources/jsonl.js'
import { readTxt } from './sources/txt.js'

const SOURCES: Record<
  InputFormat,
  (chunks: AsyncIterable<Buffer>, options: SourceOptions) => RecordStream
> = { jsonl: readJsonl, txt: readTxt, csv: readCsv }

export interface TextChunksOptions extends InputOptions {
  format: InputFormat
  skip_invalid?: boolean
  /** What skipping does to invalid records, for the error's message: "… with --skip-invalid". */
  skipping: string
  limits?: ChunkLimits
  max_record_bytes?: number
}

/**
 * @param input - opened; not closed here
 * @throws ERR_FILE_READ, ERR_INPUT_RECORD at the first invalid record unless those are skipped
 */
export function textChunks(input: Input, options: TextChunksOptions): AsyncGenerator<Chunk> {
  const source = SOURCES[options.format](input.chunks(), {
    field: options.field ?? 'text',
    column: options.column ?? 'text',
    max_record_bytes: options.max_record_bytes ?? MAX_RECORD_BYTES,
  })
  return makeChunks(source, {
    limits: options.limits ?? POOLED_LIMITS,
    skip_invalid: options.skip_invalid ?? false,
    input_name: inputName(options.input),
    skipping: options.skipping,
  })
}

/** Texts that are no records of a file, as one chunk. */
export function chunkOf(texts: readonly string[]): Chunk {
  const records = texts.map((text, i) => ({
    kind: 'text' as const, line: i + 1, end_bytes: 0, id: null, text,
  }))
  return { first: 0, records, texts, end_bytes: 0 }
}

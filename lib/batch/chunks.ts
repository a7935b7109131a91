// Gathers records into chunks of bounded size: one chunk is one request to the model.

import { FusebertError } from '../errors.js'
import type { Chunk, Problem, RecordStream, SourceRecord } from './records.js'

export interface ChunkLimits {
  max_texts: number
  /** UTF-16 units of a chunk's texts together; a longer text is a chunk of its own. */
  max_chars: number
}

/**
 * Some 60,000 tokens: enough to fill the engine's batches several times over, little enough that a
 * slow processor shows progress and an interrupt wastes little.
 */
export const POOLED_LIMITS: ChunkLimits = { max_texts: 512, max_chars: 1 << 18 }
/** Without pooling a text gives S x hidden floats: 16 of 512 x 1024 are 32 MiB. */
export const TOKEN_LIMITS: ChunkLimits = { max_texts: 16, max_chars: 1 << 18 }

export interface ChunkOptions {
  limits: ChunkLimits
  skip_invalid: boolean
  /** What the input is called in messages. */
  input_name: string
  /** What --skip-invalid would do with an invalid record, for the message: "… with …". */
  skipping: string
}

export function recordError(
  { expected, received }: Problem,
  line: number,
  { input_name, skipping }: Pick<ChunkOptions, 'input_name' | 'skipping'>,
): FusebertError {
  return new FusebertError(
    'ERR_INPUT_RECORD',
    `Expected ${expected} on line ${line} of ${input_name} but received ${received}. ` +
      `Correct it, or ${skipping} with --skip-invalid.`,
  )
}

/** @throws ERR_INPUT_RECORD at the first invalid record, unless those are skipped */
export async function* makeChunks(
  source: RecordStream,
  options: ChunkOptions,
): AsyncGenerator<Chunk> {
  const { limits, skip_invalid } = options
  let first = 0
  let records: SourceRecord[] = []
  let texts: string[] = []
  let chars = 0
  const take = (): Chunk => {
    const chunk = { first, records, texts, end_bytes: records.at(-1)?.end_bytes ?? 0 }
    first += records.length
    records = []
    texts = []
    chars = 0
    return chunk
  }
  for await (const list of source) {
    for (const record of list) {
      if (record.kind === 'invalid' && !skip_invalid) {
        throw recordError(record.problem, record.line, options)
      }
      const length = record.kind === 'text' ? record.text.length : 0
      const full = records.length >= limits.max_texts || chars + length > limits.max_chars
      if (full && records.length > 0) yield take()
      records.push(record)
      chars += length
      if (record.kind === 'text') texts.push(record.text)
    }
  }
  if (records.length > 0) yield take()
}

// What flows through a batch job: records from a source, chunks of them, vectors to a sink; and the
// part of a feature-extraction pipeline that a job uses.

import type { FeatureExtractionDefaults, Pooling, Usage } from '../pipelines/feature-extraction.js'
import type { Tensor } from '../tensor.js'

export type { FeatureExtractionDefaults, Pooling, Usage } from '../pipelines/feature-extraction.js'

/** What is wrong with a record: "Expected … on line N but received …". Never contains text. */
export interface Problem {
  expected: string
  received: string
}

interface RecordPlace {
  /** The record's first line in the input, counted from 1. */
  line: number
  /** Where the record ends: bytes of the input, without a byte order mark. */
  end_bytes: number
  /** The record's own id as JSON (a number keeps all of its digits), null when it has none. */
  id: string | null
}

export type SourceRecord =
  | (RecordPlace & { kind: 'text'; text: string })
  | (RecordPlace & { kind: 'invalid'; problem: Problem })

/** Records that arrive together; sources yield lists to spare a promise per record. */
export type RecordStream = AsyncIterable<SourceRecord[]>

/** Records that are embedded by one request. */
export interface Chunk {
  /** Index of the first record in the input, counted from 0. */
  first: number
  records: readonly SourceRecord[]
  /** The texts of the records that have one, in order. */
  texts: readonly string[]
  /** Where the last record ends in the input. */
  end_bytes: number
}

/** The vectors of a chunk's texts, in their order. */
export type Vectors =
  | { kind: 'pooled'; data: Float32Array } // [texts, hidden]
  | { kind: 'tokens'; tensors: readonly Tensor[] } // texts times [S_i, hidden]

export interface Sink {
  write(chunk: Chunk, vectors: Vectors): Promise<void>
  /** Completes the output and puts it in its place. */
  commit(): Promise<void>
  /** Leaves no trace of the output. Idempotent; does nothing after commit(). */
  discard(): Promise<void>
}

export interface EmbedOptions {
  pooling: Pooling
  normalize: boolean
  truncation: boolean
  max_length?: number
  signal: AbortSignal
}

/** A feature-extraction pipeline, as far as a job needs one. */
export interface Embedder {
  (
    texts: readonly string[],
    options: EmbedOptions,
  ): Promise<(Tensor | Tensor[]) & { usage: Usage }>
  readonly defaults: FeatureExtractionDefaults
  readonly hidden_size: number
}

// Embeds a file of any size in bounded memory: vectors are written in the order of the records,
// into an output that appears when it is complete.

import type { Writable } from 'node:stream'

import { withSignal } from '../abort.js'
import { vectorSize } from '../pipelines/poolings.js'
import {
  choosePooling,
  embedRecords,
  type EmbeddedRecords,
  type EmbedRecordsParts,
  type VectorOptions,
} from './embed-records.js'
import { planEmbedFile, type Plan, type PlanOptions } from './plan.js'
import type { Embedder, Sink } from './records.js'
import { JsonlSink } from './sinks/jsonl.js'
import { NpySink } from './sinks/npy.js'
import { OutputClosed, StandardOutput } from './standard-output.js'
import { TemporaryFile, type WriteFunction } from './temporary-file.js'

export interface EmbedFileProgress {
  /** Records whose rows have been written. */
  records: number
  tokens: number
  /** Bytes of the input that these records take. */
  bytes_done: number
  /** null where the input's size is not known. */
  size_bytes: number | null
}

export interface EmbedFileOptions extends PlanOptions, VectorOptions {
  /** Invalid records give NaN (JSONL: null) instead of an error. */
  skip_invalid?: boolean
  on_progress?: (progress: EmbedFileProgress) => void
}

export interface EmbedFileSummary {
  /** Rows of the output. */
  records: number
  /** Records without a text, which gave NaN or null. */
  invalid: number
  tokens: number
  truncated: number
  hidden_size: number
  /** Standard output's reader went away before the end. */
  output_closed: boolean
}

/** What tests replace. */
export interface EmbedFileParts extends EmbedRecordsParts {
  stdout?: Writable
  write?: WriteFunction
}

async function openSink(
  embed: Embedder,
  options: EmbedFileOptions,
  plan: Plan,
  parts: EmbedFileParts,
): Promise<Sink> {
  const hidden_size = vectorSize(embed, choosePooling(embed, options.pooling).pooling)
  const with_text = options.with_text ?? false
  if (options.output === '-') {
    const output = new StandardOutput(parts.stdout ?? process.stdout)
    return new JsonlSink(output, { hidden_size, with_text })
  }
  const file = await TemporaryFile.create(options.output, parts.write)
  if (plan.output_format === 'jsonl') return new JsonlSink(file, { hidden_size, with_text })
  try {
    return await NpySink.create(file, hidden_size)
  } catch (error) {
    await file.discard()
    throw error
  }
}

/** What becomes of an invalid record. */
const SKIPPING = 'let such records be NaN (null in JSONL)'

/** What waits here is told to stop elsewhere: the sink is discarded. */
const nothing = (): void => undefined

async function transfer(
  vectors: EmbeddedRecords,
  sink: Sink,
  summary: EmbedFileSummary,
  options: EmbedFileOptions,
): Promise<void> {
  for await (const { chunk, answer, size_bytes } of vectors) {
    await withSignal(sink.write(chunk, answer.vectors), options.signal, nothing)
    summary.records += chunk.records.length
    summary.invalid += chunk.records.length - chunk.texts.length
    summary.tokens += answer.usage.tokens
    summary.truncated += answer.usage.truncated
    options.on_progress?.({
      records: summary.records,
      tokens: summary.tokens,
      bytes_done: chunk.end_bytes,
      size_bytes,
    })
  }
  await sink.commit()
}

/**
 * Embeds every record of `input` into a row of `output`. The output appears complete or not at all.
 *
 * @param embed - a feature-extraction pipeline; not disposed of
 * @throws what planEmbedFile throws; ERR_INPUT_RECORD, ERR_INPUT_EMPTY, ERR_FILE_READ,
 * ERR_OUTPUT_WRITE, what the pipeline throws, the signal's reason
 */
export async function embedFile(
  embed: Embedder,
  options: EmbedFileOptions,
  parts: EmbedFileParts = {},
): Promise<EmbedFileSummary> {
  const { pooling } = choosePooling(embed, options.pooling)
  const plan = await planEmbedFile({ ...options, pooling })
  options.signal?.throwIfAborted()
  const summary: EmbedFileSummary = {
    records: 0,
    invalid: 0,
    tokens: 0,
    truncated: 0,
    hidden_size: vectorSize(embed, pooling),
    output_closed: false,
  }
  const sink = await openSink(embed, options, plan, parts)
  try {
    const job = { ...options, pooling, format: plan.input_format, skipping: SKIPPING }
    const vectors = embedRecords(embed, job, parts)
    await transfer(vectors, sink, summary, options)
    return summary
  } catch (error) {
    await sink.discard()
    if (error instanceof OutputClosed) return { ...summary, output_closed: true }
    throw error
  }
}

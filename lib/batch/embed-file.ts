// Embeds a file of any size in bounded memory: records become chunks, a few chunks are in flight so
// that the engine never waits, vectors are written in the order of the records.

import type { Writable } from 'node:stream'

import { withSignal } from '../abort.js'
import { FusebertError } from '../errors.js'
import { Tensor } from '../tensor.js'
import { makeChunks, POOLED_LIMITS, TOKEN_LIMITS, type ChunkLimits } from './chunks.js'
import { inputName, openInput, type Input } from './input.js'
import { planEmbedFile, type InputFormat, type Plan, type PlanOptions } from './plan.js'
import type {
  Chunk,
  Embedder,
  EmbedOptions,
  Pooling,
  RecordStream,
  Sink,
  Usage,
  Vectors,
} from './records.js'
import { JsonlSink } from './sinks/jsonl.js'
import { NpySink } from './sinks/npy.js'
import { MAX_RECORD_BYTES, type SourceOptions } from './sources/common.js'
import { readCsv } from './sources/csv.js'
import { readJsonl } from './sources/jsonl.js'
import { readTxt } from './sources/txt.js'
import { OutputClosed, StandardOutput } from './standard-output.js'
import { TemporaryFile, type WriteFunction } from './temporary-file.js'

/** One request runs, one waits behind it, one is being written. */
export const MAX_IN_FLIGHT = 3

export interface EmbedFileProgress {
  /** Records whose rows have been written. */
  records: number
  tokens: number
  /** Bytes of the input that these records take. */
  bytes_done: number
  /** null where the input's size is not known. */
  size_bytes: number | null
}

export interface EmbedFileOptions extends PlanOptions {
  /** Default: the model's own. */
  normalize?: boolean
  /** Tokens, special ones included; default: the model's own. */
  max_length?: number
  /** Invalid records give NaN (JSONL: null) instead of an error. */
  skip_invalid?: boolean
  /** Ends the job, which then rejects with the signal's reason. */
  signal?: AbortSignal
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
export interface EmbedFileParts {
  stdout?: Writable
  write?: WriteFunction
  limits?: ChunkLimits
  max_record_bytes?: number
}

const SOURCES: Record<
  InputFormat,
  (chunks: AsyncIterable<Buffer>, options: SourceOptions) => RecordStream
> = { jsonl: readJsonl, txt: readTxt, csv: readCsv }

/** What pooling a job uses: as asked for, else the model's own, else the mean. */
export function choosePooling(
  { defaults }: Pick<Embedder, 'defaults'>,
  asked: Pooling | undefined,
): { pooling: Pooling; assumed: boolean } {
  if (asked !== undefined) return { pooling: asked, assumed: false }
  if (defaults.from_sentence_transformers) return { pooling: defaults.pooling, assumed: false }
  return { pooling: 'mean', assumed: true }
}

async function openSink(
  embed: Embedder,
  options: EmbedFileOptions,
  plan: Plan,
  parts: EmbedFileParts,
): Promise<Sink> {
  const { hidden_size } = embed
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

interface Answer {
  vectors: Vectors
  usage: Usage
}

/** A chunk whose request is running. `answer` never rejects unhandled. */
interface Flight {
  chunk: Chunk
  answer: Promise<Answer>
}

async function request(embed: Embedder, chunk: Chunk, options: EmbedOptions): Promise<Answer> {
  const none = { texts: 0, tokens: 0, truncated: 0 }
  if (chunk.texts.length === 0) {
    return { vectors: { kind: 'pooled', data: new Float32Array(0) }, usage: none }
  }
  const result = await embed(chunk.texts, options)
  if (!(result instanceof Tensor)) {
    return { vectors: { kind: 'tokens', tensors: result }, usage: result.usage }
  }
  const [rows, columns] = result.dims
  if (
    !(result.data instanceof Float32Array) ||
    rows !== chunk.texts.length ||
    columns !== embed.hidden_size
  ) {
    throw new FusebertError(
      'ERR_INTERNAL',
      `Expected [${chunk.texts.length}, ${embed.hidden_size}] from the model but received ` +
        `[${result.dims.join(', ')}].`,
    )
  }
  return { vectors: { kind: 'pooled', data: result.data }, usage: result.usage }
}

/** The answers to a stream of chunks, in order; reads ahead while older requests run. */
class Flights {
  readonly #chunks: AsyncIterator<Chunk>
  readonly #start: (chunk: Chunk) => Promise<Answer>
  readonly #flights: Flight[] = []
  #next: Promise<IteratorResult<Chunk>> | null

  constructor(chunks: AsyncIterator<Chunk>, start: (chunk: Chunk) => Promise<Answer>) {
    this.#chunks = chunks
    this.#start = start
    this.#next = this.#read()
  }

  #read(): Promise<IteratorResult<Chunk>> {
    const next = this.#chunks.next()
    next.catch(() => undefined) // whoever waits for it sees the failure
    return next
  }

  #take(result: IteratorResult<Chunk>): void {
    this.#next = null
    if (result.done === true) return
    const answer = this.#start(result.value)
    answer.catch(() => undefined)
    this.#flights.push({ chunk: result.value, answer })
    this.#next = this.#read()
  }

  /** The oldest chunk and its answer; null after the last. */
  async next(): Promise<{ chunk: Chunk; answer: Answer } | null> {
    for (;;) {
      const [oldest] = this.#flights
      const next = this.#flights.length < MAX_IN_FLIGHT ? this.#next : null
      if (oldest === undefined && next === null) return null
      const event = await Promise.race([
        ...(next === null ? [] : [next]),
        ...(oldest === undefined ? [] : [oldest.answer]),
      ])
      if (!('vectors' in event)) this.#take(event)
      else if (oldest !== undefined) {
        this.#flights.shift()
        return { chunk: oldest.chunk, answer: event }
      }
    }
  }
}

/** What waits here is told to stop elsewhere: the pipeline has the signal, the sink is aborted. */
const nothing = (): void => undefined

interface Job {
  flights: Flights
  sink: Sink
  input: Input
  signal: AbortSignal
  summary: EmbedFileSummary
}

async function transfer({ flights, sink, input, signal, summary }: Job, options: EmbedFileOptions) {
  for (;;) {
    const done = await withSignal(flights.next(), signal, nothing)
    if (done === null) break
    const { chunk, answer } = done
    await withSignal(sink.write(chunk, answer.vectors), signal, nothing)
    summary.records += chunk.records.length
    summary.invalid += chunk.records.length - chunk.texts.length
    summary.tokens += answer.usage.tokens
    summary.truncated += answer.usage.truncated
    options.on_progress?.({
      records: summary.records,
      tokens: summary.tokens,
      bytes_done: chunk.end_bytes,
      size_bytes: input.size_bytes,
    })
  }
  if (summary.records === 0) {
    throw new FusebertError(
      'ERR_INPUT_EMPTY',
      `Expected at least one record in ${inputName(options.input)} but received none.`,
    )
  }
  await sink.commit()
}

function embedOptions(
  embed: Embedder,
  options: EmbedFileOptions,
  signal: AbortSignal,
): EmbedOptions {
  const { pooling } = choosePooling(embed, options.pooling)
  return {
    pooling,
    // What a folder says is about its vectors, not about the hidden states.
    normalize: options.normalize ?? (pooling !== 'none' && embed.defaults.normalize),
    truncation: true,
    ...(options.max_length === undefined ? {} : { max_length: options.max_length }),
    signal,
  }
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
  // Whatever ends the job early must also end its reading and its requests.
  const stop = new AbortController()
  const signal =
    options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal])
  const requestOptions = embedOptions(embed, options, signal)
  const plan = await planEmbedFile({ ...options, pooling: requestOptions.pooling })
  signal.throwIfAborted()
  const input = await openInput(options.input, signal)
  const source = SOURCES[plan.input_format](input.chunks(), {
    field: options.field ?? 'text',
    column: options.column ?? 'text',
    max_record_bytes: parts.max_record_bytes ?? MAX_RECORD_BYTES,
  })
  const chunks = makeChunks(source, {
    limits: parts.limits ?? (requestOptions.pooling === 'none' ? TOKEN_LIMITS : POOLED_LIMITS),
    skip_invalid: options.skip_invalid ?? false,
    input_name: inputName(options.input),
  })
  const summary: EmbedFileSummary = {
    records: 0,
    invalid: 0,
    tokens: 0,
    truncated: 0,
    hidden_size: embed.hidden_size,
    output_closed: false,
  }
  let sink: Sink | null = null
  try {
    sink = await openSink(embed, options, plan, parts)
    const flights = new Flights(chunks, (chunk) => request(embed, chunk, requestOptions))
    await transfer({ flights, sink, input, signal, summary }, options)
    return summary
  } catch (error) {
    stop.abort(error)
    await sink?.discard()
    if (error instanceof OutputClosed) return { ...summary, output_closed: true }
    throw error
  } finally {
    input.close()
  }
}

// The records of an input with their vectors, in order and in bounded memory: records become
// chunks, a few chunks are in flight so that the engine never waits.

import { withSignal } from '../abort.js'
import { FusebertError } from '../errors.js'
import { vectorSize } from '../pipelines/poolings.js'
import { Tensor } from '../tensor.js'
import { POOLED_LIMITS, TOKEN_LIMITS, type ChunkLimits } from './chunks.js'
import { inputName, openInput } from './input.js'
import type { InputFormat, InputOptions } from './plan.js'
import type {
  Chunk,
  Embedder,
  EmbedOptions,
  Pooling,
  Usage,
  Vectors,
} from './records.js'
import { chunkOf, textChunks } from './text-chunks.js'

/** One request runs, one waits behind it, one is being used. */
export const MAX_IN_FLIGHT = 3

/** How texts become vectors. */
export interface VectorOptions {
  /** Default: the model's own, and 'mean' for a model that has none. */
  pooling?: Pooling
  /** Default: the model's own. */
  normalize?: boolean
  /** Tokens, special ones included; default: the model's own. */
  max_length?: number
  /** Ends the job, which then rejects with the signal's reason. */
  signal?: AbortSignal
}

export interface EmbedRecordsOptions extends InputOptions, VectorOptions {
  format: InputFormat
  /** Invalid records have no vector, instead of an error. */
  skip_invalid?: boolean
  /** What that does to them, for the error's message: "… with --skip-invalid". */
  skipping: string
}

/** What tests replace. */
export interface EmbedRecordsParts {
  limits?: ChunkLimits
  max_record_bytes?: number
}

export interface EmbeddedChunk {
  chunk: Chunk
  answer: Answer
  /** Bytes of the whole input; null where that is not known. */
  size_bytes: number | null
}

export type EmbeddedRecords = AsyncIterable<EmbeddedChunk>

/** What pooling a job uses: as asked for, else the model's own, else the mean. */
export function choosePooling(
  { defaults }: Pick<Embedder, 'defaults'>,
  asked: Pooling | undefined,
): { pooling: Pooling; assumed: boolean } {
  if (asked !== undefined) return { pooling: asked, assumed: false }
  if (defaults.from_sentence_transformers) return { pooling: defaults.pooling, assumed: false }
  return { pooling: 'mean', assumed: true }
}

/** The options of a job's requests to the model. */
export function requestOptions(
  embed: Embedder,
  options: VectorOptions,
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

export interface Answer {
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
    columns !== vectorSize(embed, options.pooling)
  ) {
    throw new FusebertError(
      'ERR_INTERNAL',
      `Expected [${chunk.texts.length}, ${vectorSize(embed, options.pooling)}] from the model ` +
        `but received [${result.dims.join(', ')}].`,
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

/** What waits is told to stop elsewhere: requests and input have the signal. */
const nothing = (): void => undefined

/**
 * Embeds the records of an input, chunk by chunk.
 *
 * @param embed - a feature-extraction pipeline; not disposed of
 * @throws ERR_FILE_NOT_FOUND, ERR_FILE_READ, ERR_INPUT_RECORD, ERR_INPUT_EMPTY when there is no
 * record at all, what the pipeline throws, the signal's reason
 */
export async function* embedRecords(
  embed: Embedder,
  options: EmbedRecordsOptions,
  parts: EmbedRecordsParts = {},
): AsyncGenerator<EmbeddedChunk> {
  // Whatever ends the job early must also end its reading and its requests.
  const stop = new AbortController()
  const signal =
    options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal])
  const request_options = requestOptions(embed, options, signal)
  signal.throwIfAborted()
  const input = await openInput(options.input, signal)
  const { max_record_bytes } = parts
  const chunks = textChunks(input, {
    ...options,
    limits: parts.limits ?? (request_options.pooling === 'none' ? TOKEN_LIMITS : POOLED_LIMITS),
    ...(max_record_bytes === undefined ? {} : { max_record_bytes }),
  })
  const flights = new Flights(chunks, (chunk) => request(embed, chunk, request_options))
  let found = false
  try {
    for (;;) {
      const done = await withSignal(flights.next(), signal, nothing)
      if (done === null) break
      found = true
      yield { ...done, size_bytes: input.size_bytes }
    }
    if (!found) {
      throw new FusebertError(
        'ERR_INPUT_EMPTY',
        `Expected at least one record in ${inputName(options.input)} but received none.`,
      )
    }
  } finally {
    stop.abort()
    input.close()
  }
}

/**
 * Embeds texts that somebody has at hand, all at once.
 *
 * @throws what the pipeline throws, the signal's reason
 */
export async function* embedTexts(
  embed: Embedder,
  texts: readonly string[],
  options: VectorOptions,
): AsyncGenerator<EmbeddedChunk> {
  const chunk = chunkOf(texts)
  const signal = options.signal ?? new AbortController().signal
  const answer = await request(embed, chunk, requestOptions(embed, options, signal))
  yield { chunk, answer, size_bytes: null }
}

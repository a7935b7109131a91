// The texts of an input, or of a list, that are nearest to a query, in one pass: only the best so
// far are kept.

import { FusebertError, invalidArgument } from '../errors.js'
import { checkInteger } from '../options.js'
import {
  choosePooling,
  embedRecords,
  embedTexts,
  requestOptions,
  type EmbedRecordsParts,
  type VectorOptions,
} from './embed-records.js'
import { planInput, type InputFormat, type InputOptions } from './plan.js'
import type { Embedder, SourceRecord } from './records.js'

export const DEFAULT_TOP = 5
/** More is a job for `embed` and an index. */
export const MAX_TOP = 10_000

/** What becomes of an invalid record. */
const SKIPPING = 'pass over such records'

export interface FindSimilarOptions
  extends Partial<InputOptions>, Omit<VectorOptions, 'normalize'> {
  /** In the place of an input. */
  texts?: readonly string[]
  /** How many texts, 1 to MAX_TOP; default 5. */
  top?: number
  /** Passes over invalid records instead of ending with an error. */
  skip_invalid?: boolean
}

export interface SimilarText {
  /** Cosine of the angle between the text's vector and the query's, -1 to 1. */
  score: number
  /** Index of the record in the input, counted from 0. */
  index: number
  /** The record's first line in the input, counted from 1. */
  line: number
  /** The record's own id as JSON, null when it has none. */
  id: string | null
  text: string
}

export interface FindSimilarResult {
  /** Nearest first; of equals the earlier. */
  nearest: SimilarText[]
  records: number
  /** Records that were passed over. */
  invalid: number
  /** Texts that were longer than the model's limit. */
  truncated: number
  /** Whether the query was. */
  query_truncated: boolean
}

/** The best of a stream of texts. */
class Nearest {
  readonly texts: SimilarText[] = []
  readonly #top: number

  constructor(top: number) {
    this.#top = top
  }

  offer(score: number, index: number, record: SourceRecord & { kind: 'text' }): void {
    const { texts } = this
    if (texts.length === this.#top && score <= (texts.at(-1)?.score ?? -Infinity)) return
    const { line, id, text } = record
    const place = texts.findLastIndex((other) => other.score >= score) + 1
    texts.splice(place, 0, { score, index, line, id, text })
    if (texts.length > this.#top) texts.pop()
  }
}

/**
 * query: [hidden]; data: [rows, hidden], row `row` is meant. Both of length 1.
 * @throws ERR_INTERNAL for a vector that is not finite: it would be near to everything
 */
function cosine(query: Float32Array, data: Float32Array, row: number): number {
  let sum = 0
  const begin = row * query.length
  for (let i = 0; i < query.length; i++) sum += (query[i] ?? 0) * (data[begin + i] ?? 0)
  if (!Number.isFinite(sum)) {
    throw new FusebertError(
      'ERR_INTERNAL',
      'Expected finite vectors from the model but received others.',
    )
  }
  // Rounding may lead past 1.
  return Math.max(-1, Math.min(1, sum))
}

async function embedQuery(
  embed: Embedder,
  query: string,
  options: VectorOptions,
): Promise<{ wanted: Float32Array; query_truncated: boolean }> {
  const signal = options.signal ?? new AbortController().signal
  const vector = await embed([query], requestOptions(embed, options, signal))
  if (Array.isArray(vector) || !(vector.data instanceof Float32Array)) {
    throw new FusebertError('ERR_INTERNAL', 'Expected one vector for the query but received more.')
  }
  return { wanted: vector.data, query_truncated: vector.usage.truncated > 0 }
}

/**
 * What can be said before a model is loaded.
 * @returns null for texts without an input
 * @throws ERR_INVALID_ARGUMENT for an empty query or a `top` out of range, what planInput throws
 */
export async function planSimilar(
  query: string,
  options: FindSimilarOptions,
): Promise<{ input: string; format: InputFormat } | null> {
  if (query.trim() === '') throw invalidArgument('a text that is not empty', 'query', query)
  checkInteger('top', options.top ?? DEFAULT_TOP, 1, MAX_TOP)
  const { input } = options
  return input === undefined ? null : { input, format: await planInput({ ...options, input }) }
}

/**
 * @param embed - a feature-extraction pipeline; not disposed of
 * @param query - what to compare with; not empty
 * @throws ERR_INVALID_ARGUMENT for pooling 'none', and what planSimilar and embedRecords throw
 */
export async function findSimilar(
  embed: Embedder,
  query: string,
  options: FindSimilarOptions,
  parts: EmbedRecordsParts = {},
): Promise<FindSimilarResult> {
  const { pooling } = choosePooling(embed, options.pooling)
  if (pooling === 'none') {
    throw new FusebertError(
      'ERR_INVALID_ARGUMENT',
      "Expected a pooling that makes one vector of a text but received 'none': texts are " +
        'compared by one vector each.',
    )
  }
  const plan = await planSimilar(query, options)
  const nearest = new Nearest(options.top ?? DEFAULT_TOP)
  const job = { ...options, pooling, normalize: true, skipping: SKIPPING }
  const { wanted, query_truncated } = await embedQuery(embed, query, job)
  const result = { records: 0, invalid: 0, truncated: 0 }
  const embedded =
    plan === null
      ? embedTexts(embed, options.texts ?? [], job)
      : embedRecords(embed, { ...job, ...plan }, parts)
  for await (const { chunk, answer } of embedded) {
    result.records += chunk.records.length
    result.invalid += chunk.records.length - chunk.texts.length
    result.truncated += answer.usage.truncated
    if (answer.vectors.kind !== 'pooled') continue
    let row = 0
    for (const [i, record] of chunk.records.entries()) {
      if (record.kind !== 'text') continue
      nearest.offer(cosine(wanted, answer.vectors.data, row), chunk.first + i, record)
      row++
    }
  }
  return { nearest: nearest.texts, query_truncated, ...result }
}

// The sentence-similarity task: a text, or several, and others in; the cosines of the angles
// between their vectors out.

import { callable } from '../callable.js'
import { invalidArgument } from '../errors.js'
import type { LoadOptions } from '../models/load-options.js'
import type { DeviceHandle } from '../models/model-handle.js'
import { checkOptions, checkTexts } from '../options.js'
import { Tensor } from '../tensor.js'
import type { Tokenizer } from '../tokenizer/auto-tokenizer.js'
import {
  loadFeatureExtraction,
  type FeatureExtractionPipeline,
  type Pooling,
} from './feature-extraction.js'
import { checkPooling, vectorSize } from './poolings.js'
import { Slices } from './slices.js'
import {
  renumber,
  TEXT_CALL_OPTIONS,
  withUsage,
  type TextCallOptions,
  type Usage,
} from './text-calls.js'

export interface SentenceSimilarityOptions extends TextCallOptions {
  /**
   * How the hidden states of a text become one vector. Default: what a sentence-transformers folder
   * says, else 'mean', as there.
   */
  pooling?: Exclude<Pooling, 'none'>
}

export interface SentenceSimilarityPipeline extends DeviceHandle {
  /**
   * What util.cos_sim of sentence-transformers gives for the vectors of its encode().
   *
   * @returns for one text the cosines with each of the others, -1 to 1; for an array such a list
   * for each; always with `usage`
   * @throws ERR_INVALID_ARGUMENT; ERR_INPUT_TOO_LONG, with the text's number among its own;
   * ERR_DISPOSED, ERR_OUT_OF_MEMORY; the signal's reason when aborted
   */
  (
    source: string,
    sentences: readonly string[],
    options?: SentenceSimilarityOptions,
  ): Promise<number[] & { usage: Usage }>
  (
    sources: readonly string[],
    sentences: readonly string[],
    options?: SentenceSimilarityOptions,
  ): Promise<number[][] & { usage: Usage }>
  readonly task: 'sentence-similarity'
  readonly tokenizer: Tokenizer
  /** Tokens of a text, special ones included, unless a call says otherwise. */
  readonly max_length: number
}

const OPTIONS = ['pooling', ...TEXT_CALL_OPTIONS] as const

/** Vectors of length 1: [rows, size]. */
interface Vectors {
  data: Float32Array
  size: number
}

/** Cosines of row `i` with rows from `begin` on. */
async function cosines(
  { data, size }: Vectors,
  i: number,
  begin: number,
  slices: Slices,
): Promise<number[]> {
  const found: number[] = []
  for (let other = begin; other * size < data.length; other += 1) {
    if (slices.over) await slices.next()
    let sum = 0
    for (let column = 0; column < size; column += 1) {
      sum += (data[i * size + column] ?? 0) * (data[other * size + column] ?? 0)
    }
    // Rounding may lead past 1.
    found.push(Math.max(-1, Math.min(1, sum)))
  }
  return found
}

async function compare(
  embed: FeatureExtractionPipeline,
  sources: string | readonly string[],
  sentences: unknown,
  options: SentenceSimilarityOptions | undefined,
): Promise<(number[] | number[][]) & { usage: Usage }> {
  const given = checkOptions<SentenceSimilarityOptions>('options', OPTIONS, options)
  const first = typeof sources === 'string' ? [sources] : checkTexts('sources', sources)
  const second = checkTexts('sentences', sentences)
  const { pooling: own } = embed.defaults
  const pooling = checkPooling(given.pooling ?? (own === 'none' ? 'mean' : own))
  if (pooling === 'none') {
    throw invalidArgument('a pooling that makes one vector of a text', 'pooling', pooling)
  }
  const { truncation, max_length, signal } = given
  const vectors = await embed([...first, ...second], {
    pooling,
    normalize: true,
    ...(truncation === undefined ? {} : { truncation }),
    ...(max_length === undefined ? {} : { max_length }),
    ...(signal === undefined ? {} : { signal }),
  }).catch((error: unknown) =>
    renumber(error, (text) => (text < first.length ? text : text - first.length)),
  )
  const data = vectors instanceof Tensor ? vectors.data : new Float32Array(0)
  const size = vectorSize(embed, pooling)
  const slices = new Slices(signal)
  const rows: number[][] = []
  for (let i = 0; i < first.length; i += 1) {
    rows.push(await cosines({ data, size }, i, first.length, slices))
  }
  const [only] = rows
  const answer = typeof sources === 'string' && only !== undefined ? only : rows
  return withUsage(answer, vectors.usage)
}

/** Loads the folder as feature-extraction does. */
export async function loadSentenceSimilarity(
  path: string,
  options?: LoadOptions,
): Promise<SentenceSimilarityPipeline> {
  const embed = await loadFeatureExtraction(path, options)
  const call = (
    sources: string | readonly string[],
    sentences: unknown,
    callOptions?: SentenceSimilarityOptions,
  ) => compare(embed, sources, sentences, callOptions)
  return callable(call, {
    task: 'sentence-similarity' as const,
    tokenizer: embed.tokenizer,
    max_length: embed.defaults.max_length,
    device: embed.device,
    trim: () => embed.trim(),
    dispose: () => embed.dispose(),
    [Symbol.asyncDispose]: () => embed.dispose(),
  }) as SentenceSimilarityPipeline
}

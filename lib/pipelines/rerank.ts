// The rerank task: a query and documents in; the documents by how well they fit it out, as a
// cross-encoder sees each beside the query.

import { callable } from '../callable.js'
import { FusebertError, invalidArgument } from '../errors.js'
import { isObject, ModelFolder } from '../hub/folder.js'
import type { LoadOptions } from '../models/load-options.js'
import { ALL_LOGITS } from '../models/loaded-model.js'
import { readPrompts, readSentenceConfig, type Prompts } from '../models/prompts.js'
import { checkBoolean, checkInteger, checkOptions, checkTexts } from '../options.js'
import { groupsOf, MAX_COPIED_CHARS } from './groups.js'
import { loadHeadParts, membersOf, type HeadParts, type HeadPipeline } from './head-pipeline.js'
import { choosePrompt, PROMPT_OPTIONS, type PromptOptions } from './prompt-options.js'
import { sigmoid } from './softmax.js'
import {
  addUsage,
  checkLimits,
  renumber,
  TEXT_CALL_OPTIONS,
  tokenizeTexts,
  usageOf,
  withUsage,
  type TextCallOptions,
  type Usage,
} from './text-calls.js'

/** A prompt is put before the query. */
export interface RerankOptions extends TextCallOptions, PromptOptions {
  /** So many documents at most; null or Infinity (default): all. */
  top_k?: number | null
  /** Whether results have the documents' texts. Default false. */
  return_documents?: boolean
}

export interface RankedDocument {
  /** Of the document in the array. */
  index: number
  /**
   * The logit, or its sigmoid: as the model's files say, where they do not a sigmoid, which is the
   * rule of sentence-transformers' CrossEncoder.
   */
  score: number
  /** With return_documents. */
  text?: string
}

export interface RerankPipeline extends HeadPipeline<'rerank'> {
  /**
   * What CrossEncoder.rank of sentence-transformers gives, whose corpus_id is `index` here.
   *
   * @returns by falling score, equal ones in their order; with `usage`, which counts the query once
   * for each document
   * @throws ERR_INVALID_ARGUMENT, ERR_INPUT_TOO_LONG, ERR_DISPOSED, ERR_OUT_OF_MEMORY; the signal's
   * reason when aborted
   */
  (
    query: string,
    documents: readonly string[],
    options?: RerankOptions,
  ): Promise<RankedDocument[] & { usage: Usage }>
}

const OPTIONS = [
  'top_k', 'return_documents', ...PROMPT_OPTIONS, ...TEXT_CALL_OPTIONS,
] as const

type Activation = (logit: number) => number

/** Names as sentence-transformers writes them, without the modules before them. */
const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  Sigmoid: sigmoid,
  Identity: (logit) => logit,
}

/** What the files say of the function that makes scores of logits. */
async function activationName(folder: ModelFolder): Promise<unknown> {
  const config = await folder.readJson('config.json', 'ERR_CONFIG')
  if (!isObject(config)) return undefined
  const own = config['sentence_transformers']
  if (isObject(own) && own['activation_fn'] !== undefined) return own['activation_fn']
  const legacy = config['sbert_ce_default_activation_function'] ?? undefined
  if (legacy !== undefined) return legacy
  const sentence = await readSentenceConfig(folder)
  return isObject(sentence) ? (sentence['activation_fn'] ?? undefined) : undefined
}

/** @throws ERR_UNSUPPORTED_MODEL for another function than those above */
async function readActivation(folder: ModelFolder): Promise<Activation> {
  const name = await activationName(folder)
  if (name === undefined) return sigmoid
  const parts = typeof name === 'string' && name.startsWith('torch.') ? name.split('.') : []
  const last = parts.at(-1) ?? ''
  const known = Object.hasOwn(ACTIVATIONS, last) ? ACTIVATIONS[last] : undefined
  if (known !== undefined) return known
  const shown = typeof name === 'string' ? JSON.stringify(name.slice(0, 80)) : typeof name
  throw new FusebertError(
    'ERR_UNSUPPORTED_MODEL',
    `Expected torch's Sigmoid or Identity for the activation_fn of a cross-encoder in ` +
      `${folder.path} but received ${shown}. Choose a model that needs nothing else.`,
  )
}

/** Infinity for all. */
function checkTopK(value: unknown): number {
  if (value === undefined || value === null || value === Infinity) return Infinity
  return checkInteger('top_k', value, 1, Number.MAX_SAFE_INTEGER)
}

interface CrossEncoder extends HeadParts {
  readonly activation: Activation
  readonly prompts: Prompts
}

async function rank(
  { model, tokenizer, max_length, activation, prompts }: CrossEncoder,
  query: unknown,
  documents: unknown,
  options: RerankOptions | undefined,
): Promise<RankedDocument[] & { usage: Usage }> {
  const given = checkOptions<RerankOptions>('options', OPTIONS, options)
  if (typeof query !== 'string') throw invalidArgument('a string', 'query', query)
  const texts = checkTexts('documents', documents)
  const top_k = checkTopK(given.top_k)
  const withText = checkBoolean('return_documents', given.return_documents ?? false)
  const limits = checkLimits(given, true, max_length, model, tokenizer)
  const asked = choosePrompt(given, prompts) + query
  const scored: { index: number; logit: number }[] = []
  const usage: Usage = { texts: 0, tokens: 0, truncated: 0 }
  const charsOf = ({ length }: string): number => length + asked.length
  for (const { begin, end } of groupsOf(texts, charsOf, MAX_COPIED_CHARS)) {
    const group = texts.slice(begin, end)
    const queries = group.map(() => asked)
    const encoding = await tokenizeTexts(tokenizer, queries, group, limits)
      .catch((error: unknown) => renumber(error, (text) => begin + text))
    const { logits } = await model.encodeHead(encoding, ALL_LOGITS, 0, limits.signal)
    logits?.forEach((logit, i) => scored.push({ index: begin + i, logit }))
    addUsage(usage, usageOf(encoding.cu_seqlens, encoding.truncated))
  }
  const ranked = scored
    .sort((a, b) => b.logit - a.logit)
    .slice(0, top_k)
    .map(({ index, logit }) => {
      const score = activation(logit)
      return withText ? { index, score, text: texts[index] ?? '' } : { index, score }
    })
  return withUsage(ranked, usage)
}

/**
 * Loads a cross-encoder: the folder's tokenizer, and its model with the head of a sequence
 * classifier of one label.
 */
export async function loadRerank(path: string, options?: LoadOptions): Promise<RerankPipeline> {
  const folder = await ModelFolder.open(path)
  const activation = await readActivation(folder)
  const prompts = await readPrompts(folder)
  const parts = await loadHeadParts(path, 'sequence-classification', options)
  const { headOutputs } = parts.model
  if (headOutputs !== 1) {
    await parts.model.dispose()
    throw new FusebertError(
      'ERR_UNSUPPORTED_MODEL',
      `Expected a cross-encoder, which has one label, but the model has ${headOutputs}. ` +
        'Use text-classification with pairs of texts instead.',
    )
  }
  const call = (query: unknown, documents: unknown, callOptions?: RerankOptions) =>
    rank({ ...parts, activation, prompts }, query, documents, callOptions)
  return callable(call, membersOf('rerank', parts)) as RerankPipeline
}

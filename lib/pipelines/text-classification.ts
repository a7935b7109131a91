// The text-classification task: texts, or pairs of them, in; labels and their scores out.

import { callable } from '../callable.js'
import { invalidArgument } from '../errors.js'
import type { ModelConfig } from '../models/config.js'
import type { LoadOptions } from '../models/load-options.js'
import { ALL_LOGITS } from '../models/loaded-model.js'
import { checkChoice, checkInteger, checkOptions } from '../options.js'
import { loadHeadParts, membersOf, type HeadParts, type HeadPipeline } from './head-pipeline.js'
import { labelOf } from './labels.js'
import { sigmoid, softmax } from './softmax.js'
import {
  checkLimits,
  TEXT_CALL_OPTIONS,
  tokenizeTexts,
  usageOf,
  withUsage,
  type TextCallOptions,
  type Usage,
} from './text-calls.js'

/** Two texts that a model sees together, as for entailment. */
export interface TextPair {
  text: string
  /** '' is no second text, as in Python. */
  text_pair: string
}

const FUNCTIONS = ['softmax', 'sigmoid', 'none'] as const
export type ClassificationFunction = (typeof FUNCTIONS)[number]

export interface TextClassificationOptions<TopK extends number | null = number | null>
  extends TextCallOptions {
  /** So many labels with the highest scores; null or Infinity: all. Default 1. */
  top_k?: TopK
  /**
   * What makes scores of logits. Default, as in Python: 'none' where config.json's problem_type is
   * regression, 'sigmoid' where it is multi_label_classification and for a single label, else
   * 'softmax'.
   */
  function_to_apply?: ClassificationFunction
}

export interface Classification {
  /** From the config's id2label; LABEL_0 and so on where that has none. */
  label: string
  score: number
}

/** A label a text where top_k is 1, else a list a text. */
export type Classifications<TopK extends number | null> = number extends TopK
  ? Classification[] | Classification[][]
  : TopK extends 1
    ? Classification[]
    : Classification[][]

export interface TextClassificationPipeline extends HeadPipeline<'text-classification'> {
  /**
   * Shapes are those of transformers.js. Python's differ in two places: for an array it returns
   * lists of one label each where top_k: 1 is given and not left out, and for a pair without top_k
   * no list. Texts alone and pairs cannot be in one array.
   *
   * @returns for one text or pair `[{ label, score }]`, by falling score; for an array with top_k 1
   * `[{ label, score }]` with a label a text, else a list for each text; always with `usage`
   * @throws ERR_INVALID_ARGUMENT, ERR_INPUT_TOO_LONG, ERR_DISPOSED, ERR_OUT_OF_MEMORY; the
   * signal's reason when aborted
   */
  (
    text: string | TextPair,
    options?: TextClassificationOptions,
  ): Promise<Classification[] & { usage: Usage }>
  <const TopK extends number | null = 1>(
    texts: readonly string[] | readonly TextPair[],
    options?: TextClassificationOptions<TopK>,
  ): Promise<Classifications<TopK> & { usage: Usage }>
  (
    texts: string | TextPair | readonly string[] | readonly TextPair[],
    options?: TextClassificationOptions,
  ): Promise<(Classification[] | Classification[][]) & { usage: Usage }>
}

const OPTIONS = ['top_k', 'function_to_apply', ...TEXT_CALL_OPTIONS] as const

interface Inputs {
  texts: string[]
  /** As many, or null. */
  pairs: string[] | null
}

/** A copy: what is checked is what is used. */
function checkInputs(list: readonly unknown[], subject: (i: number) => string): Inputs {
  const paired = list.length > 0 && typeof list[0] !== 'string'
  const texts: string[] = []
  const pairs: string[] = []
  list.forEach((item, i) => {
    if (!paired) {
      if (typeof item !== 'string') throw invalidArgument('a string', subject(i), item)
      texts.push(item)
      return
    }
    const expected = 'a string or { text, text_pair }, like the others,'
    if (typeof item !== 'object' || item === null) throw invalidArgument(expected, subject(i), item)
    const { text, text_pair } = item as Partial<Record<keyof TextPair, unknown>>
    if (typeof text !== 'string') throw invalidArgument('a string', `${subject(i)}.text`, text)
    if (typeof text_pair !== 'string') {
      throw invalidArgument('a string', `${subject(i)}.text_pair`, text_pair)
    }
    texts.push(text)
    pairs.push(text_pair)
  })
  return { texts, pairs: paired ? pairs : null }
}

/** Infinity for all. */
function checkTopK(value: unknown): number {
  if (value === undefined) return 1
  if (value === null || value === Infinity) return Infinity
  return checkInteger('top_k', value, 1, Number.MAX_SAFE_INTEGER)
}

function functionOf({ problem_type, num_labels }: ModelConfig): ClassificationFunction {
  if (problem_type === 'regression') return 'none'
  return problem_type === 'multi_label_classification' || num_labels === 1 ? 'sigmoid' : 'softmax'
}

function scoresOf(logits: Float32Array, apply: ClassificationFunction): number[] {
  const values = Array.from(logits)
  if (apply === 'none') return values
  return apply === 'sigmoid' ? values.map(sigmoid) : softmax(values)
}

/** By falling score; equal ones in the order of the labels. */
function rank(
  logits: Float32Array,
  apply: ClassificationFunction,
  top_k: number,
  config: ModelConfig,
): Classification[] {
  return scoresOf(logits, apply)
    .map((score, i) => ({ i, score }))
    .sort((a, b) => b.score - a.score)
    .slice(0, top_k)
    .map(({ i, score }) => ({ label: labelOf(config, i), score }))
}

async function classify(
  { model, tokenizer, max_length }: HeadParts,
  input: unknown,
  options: TextClassificationOptions | undefined,
): Promise<(Classification[] | Classification[][]) & { usage: Usage }> {
  const given = checkOptions<TextClassificationOptions>('options', OPTIONS, options)
  const many = Array.isArray(input)
  const list: readonly unknown[] = many ? Array.from(input) : [input]
  const { texts, pairs } = checkInputs(list, (i) => (many ? `texts[${i}]` : 'text'))
  const top_k = checkTopK(given.top_k)
  const apply =
    given.function_to_apply === undefined
      ? functionOf(model.config)
      : checkChoice(FUNCTIONS, 'function_to_apply', given.function_to_apply)
  const limits = checkLimits(given, pairs !== null, max_length, model, tokenizer)
  const encoding = await tokenizeTexts(tokenizer, texts, pairs, limits, { drop_empty_pairs: true })
  const result = await model.encodeHead(encoding, ALL_LOGITS, 0, limits.signal)
  const usage = usageOf(encoding.cu_seqlens, encoding.truncated)
  const logits = result.logits ?? new Float32Array(0)
  const labels = model.headOutputs
  const ranked = texts.map((_, i) =>
    rank(logits.subarray(i * labels, (i + 1) * labels), apply, top_k, model.config),
  )
  const output = many && top_k !== 1 ? ranked : ranked.flat()
  return withUsage(output, usage)
}

/** Loads the folder's tokenizer, and its model with the head of a sequence classifier. */
export async function loadTextClassification(
  path: string,
  options?: LoadOptions,
): Promise<TextClassificationPipeline> {
  const parts = await loadHeadParts(path, 'sequence-classification', options)
  const call = (input: unknown, callOptions?: TextClassificationOptions) =>
    classify(parts, input, callOptions)
  return callable(call, membersOf('text-classification', parts)) as TextClassificationPipeline
}

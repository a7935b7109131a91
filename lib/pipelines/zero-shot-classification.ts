// The zero-shot-classification task: texts and labels of the caller's own in; scores of the labels
// out, by how much a text entails a sentence that a label is put into.

import { callable } from '../callable.js'
import { FusebertError, invalidArgument } from '../errors.js'
import type { ModelConfig } from '../models/config.js'
import type { LoadOptions } from '../models/load-options.js'
import { ALL_LOGITS } from '../models/loaded-model.js'
import { checkBoolean, checkOptions, checkTexts } from '../options.js'
import { groupsOf, MAX_COPIED_CHARS } from './groups.js'
import { loadHeadParts, membersOf, type HeadParts, type HeadPipeline } from './head-pipeline.js'
import { softmax } from './softmax.js'
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

export interface ZeroShotOptions extends TextCallOptions {
  /** Where a label goes in at {}. Default 'This example is {}.'. */
  hypothesis_template?: string
  /**
   * Each label alone, entailment against contradiction; else (default) all labels against each
   * other. A single label always stands alone.
   */
  multi_label?: boolean
}

export interface ZeroShotResult {
  sequence: string
  /** By falling score. */
  labels: string[]
  scores: number[]
}

export interface ZeroShotClassificationPipeline extends HeadPipeline<'zero-shot-classification'> {
  /**
   * @param candidate_labels - an array, or one string with commas between them
   * @returns for one text `{ sequence, labels, scores }`, for an array one for each; always with
   * `usage`, which is not enumerable and counts each text once for each label
   * @throws ERR_INVALID_ARGUMENT, ERR_INPUT_TOO_LONG (also where a label's sentence alone is too
   * long: only texts are cut), ERR_DISPOSED, ERR_OUT_OF_MEMORY; the signal's reason when aborted
   */
  (
    text: string,
    candidate_labels: string | readonly string[],
    options?: ZeroShotOptions,
  ): Promise<ZeroShotResult & { usage: Usage }>
  (
    texts: readonly string[],
    candidate_labels: string | readonly string[],
    options?: ZeroShotOptions,
  ): Promise<ZeroShotResult[] & { usage: Usage }>
}

const OPTIONS = ['hypothesis_template', 'multi_label', ...TEXT_CALL_OPTIONS] as const
const DEFAULT_TEMPLATE = 'This example is {}.'
const PLACE = '{}'

interface Columns {
  entailment: number
  contradiction: number
}

/** Of a head for natural language inference, as transformers finds them. */
function columnsOf({ label2id }: ModelConfig, outputs: number): Columns {
  const [, found = -1] =
    Object.entries(label2id).find(([label]) => label.toLowerCase().startsWith('entail')) ?? []
  const last = outputs - 1
  const entailment = found >= 0 && found < outputs ? found : last
  return { entailment, contradiction: entailment === 0 ? last : 0 }
}

function checkLabels(value: unknown): string[] {
  const labels =
    typeof value === 'string'
      ? value.split(',').map((label) => label.trim()).filter((label) => label !== '')
      : checkTexts('candidate_labels', value)
  if (labels.length > 0) return labels
  throw invalidArgument('at least one label', 'candidate_labels', value)
}

function checkTemplate(value: unknown): [string, string] {
  const [before, after, ...others] = typeof value === 'string' ? value.split(PLACE) : []
  if (before !== undefined && after !== undefined && others.length === 0) return [before, after]
  throw invalidArgument('a text with {} in it once', 'hypothesis_template', value)
}

/** @param logits - [labels, outputs] of one text */
function scoresOf(
  logits: Float32Array,
  outputs: number,
  { entailment, contradiction }: Columns,
  alone: boolean,
): number[] {
  const rows = Array.from({ length: logits.length / outputs }, (_, i) => i * outputs)
  const entails = rows.map((row) => logits[row + entailment] ?? 0)
  if (!alone) return softmax(entails)
  return rows.map((row, i) => {
    const [, score = 0] = softmax([logits[row + contradiction] ?? 0, entails[i] ?? 0])
    return score
  })
}

function rank(sequence: string, names: readonly string[], scores: readonly number[]) {
  const order = names
    .map((label, i) => ({ label, score: scores[i] ?? 0 }))
    .sort((a, b) => b.score - a.score)
  return {
    sequence,
    labels: order.map(({ label }) => label),
    scores: order.map(({ score }) => score),
  }
}

async function classify(
  { model, tokenizer, max_length }: HeadParts,
  texts: string | readonly string[],
  candidates: unknown,
  options: ZeroShotOptions | undefined,
): Promise<(ZeroShotResult | ZeroShotResult[]) & { usage: Usage }> {
  const given = checkOptions<ZeroShotOptions>('options', OPTIONS, options)
  const list = typeof texts === 'string' ? [texts] : checkTexts('texts', texts)
  const labels = checkLabels(candidates)
  const [before, after] = checkTemplate(given.hypothesis_template ?? DEFAULT_TEMPLATE)
  const alone = checkBoolean('multi_label', given.multi_label ?? false) || labels.length === 1
  const limits = checkLimits(given, true, max_length, model, tokenizer)
  const sentences = labels.map((label) => before + label + after)
  const outputs = model.headOutputs
  const columns = columnsOf(model.config, outputs)
  const ranked: ZeroShotResult[] = []
  const usage: Usage = { texts: 0, tokens: 0, truncated: 0 }
  const longest = sentences.reduce((most, { length }) => Math.max(most, length), 0)
  const charsOf = ({ length }: string): number => labels.length * (length + longest)
  for (const { begin, end } of groupsOf(list, charsOf, MAX_COPIED_CHARS)) {
    const group = list.slice(begin, end)
    const encoding = await tokenizeTexts(
      tokenizer,
      group.flatMap((text) => sentences.map(() => text)),
      group.flatMap(() => sentences),
      limits,
      limits.truncation ? { truncation: 'only_first' } : {},
    ).catch((error: unknown) =>
      renumber(error, (pair) => begin + Math.floor(pair / labels.length)))
    const result = await model.encodeHead(encoding, ALL_LOGITS, 0, limits.signal)
    const logits = result.logits ?? new Float32Array(0)
    const size = labels.length * outputs
    group.forEach((text, i) => {
      const own = logits.subarray(i * size, (i + 1) * size)
      ranked.push(rank(text, labels, scoresOf(own, outputs, columns, alone)))
    })
    addUsage(usage, usageOf(encoding.cu_seqlens, encoding.truncated))
  }
  const [only] = ranked
  return withUsage(typeof texts === 'string' && only !== undefined ? only : ranked, usage)
}

/** Loads the folder's tokenizer, and its model with the head of natural language inference. */
export async function loadZeroShotClassification(
  path: string,
  options?: LoadOptions,
): Promise<ZeroShotClassificationPipeline> {
  const parts = await loadHeadParts(path, 'sequence-classification', options)
  if (parts.model.headOutputs < 2) {
    await parts.model.dispose()
    throw new FusebertError(
      'ERR_UNSUPPORTED_MODEL',
      'Expected a classifier with a label for entailment and one for contradiction but it has ' +
        'one label. Choose a model for natural language inference (NLI).',
    )
  }
  const call = (
    texts: string | readonly string[],
    candidates: unknown,
    callOptions?: ZeroShotOptions,
  ) => classify(parts, texts, candidates, callOptions)
  const members = membersOf('zero-shot-classification', parts)
  return callable(call, members) as ZeroShotClassificationPipeline
}

// pipeline(): a task's name and a model's folder in, a callable pipeline out.

import { invalidArgument, invalidChoice } from '../errors.js'
import { DEFAULT_MODEL } from '../hub/embedded-model.js'
import type { LoadOptions } from '../models/load-options.js'
import { loadFeatureExtraction, type FeatureExtractionPipeline } from './feature-extraction.js'
import { loadFillMask, type FillMaskPipeline } from './fill-mask.js'
import { loadQuestionAnswering, type QuestionAnsweringPipeline } from './question-answering.js'
import { loadRerank, type RerankPipeline } from './rerank.js'
import {
  loadSentenceSimilarity,
  type SentenceSimilarityPipeline,
} from './sentence-similarity.js'
import { loadTextClassification, type TextClassificationPipeline } from './text-classification.js'
import {
  loadTokenClassification,
  type TokenClassificationPipeline,
} from './token-classification.js'
import {
  loadZeroShotClassification,
  type ZeroShotClassificationPipeline,
} from './zero-shot-classification.js'

export type PipelineOptions = LoadOptions

/** What pipeline() makes, by task. */
export interface Pipelines {
  'feature-extraction': FeatureExtractionPipeline
  'fill-mask': FillMaskPipeline
  'text-classification': TextClassificationPipeline
  /** Another name of text-classification. */
  'sentiment-analysis': TextClassificationPipeline
  'token-classification': TokenClassificationPipeline
  /** Another name of token-classification. */
  ner: TokenClassificationPipeline
  'question-answering': QuestionAnsweringPipeline
  'zero-shot-classification': ZeroShotClassificationPipeline
  'sentence-similarity': SentenceSimilarityPipeline
  rerank: RerankPipeline
}
export type Task = keyof Pipelines

const LOADERS: {
  readonly [Each in Task]: (path: string, options?: LoadOptions) => Promise<Pipelines[Each]>
} = {
  'feature-extraction': loadFeatureExtraction,
  'fill-mask': loadFillMask,
  'text-classification': loadTextClassification,
  'sentiment-analysis': loadTextClassification,
  'token-classification': loadTokenClassification,
  ner: loadTokenClassification,
  'question-answering': loadQuestionAnswering,
  'zero-shot-classification': loadZeroShotClassification,
  'sentence-similarity': loadSentenceSimilarity,
  rerank: loadRerank,
}

/** Those that the model inside the package can do. */
const WITH_DEFAULT_MODEL = ['feature-extraction', 'sentence-similarity'] as const
type TaskWithDefault = (typeof WITH_DEFAULT_MODEL)[number]

/**
 * Loads a model for a task.
 *
 * @param task - one of the names in Pipelines
 * @param model - a folder with config.json, tokenizer files and a checkpoint, as on the Hugging
 * Face hub; for feature-extraction and sentence-similarity a sentence-transformers folder sets
 * pooling, normalize and max_length. Without it (or null) those two take the small model that comes
 * with the package, 'fusebert-mini': for trying out, tests and light use
 * @throws ERR_INVALID_ARGUMENT, ERR_FILE_NOT_FOUND and the codes of what is wrong with the folder;
 * ERR_TENSOR_MISSING when the checkpoint lacks the task's head
 */
export async function pipeline<Name extends TaskWithDefault>(
  task: Name,
  model?: string | null,
  options?: PipelineOptions,
): Promise<Pipelines[Name]>
export async function pipeline<Name extends Task>(
  task: Name,
  model: string,
  options?: PipelineOptions,
): Promise<Pipelines[Name]>
export async function pipeline(
  task: Task,
  model?: string | null,
  options?: PipelineOptions,
): Promise<Pipelines[Task]> {
  if (!Object.hasOwn(LOADERS, task)) throw invalidChoice(Object.keys(LOADERS), 'task', task)
  const fallback = WITH_DEFAULT_MODEL.some((each) => each === task) ? DEFAULT_MODEL : undefined
  const path: unknown = model ?? fallback
  if (typeof path !== 'string') throw invalidArgument('the path of a model folder', 'model', path)
  return LOADERS[task](path, options)
}

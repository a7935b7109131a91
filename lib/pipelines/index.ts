// pipeline(): a task's name and a model's folder in, a callable pipeline out.

import { invalidArgument, invalidChoice } from '../errors.js'
import { DEFAULT_MODEL } from '../hub/embedded-model.js'
import type { LoadOptions } from '../models/load-options.js'
import { loadFeatureExtraction, type FeatureExtractionPipeline } from './feature-extraction.js'
import { loadFillMask, type FillMaskPipeline } from './fill-mask.js'
import { loadTextClassification, type TextClassificationPipeline } from './text-classification.js'

export type PipelineOptions = LoadOptions

const LOADERS = {
  'feature-extraction': loadFeatureExtraction,
  'fill-mask': loadFillMask,
  'text-classification': loadTextClassification,
} as const
export type Task = keyof typeof LOADERS

/** Those that the model inside the package can do. */
const WITH_DEFAULT_MODEL: readonly Task[] = ['feature-extraction']

/**
 * Loads a model for a task.
 *
 * @param task - 'feature-extraction', 'fill-mask' or 'text-classification'
 * @param model - a folder with config.json, tokenizer files and a checkpoint, as on the Hugging
 * Face hub; for feature-extraction a sentence-transformers folder sets pooling, normalize and
 * max_length. Without it (or null) feature-extraction takes the small model that comes with the
 * package, 'fusebert-mini': for trying out, tests and light use
 * @throws ERR_INVALID_ARGUMENT, ERR_FILE_NOT_FOUND and the codes of what is wrong with the folder;
 * ERR_TENSOR_MISSING when the checkpoint lacks the task's head
 */
export async function pipeline(
  task: 'feature-extraction',
  model?: string | null,
  options?: PipelineOptions,
): Promise<FeatureExtractionPipeline>
export async function pipeline(
  task: 'fill-mask',
  model: string,
  options?: PipelineOptions,
): Promise<FillMaskPipeline>
export async function pipeline(
  task: 'text-classification',
  model: string,
  options?: PipelineOptions,
): Promise<TextClassificationPipeline>
export async function pipeline(
  task: Task,
  model?: string | null,
  options?: PipelineOptions,
): Promise<FeatureExtractionPipeline | FillMaskPipeline | TextClassificationPipeline> {
  if (!Object.hasOwn(LOADERS, task)) throw invalidChoice(Object.keys(LOADERS), 'task', task)
  const fallback = WITH_DEFAULT_MODEL.includes(task) ? DEFAULT_MODEL : undefined
  const path: unknown = model ?? fallback
  if (typeof path !== 'string') throw invalidArgument('the path of a model folder', 'model', path)
  return LOADERS[task](path, options)
}

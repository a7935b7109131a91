// pipeline(): a task's name and a model's folder in, a callable pipeline out.

import { invalidArgument, invalidChoice } from '../errors.js'
import { DEFAULT_MODEL } from '../hub/embedded-model.js'
import type { LoadOptions } from '../models/load-options.js'
import { loadFeatureExtraction, type FeatureExtractionPipeline } from './feature-extraction.js'

export type PipelineOptions = LoadOptions

const TASKS = ['feature-extraction'] as const

/**
 * Loads a model for a task.
 *
 * @param task - 'feature-extraction'
 * @param model - a folder with config.json, tokenizer files and a checkpoint, as on the Hugging
 * Face hub; a sentence-transformers folder sets pooling, normalize and max_length. Without it (or
 * null) the small model that comes with the package, 'fusebert-mini': for trying out, tests and
 * light use
 * @throws ERR_INVALID_ARGUMENT, ERR_FILE_NOT_FOUND and the codes of what is wrong with the folder
 */
export async function pipeline(
  task: 'feature-extraction',
  model?: string | null,
  options?: PipelineOptions,
): Promise<FeatureExtractionPipeline> {
  if (!TASKS.includes(task)) throw invalidChoice(TASKS, 'task', task)
  const path: unknown = model ?? DEFAULT_MODEL
  if (typeof path !== 'string') throw invalidArgument('the path of a model folder', 'model', path)
  return loadFeatureExtraction(path, options)
}

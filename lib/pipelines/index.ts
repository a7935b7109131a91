// pipeline(): a task's name and a model's folder in, a callable pipeline out.

import { invalidArgument, invalidChoice } from '../errors.js'
import type { LoadOptions } from '../models/load-options.js'
import { loadFeatureExtraction, type FeatureExtractionPipeline } from './feature-extraction.js'

export type PipelineOptions = LoadOptions

const TASKS = ['feature-extraction'] as const

/**
 * Loads a model for a task.
 *
 * @param task - 'feature-extraction'
 * @param model - a folder with config.json, tokenizer files and a checkpoint, as on the Hugging
 * Face hub; a sentence-transformers folder sets pooling, normalize and max_length
 * @throws ERR_INVALID_ARGUMENT, ERR_FILE_NOT_FOUND and the codes of what is wrong with the folder
 */
export async function pipeline(
  task: 'feature-extraction',
  model: string,
  options?: PipelineOptions,
): Promise<FeatureExtractionPipeline> {
  if (!TASKS.includes(task)) throw invalidChoice(TASKS, 'task', task)
  if (typeof model !== 'string') throw invalidArgument('the path of a model folder', 'model', model)
  return loadFeatureExtraction(model, options)
}

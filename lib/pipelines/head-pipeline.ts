// A folder's tokenizer and model with a head, and what every pipeline made of them has beside the
// call itself.

import { FusebertError } from '../errors.js'
import { ModelFolder } from '../hub/folder.js'
import type { HeadTask } from '../models/heads.js'
import type { LoadOptions } from '../models/load-options.js'
import { LoadedModel } from '../models/loaded-model.js'
import { handleOf, type ModelHandle } from '../models/model-handle.js'
import { AutoTokenizer, type Tokenizer } from '../tokenizer/auto-tokenizer.js'

export interface HeadPipeline<Task extends string> extends ModelHandle {
  readonly task: Task
  readonly tokenizer: Tokenizer
  /** Tokens of a text, special ones included, unless a call says otherwise. */
  readonly max_length: number
}

export interface HeadParts {
  readonly model: LoadedModel
  readonly tokenizer: Tokenizer
  readonly max_length: number
}

/** @throws ERR_VOCAB_MISMATCH when the tokenizer has ids that the model has no embedding for */
export async function checkVocabulary(model: LoadedModel, tokenizer: Tokenizer): Promise<void> {
  const { vocab_size } = model.config.geometry
  if (tokenizer.vocab_size <= vocab_size) return
  await model.dispose()
  throw new FusebertError(
    'ERR_VOCAB_MISMATCH',
    `Expected a vocabulary of at most ${vocab_size} tokens, as config.json says, but received ` +
      `${tokenizer.vocab_size}. The tokenizer's files belong to another model.`,
  )
}

/** @throws the codes of what is wrong with the folder; ERR_TENSOR_MISSING without such a head */
export async function loadHeadParts(
  path: string,
  task: HeadTask,
  options: LoadOptions | undefined,
): Promise<HeadParts> {
  const folder = await ModelFolder.open(path)
  const tokenizer = await AutoTokenizer.from_pretrained(folder.path)
  const model = await LoadedModel.load(folder, options, task)
  await checkVocabulary(model, tokenizer)
  const max_length = Math.min(model.config.max_sequence_length, tokenizer.model_max_length)
  return { model, tokenizer, max_length }
}

export function membersOf<Task extends string>(
  task: Task,
  { model, tokenizer, max_length }: HeadParts,
): HeadPipeline<Task> {
  return { ...handleOf(model), task, tokenizer, max_length }
}

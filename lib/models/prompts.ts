// config_sentence_transformers.json, and of it the texts that a model wants before others, by name.

import { isObject, type ModelFolder } from '../hub/folder.js'
import { invalidField } from './folder-errors.js'

export interface Prompts {
  /** By name; as in sentence-transformers 'query' and 'document' are always there. */
  readonly prompts: Readonly<Record<string, string>>
  /** The one that is put before texts unless the caller says otherwise; null: none. */
  readonly default_prompt_name: string | null
}

const NAME = 'config_sentence_transformers.json'
const EMPTY = { query: '', document: '' }
const MAX_PROMPTS = 1000

/**
 * What the file says; undefined without one.
 * @throws ERR_CONFIG, ERR_FILE_READ
 */
export async function readSentenceConfig(folder: ModelFolder): Promise<unknown> {
  return (await folder.has(NAME)) ? folder.readJson(NAME, 'ERR_CONFIG') : undefined
}

/** @throws ERR_CONFIG, ERR_FILE_READ */
export async function readPrompts(folder: ModelFolder): Promise<Prompts> {
  const config = await readSentenceConfig(folder)
  if (config === undefined) return { prompts: Object.freeze(EMPTY), default_prompt_name: null }
  if (!isObject(config)) throw invalidField(folder, NAME, 'an object', 'the file')
  const given = config['prompts'] ?? {}
  const entries = isObject(given) ? Object.entries(given) : []
  const texts = entries.map(([name, text]): [string, unknown] => [name, text ?? ''])
  const valid = texts.filter((entry): entry is [string, string] => typeof entry[1] === 'string')
  if (!isObject(given) || valid.length !== entries.length || valid.length > MAX_PROMPTS) {
    throw invalidField(folder, NAME, 'texts by name', 'prompts')
  }
  const prompts = Object.freeze({ ...EMPTY, ...Object.fromEntries(valid) })
  const name = config['default_prompt_name'] ?? null
  if (name !== null && (typeof name !== 'string' || !Object.hasOwn(prompts, name))) {
    throw invalidField(folder, NAME, 'null or the name of a prompt', 'default_prompt_name')
  }
  return { prompts, default_prompt_name: name }
}

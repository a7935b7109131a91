// Which text a call puts before others, as sentence-transformers' models want it.

import { invalidArgument } from '../errors.js'
import type { Prompts } from '../models/prompts.js'
import { checkChoice } from '../options.js'

export interface PromptOptions {
  /** A text that is put before each text; in rerank before the query. Default: prompt_name's. */
  prompt?: string
  /**
   * The name of a prompt of the folder's config_sentence_transformers.json; not looked at beside
   * `prompt`. Default: what that file says, else none.
   */
  prompt_name?: string
}

export const PROMPT_OPTIONS = ['prompt', 'prompt_name'] as const

/**
 * '' for none.
 * @throws ERR_INVALID_ARGUMENT
 */
export function choosePrompt(
  { prompt, prompt_name }: PromptOptions,
  { prompts, default_prompt_name }: Prompts,
): string {
  if (prompt !== undefined) {
    if (typeof prompt === 'string') return prompt
    throw invalidArgument('a text', 'prompt', prompt)
  }
  const name = prompt_name ?? default_prompt_name
  if (name === null) return ''
  return prompts[checkChoice(Object.keys(prompts), 'prompt_name', name)] ?? ''
}

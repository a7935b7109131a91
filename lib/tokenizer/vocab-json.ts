// vocab.json and merges.txt: RoBERTa's vocabulary, read as transformers' RobertaTokenizer reads it.
// A line of merges.txt is two tokens with a space between them; lines that begin with #version are
// none, and the first ones are done first.

import { isObject } from '../hub/folder.js'
import type { NativeTokenizerSpec } from '../native/addon.js'
import { MERGES_COMMENT, packMerges, splitMerge, type MergePair } from './merges.js'
import {
  AddedTokens,
  Vocabulary,
  formatError,
  readText,
  robertaTemplates,
  shown,
} from './spec.js'
import { ROLES, checkTokenizerClass, type TokenizerConfig } from './tokenizer-config.js'

function readMerges(bytes: Uint8Array): MergePair[] {
  const lines = readText(bytes, 'merges.txt').split(/\r?\n/)
  // What follows the last line's end is not a line.
  if (lines.at(-1) === '') lines.pop()
  return lines.filter((line) => !line.startsWith(MERGES_COMMENT)).map(splitMerge)
}

/** Special tokens of all roles are found in texts; those that the vocabulary lacks follow it. */
function addTokens(vocabulary: Vocabulary, config: TokenizerConfig): AddedTokens {
  const added = new AddedTokens(vocabulary)
  for (const { id, ...token } of config.added_tokens) added.add(token, id)
  const special = [
    ...config.end_tokens,
    ...ROLES.map((role) => config.special_tokens[role]),
    ...config.additional_special_tokens,
  ]
  for (const token of special) {
    if (!added.has(token.content)) added.add({ ...token, special: true })
  }
  return added
}

/**
 * @param json - vocab.json, parsed
 * @param merges - merges.txt
 * @throws ERR_TOKENIZER_FORMAT, ERR_UNSUPPORTED_TOKENIZER
 */
export function parseVocabJson(
  json: unknown,
  merges: Uint8Array,
  config: TokenizerConfig,
): NativeTokenizerSpec {
  checkTokenizerClass(config, 'roberta')
  if (!isObject(json)) {
    throw formatError(`Expected an object in vocab.json but received ${shown(json)}.`)
  }
  const vocabulary = Vocabulary.from(json, 'vocab.json')
  const added = addTokens(vocabulary, config)
  const needed = (role: 'cls_token' | 'sep_token'): number => {
    const { content } = config.special_tokens[role]
    const id = added.idOf(content)
    if (id !== undefined) return id
    throw formatError(`Expected a token for ${role} but received ${shown(content)}.`)
  }
  return {
    ...vocabulary.pack(),
    model: {
      type: 'BPE',
      merges: packMerges(readMerges(merges), vocabulary),
      unk_token: null,
      fuse_unk: false,
      ignore_merges: false,
      add_prefix_space: config.add_prefix_space,
      split_words: true,
      trim_offsets: config.trim_offsets,
      keep_first_space: config.add_prefix_space,
    },
    added_tokens: added.list(),
    ...robertaTemplates(needed('cls_token'), needed('sep_token')),
    decoder: { type: 'ByteLevel' },
  }
}

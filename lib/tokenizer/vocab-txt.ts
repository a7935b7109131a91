// vocab.txt: one token a line, its id the line's number, read as transformers' BertTokenizerFast
// reads it: lines end with \n, \r\n or \r, nothing is trimmed, a token that comes twice has the
// last line's number, and blank lines count.

import type { NativeTokenizerSpec } from '../native/addon.js'
import {
  AddedTokens,
  MAX_VOCAB_SIZE,
  Vocabulary,
  bertTemplates,
  formatError,
  readText,
  shown,
} from './spec.js'
import { ROLES, checkTokenizerClass, type Role, type TokenizerConfig } from './tokenizer-config.js'

const MAX_INPUT_CHARS_PER_WORD = 100

function readLines(bytes: Uint8Array): string[] {
  const lines = readText(bytes, 'vocab.txt').split(/\r\n|\n|\r/)
  // What follows the last line's end is not a line.
  if (lines.at(-1) === '') lines.pop()
  if (lines.length === 0 || lines.length > MAX_VOCAB_SIZE) {
    throw formatError(
      `Expected 1 to ${MAX_VOCAB_SIZE} lines in vocab.txt but received ${lines.length}.`,
    )
  }
  return lines
}

function readVocabulary(bytes: Uint8Array): Vocabulary {
  const lines = readLines(bytes)
  // Not from entries; Vocabulary.from says why.
  const last = new Map<string, number>()
  lines.forEach((token, id) => last.set(token, id))
  const vocabulary = new Vocabulary()
  lines.forEach((token, id) => {
    if (last.get(token) === id) vocabulary.add(token, id)
    else vocabulary.addHole(id)
  })
  return vocabulary
}

function addTokens(vocabulary: Vocabulary, config: TokenizerConfig): AddedTokens {
  const added = new AddedTokens(vocabulary)
  for (const { id, ...token } of config.added_tokens) added.add(token, id)
  const special = [
    ...ROLES.map((role) => config.special_tokens[role]),
    ...config.additional_special_tokens,
  ]
  for (const token of special) {
    if (added.has(token.content)) continue
    added.add({ ...token, special: true, normalized: false })
  }
  return added
}

/**
 * @param bytes - vocab.txt
 * @throws ERR_TOKENIZER_FORMAT, ERR_UNSUPPORTED_TOKENIZER
 */
export function parseVocabTxt(bytes: Uint8Array, config: TokenizerConfig): NativeTokenizerSpec {
  checkTokenizerClass(config, 'bert')
  const vocabulary = readVocabulary(bytes)
  const added = addTokens(vocabulary, config)
  const needed = (role: Role): number => {
    const { content } = config.special_tokens[role]
    const id = vocabulary.ids.get(content)
    if (id !== undefined) return id
    throw formatError(
      `Expected ${role} ${shown(content)} in vocab.txt but it is not there. ` +
        'State its name in special_tokens_map.json or use the right vocab.txt.',
    )
  }
  needed('unk_token')
  return {
    ...vocabulary.pack(),
    model: {
      type: 'WordPiece',
      unk_token: config.special_tokens.unk_token.content,
      continuing_subword_prefix: '##',
      max_input_chars_per_word: MAX_INPUT_CHARS_PER_WORD,
      clean_text: true,
      handle_chinese_chars: config.tokenize_chinese_chars,
      strip_accents: config.strip_accents,
      lowercase: config.do_lower_case,
    },
    added_tokens: added.list(),
    ...bertTemplates(needed('cls_token'), needed('sep_token')),
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
  }
}

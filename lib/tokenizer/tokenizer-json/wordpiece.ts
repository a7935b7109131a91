// BERT's family in tokenizer.json: BertNormalizer, BertPreTokenizer, WordPiece.

import type { NativeWordPiece } from '../../native/addon.js'
import {
  booleanField,
  countField,
  field,
  sectionType,
  stringField,
  wrongType,
  type Json,
} from './fields.js'

type Normalization = Pick<
  NativeWordPiece,
  'clean_text' | 'handle_chinese_chars' | 'strip_accents' | 'lowercase'
>

function readNormalizer(root: Json): Normalization {
  const found = sectionType(field(root, 'normalizer'), 'normalizer')
  if (found === null) {
    return { clean_text: false, handle_chinese_chars: false, strip_accents: null, lowercase: false }
  }
  if (found.type !== 'BertNormalizer') {
    throw wrongType('"BertNormalizer" or null', 'normalizer', found.type)
  }
  const { section } = found
  const where = 'normalizer'
  const strip = field(section, 'strip_accents') ?? null
  return {
    clean_text: booleanField(section, 'clean_text', where),
    handle_chinese_chars: booleanField(section, 'handle_chinese_chars', where),
    strip_accents: strip === null ? null : booleanField(section, 'strip_accents', where),
    lowercase: booleanField(section, 'lowercase', where),
  }
}

/**
 * @param root - the file
 * @param model - its model
 */
export function readWordPiece(root: Json, model: Json): NativeWordPiece {
  const preTokenizer = sectionType(field(root, 'pre_tokenizer'), 'pre_tokenizer')
  if (preTokenizer?.type !== 'BertPreTokenizer') {
    throw wrongType('"BertPreTokenizer"', 'pre_tokenizer', preTokenizer?.type ?? null)
  }
  return {
    type: 'WordPiece',
    unk_token: stringField(model, 'unk_token', 'model'),
    continuing_subword_prefix: stringField(model, 'continuing_subword_prefix', 'model'),
    max_input_chars_per_word: countField(model, 'max_input_chars_per_word', 'model'),
    ...readNormalizer(root),
  }
}

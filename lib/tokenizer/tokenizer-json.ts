// tokenizer.json, where it describes the tokenizer of BERT or RoBERTa. Its `truncation` and
// `padding` sections are ignored, as transformers does: they are up to the caller.

import { isObject } from '../hub/folder.js'
import type { NativeAddedToken, NativeDecoder, NativeTokenizerSpec } from '../native/addon.js'
import { AddedTokens, Vocabulary, formatError, shown, unsupported } from './spec.js'
import { readBytePair } from './tokenizer-json/byte-pair.js'
import {
  arrayField,
  booleanField,
  countField,
  field,
  objectField,
  sectionType,
  stringField,
  wrongType,
  type Json,
} from './tokenizer-json/fields.js'
import {
  readBytePairPostProcessor,
  readWordPieceTemplates,
} from './tokenizer-json/post-processor.js'
import { readWordPiece } from './tokenizer-json/wordpiece.js'

const VERSION = '1.0'

function readAddedTokens(root: Json, vocabulary: Vocabulary): AddedTokens {
  const added = new AddedTokens(vocabulary)
  const list = field(root, 'added_tokens') === undefined ? [] : arrayField(root, 'added_tokens', '')
  for (const item of list) {
    const where = 'added_tokens'
    if (!isObject(item)) {
      throw formatError(`Expected objects in ${where} but received ${shown(item)}.`)
    }
    const token: Omit<NativeAddedToken, 'id'> = {
      content: stringField(item, 'content', where),
      special: booleanField(item, 'special', where),
      single_word: booleanField(item, 'single_word', where),
      lstrip: booleanField(item, 'lstrip', where),
      rstrip: booleanField(item, 'rstrip', where),
      normalized: booleanField(item, 'normalized', where),
    }
    added.add(token, countField(item, 'id', where))
  }
  return added
}

function readDecoder(root: Json): NativeDecoder | null {
  const found = sectionType(field(root, 'decoder'), 'decoder')
  if (found === null) return null
  const { section, type } = found
  if (type === 'ByteLevel') return { type }
  if (type !== 'WordPiece') throw wrongType('"WordPiece", "ByteLevel" or null', 'decoder', type)
  return {
    type,
    prefix: stringField(section, 'prefix', 'decoder'),
    cleanup: booleanField(section, 'cleanup', 'decoder'),
  }
}

/** The model and what surrounds it. */
function readFamily(
  root: Json,
  vocabulary: Vocabulary,
): Pick<NativeTokenizerSpec, 'model' | 'single_template' | 'pair_template'> {
  const model = objectField(root, 'model', 'tokenizer.json')
  // Older files do not name their model: one with merges is BPE.
  const type = field(model, 'type') ?? (Object.hasOwn(model, 'merges') ? 'BPE' : 'WordPiece')
  if (type === 'WordPiece') {
    return { model: readWordPiece(root, model), ...readWordPieceTemplates(root) }
  }
  if (type !== 'BPE') throw wrongType('"WordPiece" or "BPE"', 'model', type)
  const { templates, trimming } = readBytePairPostProcessor(root)
  return { model: readBytePair(root, model, vocabulary, trimming), ...templates }
}

/**
 * @param json - the parsed file
 * @throws ERR_TOKENIZER_FORMAT for what contradicts itself, ERR_UNSUPPORTED_TOKENIZER for
 * tokenizers other than BERT's and RoBERTa's
 */
export function parseTokenizerJson(json: unknown): NativeTokenizerSpec {
  if (!isObject(json)) {
    throw formatError(`Expected an object in tokenizer.json but received ${shown(json)}.`)
  }
  const version = field(json, 'version')
  if (version !== undefined && version !== VERSION) {
    throw unsupported(
      `Expected version "${VERSION}" in tokenizer.json but received ${shown(version)}.`,
    )
  }
  const model = objectField(json, 'model', 'tokenizer.json')
  const vocabulary = Vocabulary.from(objectField(model, 'vocab', 'model'), 'model.vocab')
  return {
    ...vocabulary.pack(),
    ...readFamily(json, vocabulary),
    added_tokens: readAddedTokens(json, vocabulary).list(),
    decoder: readDecoder(json),
  }
}

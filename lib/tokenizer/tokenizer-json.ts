// tokenizer.json, where it describes BERT's tokenizer. Its `truncation` and `padding` sections are
// ignored, as transformers does: they are up to the caller.

import { isObject } from '../hub/folder.js'
import type {
  NativeAddedToken,
  NativeDecoder,
  NativeTemplatePiece,
  NativeTokenizerSpec,
} from '../native/addon.js'
import {
  AddedTokens,
  Vocabulary,
  bertTemplates,
  formatError,
  sequencePiece,
  shown,
  specialPiece,
  unsupported,
} from './spec.js'

type Json = Record<string, unknown>
type Normalization = Pick<
  NativeTokenizerSpec,
  'clean_text' | 'handle_chinese_chars' | 'strip_accents' | 'lowercase'
>
type Templates = Pick<NativeTokenizerSpec, 'single_template' | 'pair_template'>

const VERSION = '1.0'
/** Native counts and token types are 32-bit. */
const MAX_COUNT = 2 ** 31 - 1

/** A field of an object of the file; where it is missing, undefined. */
function field(object: Json, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined
}

function objectField(object: Json, key: string, where: string): Json {
  const value = field(object, key)
  if (isObject(value)) return value
  throw formatError(`Expected an object for ${where}.${key} but received ${shown(value)}.`)
}

function arrayField(object: Json, key: string, where: string): unknown[] {
  const value = field(object, key)
  if (Array.isArray(value)) return value
  throw formatError(`Expected an array for ${where}.${key} but received ${shown(value)}.`)
}

function stringField(object: Json, key: string, where: string): string {
  const value = field(object, key)
  if (typeof value === 'string') return value
  throw formatError(`Expected a string for ${where}.${key} but received ${shown(value)}.`)
}

function booleanField(object: Json, key: string, where: string): boolean {
  const value = field(object, key)
  if (typeof value === 'boolean') return value
  throw formatError(`Expected true or false for ${where}.${key} but received ${shown(value)}.`)
}

function countField(object: Json, key: string, where: string): number {
  const value = field(object, key)
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_COUNT) {
    return value
  }
  throw formatError(
    `Expected an integer from 0 to ${MAX_COUNT} for ${where}.${key} but received ${shown(value)}.`,
  )
}

/** A section's type; `null` when there is no such section. */
function sectionType(section: unknown, name: string): { section: Json; type: unknown } | null {
  if (section === undefined || section === null) return null
  if (!isObject(section)) {
    throw formatError(`Expected an object for ${name} but received ${shown(section)}.`)
  }
  return { section, type: field(section, 'type') }
}

function wrongType(expected: string, name: string, received: unknown): Error {
  return unsupported(
    `Expected ${expected} for ${name} of tokenizer.json but received ${shown(received)}. ` +
      "Only BERT's WordPiece tokenizer is supported.",
  )
}

function readVocabulary(model: Json): Vocabulary {
  const vocabulary = new Vocabulary()
  for (const [token, id] of Object.entries(objectField(model, 'vocab', 'model'))) {
    vocabulary.add(token, id)
  }
  if (vocabulary.count === 0) throw formatError('Expected tokens in model.vocab but it is empty.')
  return vocabulary
}

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

/** The pieces of one special token: a template may name one that stands for several ids. */
function specialPieces(piece: Json, specials: Json): NativeTemplatePiece[] {
  const where = 'post_processor'
  const name = stringField(piece, 'id', where)
  const type_id = countField(piece, 'type_id', where)
  const special = field(specials, name)
  if (!isObject(special)) {
    throw formatError(`Expected ${shown(name)} in ${where}.special_tokens but it is not there.`)
  }
  return arrayField(special, 'ids', `${where}.special_tokens`).map((id) =>
    specialPiece(id, type_id),
  )
}

function readTemplate(
  section: Json,
  key: 'single' | 'pair',
  specials: Json,
): NativeTemplatePiece[] {
  const where = `post_processor.${key}`
  return arrayField(section, key, 'post_processor').flatMap((piece) => {
    if (!isObject(piece)) {
      throw formatError(`Expected objects in ${where} but received ${shown(piece)}.`)
    }
    if (Object.hasOwn(piece, 'SpecialToken')) {
      return specialPieces(objectField(piece, 'SpecialToken', where), specials)
    }
    const sequence = objectField(piece, 'Sequence', where)
    const id = stringField(sequence, 'id', where)
    if (id !== 'A' && id !== 'B') {
      throw formatError(`Expected "A" or "B" in ${where} but received ${shown(id)}.`)
    }
    return [sequencePiece(id === 'A' ? 'a' : 'b', countField(sequence, 'type_id', where))]
  })
}

/** The id in a [token, id] of BertProcessing. */
function processingId(section: Json, key: 'cls' | 'sep'): number {
  const [, id] = arrayField(section, key, 'post_processor')
  return specialPiece(id, 0).id
}

function readPostProcessor(root: Json): Templates {
  const found = sectionType(field(root, 'post_processor'), 'post_processor')
  if (found === null) {
    const single = [sequencePiece('a', 0)]
    return { single_template: single, pair_template: [...single, sequencePiece('b', 1)] }
  }
  const { section, type } = found
  if (type === 'BertProcessing') {
    return bertTemplates(processingId(section, 'cls'), processingId(section, 'sep'))
  }
  if (type !== 'TemplateProcessing') {
    throw wrongType('"TemplateProcessing", "BertProcessing" or null', 'post_processor', type)
  }
  const specials = objectField(section, 'special_tokens', 'post_processor')
  return {
    single_template: readTemplate(section, 'single', specials),
    pair_template: readTemplate(section, 'pair', specials),
  }
}

function readDecoder(root: Json): NativeDecoder | null {
  const found = sectionType(field(root, 'decoder'), 'decoder')
  if (found === null) return null
  if (found.type !== 'WordPiece') throw wrongType('"WordPiece" or null', 'decoder', found.type)
  return {
    prefix: stringField(found.section, 'prefix', 'decoder'),
    cleanup: booleanField(found.section, 'cleanup', 'decoder'),
  }
}

/**
 * @param json - the parsed file
 * @throws ERR_TOKENIZER_FORMAT for what contradicts itself, ERR_UNSUPPORTED_TOKENIZER for
 * tokenizers other than BERT's
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
  const modelType = field(model, 'type')
  if (modelType !== undefined && modelType !== 'WordPiece') {
    throw wrongType('"WordPiece"', 'model', modelType)
  }
  const preTokenizer = sectionType(field(json, 'pre_tokenizer'), 'pre_tokenizer')
  if (preTokenizer?.type !== 'BertPreTokenizer') {
    throw wrongType('"BertPreTokenizer"', 'pre_tokenizer', preTokenizer?.type ?? null)
  }
  const vocabulary = readVocabulary(model)
  return {
    ...vocabulary.pack(),
    unk_token: stringField(model, 'unk_token', 'model'),
    continuing_subword_prefix: stringField(model, 'continuing_subword_prefix', 'model'),
    max_input_chars_per_word: countField(model, 'max_input_chars_per_word', 'model'),
    ...readNormalizer(json),
    added_tokens: readAddedTokens(json, vocabulary).list(),
    ...readPostProcessor(json),
    decoder: readDecoder(json),
  }
}

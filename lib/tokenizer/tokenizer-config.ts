// tokenizer_config.json, special_tokens_map.json and added_tokens.json: the settings beside a
// vocabulary. All are optional; defaults are those of BertTokenizerFast and RobertaTokenizerFast.

import { isObject, type ModelFolder } from '../hub/folder.js'
import { formatError, shown, unsupported } from './spec.js'

export interface SpecialToken {
  content: string
  single_word: boolean
  lstrip: boolean
  rstrip: boolean
  normalized: boolean
}

export type Family = 'bert' | 'roberta'

/** Roles in the order in which the reference adds missing tokens to a vocabulary. */
export const ROLES = ['unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token'] as const
export type Role = (typeof ROLES)[number]
/** Before them, RoBERTa's tokens of these roles. */
const ENDS = ['bos_token', 'eos_token'] as const

const DEFAULTS: Record<Family, Record<Role | (typeof ENDS)[number], string>> = {
  bert: {
    bos_token: '[CLS]',
    eos_token: '[SEP]',
    unk_token: '[UNK]',
    sep_token: '[SEP]',
    pad_token: '[PAD]',
    cls_token: '[CLS]',
    mask_token: '[MASK]',
  },
  roberta: {
    bos_token: '<s>',
    eos_token: '</s>',
    unk_token: '<unk>',
    sep_token: '</s>',
    pad_token: '<pad>',
    cls_token: '<s>',
    mask_token: '<mask>',
  },
}

/** Classes whose fast tokenizer is the family's, template included. */
const CLASSES: Record<Family, readonly string[]> = {
  bert: ['Bert', 'DistilBert', 'Electra', 'MobileBert', 'PreTrained'],
  roberta: ['Roberta'],
}

export interface StatedToken extends SpecialToken {
  id: number
  special: boolean
}

export interface TokenizerConfig {
  tokenizer_class: string | null
  do_basic_tokenize: boolean
  do_lower_case: boolean
  strip_accents: boolean | null
  tokenize_chinese_chars: boolean
  /** RoBERTa's: whether texts get a space before them. */
  add_prefix_space: boolean
  /** RoBERTa's: whether white space is left out of offsets. */
  trim_offsets: boolean
  /** What decode does unless told otherwise. */
  clean_up_tokenization_spaces: boolean
  /** Infinity when nothing is stated. */
  model_max_length: number
  special_tokens: Record<Role, SpecialToken>
  /** RoBERTa's tokens for the beginning and the end of a text. */
  end_tokens: SpecialToken[]
  additional_special_tokens: SpecialToken[]
  /** added_tokens_decoder, or else added_tokens.json, by id. */
  added_tokens: StatedToken[]
}

type Json = Record<string, unknown>

async function readObject(folder: ModelFolder, name: string): Promise<Json> {
  if (!(await folder.has(name))) return {}
  const value = await folder.readJson(name, 'ERR_TOKENIZER_FORMAT')
  if (isObject(value)) return value
  throw formatError(`Expected an object in ${name} but received ${shown(value)}.`)
}

/** Own properties only, so that no name of Object.prototype is taken for a setting. */
function own(object: Json, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined
}

function booleanOr<T>(config: Json, key: string, fallback: T): boolean | T {
  const value = own(config, key)
  if (value === undefined || value === null) return fallback
  if (typeof value === 'boolean') return value
  throw formatError(`Expected true or false for ${key} but received ${shown(value)}.`)
}

function specialToken(value: unknown, key: string): SpecialToken {
  const flags = isObject(value) ? value : {}
  const content = isObject(value) ? own(value, 'content') : value
  if (typeof content !== 'string') {
    throw formatError(`Expected a token for ${key} but received ${shown(value)}.`)
  }
  return {
    content,
    single_word: booleanOr(flags, 'single_word', false),
    lstrip: booleanOr(flags, 'lstrip', false),
    rstrip: booleanOr(flags, 'rstrip', false),
    normalized: booleanOr(flags, 'normalized', false),
  }
}

function readRoles(
  config: Json,
  map: Json,
  family: Family,
): Pick<TokenizerConfig, 'special_tokens' | 'end_tokens'> {
  const read = (role: Role | (typeof ENDS)[number]): SpecialToken => {
    // tokenizer_config.json is the newer file and has precedence.
    const value = own(config, role) ?? own(map, role) ?? DEFAULTS[family][role]
    const token = specialToken(value, role)
    // RoBERTa was trained so that its mask takes the space before it: where a file names the token
    // alone, it does. transformers 5 then leaves the space, before it was as here.
    const strips = family === 'roberta' && role === 'mask_token' && typeof value === 'string'
    return strips ? { ...token, lstrip: true } : token
  }
  return {
    special_tokens: {
      unk_token: read('unk_token'),
      sep_token: read('sep_token'),
      pad_token: read('pad_token'),
      cls_token: read('cls_token'),
      mask_token: read('mask_token'),
    },
    end_tokens: family === 'roberta' ? ENDS.map(read) : [],
  }
}

function readAdditional(config: Json, map: Json): SpecialToken[] {
  const key = 'additional_special_tokens'
  const value = own(config, key) ?? own(map, key) ?? []
  if (!Array.isArray(value)) {
    throw formatError(`Expected an array for ${key} but received ${shown(value)}.`)
  }
  return value.map((token) => specialToken(token, key))
}

function tokenId(id: unknown): number {
  if (typeof id === 'number' && Number.isSafeInteger(id) && id >= 0) return id
  throw formatError(`Expected ids of added tokens but received ${shown(id)}.`)
}

function readAdded(config: Json, legacy: Json): StatedToken[] {
  const key = 'added_tokens_decoder'
  const decoder = own(config, key)
  let tokens: StatedToken[]
  if (isObject(decoder)) {
    tokens = Object.entries(decoder).map(([id, value]) => {
      if (!isObject(value)) {
        throw formatError(`Expected objects in ${key} but received ${shown(value)}.`)
      }
      const special = booleanOr(value, 'special', false)
      return {
        ...specialToken(value, key),
        id: tokenId(/^\d{1,9}$/.test(id) ? Number(id) : id),
        special,
        normalized: booleanOr(value, 'normalized', !special),
      }
    })
  } else {
    tokens = Object.entries(legacy).map(([content, id]) => ({
      ...specialToken(content, 'added_tokens.json'),
      id: tokenId(id),
      special: false,
      normalized: true,
    }))
  }
  return tokens.sort((a, b) => a.id - b.id)
}

function readMaxLength(config: Json): number {
  const value = own(config, 'model_max_length')
  if (value === undefined || value === null) return Number.POSITIVE_INFINITY
  if (typeof value !== 'number' || !(value >= 1)) {
    throw formatError(
      `Expected a number of at least 1 for model_max_length but received ${shown(value)}.`,
    )
  }
  // The reference writes 1e30 for "none".
  return value > Number.MAX_SAFE_INTEGER ? Number.POSITIVE_INFINITY : Math.floor(value)
}

/** Texts are cut and padded on the right. */
function refuseOtherSides(config: Json): void {
  for (const key of ['truncation_side', 'padding_side']) {
    const side = own(config, key) ?? 'right'
    if (side !== 'right') {
      throw unsupported(
        `Expected 'right' for ${key} in tokenizer_config.json but received ${shown(side)}.`,
      )
    }
  }
}

/**
 * @param family - whose defaults apply
 * @throws ERR_TOKENIZER_FORMAT, ERR_UNSUPPORTED_TOKENIZER
 */
export async function readTokenizerConfig(
  folder: ModelFolder,
  family: Family,
): Promise<TokenizerConfig> {
  const config = await readObject(folder, 'tokenizer_config.json')
  const map = await readObject(folder, 'special_tokens_map.json')
  const legacy = await readObject(folder, 'added_tokens.json')
  refuseOtherSides(config)
  const tokenizerClass = own(config, 'tokenizer_class')
  const cleanUp = booleanOr(config, 'clean_up_tokenization_spaces', false)
  return {
    tokenizer_class: typeof tokenizerClass === 'string' ? tokenizerClass : null,
    do_basic_tokenize: booleanOr(config, 'do_basic_tokenize', true),
    do_lower_case: booleanOr(config, 'do_lower_case', true),
    strip_accents: booleanOr(config, 'strip_accents', null),
    tokenize_chinese_chars: booleanOr(config, 'tokenize_chinese_chars', true),
    add_prefix_space: booleanOr(config, 'add_prefix_space', false),
    trim_offsets: booleanOr(config, 'trim_offsets', true),
    // Byte-level tokens have their texts' own spaces: transformers 5 keeps them in any case.
    clean_up_tokenization_spaces: cleanUp && family === 'bert',
    model_max_length: readMaxLength(config),
    ...readRoles(config, map, family),
    additional_special_tokens: readAdditional(config, map),
    added_tokens: readAdded(config, legacy),
  }
}

/** @throws ERR_UNSUPPORTED_TOKENIZER when a vocabulary is not meant for the family's tokenizer */
export function checkTokenizerClass(config: TokenizerConfig, family: Family): void {
  const name = config.tokenizer_class?.replace(/Tokenizer(Fast)?$/, '')
  if (name !== undefined && !CLASSES[family].includes(name)) {
    const expected = family === 'bert' ? 'BertTokenizer' : 'RobertaTokenizer'
    throw unsupported(
      `Expected ${expected} for tokenizer_class but received ${shown(config.tokenizer_class)}. ` +
        "Only BERT's WordPiece and RoBERTa's byte-level BPE are supported.",
    )
  }
  if (!config.do_basic_tokenize) {
    throw unsupported('Expected do_basic_tokenize true but received false, which is not supported.')
  }
}

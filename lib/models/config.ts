// config.json → the geometry of an encoder. Fields that are missing have the defaults of the
// family's class in transformers; features that fusebert does not compute are refused by name,
// never ignored.

import { describe, FusebertError, type ErrorCode } from '../errors.js'
import { isObject, type ModelFolder } from '../hub/folder.js'
import type { NativeGeometry } from '../native/addon.js'

const CONFIG_NAME = 'config.json'

const PROBLEM_TYPES = [
  'regression',
  'single_label_classification',
  'multi_label_classification',
] as const
export type ProblemType = (typeof PROBLEM_TYPES)[number]

/** Families of encoders, as `model_type` names them. */
const FAMILIES = ['bert', 'roberta', 'electra', 'distilbert'] as const
export type Family = (typeof FAMILIES)[number]

export interface ModelConfig {
  readonly geometry: Readonly<Omit<NativeGeometry, 'has_pooler' | 'head'>>
  /** Tokens that there are positions for: RoBERTa's leaves out those up to padding's. */
  readonly max_sequence_length: number
  /** null when the model has none. */
  readonly pad_token_id: number | null
  /** Class names in transformers, such as BertForMaskedLM; may be empty. */
  readonly architectures: readonly string[]
  readonly model_type: Family
  /** Outputs of a classifier: `num_labels`, or else the labels of `id2label`; 2 without both. */
  readonly num_labels: number
  /** Names of a classifier's labels by their number, where the config gives them. */
  readonly id2label: Readonly<Record<string, string>>
  /** Numbers of a classifier's labels by their name: label2id, or else id2label turned round. */
  readonly label2id: Readonly<Record<string, number>>
  /** What a classifier was trained for; null when the config does not say. */
  readonly problem_type: ProblemType | null
  /** The decoder of masked words is the table of word embeddings. */
  readonly tie_word_embeddings: boolean
}

/** The bounds of native/model/geometry.h. */
const MAX_VOCAB_SIZE = 2 ** 24
const MAX_HIDDEN_SIZE = 2 ** 14
const MAX_LAYERS = 256
const MAX_INTERMEDIATE_SIZE = 2 ** 16
const MAX_POSITIONS = 2 ** 16
const MAX_TYPE_VOCAB_SIZE = 1024
const MAX_LABELS = 2 ** 24
const MIN_HEAD_DIM = 16
const MAX_HEAD_DIM = 128

/** transformers' names of activations that are computed here. */
const ACTIVATIONS: Readonly<Record<string, NativeGeometry['hidden_act']>> = {
  gelu: 'gelu',
  gelu_new: 'gelu_tanh',
  gelu_pytorch_tanh: 'gelu_tanh',
  gelu_fast: 'gelu_tanh',
  quick_gelu: 'quick_gelu',
  relu: 'relu',
  silu: 'silu',
  swish: 'silu',
}

interface Defaults {
  readonly vocab_size: number
  readonly pad_token_id: number
  readonly hidden_size: number
  readonly num_attention_heads: number
  readonly intermediate_size: number
}

const BASE = { hidden_size: 768, num_attention_heads: 12, intermediate_size: 3072 }
const SMALL = { hidden_size: 256, num_attention_heads: 4, intermediate_size: 1024 }
/** What models have whose configs do not say otherwise. */
const DEFAULTS: Readonly<Record<Family, Defaults>> = {
  bert: { vocab_size: 30522, pad_token_id: 0, ...BASE },
  roberta: { vocab_size: 50265, pad_token_id: 1, ...BASE },
  electra: { vocab_size: 30522, pad_token_id: 0, ...SMALL },
  distilbert: { vocab_size: 30522, pad_token_id: 0, ...BASE },
}
/** What DistilBERT calls otherwise, and what it calls it. */
const DISTILBERT_FIELDS: readonly (readonly [string, string])[] = [
  ['hidden_size', 'dim'],
  ['num_hidden_layers', 'n_layers'],
  ['num_attention_heads', 'n_heads'],
  ['intermediate_size', 'hidden_dim'],
  ['hidden_act', 'activation'],
]
/** What DistilBERT has whatever its config says. */
const DISTILBERT_FIXED = { num_hidden_layers: 6, layer_norm_eps: 1e-12, type_vocab_size: 1 }
/** Of ELECTRA, whose embeddings may be narrower than what follows. */
const ELECTRA_EMBEDDING_SIZE = 128

/** Encoders of RoBERTa's architecture whose texts SentencePiece cuts. */
const SENTENCE_PIECE_TYPES: readonly unknown[] = ['camembert', 'xlm-roberta']

type Json = Readonly<Record<string, unknown>>

const MAX_SHOWN = 80

/**
 * A value of a config, short enough for a message. Never looks inside arrays and objects, which may
 * nest deeper than the call stack, or have a `toString` or `constructor` of their own.
 */
function show(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (isObject(value)) return `an object of size ${Object.keys(value).length}`
  if (typeof value !== 'string') return describe(value)
  return JSON.stringify(value.length > MAX_SHOWN ? `${value.slice(0, MAX_SHOWN)}…` : value)
}

function failure(code: ErrorCode, where: string, expected: string, field: string, value: unknown) {
  const next =
    code === 'ERR_CONFIG'
      ? 'Download the file again, or correct it.'
      : 'Choose a model that needs nothing else.'
  return new FusebertError(
    code,
    `Expected ${expected} for ${field} in ${where} but received ${show(value)}. ${next}`,
  )
}

/**
 * Reads config.json of a model folder.
 * @throws ERR_FILE_NOT_FOUND, ERR_FILE_READ, ERR_CONFIG, ERR_UNSUPPORTED_MODEL
 */
export async function readConfig(folder: ModelFolder): Promise<ModelConfig> {
  const where = `${CONFIG_NAME} of ${folder.path}`
  return parseConfig(await folder.readJson(CONFIG_NAME, 'ERR_CONFIG'), where)
}

/**
 * @param value - a parsed config.json
 * @param where - names the file in messages
 * @throws ERR_CONFIG, ERR_UNSUPPORTED_MODEL
 */
export function parseConfig(value: unknown, where = CONFIG_NAME): ModelConfig {
  if (!isObject(value)) {
    throw new FusebertError(
      'ERR_CONFIG',
      `Expected a JSON object in ${where} but received another value. Download the file again.`,
    )
  }
  const architectures = readArchitectures(value, where)
  const model_type = readFamily(value, architectures, where)
  checkArchitecture(value, where)
  const fields = model_type === 'distilbert' ? translateDistilbert(value) : value
  const geometry = readGeometry(fields, model_type, where)
  const { padding_idx, max_position_embeddings } = geometry
  return Object.freeze({
    geometry: Object.freeze(geometry),
    max_sequence_length: max_position_embeddings - (padding_idx === null ? 0 : padding_idx + 1),
    pad_token_id: readPadTokenId(value, model_type, geometry.vocab_size, where),
    architectures,
    model_type,
    num_labels: readNumLabels(value, where),
    id2label: readLabels(value),
    label2id: readLabelIds(value),
    problem_type: readProblemType(value, where),
    tie_word_embeddings: readTied(value, where),
  })
}

function readArchitectures(config: Json, where: string): readonly string[] {
  const value = config['architectures'] ?? []
  if (Array.isArray(value) && value.every((name) => typeof name === 'string')) {
    return Object.freeze([...value])
  }
  throw failure('ERR_CONFIG', where, 'a list of names', 'architectures', value)
}

/** DistilBERT's config in BERT's words. */
function translateDistilbert(config: Json): Json {
  const { num_hidden_layers, ...fixed } = DISTILBERT_FIXED
  const renamed = DISTILBERT_FIELDS.flatMap(([ours, theirs]) =>
    config[theirs] === undefined ? [] : [[ours, config[theirs]] as const],
  )
  return { num_hidden_layers, ...config, ...Object.fromEntries(renamed), ...fixed }
}

function unsupported(where: string, expected: string, field: string, value: unknown) {
  return failure('ERR_UNSUPPORTED_MODEL', where, expected, field, value)
}

function readFamily(config: Json, architectures: readonly string[], where: string): Family {
  const type = config['model_type'] ?? null
  const family = FAMILIES.find((each) => each === type)
  if (family !== undefined) return family
  const expected = "'bert', 'roberta', 'electra' or 'distilbert'"
  if (SENTENCE_PIECE_TYPES.includes(type)) {
    const named = `${expected}, whose tokenizers are not SentencePiece,`
    throw unsupported(where, named, 'model_type', type)
  }
  if (type !== null) throw unsupported(where, expected, 'model_type', type)
  // Old checkpoints do not name their type; the class that they were saved from tells.
  if (architectures.length === 0 || architectures.some((n) => n.startsWith('Bert'))) return 'bert'
  if (architectures.some((name) => name.startsWith('Roberta'))) return 'roberta'
  const received = architectures.join(', ')
  throw unsupported(where, 'a class of BERT or RoBERTa', 'architectures', received)
}

/** Everything that would make another computation of the same geometry. */
function checkArchitecture(config: Json, where: string): void {
  const positions = config['position_embedding_type'] ?? 'absolute'
  if (positions !== 'absolute') {
    throw unsupported(where, "'absolute'", 'position_embedding_type', positions)
  }
  for (const field of ['is_decoder', 'add_cross_attention']) {
    const flag = config[field] ?? false
    if (flag !== false) throw unsupported(where, 'false (an encoder)', field, flag)
  }
  for (const field of ['quantization_config', 'pruned_heads']) {
    const feature = config[field] ?? {}
    const empty = isObject(feature) && Object.keys(feature).length === 0
    if (!empty) throw unsupported(where, 'nothing', field, feature)
  }
}

function readGeometry(config: Json, family: Family, where: string): ModelConfig['geometry'] {
  const integer = (field: string, fallback: number, max: number): number => {
    const value = config[field] === undefined ? fallback : config[field]
    if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= max) {
      return value
    }
    throw failure('ERR_CONFIG', where, `an integer from 1 to ${max}`, field, value)
  }
  const defaults = DEFAULTS[family]
  const hidden_size = integer('hidden_size', defaults.hidden_size, MAX_HIDDEN_SIZE)
  const heads = defaults.num_attention_heads
  const num_attention_heads = integer('num_attention_heads', heads, hidden_size)
  const head_dim = hidden_size / num_attention_heads
  if (!Number.isInteger(head_dim) || head_dim < MIN_HEAD_DIM || head_dim > MAX_HEAD_DIM) {
    throw new FusebertError(
      'ERR_CONFIG',
      `Expected an integer from ${MIN_HEAD_DIM} to ${MAX_HEAD_DIM} for hidden_size divided by ` +
        `num_attention_heads in ${where} but received ${hidden_size} / ${num_attention_heads}. ` +
        'Choose a model with such heads.',
    )
  }
  const embedding_size = config['embedding_size'] ?? ELECTRA_EMBEDDING_SIZE
  if (family === 'electra' && embedding_size !== hidden_size) {
    throw unsupported(where, `${hidden_size}, the hidden_size,`, 'embedding_size', embedding_size)
  }
  const vocab_size = integer('vocab_size', defaults.vocab_size, MAX_VOCAB_SIZE)
  const max_position_embeddings = integer('max_position_embeddings', 512, MAX_POSITIONS)
  return {
    vocab_size,
    hidden_size,
    num_hidden_layers: integer('num_hidden_layers', 12, MAX_LAYERS),
    num_attention_heads,
    intermediate_size: integer(
      'intermediate_size', defaults.intermediate_size, MAX_INTERMEDIATE_SIZE,
    ),
    max_position_embeddings,
    type_vocab_size: integer('type_vocab_size', 2, MAX_TYPE_VOCAB_SIZE),
    has_token_types: family !== 'distilbert',
    padding_idx:
      family === 'roberta'
        ? readPaddingIdx(config, vocab_size, max_position_embeddings, where)
        : null,
    layer_norm_eps: readEpsilon(config, where),
    hidden_act: readActivation(config, where),
  }
}

function readEpsilon(config: Json, where: string): number {
  const field = 'layer_norm_eps'
  const value = config[field] === undefined ? 1e-12 : config[field]
  // Native code keeps it in fp32, where it must still be more than 0.
  if (typeof value === 'number' && Math.fround(value) > 0 && value <= 1) return value
  throw failure('ERR_CONFIG', where, 'a number above 0 and at most 1', field, value)
}

function readActivation(config: Json, where: string): NativeGeometry['hidden_act'] {
  const field = 'hidden_act'
  const value = config[field] === undefined ? 'gelu' : config[field]
  if (typeof value !== 'string') throw failure('ERR_CONFIG', where, 'a name', field, value)
  const known = Object.hasOwn(ACTIVATIONS, value) ? ACTIVATIONS[value] : undefined
  if (known !== undefined) return known
  const names = Object.keys(ACTIVATIONS).map((name) => `'${name}'`)
  throw failure('ERR_UNSUPPORTED_MODEL', where, names.join(', '), field, value)
}

function readNumLabels(config: Json, where: string): number {
  const labels = config['id2label']
  const named = isObject(labels) ? Object.keys(labels).length : 0
  const value = config['num_labels'] ?? (named > 0 ? named : 2)
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MAX_LABELS) {
    return value
  }
  throw failure('ERR_CONFIG', where, `an integer from 1 to ${MAX_LABELS}`, 'num_labels', value)
}

/** Names alone: a config without usable ones is still that of an encoder. */
function readLabels(config: Json): Readonly<Record<string, string>> {
  const labels = config['id2label']
  const entries = isObject(labels) ? Object.entries(labels) : []
  const named = entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string')
  return Object.freeze(Object.fromEntries(named))
}

function readLabelIds(config: Json): Readonly<Record<string, number>> {
  const ids = config['label2id']
  const named = isObject(ids)
    ? Object.entries(ids)
    : Object.entries(readLabels(config)).map(([id, label]) => [label, Number(id)] as const)
  const entries = named.filter((entry): entry is [string, number] => Number.isInteger(entry[1]))
  return Object.freeze(Object.fromEntries(entries))
}

function readProblemType(config: Json, where: string): ProblemType | null {
  const field = 'problem_type'
  const value = config[field] ?? null
  if (value === null) return null
  const known = PROBLEM_TYPES.find((type) => type === value)
  if (known !== undefined) return known
  const names = PROBLEM_TYPES.map((name) => `'${name}'`)
  throw failure('ERR_CONFIG', where, `null, ${names.join(', ')}`, field, value)
}

function readTied(config: Json, where: string): boolean {
  const field = 'tie_word_embeddings'
  const value = config[field] ?? true
  if (typeof value === 'boolean') return value
  throw failure('ERR_CONFIG', where, 'true or false', field, value)
}

/** The id of padding, which has the last position that no token has. */
function readPaddingIdx(config: Json, vocabSize: number, positions: number, where: string): number {
  const id = readPadTokenId(config, 'roberta', vocabSize, where)
  if (id !== null && id + 1 < positions) return id
  const expected = `an id below ${positions - 1}, which leaves positions to tokens,`
  throw failure('ERR_CONFIG', where, expected, 'pad_token_id', id)
}

function readPadTokenId(
  config: Json,
  family: Family,
  vocabSize: number,
  where: string,
): number | null {
  const field = 'pad_token_id'
  const value = config[field] === undefined ? DEFAULTS[family].pad_token_id : config[field]
  if (value === null) return null
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < vocabSize) {
    return value
  }
  throw failure('ERR_CONFIG', where, `null or an id below ${vocabSize}`, field, value)
}

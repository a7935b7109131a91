// What a sentence-transformers folder says beside the model: modules.json lists the steps after the
// tokenizer (a Transformer, a Pooling, and layers such as Dense and Normalize), each with a folder
// of its own. Steps and poolings that fusebert does not compute are refused by name, never left
// out.

import { posix } from 'node:path'

import { isObject, type ModelFolder } from '../hub/folder.js'
import type { VectorPooling } from '../native/addon.js'
import { invalidField as invalid, unsupportedField as unsupported } from './folder-errors.js'
import { readPooledLayer, type PooledLayer } from './pooled-layers.js'
import { readPrompts, readSentenceConfig, type Prompts } from './prompts.js'

export interface SentenceTransformersConfig extends Prompts {
  /** Several: their vectors, end to end. */
  readonly pooling: VectorPooling | readonly VectorPooling[]
  /** Whether the tokens of a prompt are pooled like others. */
  readonly include_prompt: boolean
  /** What follows the pooling, but for a Normalize at the end. */
  readonly layers: readonly PooledLayer[]
  /** Whether vectors are divided by their L2 norm in the end. */
  readonly normalize: boolean
  /** Tokens, special ones included; null: the tokenizer's and the model's limits hold. */
  readonly max_seq_length: number | null
  /** Whether texts are lowercased before the tokenizer, whatever the tokenizer does. */
  readonly do_lower_case: boolean
  /** The folder of config.json, checkpoint and tokenizer inside this one; '' for itself. */
  readonly transformer_path: string
}

const MODULES_NAME = 'modules.json'
const MAX_SEQ_LENGTH = 2 ** 20

const POOLINGS: readonly string[] = [
  'cls', 'max', 'mean', 'mean_sqrt_len_tokens', 'weightedmean', 'lasttoken',
] satisfies VectorPooling[]

/** Names of config fields in files that list none, in the order in which vectors lie then. */
const POOLING_FLAGS: Readonly<Record<string, string>> = {
  pooling_mode_cls_token: 'cls',
  pooling_mode_max_tokens: 'max',
  pooling_mode_mean_tokens: 'mean',
  pooling_mode_mean_sqrt_len_tokens: 'mean_sqrt_len_tokens',
  pooling_mode_weightedmean_tokens: 'weightedmean',
  pooling_mode_lasttoken: 'lasttoken',
}

interface Module {
  /** The last part of its Python class: Transformer, Pooling, … */
  readonly kind: string
  readonly path: string
}

/**
 * null when the folder has no modules.json.
 * @throws ERR_CONFIG, ERR_UNSUPPORTED_MODEL, ERR_CHECKPOINT_UNSAFE (a path outside the folder),
 * ERR_FILE_NOT_FOUND, ERR_FILE_READ
 */
export async function readSentenceTransformers(
  folder: ModelFolder,
): Promise<SentenceTransformersConfig | null> {
  if (!(await folder.has(MODULES_NAME))) return null
  const modules = parseModules(folder, await folder.readJson(MODULES_NAME, 'ERR_CONFIG'))
  const kinds = modules.map(({ kind }) => kind).join(', ')
  const [transformer, pooling, ...rest] = modules
  if (transformer?.kind !== 'Transformer' || pooling?.kind !== 'Pooling') {
    throw unsupported(
      folder,
      'a Transformer, a Pooling and perhaps more, in this order,',
      'the modules',
      kinds === '' ? 'none' : kinds.slice(0, 200),
    )
  }
  const normalize = rest.at(-1)?.kind === 'Normalize'
  const layers = await Promise.all(
    rest.map(({ kind, path }) => readPooledLayer(folder, kind, path)),
  )
  return Object.freeze({
    ...(await readPooling(folder, posix.join(pooling.path, 'config.json'))),
    layers: Object.freeze(normalize ? layers.slice(0, -1) : layers),
    normalize,
    ...(await readPrompts(folder)),
    ...(await readTransformer(folder, transformer.path)),
    transformer_path: transformer.path,
  })
}

/** Whether sentence-transformers saved the folder as a CrossEncoder, which has no vectors. */
export async function isCrossEncoder(folder: ModelFolder): Promise<boolean> {
  const config = await readSentenceConfig(folder)
  return isObject(config) && config['model_type'] === 'CrossEncoder'
}

function parseModules(folder: ModelFolder, value: unknown): Module[] {
  if (!Array.isArray(value)) throw invalid(folder, MODULES_NAME, 'an array', 'modules')
  return value.map((entry: unknown, index): Module => {
    const { type, path } = isObject(entry) ? entry : {}
    if (typeof type !== 'string' || typeof path !== 'string') {
      throw invalid(folder, MODULES_NAME, 'strings', `type and path of module ${index}`)
    }
    // Classes have moved between modules of the package; a class from elsewhere is another class.
    const parts = type.split('.')
    if (parts[0] !== 'sentence_transformers' || parts.length < 2) {
      const shown = JSON.stringify(type.slice(0, 120))
      throw unsupported(folder, 'a class of sentence_transformers', `module ${index}`, shown)
    }
    // '.' is the folder itself; resolve() refuses paths that leave it.
    const normal = path === '' ? '' : posix.normalize(path).replace(/\/$/, '')
    if (path !== '') folder.resolve(path)
    return { kind: parts[parts.length - 1] ?? '', path: normal === '.' ? '' : normal }
  })
}

async function readPooling(
  folder: ModelFolder,
  name: string,
): Promise<Pick<SentenceTransformersConfig, 'pooling' | 'include_prompt'>> {
  const config = await folder.readJson(name, 'ERR_CONFIG')
  if (!isObject(config)) throw invalid(folder, name, 'an object', 'the pooling')
  const modes = poolingModes(folder, name, config)
  const known = modes.filter((mode): mode is VectorPooling => POOLINGS.includes(mode))
  const [only] = known
  if (only === undefined || known.length !== modes.length || modes.length > POOLINGS.length) {
    const received = JSON.stringify(modes.join(' + ').slice(0, 120))
    const names = POOLINGS.map((mode) => `'${mode}'`).join(', ')
    throw unsupported(folder, `some of ${names}`, `the pooling (${name})`, received)
  }
  const include_prompt = config['include_prompt'] ?? true
  if (typeof include_prompt !== 'boolean') {
    throw invalid(folder, name, 'true or false', 'include_prompt')
  }
  return { pooling: known.length === 1 ? only : Object.freeze(known), include_prompt }
}

/** `pooling_mode`, a name or several, in new files; else the flags that are set; else the mean. */
function poolingModes(folder: ModelFolder, name: string, config: Record<string, unknown>) {
  const mode = config['pooling_mode']
  if (mode !== undefined && mode !== null) {
    const modes: unknown[] = Array.isArray(mode) ? mode : [mode]
    if (modes.every((entry) => typeof entry === 'string')) return modes
    throw invalid(folder, name, 'a name', 'pooling_mode')
  }
  const fields = Object.entries(config).filter(([field]) => field.startsWith('pooling_mode_'))
  for (const [field, value] of fields) {
    if (typeof value !== 'boolean') throw invalid(folder, name, 'true or false', field)
  }
  const set = fields.filter(([, value]) => value === true).map(([field]) => field)
  const known = Object.keys(POOLING_FLAGS).filter((field) => set.includes(field))
  const others = set.filter((field) => !Object.hasOwn(POOLING_FLAGS, field))
  const modes = [...known.map((field) => POOLING_FLAGS[field] ?? field), ...others]
  return modes.length === 0 ? ['mean'] : modes
}

async function readTransformer(
  folder: ModelFolder,
  path: string,
): Promise<{ max_seq_length: number | null; do_lower_case: boolean }> {
  const name = posix.join(path, 'sentence_bert_config.json')
  if (!(await folder.has(name))) return { max_seq_length: null, do_lower_case: false }
  const config = await folder.readJson(name, 'ERR_CONFIG')
  if (!isObject(config)) throw invalid(folder, name, 'an object', 'the transformer')
  const length = config['max_seq_length'] ?? null
  const whole = typeof length === 'number' && Number.isInteger(length)
  if (length !== null && !(whole && length >= 1 && length <= MAX_SEQ_LENGTH)) {
    throw invalid(folder, name, `null or an integer from 1 to ${MAX_SEQ_LENGTH}`, 'max_seq_length')
  }
  const lower = config['do_lower_case'] ?? false
  if (typeof lower !== 'boolean') throw invalid(folder, name, 'true or false', 'do_lower_case')
  return { max_seq_length: whole ? length : null, do_lower_case: lower }
}

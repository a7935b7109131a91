// The tensors that an encoder of BERT's kind reads, under the names that checkpoints give them.
// Canonical names are those of transformers' BertModel, RobertaModel and ElectraModel; checkpoints
// of models with heads put the family's name before them, some trainers `module.`, and old ones
// call LayerNorm's weight and bias gamma and beta. Tensors beyond those are ignored.

import type { StoredTensor, TensorTable, WeightDtype } from '../checkpoint/tensor-table.js'
import { FusebertError } from '../errors.js'
import type { NativeTensor } from '../native/addon.js'
import type { Family, ModelConfig } from './config.js'

export interface BertTensors {
  /** In the order of use, by canonical name. */
  tensors: NativeTensor[]
  /** pooler.dense.{weight,bias} are among them. */
  has_pooler: boolean
  /** What the checkpoint puts before the encoder's names. */
  prefix: string
}

/** A tensor by its canonical name. */
export interface Requirement {
  readonly name: string
  readonly shape: readonly number[]
}

export interface Found extends Requirement {
  readonly storedName: string
  readonly tensor: StoredTensor
}

/** Names of families in messages. */
const NAMES: Readonly<Record<Family, string>> = {
  bert: 'BERT',
  roberta: 'RoBERTa',
  electra: 'ELECTRA',
  distilbert: 'DistilBERT',
}
/** Missing tensors that a message names. */
const MAX_NAMED = 4

/** The first is preferred when two fit equally well: transformers looks for it first, too. */
const prefixes = (family: Family): string[] => [`${family}.`, '', `module.${family}.`, 'module.']

function requirements(geometry: ModelConfig['geometry']): Requirement[] {
  const { hidden_size: hidden, intermediate_size: intermediate } = geometry
  const norm = (name: string): Requirement[] => [
    { name: `${name}.weight`, shape: [hidden] },
    { name: `${name}.bias`, shape: [hidden] },
  ]
  const dense = (name: string, rows: number, columns: number): Requirement[] => [
    { name: `${name}.weight`, shape: [rows, columns] },
    { name: `${name}.bias`, shape: [rows] },
  ]
  const table = (name: string, rows: number): Requirement => ({
    name: `embeddings.${name}.weight`,
    shape: [rows, hidden],
  })
  const layer = (index: number): Requirement[] => {
    const prefix = `encoder.layer.${index}`
    return [
      ...dense(`${prefix}.attention.self.query`, hidden, hidden),
      ...dense(`${prefix}.attention.self.key`, hidden, hidden),
      ...dense(`${prefix}.attention.self.value`, hidden, hidden),
      ...dense(`${prefix}.attention.output.dense`, hidden, hidden),
      ...norm(`${prefix}.attention.output.LayerNorm`),
      ...dense(`${prefix}.intermediate.dense`, intermediate, hidden),
      ...dense(`${prefix}.output.dense`, hidden, intermediate),
      ...norm(`${prefix}.output.LayerNorm`),
    ]
  }
  return [
    table('word_embeddings', geometry.vocab_size),
    table('position_embeddings', geometry.max_position_embeddings),
    ...(geometry.has_token_types
      ? [table('token_type_embeddings', geometry.type_vocab_size)]
      : []),
    ...norm('embeddings.LayerNorm'),
    ...Array.from({ length: geometry.num_hidden_layers }, (_, index) => layer(index)).flat(),
  ]
}

function poolerRequirements(hidden: number): Requirement[] {
  return [
    { name: 'pooler.dense.weight', shape: [hidden, hidden] },
    { name: 'pooler.dense.bias', shape: [hidden] },
  ]
}

/** The tensor that a checkpoint calls so, by today's name or by the one before it. */
export function findStored(
  table: TensorTable,
  storedAs: string,
  requirement: Requirement,
): Found | undefined {
  // Today's name wins where both are there.
  const older = storedAs
    .replace(/LayerNorm\.weight$/, 'LayerNorm.gamma')
    .replace(/LayerNorm\.bias$/, 'LayerNorm.beta')
  for (const storedName of [storedAs, older]) {
    const tensor = table.tensors.get(storedName)
    if (tensor !== undefined) return { ...requirement, storedName, tensor }
  }
  return undefined
}

/** What DistilBERT calls the parts of a layer. */
const DISTILBERT_PARTS: readonly (readonly [string, string])[] = [
  ['attention.self.query', 'attention.q_lin'],
  ['attention.self.key', 'attention.k_lin'],
  ['attention.self.value', 'attention.v_lin'],
  ['attention.output.dense', 'attention.out_lin'],
  ['attention.output.LayerNorm', 'sa_layer_norm'],
  ['intermediate.dense', 'ffn.lin1'],
  ['output.dense', 'ffn.lin2'],
  ['output.LayerNorm', 'output_layer_norm'],
]

/** A canonical name as the family has it. */
function familyName(family: Family, name: string): string {
  const layer = /^encoder\.layer\.(\d+)\.(.*)\.(weight|bias)$/.exec(name)
  if (family !== 'distilbert' || layer === null) return name
  const [, index, part, end] = layer
  const theirs = DISTILBERT_PARTS.find(([ours]) => ours === part)?.[1] ?? part
  return `transformer.layer.${index}.${theirs}.${end}`
}

/**
 * The encoder's tensors. One prefix holds for all of them: the one under which most are found, so
 * that tensors of two models in one checkpoint are never mixed.
 * @throws ERR_TENSOR_MISSING, ERR_TENSOR_SHAPE, ERR_TENSOR_DTYPE
 */
export function bertTensors(table: TensorTable, config: ModelConfig): BertTensors {
  const required = requirements(config.geometry)
  const stored = (start: string, { name }: Requirement): string =>
    start + familyName(config.model_type, name)
  const find = (start: string, requirement: Requirement): Found | undefined =>
    findStored(table, stored(start, requirement), requirement)
  let prefix = ''
  let most = -1
  for (const candidate of prefixes(config.model_type)) {
    const count = required.filter((entry) => find(candidate, entry) !== undefined).length
    if (count > most) [prefix, most] = [candidate, count]
  }
  const pooler = poolerRequirements(config.geometry.hidden_size)
  const has_pooler = pooler.some((entry) => find(prefix, entry) !== undefined)
  const found: Found[] = []
  const missing: string[] = []
  for (const requirement of has_pooler ? [...required, ...pooler] : required) {
    const entry = find(prefix, requirement)
    if (entry === undefined) missing.push(stored(prefix, requirement))
    else found.push(entry)
  }
  if (missing.length > 0) throw missingTensors(config.model_type, missing, found.length)
  return { tensors: found.map(toNative), has_pooler, prefix }
}

function missingTensors(
  family: Family,
  missing: readonly string[],
  found: number,
): FusebertError {
  const named = missing.slice(0, MAX_NAMED).join(', ')
  const more = missing.length > MAX_NAMED ? ` and ${missing.length - MAX_NAMED} more` : ''
  return new FusebertError(
    'ERR_TENSOR_MISSING',
    `Expected ${found + missing.length} tensors of the ${NAMES[family]} encoder in the ` +
      `checkpoint but ${named}${more} are missing. ` +
      'Check that config.json belongs to this checkpoint.',
  )
}

function isWeightDtype(dtype: string): dtype is WeightDtype {
  return dtype === 'F32' || dtype === 'F16' || dtype === 'BF16'
}

/** @throws ERR_TENSOR_SHAPE, ERR_TENSOR_DTYPE */
export function toNative({ name, shape, storedName, tensor }: Found): NativeTensor {
  const same =
    tensor.shape.length === shape.length &&
    shape.every((size, axis) => size === tensor.shape[axis])
  if (!same) {
    throw new FusebertError(
      'ERR_TENSOR_SHAPE',
      `Expected shape [${shape.join(', ')}], as config.json says, for ${storedName} but received ` +
        `[${tensor.shape.slice(0, 8).join(', ')}]. ` +
        'Check that config.json belongs to this checkpoint.',
    )
  }
  const { dtype } = tensor
  if (!isWeightDtype(dtype)) {
    throw new FusebertError(
      'ERR_TENSOR_DTYPE',
      `Expected F32, F16 or BF16 for ${storedName} but received ${dtype}. ` +
        'Convert the checkpoint to one of them.',
    )
  }
  return {
    name,
    dtype,
    shape: tensor.shape,
    strides: tensor.strides,
    file_index: tensor.fileIndex,
    offset_bytes: tensor.offsetBytes,
  }
}

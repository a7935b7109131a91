// The modules of sentence-transformers that make one vector of another: Dense, LayerNorm and
// Normalize. Each has a folder with config.json, and all but Normalize a checkpoint.

import { posix } from 'node:path'

import { openCheckpoint } from '../checkpoint/checkpoint.js'
import type { CheckpointFile } from '../checkpoint/tensor-table.js'
import { FusebertError } from '../errors.js'
import { isObject, type ModelFolder } from '../hub/folder.js'
import type { NativePooledLayer, NativeTensor } from '../native/addon.js'
import { findStored, toNative } from './bert.js'
import { invalidField, unsupportedField } from './folder-errors.js'

export interface PooledLayer {
  /** The module's class in Python. */
  readonly module: 'Dense' | 'LayerNorm' | 'Normalize'
  /** Its folder inside the model's. */
  readonly path: string
  /** Numbers that it takes and gives; null for a Normalize, which takes any. */
  readonly inputs: number | null
  readonly outputs: number | null
  readonly bias: boolean
  readonly activation: NativePooledLayer['activation']
}

/** As in native/model/pooled_layers.h. */
const MAX_COLUMNS = 2 ** 17
const MAX_LAYERS = 16

/** Classes of torch that stand between modules. Without a name it is tanh. */
const ACTIVATIONS: Readonly<Record<string, NativePooledLayer['activation']>> = {
  'torch.nn.modules.activation.Tanh': 'tanh',
  'torch.nn.modules.activation.GELU': 'gelu',
  'torch.nn.modules.activation.ReLU': 'relu',
  'torch.nn.modules.activation.SiLU': 'silu',
  'torch.nn.modules.linear.Identity': 'none',
}
/** What modules read and write: the vector of the text. */
const VECTOR = 'sentence_embedding'

type Config = Readonly<Record<string, unknown>>

/**
 * @param kind - the last part of the module's Python class
 * @throws ERR_CONFIG, ERR_UNSUPPORTED_MODEL, ERR_FILE_NOT_FOUND, ERR_FILE_READ
 */
export async function readPooledLayer(
  folder: ModelFolder,
  kind: string,
  path: string,
): Promise<PooledLayer> {
  if (kind !== 'Dense' && kind !== 'LayerNorm' && kind !== 'Normalize') {
    const expected = 'Dense, LayerNorm or Normalize after the Pooling'
    throw unsupportedField(folder, expected, 'the modules', kind.slice(0, 120))
  }
  const name = posix.join(path, 'config.json')
  const plain = { module: kind, path, bias: false, activation: 'none' } as const
  if (kind === 'Normalize') {
    // Old versions wrote none.
    if (await folder.has(name)) checkNames(folder, name, await readObject(folder, name))
    return Object.freeze({ ...plain, inputs: null, outputs: null })
  }
  const config = await readObject(folder, name)
  const size = (field: string): number => {
    const value = config[field]
    const whole = typeof value === 'number' && Number.isInteger(value)
    if (whole && value >= 1 && value <= MAX_COLUMNS) return value
    throw invalidField(folder, name, `an integer from 1 to ${MAX_COLUMNS}`, field)
  }
  if (kind === 'LayerNorm') {
    const dimension = size('dimension')
    return Object.freeze({ ...plain, inputs: dimension, outputs: dimension })
  }
  checkNames(folder, name, config)
  if ((config['use_residual'] ?? false) !== false) {
    throw unsupportedField(folder, 'false', `use_residual (${name})`, 'another value')
  }
  const bias = config['bias'] ?? true
  if (typeof bias !== 'boolean') throw invalidField(folder, name, 'true or false', 'bias')
  const activation = readActivation(folder, name, config)
  const [inputs, outputs] = [size('in_features'), size('out_features')]
  return Object.freeze({ ...plain, inputs, outputs, bias, activation })
}

async function readObject(folder: ModelFolder, name: string): Promise<Config> {
  const config = await folder.readJson(name, 'ERR_CONFIG')
  if (isObject(config)) return config
  throw invalidField(folder, name, 'an object', 'the module')
}

function checkNames(folder: ModelFolder, name: string, config: Config): void {
  for (const field of ['module_input_name', 'module_output_name']) {
    if ((config[field] ?? VECTOR) === VECTOR) continue
    throw unsupportedField(folder, `'${VECTOR}'`, `${field} (${name})`, 'another value')
  }
}

function readActivation(folder: ModelFolder, name: string, config: Config) {
  const value = config['activation_function'] ?? 'torch.nn.modules.activation.Tanh'
  if (typeof value !== 'string') {
    throw invalidField(folder, name, 'the name of a class', 'activation_function')
  }
  const known = Object.hasOwn(ACTIVATIONS, value) ? ACTIVATIONS[value] : undefined
  if (known !== undefined) return known
  const names = Object.keys(ACTIVATIONS).map((key) => key.replace(/^.*\./, ''))
  throw unsupportedField(
    folder,
    `one of torch's ${names.join(', ')}`,
    `activation_function (${name})`,
    JSON.stringify(value.slice(0, 120)),
  )
}

export interface OpenedLayers {
  readonly layers: NativePooledLayer[]
  readonly files: readonly CheckpointFile[]
  /** Their file_index counts from `firstFile` on. */
  readonly tensors: NativeTensor[]
  /** Numbers of a vector in the end. */
  readonly outputs: number
}

/**
 * Opens the checkpoints of layers; weights are not read.
 * @param columns - numbers of a pooled vector
 * @param firstFile - files that other tensors of the model are in
 * @throws ERR_CONFIG when a layer does not take what is before it, and as openCheckpoint;
 * ERR_TENSOR_MISSING, ERR_TENSOR_SHAPE, ERR_TENSOR_DTYPE
 */
export async function openPooledLayers(
  folder: ModelFolder,
  layers: readonly PooledLayer[],
  columns: number,
  firstFile: number,
): Promise<OpenedLayers> {
  if (layers.length > MAX_LAYERS) {
    const expected = `at most ${MAX_LAYERS}`
    throw unsupportedField(folder, expected, 'the layers after the Pooling', `${layers.length}`)
  }
  const specs: NativePooledLayer[] = []
  const files: CheckpointFile[] = []
  const tensors: NativeTensor[] = []
  let outputs = columns
  for (const [index, layer] of layers.entries()) {
    if (layer.inputs !== null && layer.inputs !== outputs) {
      throw new FusebertError(
        'ERR_CONFIG',
        `Expected a ${layer.module} that takes ${outputs} numbers in ${layer.path} of ` +
          `${folder.path} but received one for ${layer.inputs}. Download the folder again.`,
      )
    }
    const spec = specOf(layer, outputs)
    const opened = await openTensors(folder, layer, spec, index, firstFile + files.length)
    specs.push(spec)
    files.push(...opened.files)
    tensors.push(...opened.tensors)
    outputs = spec.outputs
  }
  return { layers: specs, files, tensors, outputs }
}

const KINDS = { Dense: 'dense', LayerNorm: 'layer_norm', Normalize: 'normalize' } as const

function specOf(layer: PooledLayer, columns: number): NativePooledLayer {
  const { module, bias, activation, outputs } = layer
  return { kind: KINDS[module], inputs: columns, outputs: outputs ?? columns, bias, activation }
}

async function openTensors(
  folder: ModelFolder,
  { module, path }: PooledLayer,
  spec: NativePooledLayer,
  index: number,
  firstFile: number,
): Promise<{ files: readonly CheckpointFile[]; tensors: NativeTensor[] }> {
  if (module === 'Normalize') return { files: [], tensors: [] }
  const table = await openCheckpoint(folder.child(path))
  const dense = module === 'Dense'
  const stored = dense ? 'linear' : 'norm'
  const wanted = [
    { part: 'weight', shape: dense ? [spec.outputs, spec.inputs] : [spec.inputs] },
    ...(spec.bias || !dense ? [{ part: 'bias', shape: [spec.outputs] }] : []),
  ]
  const tensors = wanted.map(({ part, shape }) => {
    const name = `pooled.${index}.${part}`
    const found = findStored(table, `${stored}.${part}`, { name, shape })
    if (found === undefined) {
      throw new FusebertError(
        'ERR_TENSOR_MISSING',
        `Expected ${stored}.${part} in the checkpoint of ${path} of ${folder.path} but it is not ` +
          'there. Download the folder again.',
      )
    }
    const tensor = toNative(found)
    return { ...tensor, file_index: tensor.file_index + firstFile }
  })
  return { files: table.files, tensors }
}

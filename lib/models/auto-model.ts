// AutoModel: padded ids and masks in, hidden states out, as in transformers. Inside, the padding is
// dropped before the encoder runs and comes back as zeros.

import { callable } from '../callable.js'
import { FusebertError, invalidArgument } from '../errors.js'
import { ModelFolder } from '../hub/folder.js'
import type { NativeModelInfo } from '../native/addon.js'
import { checkOptions, checkSignal } from '../options.js'
import { Tensor } from '../tensor.js'
import type { ModelConfig } from './config.js'
import type { LoadOptions } from './load-options.js'
import { LoadedModel } from './loaded-model.js'

/** Integers [batch, S]: a Tensor of type int32, int64 or bool, or nested arrays. */
export type IntegerMatrix = Tensor | readonly (readonly (number | bigint)[])[]

export interface CallOptions {
  /** Aborts the call, which then rejects with the signal's reason. */
  signal?: AbortSignal
}

export interface ModelInputs {
  /** Token ids [batch, S]. */
  input_ids: IntegerMatrix
  /** 1 for tokens, then 0 for padding [batch, S]; default: all ones. Holes are refused. */
  attention_mask?: IntegerMatrix
  /** Token types [batch, S]; default: zeros. */
  token_type_ids?: IntegerMatrix
}

export interface ModelOutput {
  /** [batch, S, hidden_size], the last layer's; zeros in the padding. */
  last_hidden_state: Tensor<'float32'>
  /** [batch, hidden_size]: tanh(W·h + b) of the first token; absent without a pooler. */
  pooler_output?: Tensor<'float32'>
}

export interface BertModel {
  /**
   * @throws ERR_INVALID_ARGUMENT (shapes, a mask with holes or without a token), ERR_INPUT_TOKEN,
   * ERR_INPUT_TOO_LONG, ERR_DISPOSED; the signal's reason when aborted
   */
  (inputs: ModelInputs, options?: CallOptions): Promise<ModelOutput>
  readonly config: ModelConfig
  readonly device: Readonly<NativeModelInfo>
  /**
   * Gives back the memory that only running needs, for a model that will be idle: a GPU's
   * workspace, buffers and graphs, and the last batch. Waits for the batch under way; the next call
   * takes it again.
   * @throws ERR_DISPOSED
   */
  trim(): Promise<void>
  /** Frees the weights; calls under way reject with ERR_DISPOSED. Idempotent. */
  dispose(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

interface Matrix {
  rows: number
  columns: number
  /** NaN for what is not a number. */
  at(row: number, column: number): number
}

function toMatrix(value: unknown, name: string): Matrix {
  if (value instanceof Tensor) {
    const [rows, columns] = value.dims
    if (value.dims.length !== 2 || rows === undefined || columns === undefined) {
      throw invalidArgument(`a Tensor of dims [batch, S]`, name, value.dims)
    }
    if (value.type === 'float32') throw invalidArgument('integers', name, value)
    const { data } = value
    return { rows, columns, at: (row, column) => Number(data[row * columns + column]) }
  }
  if (!Array.isArray(value) || !value.every((row) => Array.isArray(row))) {
    throw invalidArgument('a Tensor or nested arrays [batch, S]', name, value)
  }
  const nested = value as (number | bigint)[][]
  const columns = nested[0]?.length ?? 0
  if (nested.some((row) => row.length !== columns)) {
    throw invalidArgument('rows of equal length (pad them)', name, value)
  }
  const at = (row: number, column: number): number => {
    const item: unknown = nested[row]?.[column]
    return typeof item === 'number' || typeof item === 'bigint' ? Number(item) : NaN
  }
  return { rows: nested.length, columns, at }
}

/** The number of leading ones of a mask's row, which must be followed by zeros only. */
function rowLength(mask: Matrix, row: number): number {
  let length = 0
  while (length < mask.columns && mask.at(row, length) === 1) length += 1
  for (let column = length; column < mask.columns; column += 1) {
    if (mask.at(row, column) !== 0) {
      throw new FusebertError(
        'ERR_INVALID_ARGUMENT',
        'Expected ones and then zeros in each row of attention_mask ' +
          `but row ${row} has a hole. Pad on the right.`,
      )
    }
  }
  if (length === 0) {
    throw new FusebertError(
      'ERR_INVALID_ARGUMENT',
      `Expected at least one token in each row but attention_mask is zero in row ${row}.`,
    )
  }
  return length
}

interface Packed {
  rows: number
  columns: number
  input_ids: Int32Array
  token_type_ids: Int32Array
  cu_seqlens: Int32Array
}

const MAX_INT32 = 0x7fffffff

function toInt32(value: number, name: string): number {
  if (Number.isInteger(value) && value >= 0 && value <= MAX_INT32) return value
  throw invalidArgument('integers ≥ 0', name, value)
}

/** Drops the padding. */
function pack(inputs: ModelInputs): Packed {
  if (typeof inputs !== 'object' || inputs === null) {
    throw invalidArgument('{ input_ids, attention_mask, token_type_ids }', 'inputs', inputs)
  }
  const ids = toMatrix(inputs.input_ids, 'input_ids')
  const { rows, columns } = ids
  const optional = (value: IntegerMatrix | undefined, name: string): Matrix | undefined => {
    if (value === undefined) return undefined
    const matrix = toMatrix(value, name)
    if (matrix.rows === rows && matrix.columns === columns) return matrix
    throw new FusebertError(
      'ERR_INVALID_ARGUMENT',
      `Expected shape [${rows}, ${columns}] for ${name}, as input_ids has, ` +
        `but received [${matrix.rows}, ${matrix.columns}].`,
    )
  }
  const mask = optional(inputs.attention_mask, 'attention_mask')
  const types = optional(inputs.token_type_ids, 'token_type_ids')
  const cu_seqlens = new Int32Array(rows + 1)
  for (let row = 0; row < rows; row += 1) {
    cu_seqlens[row + 1] =
      (cu_seqlens[row] ?? 0) + (mask === undefined ? columns : rowLength(mask, row))
  }
  const total = cu_seqlens[rows] ?? 0
  const input_ids = new Int32Array(total)
  const token_type_ids = new Int32Array(total)
  for (let row = 0, token = 0; row < rows; row += 1) {
    const length = (cu_seqlens[row + 1] ?? 0) - (cu_seqlens[row] ?? 0)
    for (let column = 0; column < length; column += 1, token += 1) {
      input_ids[token] = toInt32(ids.at(row, column), 'input_ids')
      if (types !== undefined) {
        token_type_ids[token] = toInt32(types.at(row, column), 'token_type_ids')
      }
    }
  }
  return { rows, columns, input_ids, token_type_ids, cu_seqlens }
}

async function forward(
  model: LoadedModel,
  inputs: ModelInputs,
  options: CallOptions | undefined,
): Promise<ModelOutput> {
  const signal = checkSignal(checkOptions<CallOptions>('options', ['signal'], options).signal)
  const packed = pack(inputs)
  const hiddenSize = model.config.geometry.hidden_size
  const result = await model.encodeIds(
    packed.input_ids,
    packed.token_type_ids,
    packed.cu_seqlens,
    {
      pooling: 'none',
      normalize: false,
      hidden_states: true,
      pooler_output: model.hasPooler,
    },
    packed.columns,
    signal,
  )
  const hidden = result.hidden_states ?? new Float32Array(0)
  const dims = [packed.rows, packed.columns, hiddenSize]
  const output: ModelOutput = { last_hidden_state: new Tensor('float32', hidden, dims) }
  if (result.pooler_output !== null) {
    output.pooler_output = new Tensor('float32', result.pooler_output, [packed.rows, hiddenSize])
  }
  return output
}

export const AutoModel = {
  /**
   * Loads a BERT encoder from a folder with config.json and a checkpoint.
   * @throws FusebertError with the code of what is wrong with the folder or the options
   */
  async from_pretrained(path: string, options?: LoadOptions): Promise<BertModel> {
    const model = await LoadedModel.load(await ModelFolder.open(path), options)
    const call = (inputs: ModelInputs, callOptions?: CallOptions) =>
      forward(model, inputs, callOptions)
    return callable(call, {
      config: model.config,
      device: model.info,
      trim: () => model.trim(),
      dispose: () => model.dispose(),
      [Symbol.asyncDispose]: () => model.dispose(),
    })
  },
}

// What models are called with, as in transformers: padded ids and masks. Inside, the padding is
// dropped before the encoder runs.

import { FusebertError, invalidArgument } from '../errors.js'
import { Tensor } from '../tensor.js'

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

export interface PackedInputs {
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

/**
 * Drops the padding.
 * @throws ERR_INVALID_ARGUMENT: shapes, a mask with holes or without a token
 */
export function packInputs(inputs: ModelInputs): PackedInputs {
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

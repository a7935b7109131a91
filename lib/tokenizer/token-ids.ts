// Token ids as callers give them, checked: lists of numbers, typed arrays, packed, or a Tensor.

import { invalidArgument } from '../errors.js'
import { Tensor } from '../tensor.js'

export type TokenIds = readonly number[] | readonly bigint[] | Int32Array | BigInt64Array

/** Sequences of ids: a list of them, packed as encodeBatch gives them, or rows of a Tensor. */
export type TokenIdRows =
  | readonly TokenIds[]
  | { input_ids: Int32Array; cu_seqlens: Int32Array }
  | Tensor

export interface PackedIds {
  ids: Int32Array
  cu_seqlens: Int32Array
}

function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || value instanceof Int32Array || value instanceof BigInt64Array
}

/** Ids that no token can have become -1, which no token has either. */
function toId(value: unknown, subject: string, i: number): number {
  if (typeof value === 'bigint') return value >= 0n && value < 2n ** 31n ? Number(value) : -1
  if (typeof value !== 'number' || !Number.isInteger(value)) {
    throw invalidArgument('an integer', `${subject}[${i}]`, value)
  }
  return value >= 0 && value < 2 ** 31 ? value : -1
}

/** @throws ERR_INVALID_ARGUMENT */
export function checkIds(subject: string, value: unknown): Int32Array {
  if (!isList(value)) throw invalidArgument('token ids', subject, value)
  return Int32Array.from(value, (id, i) => toId(id, subject, i))
}

function tensorRows(tensor: Tensor): PackedIds {
  const [rows, columns] = tensor.dims
  if (tensor.dims.length !== 2 || rows === undefined || columns === undefined) {
    throw invalidArgument('a Tensor of two dimensions', 'rows', tensor.dims)
  }
  if (!isList(tensor.data)) throw invalidArgument('a Tensor of integers', 'rows', tensor.type)
  const ids = checkIds('rows', tensor.data)
  return { ids, cu_seqlens: Int32Array.from({ length: rows + 1 }, (_, row) => row * columns) }
}

function isPacked(value: unknown): value is { input_ids: Int32Array; cu_seqlens: Int32Array } {
  return (
    typeof value === 'object' && value !== null && 'input_ids' in value && 'cu_seqlens' in value &&
    value.input_ids instanceof Int32Array && value.cu_seqlens instanceof Int32Array
  )
}

/** @throws ERR_INVALID_ARGUMENT */
export function checkRows(value: unknown): PackedIds {
  if (value instanceof Tensor) return tensorRows(value)
  if (isPacked(value)) return { ids: value.input_ids, cu_seqlens: value.cu_seqlens }
  if (!Array.isArray(value)) throw invalidArgument('an array of token ids', 'rows', value)
  const rows = Array.from(value, (row: unknown, i) => checkIds(`rows[${i}]`, row))
  const cu_seqlens = new Int32Array(rows.length + 1)
  rows.forEach((row, i) => {
    cu_seqlens[i + 1] = (cu_seqlens[i] ?? 0) + row.length
  })
  const ids = new Int32Array(cu_seqlens[rows.length] ?? 0)
  rows.forEach((row, i) => ids.set(row, cu_seqlens[i]))
  return { ids, cu_seqlens }
}

// Token ids as callers give them, checked: lists of numbers, typed arrays, packed, or a Tensor.

import { FusebertError, invalidArgument } from '../errors.js'
import { Tensor } from '../tensor.js'
import { sliced, type Slices } from '../turns.js'

/** What takes some tenths of a millisecond. */
const IDS_AT_ONCE = 1 << 14
const ROWS_AT_ONCE = 1 << 14
const MAX_IDS = 2 ** 31 - 1
const ROWS_OF_PART = 1 << 9
const IDS_OF_PART = 1 << 15

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

/** Copies ids to `to`, from `begin` on. @throws ERR_INVALID_ARGUMENT */
function* copyIds(
  subject: string,
  ids: ArrayLike<unknown>,
  to: Int32Array,
  begin: number,
): Slices<void> {
  // Of a caller's array that shrinks meanwhile nothing is left over.
  yield* sliced(Math.min(ids.length, to.length - begin), IDS_AT_ONCE, (from, until) => {
    if (ids instanceof Int32Array) {
      to.set(ids.subarray(from, until), begin + from)
      return
    }
    for (let i = from; i < until; i += 1) to[begin + i] = toId(ids[i], subject, i)
  })
}

function checkList(subject: string, value: unknown): ArrayLike<unknown> {
  if (!isList(value)) throw invalidArgument('token ids', subject, value)
  return value
}

/** A copy. @throws ERR_INVALID_ARGUMENT */
export function* checkIds(subject: string, value: unknown): Slices<Int32Array> {
  const list = checkList(subject, value)
  const ids = new Int32Array(list.length)
  yield* copyIds(subject, list, ids, 0)
  return ids
}

function* tensorRows(tensor: Tensor): Slices<PackedIds> {
  const [rows, columns] = tensor.dims
  if (tensor.dims.length !== 2 || rows === undefined || columns === undefined) {
    throw invalidArgument('a Tensor of two dimensions', 'rows', tensor.dims)
  }
  if (!isList(tensor.data)) throw invalidArgument('a Tensor of integers', 'rows', tensor.type)
  const ids = yield* checkIds('rows', tensor.data)
  const cu_seqlens = new Int32Array(rows + 1)
  yield* sliced(rows + 1, ROWS_AT_ONCE, (from, to) => {
    for (let row = from; row < to; row += 1) cu_seqlens[row] = row * columns
  })
  return { ids, cu_seqlens }
}

function isPacked(value: unknown): value is { input_ids: Int32Array; cu_seqlens: Int32Array } {
  return (
    typeof value === 'object' && value !== null && 'input_ids' in value && 'cu_seqlens' in value &&
    value.input_ids instanceof Int32Array && value.cu_seqlens instanceof Int32Array
  )
}

function* listRows(value: readonly unknown[]): Slices<PackedIds> {
  // A copy: what is checked is what is used.
  const rows = new Array<ArrayLike<unknown>>(value.length)
  const cu_seqlens = new Int32Array(rows.length + 1)
  let count = 0
  yield* sliced(rows.length, ROWS_AT_ONCE, (from, to) => {
    for (let i = from; i < to; i += 1) {
      const row = checkList(`rows[${i}]`, value[i])
      count += row.length
      if (count > MAX_IDS) {
        throw new FusebertError('ERR_INPUT_TOO_LONG', 'Expected less than 2^31 ids in one call.')
      }
      rows[i] = row
      cu_seqlens[i + 1] = count
    }
  })
  const ids = new Int32Array(count)
  let copied = 0
  for (const [i, row] of rows.entries()) {
    yield* copyIds(`rows[${i}]`, row, ids, cu_seqlens[i] ?? 0)
    copied += row.length + 1
    if (copied >= IDS_AT_ONCE) {
      yield
      copied = 0
    }
  }
  return { ids, cu_seqlens }
}

/** Copies. @throws ERR_INVALID_ARGUMENT */
export function* checkRows(value: unknown): Slices<PackedIds> {
  if (value instanceof Tensor) return yield* tensorRows(value)
  if (isPacked(value)) {
    const cu_seqlens = yield* checkIds('cu_seqlens', value.cu_seqlens)
    return { ids: yield* checkIds('rows', value.input_ids), cu_seqlens }
  }
  if (!Array.isArray(value)) throw invalidArgument('an array of token ids', 'rows', value)
  return yield* listRows(value)
}

/** cu_seqlens of the rows in parts, each of which is little to make strings of. */
export function* rowParts({ cu_seqlens }: PackedIds): Generator<Int32Array> {
  let first = 0
  // Native code says what is wrong with it.
  if (cu_seqlens.length < 2) yield cu_seqlens
  for (let i = 1; i < cu_seqlens.length; i += 1) {
    const ids = (cu_seqlens[i] ?? 0) - (cu_seqlens[first] ?? 0)
    const last = i + 1 === cu_seqlens.length
    if (!last && i - first < ROWS_OF_PART && ids < IDS_OF_PART) continue
    yield cu_seqlens.slice(first, i + 1)
    first = i
  }
}

/** `map` of each id. */
export function* mapIds<T>(ids: Int32Array, map: (id: number) => T): Slices<T[]> {
  const mapped = new Array<T>(ids.length)
  yield* sliced(ids.length, IDS_AT_ONCE, (from, until) => {
    for (let i = from; i < until; i += 1) mapped[i] = map(ids[i] ?? 0)
  })
  return mapped
}

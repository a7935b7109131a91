// Names of poolings, and how wide vectors are by them.

import { invalidArgument } from '../errors.js'
import type { Pooling } from '../native/addon.js'
import { checkChoice } from '../options.js'

export const VECTOR_POOLINGS = [
  'mean', 'cls', 'max', 'mean_sqrt_len_tokens', 'weightedmean', 'lasttoken',
] as const
export const POOLINGS = ['none', ...VECTOR_POOLINGS] as const

/** @throws ERR_INVALID_ARGUMENT */
export function checkPooling(value: unknown): Pooling {
  if (!Array.isArray(value)) return checkChoice(POOLINGS, 'pooling', value)
  if (value.length < 1 || value.length > VECTOR_POOLINGS.length) {
    throw invalidArgument(`1 to ${VECTOR_POOLINGS.length} names`, 'pooling', value)
  }
  return value.map((name: unknown) => checkChoice(VECTOR_POOLINGS, 'pooling', name))
}

export const listOf = (pooling: Pooling): readonly string[] =>
  typeof pooling === 'string' ? [pooling] : pooling

interface Widths {
  readonly defaults: { readonly pooling: Pooling; readonly embedding_size: number | null }
  readonly hidden_size: number
}

/** Whether it is the folder's own, which the folder's layers take. */
export function isOwnPooling(pooling: Pooling, { pooling: own }: Widths['defaults']): boolean {
  return pooling !== 'none' && listOf(pooling).join() === listOf(own).join()
}

/** Numbers of a vector by this pooling, or of a hidden state. */
export function vectorSize({ defaults, hidden_size }: Widths, pooling: Pooling): number {
  if (isOwnPooling(pooling, defaults)) return defaults.embedding_size ?? hidden_size
  return listOf(pooling).length * hidden_size
}

// Merges of BPE, from pairs of tokens to ids.

import { formatError, shown, type Vocabulary } from './spec.js'

export type MergePair = [left: string, right: string]

/** Lines that begin with this are no merges. */
export const MERGES_COMMENT = '#version'

/** More than any vocabulary has; the native code has the same bound. */
const MAX_MERGES = 2 ** 22

/**
 * A merge in the form "left right".
 * @param rank - its number, for messages
 * @throws ERR_TOKENIZER_FORMAT
 */
export function splitMerge(line: string, rank: number): MergePair {
  const [left, right, ...others] = line.split(' ')
  if (left !== undefined && right !== undefined && others.length === 0) return [left, right]
  throw formatError(
    `Expected two tokens with a space between them for merge ${rank} but received ${shown(line)}.`,
  )
}

/**
 * [merges, 3] ids of both tokens and of the one that they become, in the order of the file.
 * @throws ERR_TOKENIZER_FORMAT for tokens that the vocabulary lacks
 */
export function packMerges(pairs: readonly MergePair[], vocabulary: Vocabulary): Int32Array {
  if (pairs.length > MAX_MERGES) {
    throw formatError(`Expected at most ${MAX_MERGES} merges but received ${pairs.length}.`)
  }
  const ids = new Int32Array(pairs.length * 3)
  pairs.forEach(([left, right], rank) => {
    const tokens = [left, right, left + right]
    tokens.forEach((token, i) => {
      const id = token === '' ? undefined : vocabulary.ids.get(token)
      if (id === undefined) {
        throw formatError(
          `Expected ${shown(token)} of merge ${rank} in the vocabulary but it is not there.`,
        )
      }
      ids[rank * 3 + i] = id
    })
  })
  return ids
}

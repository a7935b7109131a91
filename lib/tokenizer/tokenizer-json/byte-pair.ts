// RoBERTa's family in tokenizer.json: ByteLevel and BPE.

import type { NativeBytePair } from '../../native/addon.js'
import { MERGES_COMMENT, packMerges, splitMerge, type MergePair } from '../merges.js'
import { formatError, shown, unsupported, type Vocabulary } from '../spec.js'
import {
  arrayField,
  booleanField,
  booleanFieldOr,
  field,
  sectionType,
  stringField,
  wrongType,
  type Json,
} from './fields.js'
import type { Trimming } from './post-processor.js'

function refuseOption(key: string, expected: string, value: unknown): never {
  throw unsupported(
    `Expected ${expected} for model.${key} of tokenizer.json but received ${shown(value)}. ` +
      'Only byte-level BPE as RoBERTa uses it is supported.',
  )
}

/** What the native model does not do. */
function refuseOptions(model: Json): void {
  const dropout = field(model, 'dropout') ?? 0
  if (dropout !== 0) refuseOption('dropout', 'null', dropout)
  for (const key of ['continuing_subword_prefix', 'end_of_word_suffix']) {
    const affix = field(model, key) ?? ''
    if (affix !== '') refuseOption(key, 'null or ""', affix)
  }
  const fallback = booleanFieldOr(model, 'byte_fallback', 'model', false)
  if (fallback) refuseOption('byte_fallback', 'false', fallback)
}

/** Merges are "a b" in older files, in which lines as of merges.txt may be; ["a", "b"] in newer. */
function readMerges(model: Json): MergePair[] {
  const merges = arrayField(model, 'merges', 'model')
  const pairs: MergePair[] = []
  for (const merge of merges) {
    if (typeof merge === 'string') {
      if (!merge.startsWith(MERGES_COMMENT)) pairs.push(splitMerge(merge, pairs.length))
      continue
    }
    const [left, right, ...others]: unknown[] = Array.isArray(merge) ? merge : []
    if (typeof left !== 'string' || typeof right !== 'string' || others.length > 0) {
      throw formatError(
        `Expected two tokens for merge ${pairs.length} of model.merges but received ` +
          `${shown(merge)}.`,
      )
    }
    pairs.push([left, right])
  }
  return pairs
}

function readPreTokenizer(root: Json): Pick<NativeBytePair, 'add_prefix_space' | 'split_words'> {
  const found = sectionType(field(root, 'pre_tokenizer'), 'pre_tokenizer')
  if (found?.type !== 'ByteLevel') {
    throw wrongType('"ByteLevel"', 'pre_tokenizer', found?.type ?? null)
  }
  return {
    add_prefix_space: booleanField(found.section, 'add_prefix_space', 'pre_tokenizer'),
    split_words: booleanFieldOr(found.section, 'use_regex', 'pre_tokenizer', true),
  }
}

function readUnknownToken(model: Json): string | null {
  if ((field(model, 'unk_token') ?? null) === null) return null
  const token = stringField(model, 'unk_token', 'model')
  if (token !== '' && !/^[\s\u0120]|[\s\u0120]$/u.test(token)) return token
  throw unsupported(
    `Expected a token without white space at its ends for model.unk_token but received ` +
      `${shown(token)}.`,
  )
}

/**
 * @param root - the file
 * @param model - its model
 */
export function readBytePair(
  root: Json,
  model: Json,
  vocabulary: Vocabulary,
  trimming: Trimming,
): NativeBytePair {
  const normalizer = sectionType(field(root, 'normalizer'), 'normalizer')
  if (normalizer !== null) throw wrongType('null', 'normalizer', normalizer.type)
  const words = readPreTokenizer(root)
  refuseOptions(model)
  return {
    type: 'BPE',
    merges: packMerges(readMerges(model), vocabulary),
    unk_token: readUnknownToken(model),
    fuse_unk: booleanFieldOr(model, 'fuse_unk', 'model', false),
    ignore_merges: booleanFieldOr(model, 'ignore_merges', 'model', false),
    ...words,
    ...trimming,
  }
}

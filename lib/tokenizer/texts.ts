// Texts as callers give them, checked: strings, UTF-8, or many in one array of bytes.

import { types } from 'node:util'

import { FusebertError, invalidArgument } from '../errors.js'
import { sliced, type Slices } from '../turns.js'
import { ListSource, RangeSource, changed, listSource, type TextSource } from './text-source.js'

/** A string, or UTF-8, in which malformed bytes are read as U+FFFD, as TextDecoder does. */
export type TextInput = string | Uint8Array

/** Many texts of UTF-8 in one array, of which no strings need be made. */
export interface TextRange {
  bytes: Uint8Array
  /** [texts + 1] where each text begins in `bytes`, and where the last one ends. */
  offsets: Int32Array
}

/** Neither arrays nor their elements may change until the call has settled. */
export type TextInputs = readonly TextInput[] | TextRange

/** Texts on their way to native code, and whether there was one or a list. */
export interface Inputs {
  texts: TextSource
  pairs: TextSource | null
  single: boolean
}

const CHECKS_AT_ONCE = 16_384
const OFFSETS_AT_ONCE = 65_536

export function isText(value: unknown): value is TextInput {
  return typeof value === 'string' || types.isUint8Array(value)
}

function isRange(value: unknown): value is TextRange {
  return typeof value === 'object' && value !== null && 'bytes' in value && 'offsets' in value
}

function* checkRange(subject: string, { bytes, offsets }: TextRange): Slices<TextSource> {
  if (!types.isUint8Array(bytes)) {
    throw invalidArgument('a Uint8Array', `${subject}.bytes`, bytes)
  }
  if (!types.isInt32Array(offsets) || offsets.length === 0) {
    throw invalidArgument('an Int32Array with an element', `${subject}.offsets`, offsets)
  }
  // A copy: what is checked is what is used.
  const checked = new Int32Array(offsets.length)
  yield* sliced(checked.length, OFFSETS_AT_ONCE, (from, to) => {
    if (offsets.length !== checked.length) throw changed()
    checked.set(offsets.subarray(from, to), from)
    if (!isAscending(checked, Math.max(from - 1, 0), to, bytes.length)) {
      const expected = `ascending positions up to ${bytes.length}`
      throw invalidArgument(expected, `${subject}.offsets`, offsets)
    }
  })
  return new RangeSource(bytes, checked)
}

/** Apart from its generator, whose variables are slow to reach. */
function isAscending(offsets: Int32Array, from: number, to: number, most: number): boolean {
  let last = 0
  for (let i = from; i < to; i += 1) {
    const offset = offsets[i] as number
    if (offset < last || offset > most) return false
    last = offset
  }
  return true
}

function* checkList(subject: string, value: readonly unknown[]): Slices<TextSource> {
  // A copy, as above.
  const list = new Array<TextInput>(value.length)
  let units = 0
  yield* sliced(list.length, CHECKS_AT_ONCE, (from, to) => {
    units += copyTexts(subject, value, list, from, to)
  })
  return new ListSource(list, units)
}

/** Apart, as above. @returns UTF-16 units, or bytes, of these texts */
function copyTexts(
  subject: string,
  value: readonly unknown[],
  list: TextInput[],
  from: number,
  to: number,
): number {
  let units = 0
  for (let i = from; i < to; i += 1) {
    const text = value[i]
    if (!isText(text)) throw invalidArgument('a string or a Uint8Array', `${subject}[${i}]`, text)
    list[i] = text
    units += text.length
  }
  return units
}

/** @throws ERR_INVALID_ARGUMENT */
export function* checkTextInputs(subject: string, value: unknown): Slices<TextSource> {
  if (isRange(value)) return yield* checkRange(subject, value)
  if (!Array.isArray(value)) throw invalidArgument('an array of texts', subject, value)
  return yield* checkList(subject, value)
}

/** @throws ERR_INVALID_ARGUMENT, ERR_INPUT_EMPTY for a list of no texts */
export function* checkInputs(texts: unknown, pair: unknown): Slices<Inputs> {
  if (!isText(texts)) return yield* pairUp(yield* checkTextInputs('texts', texts), pair)
  if (pair !== undefined && !isText(pair)) {
    throw invalidArgument('one text, like the first,', 'text_pair', pair)
  }
  const pairs = pair === undefined ? null : listSource([pair])
  return { texts: listSource([texts]), pairs, single: true }
}

/**
 * Texts with their second ones.
 * @throws ERR_INVALID_ARGUMENT, ERR_INPUT_EMPTY for a list of no texts
 */
export function* pairUp(texts: TextSource, pair: unknown): Slices<Inputs> {
  if (texts.count === 0) {
    throw new FusebertError('ERR_INPUT_EMPTY', 'Expected at least one text but received none.')
  }
  if (pair === undefined) return { texts, pairs: null, single: false }
  const pairs = yield* checkTextInputs('text_pair', pair)
  if (pairs.count !== texts.count) {
    throw invalidArgument(`as many texts as texts (${texts.count})`, 'text_pair', pair)
  }
  return { texts, pairs, single: false }
}

// Texts as callers give them, checked: strings, UTF-8, or many in one array of bytes.

import { FusebertError, invalidArgument } from '../errors.js'
import type { NativeTexts } from '../native/addon.js'

/** A string, or UTF-8, in which malformed bytes are read as U+FFFD, as TextDecoder does. */
export type TextInput = string | Uint8Array

/** Many texts of UTF-8 in one array, of which no strings need be made. */
export interface TextRange {
  bytes: Uint8Array
  /** [texts + 1] where each text begins in `bytes`, and where the last one ends. */
  offsets: Int32Array
}

export type TextInputs = readonly TextInput[] | TextRange

/** Texts for the native code, and whether there was one or a list. */
export interface Inputs {
  texts: NativeTexts
  pairs: NativeTexts | null
  single: boolean
}

function isText(value: unknown): value is TextInput {
  return typeof value === 'string' || value instanceof Uint8Array
}

function isRange(value: unknown): value is TextRange {
  return typeof value === 'object' && value !== null && 'bytes' in value && 'offsets' in value
}

function checkRange(subject: string, { bytes, offsets }: TextRange): TextRange {
  if (!(bytes instanceof Uint8Array)) {
    throw invalidArgument('a Uint8Array', `${subject}.bytes`, bytes)
  }
  if (!(offsets instanceof Int32Array) || offsets.length === 0) {
    throw invalidArgument('an Int32Array with an element', `${subject}.offsets`, offsets)
  }
  const inside = offsets.every((offset, i) => offset >= (i === 0 ? 0 : (offsets[i - 1] ?? 0)))
  if (!inside || (offsets[offsets.length - 1] ?? 0) > bytes.length) {
    const expected = `ascending positions up to ${bytes.length}`
    throw invalidArgument(expected, `${subject}.offsets`, offsets)
  }
  return { bytes, offsets }
}

/** @throws ERR_INVALID_ARGUMENT */
export function checkTextInputs(subject: string, value: unknown): NativeTexts {
  if (isRange(value)) return checkRange(subject, value)
  if (!Array.isArray(value)) throw invalidArgument('an array of texts', subject, value)
  // A copy: what is checked is what is used.
  return Array.from(value, (text: unknown, i) => {
    if (isText(text)) return text
    throw invalidArgument('a string or a Uint8Array', `${subject}[${i}]`, text)
  })
}

export function textCount(texts: NativeTexts): number {
  return 'bytes' in texts ? texts.offsets.length - 1 : texts.length
}

/** @throws ERR_INVALID_ARGUMENT, ERR_INPUT_EMPTY for a list of no texts */
export function checkInputs(texts: unknown, pair: unknown): Inputs {
  if (isText(texts)) {
    if (pair !== undefined && !isText(pair)) {
      throw invalidArgument('one text, like the first,', 'text_pair', pair)
    }
    return { texts: [texts], pairs: pair === undefined ? null : [pair], single: true }
  }
  return pairUp(checkTextInputs('texts', texts), pair)
}

/**
 * Lists of texts with their second ones.
 * @param list - checked already
 * @throws ERR_INVALID_ARGUMENT, ERR_INPUT_EMPTY for a list of no texts
 */
export function pairUp(list: NativeTexts, pair: unknown): Inputs {
  const count = textCount(list)
  if (count === 0) {
    throw new FusebertError('ERR_INPUT_EMPTY', 'Expected at least one text but received none.')
  }
  if (pair === undefined) return { texts: list, pairs: null, single: false }
  const pairs = checkTextInputs('text_pair', pair)
  if (textCount(pairs) !== count) {
    throw invalidArgument(`as many texts as texts (${count})`, 'text_pair', pair)
  }
  return { texts: list, pairs, single: false }
}

// Fields of tokenizer.json, checked one by one. The file is untrusted.

import { isObject } from '../../hub/folder.js'
import { formatError, shown, unsupported } from '../spec.js'

export type Json = Record<string, unknown>

/** Native counts and token types are 32-bit. */
const MAX_COUNT = 2 ** 31 - 1

/** A field of an object of the file; where it is missing, undefined. */
export function field(object: Json, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined
}

export function objectField(object: Json, key: string, where: string): Json {
  const value = field(object, key)
  if (isObject(value)) return value
  throw formatError(`Expected an object for ${where}.${key} but received ${shown(value)}.`)
}

export function arrayField(object: Json, key: string, where: string): unknown[] {
  const value = field(object, key)
  if (Array.isArray(value)) return value
  throw formatError(`Expected an array for ${where}.${key} but received ${shown(value)}.`)
}

export function stringField(object: Json, key: string, where: string): string {
  const value = field(object, key)
  if (typeof value === 'string') return value
  throw formatError(`Expected a string for ${where}.${key} but received ${shown(value)}.`)
}

export function booleanField(object: Json, key: string, where: string): boolean {
  const value = field(object, key)
  if (typeof value === 'boolean') return value
  throw formatError(`Expected true or false for ${where}.${key} but received ${shown(value)}.`)
}

/** A field that files may lack. */
export function booleanFieldOr(
  object: Json,
  key: string,
  where: string,
  fallback: boolean,
): boolean {
  return field(object, key) === undefined ? fallback : booleanField(object, key, where)
}

export function countField(object: Json, key: string, where: string): number {
  const value = field(object, key)
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_COUNT) {
    return value
  }
  throw formatError(
    `Expected an integer from 0 to ${MAX_COUNT} for ${where}.${key} but received ${shown(value)}.`,
  )
}

/** A section's type; `null` when there is no such section. */
export function sectionType(
  section: unknown,
  name: string,
): { section: Json; type: unknown } | null {
  if (section === undefined || section === null) return null
  if (!isObject(section)) {
    throw formatError(`Expected an object for ${name} but received ${shown(section)}.`)
  }
  return { section, type: field(section, 'type') }
}

export function wrongType(expected: string, name: string, received: unknown): Error {
  return unsupported(
    `Expected ${expected} for ${name} of tokenizer.json but received ${shown(received)}. ` +
      "Only BERT's WordPiece and RoBERTa's byte-level BPE are supported.",
  )
}

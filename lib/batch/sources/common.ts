// What sources share: bounds, and the words for what is wrong with a record.

import { isUtf8 } from 'node:buffer'

import type { Problem } from '../records.js'

/**
 * Longest record. A text of this size is a mistake (a file without newlines, a quote that is never
 * closed): it must stop the job, not fill the memory.
 */
export const MAX_RECORD_BYTES = 64 * 1024 * 1024

export interface SourceOptions {
  /** JSONL: the key of the text. */
  field: string
  /** CSV: the name of the text's column in the header, or its number, counted from 1. */
  column: string
  max_record_bytes: number
}

export function overlong(maxBytes: number): Problem {
  return { expected: `a record of at most ${maxBytes} bytes`, received: 'a longer one' }
}

export const NOT_UTF8: Problem = {
  expected: 'UTF-8',
  received: 'bytes that are not; convert the file, for example with iconv -t UTF-8',
}

/** What a value is. Not the value: it may be private. */
export function kindOf(value: unknown): string {
  if (value === undefined) return 'none'
  if (value === null) return 'null'
  if (value === '') return 'an empty string'
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

/** The string of UTF-8 bytes, null for bytes that are not UTF-8. */
export function decode(bytes: Uint8Array): string | null {
  if (!isUtf8(bytes)) return null
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}

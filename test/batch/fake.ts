// A pipeline without a model, whose vectors tell which text they belong to, and files to run it on.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach } from 'vitest'

import type { Embedder, EmbedOptions } from '../../lib/batch/records.js'
import { Tensor } from '../../lib/tensor.js'

export const HIDDEN = 4

export function hashOf(text: string): number {
  let hash = 7
  for (let i = 0; i < text.length; i += 1) hash = (hash * 31 + text.charCodeAt(i)) % 65521
  return hash
}

/** Deterministic: length, first and last UTF-16 unit, and a hash. */
export function vectorOf(text: string): number[] {
  const last = text.charCodeAt(text.length - 1)
  return [text.length, text.charCodeAt(0), last, hashOf(text)].map(Math.fround)
}

export interface Fake extends Embedder {
  calls: { texts: readonly string[]; options: EmbedOptions }[]
  running: number
  most_running: number
}

export interface FakeOptions {
  /** Waits before answering; given the number of the call. */
  delay?: (call: number) => Promise<unknown>
  from_sentence_transformers?: boolean
  truncated?: number
  /** Default: vectorOf. */
  vector?: (text: string) => number[]
}

export function fakeEmbedder(settings: FakeOptions = {}): Fake {
  const sentence = settings.from_sentence_transformers ?? true
  const call = async (texts: readonly string[], options: EmbedOptions) => {
    fake.calls.push({ texts, options })
    fake.running += 1
    fake.most_running = Math.max(fake.most_running, fake.running)
    try {
      await (settings.delay?.(fake.calls.length - 1) ?? Promise.resolve())
      options.signal.throwIfAborted()
      const tokens = 3 * texts.length
      const usage = { texts: texts.length, tokens, truncated: settings.truncated ?? 0 }
      if (options.pooling === 'none') {
        const tensors = texts.map((text) => {
          const row = vectorOf(text)
          return new Tensor('float32', Float32Array.from([...row, ...row]), [2, HIDDEN])
        })
        return Object.assign(tensors, { usage })
      }
      const data = Float32Array.from(texts.flatMap(settings.vector ?? vectorOf))
      return Object.assign(new Tensor('float32', data, [texts.length, HIDDEN]), { usage })
    } finally {
      fake.running -= 1
    }
  }
  const fake = Object.assign(call, {
    calls: [] as Fake['calls'],
    running: 0,
    most_running: 0,
    hidden_size: HIDDEN,
    defaults: {
      pooling: sentence ? ('mean' as const) : ('none' as const),
      normalize: sentence,
      max_length: 256,
      embedding_size: sentence ? HIDDEN : null,
      prompts: {},
      default_prompt_name: null,
      from_sentence_transformers: sentence,
    },
  })
  return fake
}

const folders: string[] = []

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

/** A folder that lives as long as the test. */
export function scratch(): {
  path: (name: string) => string
  write: (name: string, content: string | Uint8Array) => string
  list: () => string[]
} {
  const folder = mkdtempSync(join(tmpdir(), 'fusebert-batch-'))
  folders.push(folder)
  const path = (name: string): string => join(folder, name)
  return {
    path,
    write: (name, content) => {
      writeFileSync(path(name), content)
      return path(name)
    },
    list: () => readdirSync(folder).sort(),
  }
}

/** A .npy file as NumPy reads it: numpy.lib.format, version 1.0. */
export function readNpy(path: string): { shape: [number, number]; rows: number[][] } {
  const bytes = readFileSync(path)
  if (bytes.toString('latin1', 0, 8) !== '\x93NUMPY\x01\x00') throw new Error('not a .npy file')
  const begin = 10 + bytes.readUInt16LE(8)
  const dict = bytes.toString('latin1', 10, begin)
  const match =
    /^\{'descr': '<f4', 'fortran_order': False, 'shape': \((\d+), (\d+)\), \} *\n$/.exec(dict)
  if (match === null || begin % 64 !== 0) throw new Error('an unexpected header')
  const [rows, columns] = [Number(match[1]), Number(match[2])]
  if (bytes.length !== begin + 4 * rows * columns) throw new Error('an unexpected size')
  const at = (row: number, column: number): number =>
    bytes.readFloatLE(begin + 4 * (row * columns + column))
  return {
    shape: [rows, columns],
    rows: Array.from({ length: rows }, (_, row) =>
      Array.from({ length: columns }, (__, column) => at(row, column)),
    ),
  }
}

export interface JsonRow {
  index: number
  id?: string | number
  embedding: number[] | number[][] | null
  text?: string | null
}

export function readRows(content: string): JsonRow[] {
  const lines = content.split('\n')
  if (lines.pop() !== '') throw new Error('the last line has no newline')
  return lines.map((line) => JSON.parse(line) as JsonRow)
}

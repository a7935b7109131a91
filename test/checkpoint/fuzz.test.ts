// Seeded mutations of every format: a parser must give a table whose tensors lie inside the file,
// or throw a FusebertError; nothing else, and soon. A failure names the seed that repeats it.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import type { ByteSource } from '../../lib/checkpoint/byte-source.js'
import { readSafetensors } from '../../lib/checkpoint/safetensors.js'
import type { FileTensor } from '../../lib/checkpoint/tensor-table.js'
import { readTorch } from '../../lib/checkpoint/torch.js'
import { FusebertError } from '../../lib/errors.js'
import { random } from '../support/random.js'
import {
  dict,
  insideFile,
  safetensors,
  source,
  tensor,
  torchLegacy,
  torchZip,
} from './build.js'

const GOLDEN = join(import.meta.dirname, '..', 'golden')
const ITERATIONS = 3000
/** One parse of these files takes a few milliseconds; a loop that is not bounded takes forever. */
const MAX_PARSE_MS = 2000

type Reader = (bytes: ByteSource) => Promise<Map<string, FileTensor>>
interface Target {
  name: string
  read: Reader
  bytes: Buffer
  /** Where mutations matter: headers and pickles, not weights. */
  ranges: [number, number][]
}

const smallSafetensors = safetensors(
  {
    __metadata__: { format: 'pt' },
    a: { dtype: 'F32', shape: [2, 3], data_offsets: [0, 24] },
    b: { dtype: 'BF16', shape: [4], data_offsets: [24, 32] },
  },
  32,
)
const entries = (legacy: boolean) =>
  dict([
    ['a', tensor({ legacy })],
    ['b', tensor({ legacy, offset: 1, shape: [2, 2], strides: [1, 2] })],
    ['c', tensor({ legacy, shape: [], strides: [] })],
  ])
const smallZip = torchZip(entries(false))
const smallZip64 = torchZip(entries(false), undefined, [], { zip64: true })
const smallLegacy = torchLegacy(entries(true))
const golden = (name: string): Buffer => readFileSync(join(GOLDEN, name))
const goldenSafetensors = golden('head16/model.safetensors')
const goldenZip = golden('torch-zip/pytorch_model.bin')
const goldenLegacy = golden('mental-bert-like/pytorch_model.bin')

const whole = (bytes: Buffer): [number, number][] => [[0, bytes.length]]
const TARGETS: Target[] = [
  { name: 'safetensors', read: readSafetensors, bytes: smallSafetensors, ranges: [[0, 220]] },
  {
    name: 'golden safetensors',
    read: readSafetensors,
    bytes: goldenSafetensors,
    ranges: [[0, 8 + Number(goldenSafetensors.readBigUInt64LE(0))]],
  },
  { name: 'zip', read: readTorch, bytes: smallZip, ranges: whole(smallZip) },
  { name: 'zip64', read: readTorch, bytes: smallZip64, ranges: whole(smallZip64) },
  {
    name: 'golden zip',
    read: readTorch,
    bytes: goldenZip,
    ranges: [
      [0, 4400],
      [goldenZip.indexOf('PK\x01\x02'), goldenZip.length],
    ],
  },
  { name: 'legacy', read: readTorch, bytes: smallLegacy, ranges: whole(smallLegacy) },
  { name: 'golden legacy', read: readTorch, bytes: goldenLegacy, ranges: [[0, 9000]] },
]

const INTERESTING = [0, 1, 0x7f, 0x80, 0xff, 0x28, 0x2e, 0x52, 0x63, 0x71, 0x7b, 0x22, 0x39]

/** One to six changes: flipped bits, interesting bytes, copies, cuts, and changed numbers. */
function mutate(target: Target, next: () => number): Buffer {
  let bytes: Buffer = Buffer.from(target.bytes)
  const below = (limit: number): number => Math.floor(next() * limit)
  const [begin, end] = target.ranges[below(target.ranges.length)]!
  for (let change = 1 + below(6); change > 0; change -= 1) {
    const place = (): number => Math.min(begin + below(end - begin), bytes.length - 1)
    const at = place()
    const kind = below(12)
    if (kind < 5) bytes[at]! ^= 1 << below(8)
    else if (kind < 8) bytes[at] = INTERESTING[below(INTERESTING.length)]!
    else if (kind === 8) bytes.copyWithin(at, place(), place())
    else if (kind === 9) bytes.fill(below(2) * 0xff, at, Math.min(bytes.length, at + 1 + below(8)))
    else if (kind === 10) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)])
    else if (below(4) === 0) bytes = bytes.subarray(0, at + 1)
  }
  return bytes
}

interface Outcome {
  parsed: boolean
  code: string
}

async function run(read: Reader, bytes: Buffer): Promise<Outcome> {
  const started = performance.now()
  const result = await read(source(bytes)).catch((error: unknown) => {
    if (error instanceof FusebertError) return error
    throw error
  })
  const took = performance.now() - started
  if (took > MAX_PARSE_MS) throw new Error(`took ${took} ms`)
  if (result instanceof FusebertError) return { parsed: false, code: result.code }
  for (const [name, stored] of result) {
    if (!insideFile(stored, { sizeBytes: bytes.length })) throw new Error(`${name} is outside`)
  }
  return { parsed: true, code: '' }
}

/** A reader of files has no other codes to give. */
const CODES = new Set([
  'ERR_CHECKPOINT_FORMAT',
  'ERR_CHECKPOINT_UNSAFE',
  'ERR_TENSOR_SHAPE',
  'ERR_TENSOR_DTYPE',
])

describe.each(TARGETS)('$name', (target) => {
  test('parses unchanged', async () => {
    expect((await run(target.read, target.bytes)).parsed).toBe(true)
  })

  test(`${ITERATIONS} mutations`, async () => {
    let parsed = 0
    let refused = 0
    for (let seed = 1; seed <= ITERATIONS; seed += 1) {
      const bytes = mutate(target, random(seed))
      const outcome = await run(target.read, bytes).catch((error: unknown) => {
        throw new Error(`seed ${seed} of ${target.name}`, { cause: error })
      })
      if (outcome.parsed) parsed += 1
      else refused += 1
      if (!outcome.parsed && !CODES.has(outcome.code)) {
        throw new Error(`seed ${seed} of ${target.name}: ${outcome.code}`)
      }
    }
    expect(parsed + refused).toBe(ITERATIONS)
    // Mutations that all fail, or all pass, would test nothing.
    expect(refused).toBeGreaterThan(ITERATIONS / 10)
    expect(parsed).toBeGreaterThan(0)
  })

  test('every single bit of its first 600 bytes', async () => {
    const [begin] = target.ranges[0]!
    const end = Math.min(begin + 600, target.bytes.length)
    for (let at = begin; at < end; at += 1) {
      for (let bit = 0; bit < 8; bit += 1) {
        const bytes = Buffer.from(target.bytes)
        bytes[at]! ^= 1 << bit
        const outcome = await run(target.read, bytes).catch((error: unknown) => {
          throw new Error(`bit ${bit} of byte ${at}`, { cause: error })
        })
        expect(outcome.parsed || CODES.has(outcome.code)).toBe(true)
      }
    }
  })
})

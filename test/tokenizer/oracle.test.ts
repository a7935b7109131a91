// The tokenizer against the reference implementation: ids, token types, offsets and special-token
// masks, on every code point and on seeded random texts.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { parseTokenizerJson } from '../../lib/tokenizer/tokenizer-json.js'
import { loadAddon } from '../../lib/native/load.js'
import { encodeTexts } from '../../lib/tokenizer/encoder.js'
import type { NativeEncoding, NativeTokenizer } from '../../lib/native/addon.js'
import { available, MINILM, ROOT } from '../support/require.js'
import { Oracle, type OracleEncoding, type OracleRequest } from './support/oracle.js'
import { Random, randomText } from './support/random-text.js'
import { EXTRA_TOKENS, smallTokenizerJson, type SmallOptions } from './support/small-tokenizer.js'

/** FUSEBERT_FUZZ_SEED and FUSEBERT_FUZZ_SCALE (how many times as many texts) change the fuzz. */
const SEED = Number(process.env['FUSEBERT_FUZZ_SEED'] ?? 20240607)
const SCALE = Number(process.env['FUSEBERT_FUZZ_SCALE'] ?? 1)
const BATCH = 500
const TEXTS = 100_000 * SCALE
const PAIRS = 30_000 * SCALE

const uncased: SmallOptions = {
  clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true,
}
const settings: readonly SmallOptions[] = [
  uncased,
  { ...uncased, lowercase: false },
  { ...uncased, strip_accents: false },
  { ...uncased, lowercase: false, strip_accents: true },
  { ...uncased, clean_text: false },
  { ...uncased, handle_chinese_chars: false },
  { clean_text: false, handle_chinese_chars: false, strip_accents: true, lowercase: false },
  { clean_text: false, handle_chinese_chars: false, strip_accents: null, lowercase: false },
]

let oracle: Oracle
let native: NativeTokenizer

async function load(json: string): Promise<void> {
  await oracle.load(json)
  native = await loadAddon().createTokenizer(parseTokenizerJson(JSON.parse(json)))
}

/** The i-th sequence of a packed encoding, as the oracle gives it. */
function sequence(packed: NativeEncoding, i: number): OracleEncoding {
  const begin = packed.cu_seqlens[i]!
  const end = packed.cu_seqlens[i + 1]!
  return {
    ids: packed.input_ids.subarray(begin, end),
    type_ids: packed.token_type_ids.subarray(begin, end),
    offsets: packed.offsets!.subarray(begin * 2, end * 2),
    special: packed.special_tokens_mask!.subarray(begin, end),
  }
}

function same(a: OracleEncoding, b: OracleEncoding): boolean {
  const equal = (x: ArrayLike<number>, y: ArrayLike<number>) =>
    x.length === y.length && Array.prototype.every.call(x, (value, i) => value === y[i])
  return (
    equal(a.ids, b.ids) && equal(a.type_ids, b.type_ids) &&
    equal(a.offsets, b.offsets) && equal(a.special, b.special)
  )
}

function encodeNative(request: OracleRequest, offsets: 'code_point' | 'utf16') {
  return encodeTexts(native, request.texts, request.pairs, {
    truncation: request.truncation?.strategy ?? null,
    max_length: request.truncation?.max_length ?? 0,
    add_special_tokens: request.add_special_tokens,
    offsets,
    special_tokens_mask: true,
  })
}

/** Offsets in UTF-16 units from those in code points; each sequence's text is found by type id. */
function toUtf16(expected: OracleEncoding, text: string, pair: string | undefined): OracleEncoding {
  const positions = [text, pair ?? ''].map((source) => {
    const starts = [0]
    for (const char of source) starts.push(starts.at(-1)! + char.length)
    return starts
  })
  const offsets = expected.offsets.map((offset, i) => {
    const token = i >> 1
    return expected.special[token] === 1 ? 0 : positions[expected.type_ids[token]!]![offset]!
  })
  return { ...expected, offsets }
}

function describeMismatch(request: OracleRequest, i: number, ours: unknown, theirs: unknown) {
  return JSON.stringify({
    text: request.texts[i],
    pair: request.pairs?.[i],
    add: request.add_special_tokens,
    truncation: request.truncation,
    ours,
    theirs,
  }, (_, value: unknown) => (ArrayBuffer.isView(value) ? Array.from(value as Uint8Array) : value))
}

/** Compares a batch that nobody refuses. */
async function compare(request: OracleRequest): Promise<void> {
  const [expected, ours, utf16] = await Promise.all([
    oracle.encode(request),
    encodeNative(request, 'code_point'),
    encodeNative(request, 'utf16'),
  ])
  expected.forEach((theirs, i) => {
    const mine = sequence(ours, i)
    if (theirs === null || !same(mine, theirs)) {
      expect.fail(describeMismatch(request, i, mine, theirs))
    }
    const wide = toUtf16(theirs, request.texts[i]!, request.pairs?.[i])
    if (!same(sequence(utf16, i), wide)) {
      expect.fail(describeMismatch(request, i, sequence(utf16, i), wide))
    }
  })
}

/** Compares texts one by one where some may be refused: then both must refuse. */
async function compareRefusals(request: OracleRequest): Promise<number> {
  const expected = await oracle.encode(request)
  let refused = 0
  for (let i = 0; i < expected.length; i += 1) {
    const one = {
      ...request,
      texts: [request.texts[i]!],
      pairs: request.pairs === null ? null : [request.pairs[i]!],
    }
    const ours = await encodeNative(one, 'code_point').catch(
      (error: { code: string }) => error.code,
    )
    const theirs = expected[i]!
    if (theirs === null) refused += 1
    const agree =
      typeof ours === 'string'
        ? ours === 'ERR_INPUT_TOO_LONG' && theirs === null
        : theirs !== null && same(sequence(ours, 0), theirs)
    if (!agree) expect.fail(describeMismatch(request, i, ours, theirs))
  }
  return refused
}

function makeTexts(random: Random): string[] {
  return Array.from({ length: BATCH }, () => randomText(random))
}

async function compareTexts(random: Random, count: number, pairs: boolean): Promise<void> {
  for (let done = 0; done < count; done += BATCH) {
    await compare({
      texts: makeTexts(random),
      pairs: pairs ? makeTexts(random) : null,
      add_special_tokens: random.below(4) !== 0,
      truncation: null,
    })
  }
}

function everyCodePoint(): string[] {
  return Array.from({ length: 0x110000 }, (_, c) => String.fromCodePoint(c))
}

describe.skipIf(!available('tokenizers'))('against the reference', () => {
  beforeAll(() => {
    oracle = new Oracle()
  })
  afterAll(() => {
    oracle.close()
  })

  it('is what the Unicode tables were made from', () => {
    const script = `${ROOT}/scripts/unicode-tables/generate.mjs`
    const result = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' })
    expect(result.stderr).toBe('')
    expect(result.status).toBe(0)
  })

  it.each(settings.slice(0, 2))('agrees on every code point, %j', async (options) => {
    await load(smallTokenizerJson(options, EXTRA_TOKENS))
    const points = everyCodePoint()
    // Lines of many, so that offsets accumulate.
    for (let from = 0; from < points.length; from += 64 * BATCH) {
      const part = points.slice(from, from + 64 * BATCH)
      const lines = Array.from({ length: Math.ceil(part.length / 64) }, (_, i) =>
        part.slice(i * 64, (i + 1) * 64),
      )
      await compare({
        texts: lines.map((line) => line.map((char) => `a${char}b ${char}`).join(' ')),
        pairs: null,
        add_special_tokens: true,
        truncation: null,
      })
    }
  })

  it('agrees on every code point alone', async () => {
    await load(smallTokenizerJson(uncased))
    // The many that are all alike have been seen above.
    const alike = /[\p{Cn}\p{Co}\p{Script=Hangul}\p{Script=Han}]/u
    const points = everyCodePoint().filter((char) => !alike.test(char))
    for (let from = 0; from < points.length; from += 4 * BATCH) {
      await compare({
        texts: points.slice(from, from + 4 * BATCH),
        pairs: null,
        add_special_tokens: true,
        truncation: null,
      })
    }
  })

  it.each(settings)('agrees on random texts, %j', async (options) => {
    const random = new Random(SEED + settings.indexOf(options))
    await load(smallTokenizerJson(options))
    await compareTexts(random, TEXTS / settings.length / 2, false)
    await load(smallTokenizerJson(options, EXTRA_TOKENS))
    await compareTexts(random, TEXTS / settings.length / 2, false)
  })

  it('agrees on pairs', async () => {
    await load(smallTokenizerJson(uncased, EXTRA_TOKENS))
    await compareTexts(new Random(SEED + 100), PAIRS / 3, true)
  })

  it.each(['longest_first', 'only_first', 'only_second'] as const)(
    'agrees on truncation %s',
    async (strategy) => {
      const random = new Random(SEED + 200)
      await load(smallTokenizerJson(uncased, EXTRA_TOKENS))
      let refused = 0
      for (let done = 0; done < PAIRS / 3; done += BATCH) {
        const pairs = random.below(3) === 0 ? null : makeTexts(random)
        const add_special_tokens = random.below(4) !== 0
        const least = add_special_tokens ? (pairs === null ? 2 : 3) : 1
        refused += await compareRefusals({
          texts: makeTexts(random),
          pairs,
          add_special_tokens,
          truncation: { strategy, max_length: least + random.below(16) },
        })
      }
      expect(refused > 0).toBe(strategy !== 'longest_first')
    },
  )

  it.skipIf(!available('shared'))('agrees with a real vocabulary', async () => {
    const json = readFileSync(`${MINILM}/tokenizer.json`, 'utf8')
    await load(json)
    await compareTexts(new Random(SEED + 300), 10_000, false)
    await compareTexts(new Random(SEED + 301), 2_000, true)
  })
})

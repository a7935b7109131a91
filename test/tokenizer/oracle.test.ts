// The tokenizer against the reference implementation: ids, token types, offsets and special-token
// masks, on every code point and on seeded random texts.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { available, MINILM, ROOT } from '../support/require.js'
import { Comparison } from './support/comparison.js'
import { Random, randomText } from './support/random-text.js'
import { EXTRA_TOKENS, smallTokenizerJson, type SmallOptions } from './support/small-tokenizer.js'

/** FUSEBERT_FUZZ_SEED and FUSEBERT_FUZZ_SCALE (how many times as many texts) change the fuzz. */
const SEED = Number(process.env['FUSEBERT_FUZZ_SEED'] ?? 20240607)
const SCALE = Number(process.env['FUSEBERT_FUZZ_SCALE'] ?? 1)
/** With those of oracle-byte-pair.test.ts a million strings. */
const BATCH = 2_000
/** Of texts that are cut to one length. */
const CUT_BATCH = 200
const TEXTS = 640_000 * SCALE
const PAIRS = 60_000 * SCALE

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

let both: Comparison

function makeTexts(random: Random, count = BATCH): string[] {
  return Array.from({ length: count }, () => randomText(random))
}

async function compareTexts(random: Random, count: number, pairs: boolean): Promise<void> {
  for (let done = 0; done < count; done += BATCH) {
    await both.compare({
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
    both = new Comparison()
  })
  afterAll(() => {
    both.close()
  })

  it('is what the Unicode tables were made from', () => {
    const script = `${ROOT}/scripts/unicode-tables/generate.mjs`
    const result = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' })
    expect(result.stderr).toBe('')
    expect(result.status).toBe(0)
  })

  it.each(settings.slice(0, 2))('agrees on every code point, %j', async (options) => {
    await both.load(smallTokenizerJson(options, EXTRA_TOKENS))
    const points = everyCodePoint()
    // Lines of many, so that offsets accumulate.
    for (let from = 0; from < points.length; from += 64 * BATCH) {
      const part = points.slice(from, from + 64 * BATCH)
      const lines = Array.from({ length: Math.ceil(part.length / 64) }, (_, i) =>
        part.slice(i * 64, (i + 1) * 64),
      )
      await both.compare({
        texts: lines.map((line) => line.map((char) => `a${char}b ${char}`).join(' ')),
        pairs: null,
        add_special_tokens: true,
        truncation: null,
      })
    }
  })

  it('agrees on every code point alone', async () => {
    await both.load(smallTokenizerJson(uncased))
    // The many that are all alike have been seen above.
    const alike = /[\p{Cn}\p{Co}\p{Script=Hangul}\p{Script=Han}]/u
    const points = everyCodePoint().filter((char) => !alike.test(char))
    for (let from = 0; from < points.length; from += 4 * BATCH) {
      await both.compare({
        texts: points.slice(from, from + 4 * BATCH),
        pairs: null,
        add_special_tokens: true,
        truncation: null,
      })
    }
  })

  it.each(settings)('agrees on random texts, %j', async (options) => {
    const random = new Random(SEED + settings.indexOf(options))
    await both.load(smallTokenizerJson(options))
    await compareTexts(random, TEXTS / settings.length / 2, false)
    await both.load(smallTokenizerJson(options, EXTRA_TOKENS))
    await compareTexts(random, TEXTS / settings.length / 2, false)
  })

  it('agrees on pairs', async () => {
    await both.load(smallTokenizerJson(uncased, EXTRA_TOKENS))
    await compareTexts(new Random(SEED + 100), PAIRS / 3, true)
  })

  it.each(['longest_first', 'only_first', 'only_second'] as const)(
    'agrees on truncation %s',
    async (strategy) => {
      const random = new Random(SEED + 200)
      await both.load(smallTokenizerJson(uncased, EXTRA_TOKENS))
      let refused = 0
      for (let done = 0; done < PAIRS / 3; done += CUT_BATCH) {
        const pairs = random.below(3) === 0 ? null : makeTexts(random, CUT_BATCH)
        const add_special_tokens = random.below(4) !== 0
        const least = add_special_tokens ? (pairs === null ? 2 : 3) : 1
        refused += await both.compareRefusals({
          texts: makeTexts(random, CUT_BATCH),
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
    await both.load(json)
    await compareTexts(new Random(SEED + 300), 10_000, false)
    await compareTexts(new Random(SEED + 301), 2_000, true)
  })
})

// The other calls against the reference: decoding, what overflows, counts, and UTF-8 instead of
// strings.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { loadAddon } from '../../lib/native/load.js'
import type { NativeEncodeOptions, NativeTexts, NativeTokenizer } from '../../lib/native/addon.js'
import { encodeTexts } from '../../lib/tokenizer/encoder.js'
import { gatherTexts } from '../../lib/tokenizer/text-parts.js'
import { listSource } from '../../lib/tokenizer/text-source.js'
import { parseTokenizerJson } from '../../lib/tokenizer/tokenizer-json.js'
import { atOnce } from '../../lib/turns.js'
import { available } from '../support/require.js'
import { cleanUp } from './support/clean-up.js'
import { Oracle } from './support/oracle.js'
import { Random, randomText } from './support/random-text.js'
import { EXTRA_TOKENS, smallTokenizerJson, smallVocabulary } from './support/small-tokenizer.js'

const SEED = Number(process.env['FUSEBERT_FUZZ_SEED'] ?? 20240607)
const ROWS = 4_000
const JSON_TEXT = smallTokenizerJson(
  { clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true },
  EXTRA_TOKENS,
)
const VOCAB_SIZE = smallVocabulary().length + EXTRA_TOKENS.length

const plain: NativeEncodeOptions = {
  truncation: null, max_length: 0, add_special_tokens: true, offsets: 'none',
  special_tokens_mask: false,
}

let native: NativeTokenizer

async function decode(rows: readonly (readonly number[])[], skip: boolean, cleanUp = false) {
  const cu_seqlens = new Int32Array(rows.length + 1)
  rows.forEach((row, i) => (cu_seqlens[i + 1] = cu_seqlens[i]! + row.length))
  const texts = await native.decode(Int32Array.from(rows.flat()), cu_seqlens, {
    skip_special_tokens: skip,
    clean_up_tokenization_spaces: cleanUp,
  })
  return texts.map(String)
}

function gather(texts: readonly string[]): NativeTexts {
  return atOnce(gatherTexts(listSource(texts)))
}

/** Ids of words, punctuation and contractions, some of them of no token. */
function randomRows(random: Random): number[][] {
  return Array.from({ length: ROWS }, () =>
    Array.from({ length: random.below(24) }, () => random.below(VOCAB_SIZE + 5)),
  )
}

beforeAll(async () => {
  native = await loadAddon().createTokenizer(parseTokenizerJson(JSON.parse(JSON_TEXT)))
})

describe.skipIf(!available('tokenizers'))('against the reference', () => {
  let oracle: Oracle
  beforeAll(() => {
    oracle = new Oracle()
  })
  afterAll(() => {
    oracle.close()
  })

  it.each([
    ['WordPiece', { type: 'WordPiece', prefix: '##', cleanup: true }],
    ['WordPiece without clean-up', { type: 'WordPiece', prefix: '##', cleanup: false }],
    ['WordPiece with another prefix', { type: 'WordPiece', prefix: 'a', cleanup: true }],
    ['no decoder', null],
  ])('decodes alike with %s', async (_, decoder) => {
    const json = JSON.stringify({ ...(JSON.parse(JSON_TEXT) as object), decoder })
    await oracle.load(json)
    native = await loadAddon().createTokenizer(parseTokenizerJson(JSON.parse(json)))
    const random = new Random(SEED)
    for (const skip of [false, true]) {
      const rows = randomRows(random)
      const ours = await decode(rows, skip)
      expect(ours).toEqual(await oracle.decode(rows, skip))
      expect(await decode(rows, skip, true)).toEqual(ours.map(cleanUp))
    }
  })

  it.each([0, 1, 3])('cuts what overflows into windows that repeat %i tokens', async (stride) => {
    const random = new Random(SEED + stride)
    await oracle.load(JSON_TEXT)
    const texts = Array.from({ length: 1_000 }, () => randomText(random))
    const max_length = stride + 4
    const ours = await encodeTexts(native, texts, null, {
      ...plain, truncation: 'longest_first', max_length, overflowing: true, stride,
    })
    const whole = await oracle.encode({
      texts, pairs: null, add_special_tokens: false, truncation: null,
    })
    const kept = max_length - 2
    const expected: number[][] = []
    const samples: number[] = []
    whole.forEach((encoding, i) => {
      const ids = Array.from(encoding!.ids)
      for (let from = 0; ; from += kept - stride) {
        expected.push([2, ...ids.slice(from, from + kept), 3])
        samples.push(i)
        if (from + kept >= ids.length) break
      }
    })
    expect(Array.from(ours.samples!)).toEqual(samples)
    expect(Array.from(ours.input_ids)).toEqual(expected.flat())
    expect(ours.cu_seqlens).toHaveLength(expected.length + 1)
  })
})

describe('the native tokenizer', () => {
  it('counts what it would give', async () => {
    const random = new Random(SEED + 10)
    const texts = Array.from({ length: 2_000 }, () => randomText(random))
    const pairs = Array.from({ length: 2_000 }, () => randomText(random))
    const lanes = loadAddon().createLanes(1, 1)
    for (const [second, options] of [
      [null, plain],
      [pairs, { ...plain, add_special_tokens: false }],
      [pairs, { ...plain, truncation: 'longest_first', max_length: 12 }],
    ] as const) {
      const { cu_seqlens } = await encodeTexts(native, texts, second, options)
      const pairsOfTexts = second && gather(second)
      const counts = await native.count(gather(texts), pairsOfTexts, options, 0, lanes)
      expect(counts).toEqual(Int32Array.from(texts, (_, i) => cu_seqlens[i + 1]! - cu_seqlens[i]!))
    }
  })

  it('reads UTF-8 as TextDecoder does, in one array or many', async () => {
    const random = new Random(SEED + 20)
    const lead = [0xc3, 0xe2, 0xe0, 0xed, 0xf0, 0xf4, 0xf5, 0x80, 0xbf, 0xff, 0xc0]
    const buffers = Array.from({ length: 2_000 }, () => {
      const bytes = Buffer.from(randomText(random))
      for (let i = random.below(4); i > 0 && bytes.length > 0; i -= 1) {
        bytes[random.below(bytes.length)] = random.pick(lead)
      }
      return bytes.subarray(0, random.below(bytes.length + 1))
    })
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
    const strings = buffers.map((bytes) => decoder.decode(bytes))
    const options = { ...plain, offsets: 'utf16' } as const
    const expected = await encodeTexts(native, strings, null, options)
    expect(await encodeTexts(native, buffers, null, options)).toEqual(expected)
    const offsets = new Int32Array(buffers.length + 1)
    buffers.forEach((bytes, i) => (offsets[i + 1] = offsets[i]! + bytes.length))
    const bytes = Buffer.concat(buffers)
    expect(await native.encode({ bytes, offsets }, null, options, null)).toEqual(expected)
  })
})

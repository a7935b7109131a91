// Byte-level BPE against the reference implementation: ids, token types, offsets, masks, windows
// and decoding, with merges learnt here, in the order of training and in none.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { encodeTexts } from '../../lib/tokenizer/encoder.js'
import { available } from '../support/require.js'
import {
  bytePairTokenizerJson,
  repositoryTexts,
  robertaProcessing,
  robertaVocabulary,
  smallTexts,
  trainMerges,
  type BytePairOptions,
  type MergePair,
} from './support/byte-pair-tokenizer.js'
import { Comparison } from './support/comparison.js'
import { Random, randomText } from './support/random-text.js'
import { EXTRA_TOKENS } from './support/small-tokenizer.js'

/** FUSEBERT_FUZZ_SEED and FUSEBERT_FUZZ_SCALE (how many times as many texts) change the fuzz. */
const SEED = Number(process.env['FUSEBERT_FUZZ_SEED'] ?? 20240607)
const SCALE = Number(process.env['FUSEBERT_FUZZ_SCALE'] ?? 1)
const BATCH = 1_000
/** Of texts that are cut to one length. */
const CUT_BATCH = 200
const TEXTS = 160_000 * SCALE
const SMALL_MERGES = 600
const MANY_MERGES = 4_000

const PIECES = [
  "'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'l", "''", "n't", "’s", '12', '1999', '½',
  '²', '٣', 'Ⅷ', '〇', '!!', '...', '--', '?!', '<mask>', ' <mask>', '\n<mask> ', '<s>', '</s>',
  '<pad>',
  '<unk>', '<mask', ' ', '  ', '   ', '\n', '\n\n', ' \n ', '\t', '\u00a0', '\u3000', '\u2028', 'Ġ',
  'Ġthe', 'Ċ', '\0', '\u0001', 'don', 'hello', ' the', ' The', 'привет', ' мир', '世界', '😀', '👩‍💻',
]
const OTHER_TOKENS = [
  { content: '  two' }, { content: 'Ġone' }, { content: ' end ', lstrip: true, rstrip: true },
]

let small: MergePair[]
let both: Comparison

function text(random: Random): string {
  if (random.below(2) === 0) return randomText(random)
  const space = random.below(3) === 0 ? '' : ' '
  return random.repeat(12, () => random.pick(PIECES) + (random.below(2) === 0 ? space : ''))
}

function texts(random: Random, count = BATCH): string[] {
  return Array.from({ length: count }, () => text(random))
}

async function compareTexts(random: Random, count: number): Promise<void> {
  for (let done = 0; done < count; done += BATCH) {
    const pairs = random.below(3) === 0 ? texts(random) : null
    const add_special_tokens = random.below(4) !== 0
    await both.compare({ texts: texts(random), pairs, add_special_tokens, truncation: null })
  }
}

function shuffled(merges: readonly MergePair[]): MergePair[] {
  const random = new Random(SEED)
  const order = merges.map((merge) => ({ merge, key: random.below(2 ** 32) }))
  return order.sort((a, b) => a.key - b.key).map(({ merge }) => merge)
}

const templates = (() => {
  const special = (id: string) => ({ SpecialToken: { id, type_id: 0 } })
  const sequence = (id: string, type_id: number) => ({ Sequence: { id, type_id } })
  const named = (id: string, ids: number) => ({ [id]: { id, ids: [ids], tokens: [id] } })
  return {
    type: 'TemplateProcessing',
    single: [special('<s>'), sequence('A', 0), special('</s>')],
    pair: [special('<s>'), sequence('A', 0), special('</s>'), sequence('B', 1)],
    special_tokens: { ...named('<s>', 0), ...named('</s>', 2) },
  }
})()
const byteLevel = (add_prefix_space: boolean, trim_offsets = true) => ({
  type: 'ByteLevel', add_prefix_space, trim_offsets, use_regex: true,
})

/** Names of settings, and what they change. */
const SETTINGS: readonly [string, (merges: MergePair[]) => Partial<BytePairOptions>][] = [
  ['as RoBERTa', () => ({})],
  ['with added tokens', () => ({ extra: [...EXTRA_TOKENS, ...OTHER_TOKENS] })],
  ['with a space before texts', () => ({
    add_prefix_space: true, post_processor: robertaProcessing(true, true),
    extra: [...EXTRA_TOKENS, ...OTHER_TOKENS],
  })],
  ['with a space that the post-processor does not expect', () => ({
    add_prefix_space: true, post_processor: robertaProcessing(true, false), extra: EXTRA_TOKENS,
  })],
  ['with a space that only the post-processor expects', () => ({
    post_processor: robertaProcessing(true, true),
  })],
  ['without trimming', () => ({ post_processor: robertaProcessing(false, true) })],
  ['with a template', () => ({ post_processor: templates })],
  ['with ByteLevel', () => ({ post_processor: byteLevel(false), add_prefix_space: true })],
  ['with ByteLevel that trims nothing', () => ({ post_processor: byteLevel(true, false) })],
  ['with ByteLevel and a template', () => ({
    post_processor: { type: 'Sequence', processors: [byteLevel(true), templates] },
    add_prefix_space: true,
  })],
  ['with BertProcessing', () => ({
    post_processor: { type: 'BertProcessing', sep: ['</s>', 2], cls: ['<s>', 0] },
  })],
  ['without a post-processor', () => ({ post_processor: null })],
  ['without splitting', () => ({ use_regex: false, extra: EXTRA_TOKENS })],
  ['without splitting, with a space before texts', () => ({
    use_regex: false, add_prefix_space: true, post_processor: robertaProcessing(true, false),
    extra: EXTRA_TOKENS,
  })],
  ['with merges in no order', (merges) => ({ merges: shuffled(merges) })],
  ['with merges in no order, without splitting', (merges) => ({
    merges: shuffled(merges), use_regex: false,
  })],
  ['with half of the merges, and words that are tokens', (merges) => ({
    merges, model: { ignore_merges: true, merges: merges.filter((_, i) => i % 2 === 0) },
  })],
  ['without some bytes', () => ({ missing: [0x20, 0x61, 0xe2, 0x9f, 0xc3, 0x80] })],
  ['without some bytes, with a space before texts', () => ({
    missing: [0x20, 0x61, 0xf0, 0x98], add_prefix_space: true,
  })],
  ['with an unknown token', () => ({
    missing: [0x61, 0xe2, 0x9f, 0xc3, 0x80], model: { unk_token: '<unk>' },
  })],
  ['with an unknown token for neighbours', () => ({
    missing: [0x61, 0x62, 0xe2, 0x9f, 0xc3, 0x80], model: { unk_token: '<unk>', fuse_unk: true },
  })],
]

describe.skipIf(!available('tokenizers'))('byte-level BPE against the reference', () => {
  beforeAll(() => {
    both = new Comparison()
    small = trainMerges(smallTexts(), SMALL_MERGES)
    expect(small.length).toBeGreaterThan(SMALL_MERGES / 2)
  })
  afterAll(() => {
    both.close()
  })

  it('agrees on all kinds of code points', async () => {
    await both.load(bytePairTokenizerJson({ merges: small }))
    // Of the many that are all alike, some.
    const alike = /[\p{Cn}\p{Co}\p{Script=Hangul}\p{Script=Han}]/u
    const points = Array.from({ length: 0x110000 }, (_, c) => String.fromCodePoint(c)).filter(
      (char, c) => c % 64 === 0 || !alike.test(char),
    )
    for (let from = 0; from < points.length; from += 64 * BATCH) {
      const part = points.slice(from, from + 64 * BATCH)
      const lines = Array.from({ length: Math.ceil(part.length / 64) }, (_, i) =>
        part.slice(i * 64, (i + 1) * 64),
      )
      await both.compare({
        texts: lines.map((line) => line.map((char) => `a${char}1 ${char}!`).join('')),
        pairs: null,
        add_special_tokens: true,
        truncation: null,
      })
    }
  })

  it.each(SETTINGS)('agrees on random texts %s', async (name, change) => {
    const random = new Random(SEED + SETTINGS.findIndex(([other]) => other === name))
    await both.load(bytePairTokenizerJson({ merges: small, ...change(small) }))
    await compareTexts(random, TEXTS / SETTINGS.length)
  })

  it('agrees with thousands of merges, on real texts and random ones', async () => {
    const real = repositoryTexts()
    const merges = trainMerges(real, MANY_MERGES)
    expect(merges.length).toBeGreaterThan(MANY_MERGES / 2)
    await both.load(bytePairTokenizerJson({ merges }))
    const pairs = null
    await both.compare({ texts: real, pairs, add_special_tokens: true, truncation: null })
    await compareTexts(new Random(SEED + 100), 4_000 * SCALE)
  })

  it.each(['longest_first', 'only_first', 'only_second'] as const)(
    'agrees on truncation %s',
    async (strategy) => {
      const random = new Random(SEED + 200)
      const add_prefix_space = strategy === 'longest_first'
      const options = { merges: small, extra: EXTRA_TOKENS, add_prefix_space }
      await both.load(bytePairTokenizerJson(options))
      for (let done = 0; done < 4_000 * SCALE; done += CUT_BATCH) {
        const pairs = random.below(3) === 0 ? null : texts(random, CUT_BATCH)
        const add_special_tokens = random.below(4) !== 0
        const least = add_special_tokens ? (pairs === null ? 2 : 4) : 1
        const max_length = least + random.below(16)
        const truncation = { strategy, max_length }
        const cut = texts(random, CUT_BATCH)
        await both.compareRefusals({ texts: cut, pairs, add_special_tokens, truncation })
      }
    },
  )

  it.each([true, false])('trims each window, %j', async (add_prefix_space) => {
    const post_processor = robertaProcessing(true, add_prefix_space)
    await both.load(bytePairTokenizerJson({ merges: small, add_prefix_space, post_processor }))
    const random = new Random(SEED + 300)
    const all = Array.from({ length: 3 * BATCH }, () => random.pick([' ', '']) + text(random))
    const truncation = { strategy: 'longest_first', max_length: 7, stride: 2 } as const
    const whole = { texts: all, pairs: null, add_special_tokens: true, truncation: null }
    const lengths = (await both.oracle.encode(whole)).map((encoding) => encoding!.ids.length)
    // The reference stops reading once max_length is reached: that is behind these.
    const short = all.filter((_, i) => lengths[i]! > 7 && lengths[i]! < 10)
    const request = { ...whole, texts: short, truncation }
    const windows = (await both.oracle.encode(request)).flatMap((encoding) => [
      encoding!, ...encoding!.overflowing,
    ])
    const ours = await encodeTexts(both.native, short, null, {
      truncation: 'longest_first', max_length: 7, add_special_tokens: true, overflowing: true,
      stride: 2, offsets: 'code_point', special_tokens_mask: false,
    })
    const last = windows.length
    expect(last).toBeGreaterThan(short.length)
    expect(Array.from(ours.input_ids.subarray(0, ours.cu_seqlens[last]))).toEqual(
      windows.flatMap(({ ids }) => Array.from(ids)),
    )
    expect(Array.from(ours.offsets!)).toEqual(windows.flatMap(({ offsets }) => Array.from(offsets)))
  })

  it.each([
    ['ByteLevel', undefined],
    ['WordPiece', { type: 'WordPiece', prefix: 'Ġ', cleanup: true }],
    ['no decoder', null],
  ])('decodes alike with %s', async (_, decoder) => {
    const other = decoder === undefined ? {} : { decoder }
    const options = { merges: small, extra: EXTRA_TOKENS, ...other }
    await both.load(bytePairTokenizerJson(options))
    const random = new Random(SEED + 400)
    const size = robertaVocabulary(options).length + EXTRA_TOKENS.length
    for (const skip of [false, true]) {
      const rows = Array.from({ length: 4_000 }, () =>
        Array.from({ length: random.below(24) }, () => random.below(size + 5)),
      )
      const cu_seqlens = new Int32Array(rows.length + 1)
      rows.forEach((row, i) => (cu_seqlens[i + 1] = cu_seqlens[i]! + row.length))
      const ours = await both.native.decode(Int32Array.from(rows.flat()), cu_seqlens, {
        skip_special_tokens: skip, clean_up_tokenization_spaces: false,
      })
      expect(ours).toEqual(await both.oracle.decode(rows, skip))
    }
  })

  it('agrees on long words', async () => {
    const merges: MergePair[] = [['a', 'a'], ['aa', 'aa'], ['aaaa', 'aaaa'], ['aaaa', 'aa']]
    for (const order of [merges, merges.toReversed()]) {
      await both.load(bytePairTokenizerJson({ merges: order }))
      const words = ['a'.repeat(100_003), 'ab'.repeat(50_001), 'aab'.repeat(33_333), 'a'.repeat(33)]
      const request = { pairs: null, add_special_tokens: true, truncation: null }
      await both.compare({ ...request, texts: words })
    }
  })
})

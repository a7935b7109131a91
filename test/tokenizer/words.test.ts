// Words of byte-level tokenizers against the reference: where each token's word is, with added
// tokens, spaces of all kinds, and letters that every supported Node's Unicode has.
import { afterAll, beforeAll, expect, it, describe } from 'vitest'

import { loadAddon } from '../../lib/native/load.js'
import type { NativeTokenizer, NativeTokenizerSpec } from '../../lib/native/addon.js'
import { encodeTexts } from '../../lib/tokenizer/encoder.js'
import { parseTokenizerJson } from '../../lib/tokenizer/tokenizer-json.js'
import { WordStarts, type ByteLevelWords, type TextSpan } from '../../lib/tokenizer/words.js'
import { available } from '../support/require.js'
import {
  bytePairTokenizerJson,
  robertaProcessing,
  smallTexts,
  trainMerges,
  type BytePairOptions,
} from './support/byte-pair-tokenizer.js'
import { Oracle } from './support/oracle.js'
import { Random, randomText } from './support/random-text.js'
import { EXTRA_TOKENS } from './support/small-tokenizer.js'

const SEED = Number(process.env['FUSEBERT_FUZZ_SEED'] ?? 20240607)
const TEXTS = 3_000
const PIECES = [
  "'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'l", "''", "n't", '12', '½', 'Ⅷ', '!!', '...',
  ' ?', '<mask>', ' <mask>', '\n<mask> ', '<s>', '</s>', '<pad>', ' ', ' ', '  ', '   ', '\n',
  '\r\n', '\t', '\u0085', '\u00a0', '\u3000', '\u2028', '\ufeff', '\u200b', 'don', 'hello',
  ' the', 'мир', '世界',
  '😀', '👩‍💻', '\ud800',
]
/** What letters and digits a version of Unicode adds is not in these. */
const NEWER =
  /[^\0-\u04ff\u2000-\u206f\u3000-\u30ff\u4e00-\u9fa5\uac00-\ud7a3\ufeff\u{1f300}-\u{1f64f}]/gu

const merges = trainMerges(smallTexts(), 600)
const SETTINGS: readonly [string, Partial<BytePairOptions>][] = [
  ['as RoBERTa', {}],
  ['with added tokens', { extra: EXTRA_TOKENS }],
  ['with a space before texts', {
    add_prefix_space: true, post_processor: robertaProcessing(true, true), extra: EXTRA_TOKENS,
  }],
  ['without trimming', { post_processor: robertaProcessing(false, true) }],
  ['without splitting', { use_regex: false }],
]

function texts(random: Random): string[] {
  return Array.from({ length: TEXTS }, () => {
    if (random.below(3) === 0) return randomText(random).replace(NEWER, '')
    return random.repeat(10, () => random.pick(PIECES))
  })
}

/** Where the word of each token is in the text. */
function rangesOf(words: ArrayLike<number>, spans: readonly TextSpan[]): TextSpan[] {
  const list = Array.from(words)
  return list.map((word) => [spans[list.indexOf(word)]![0], spans[list.lastIndexOf(word)]![1]])
}

interface Words {
  spans: TextSpan[]
  words: number[]
  starts: WordStarts
}

async function wordsOf(
  native: NativeTokenizer,
  list: readonly string[],
  rules: ByteLevelWords,
): Promise<Words[]> {
  const { input_ids, offsets, cu_seqlens } = await encodeTexts(native, list, null, {
    truncation: null, max_length: 0, add_special_tokens: false, offsets: 'utf16',
    special_tokens_mask: false,
  })
  return list.map((text, i) => {
    const begin = cu_seqlens[i]!
    const ids = Array.from(input_ids.subarray(begin, cu_seqlens[i + 1]))
    const spans = ids.map((_, token): TextSpan => [
      offsets![2 * (begin + token)]!, offsets![2 * (begin + token) + 1]!,
    ])
    const added = spans.filter((_, token) => rules.added_ids.has(ids[token]!))
    const starts = new WordStarts(text, rules, added)
    return { spans, words: spans.map(([start, end]) => starts.wordOf(start, end)), starts }
  })
}

function rulesOf({ model, added_tokens }: NativeTokenizerSpec): ByteLevelWords {
  if (model.type !== 'BPE') throw new Error('Expected byte-level BPE.')
  return { ...model, added_ids: new Set(added_tokens.map(({ id }) => id)) }
}

describe.skipIf(!available('tokenizers'))('words against the reference', () => {
  let oracle: Oracle
  beforeAll(() => {
    oracle = new Oracle()
  })
  afterAll(() => {
    oracle.close()
  })

  it.each(SETTINGS)('are the same %s', async (_, settings) => {
    const json = bytePairTokenizerJson({ merges, ...settings })
    await oracle.load(json)
    const spec = parseTokenizerJson(JSON.parse(json))
    const native = await loadAddon().createTokenizer(spec)
    const rules = rulesOf(spec)
    const list = texts(new Random(SEED))
    const theirs = await oracle.encode({
      texts: list, pairs: null, add_special_tokens: false, truncation: null,
    })
    const ours = await wordsOf(native, list, rules)
    const others = list.filter((_, i) => {
      const { spans, words } = ours[i]!
      const expected = rangesOf(theirs[i]!.words, spans)
      return JSON.stringify(rangesOf(words, spans)) !== JSON.stringify(expected)
    })
    expect(others).toEqual([])
  })
})

it.each(SETTINGS)('a window begins with the word of the text, %s', async (name, settings) => {
  const spec = parseTokenizerJson(JSON.parse(bytePairTokenizerJson({ merges, ...settings })))
  const native = await loadAddon().createTokenizer(spec)
  const rules = rulesOf(spec)
  const list = texts(new Random(SEED + 1)).slice(0, 1_000)
  const whole = await wordsOf(native, list, rules)
  const { input_ids, offsets, cu_seqlens, samples } = await encodeTexts(native, list, null, {
    truncation: 'longest_first', max_length: 7, overflowing: true, stride: 5,
    add_special_tokens: false, offsets: 'utf16', special_tokens_mask: false,
  })
  let empty = 0
  let place = 0
  for (let i = 0; i + 1 < cu_seqlens.length; i += 1) {
    const sample = samples![i]!
    place = sample === samples![i - 1] ? place + 7 - 5 : 0
    const token = cu_seqlens[i]!
    // Of an added token the space before it is not the word's.
    if (token === cu_seqlens[i + 1] || rules.added_ids.has(input_ids[token]!)) continue
    const [start, end] = [offsets![2 * token]!, offsets![2 * token + 1]!]
    const { starts, words } = whole[sample]!
    const word = starts.wordOf(start, end, native.idToToken(input_ids[token]!))
    expect({ sample, place, word }).toEqual({ sample, place, word: words[place] })
    if (start === end) empty += 1
  }
  expect(empty > 0).toBe(!name.includes('without trimming'))
})

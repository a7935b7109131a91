// Tokenizers of RoBERTa's family, made here: merges are learnt from this repository's own texts and
// from words in many scripts, the most frequent pair first, as training does.
import { readFileSync, readdirSync } from 'node:fs'

import { ROOT } from '../../support/require.js'
import { smallVocabulary, type ExtraToken } from './small-tokenizer.js'

export const SPECIAL = ['<s>', '<pad>', '</s>', '<unk>', '<mask>']

const WORD = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu

/** The character that stands for each byte. */
export const BYTE_CHARACTERS: readonly string[] = (() => {
  let mapped = 0x100
  return Array.from({ length: 256 }, (_, byte) => {
    const itself =
      (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xff && byte !== 0xad)
    return String.fromCharCode(itself ? byte : mapped++)
  })
})()

export type MergePair = readonly [string, string]

function byteCharacters(text: string): string[] {
  return Array.from(Buffer.from(text), (byte) => BYTE_CHARACTERS[byte]!)
}

function countWords(texts: readonly string[]): { symbols: string[]; count: number }[] {
  const counts = new Map<string, number>()
  for (const text of texts) {
    for (const [word] of text.matchAll(WORD)) counts.set(word, (counts.get(word) ?? 0) + 1)
  }
  return [...counts].map(([word, count]) => ({ symbols: byteCharacters(word), count }))
}

function join(symbols: string[], [left, right]: MergePair): string[] {
  const joined: string[] = []
  for (let i = 0; i < symbols.length; i += 1) {
    const pair = symbols[i] === left && symbols[i + 1] === right
    joined.push(pair ? left + right : symbols[i]!)
    if (pair) i += 1
  }
  return joined
}

/** The merges of the most frequent pairs, one after the other. */
export function trainMerges(texts: readonly string[], most: number): MergePair[] {
  const words = countWords(texts)
  const counts = new Map<string, number>()
  const users = new Map<string, Set<number>>()
  const add = (index: number, sign: 1 | -1) => {
    const { symbols, count } = words[index]!
    for (let i = 0; i + 1 < symbols.length; i += 1) {
      const pair = `${symbols[i]} ${symbols[i + 1]}`
      counts.set(pair, (counts.get(pair) ?? 0) + sign * count)
      if (sign === 1) users.set(pair, (users.get(pair) ?? new Set()).add(index))
    }
  }
  words.forEach((_, index) => add(index, 1))
  const merges: MergePair[] = []
  while (merges.length < most) {
    let best = ''
    let bestCount = 1
    for (const [pair, count] of counts) {
      if (count > bestCount || (count === bestCount && count > 1 && pair < best)) {
        best = pair
        bestCount = count
      }
    }
    if (best === '') break
    const [left, right] = best.split(' ') as [string, string]
    merges.push([left, right])
    for (const index of users.get(best) ?? []) {
      add(index, -1)
      words[index]!.symbols = join(words[index]!.symbols, [left, right])
      add(index, 1)
    }
    counts.delete(best)
    users.delete(best)
  }
  return merges
}

/** This repository's texts. */
export function repositoryTexts(): string[] {
  const folder = `${ROOT}/docs/decisions`
  const files = readdirSync(folder).map((name) => `${folder}/${name}`)
  const paths = [...files, `${ROOT}/README.md`, `${ROOT}/examples/posts.jsonl`]
  return paths.map((path) => readFileSync(path, 'utf8'))
}

/** A few texts with words of many scripts, each often enough to be learnt. */
export function smallTexts(): string[] {
  const words = smallVocabulary().map((word) => word.replace(/^##/, ''))
  const contractions = "I'm he's don't we've they'll you'd we're 12 345 1999 ... !! -- "
  return [words.join(' ').repeat(2), words.join('').repeat(2), contractions.repeat(3)]
}

export interface BytePairOptions {
  merges: readonly MergePair[]
  /** Bytes that no token has. */
  missing?: readonly number[]
  /** More of the model. */
  model?: object
  add_prefix_space?: boolean
  use_regex?: boolean
  post_processor?: object | null
  extra?: readonly ExtraToken[]
  decoder?: object | null
}

export function robertaProcessing(trim_offsets: boolean, add_prefix_space: boolean): object {
  const ends = { sep: ['</s>', 2], cls: ['<s>', 0] }
  return { type: 'RobertaProcessing', ...ends, trim_offsets, add_prefix_space }
}

export function robertaVocabulary({ merges, missing = [] }: BytePairOptions): string[] {
  const bytes = BYTE_CHARACTERS.filter((_, byte) => !missing.includes(byte))
  const merged = merges.map(([left, right]) => left + right)
  return [...new Set([...SPECIAL.slice(0, 4), ...bytes, ...merged, '<mask>'])]
}

/** The text of a tokenizer.json. */
export function bytePairTokenizerJson(options: BytePairOptions): string {
  const vocab = robertaVocabulary(options)
  const ids = new Map(vocab.map((token, id) => [token, id]))
  const merges = options.merges.filter(([a, b]) => ids.has(a) && ids.has(b) && ids.has(a + b))
  const plain = { single_word: false, lstrip: false, rstrip: false, normalized: false }
  const byteLevel = { type: 'ByteLevel', trim_offsets: true }
  return JSON.stringify({
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [
      ...SPECIAL.map((content) => ({
        id: ids.get(content), content, ...plain, lstrip: content === '<mask>', special: true,
      })),
      ...(options.extra ?? []).map((token, i) => ({
        id: vocab.length + i, ...plain, special: false, ...token,
      })),
    ],
    normalizer: null,
    pre_tokenizer: {
      ...byteLevel,
      add_prefix_space: options.add_prefix_space ?? false,
      use_regex: options.use_regex ?? true,
    },
    post_processor:
      options.post_processor === undefined
        ? robertaProcessing(true, false)
        : options.post_processor,
    decoder:
      options.decoder === undefined
        ? { ...byteLevel, add_prefix_space: true, use_regex: true }
        : options.decoder,
    model: {
      type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: '',
      end_of_word_suffix: '', fuse_unk: false, byte_fallback: false, ignore_merges: false,
      ...options.model,
      vocab: Object.fromEntries(ids),
      merges,
    },
  })
}

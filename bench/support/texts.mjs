// Inputs: seeded lengths that are distributed like real short texts, and texts made of a
// vocabulary's words, frequent ones more often, so that runs on different machines see the same.

import { readFileSync } from 'node:fs'

import { corpusFile } from './corpus.mjs'

export const CLS = 101
export const SEP = 102
const SPECIAL_TOKENS = 2

/** Uniform numbers in [0, 1) from a seed (Mulberry32). */
export function createRandom(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

const MEDIAN_TOKENS = 35
const MEAN_TOKENS = 72
const SHORTEST = SPECIAL_TOKENS + 1
export const LONGEST = 512

/**
 * `count` lengths in tokens, special ones included: log-normal with median 35, cut to
 * [3, 512], as wide as a mean of 72 needs.
 */
export function raggedLengths(count, seed = 1) {
  // Evenly spaced quantiles: even a small sample has the median and the long tail.
  const normals = Array.from({ length: count }, (_, i) => normalQuantile((i + 0.5) / count))
  const draw = (sigma) =>
    normals.map((z) =>
      Math.round(Math.min(LONGEST, Math.max(SHORTEST, MEDIAN_TOKENS * Math.exp(sigma * z)))),
    )
  const mean = (lengths) => lengths.reduce((sum, length) => sum + length, 0) / lengths.length
  let [low, high] = [0.1, 3]
  for (let i = 0; i < 40; i += 1) {
    const middle = (low + high) / 2
    if (mean(draw(middle)) < MEAN_TOKENS) low = middle
    else high = middle
  }
  return shuffle(draw(low), createRandom(seed))
}

/** Inverse of the normal distribution function, by bisection. */
function normalQuantile(p) {
  let [low, high] = [-8, 8]
  for (let i = 0; i < 60; i += 1) {
    const middle = (low + high) / 2
    if (normalCdf(middle) < p) low = middle
    else high = middle
  }
  return low
}

/** Abramowitz and Stegun 26.2.17; absolute error below 7.5e-8. */
function normalCdf(x) {
  if (x < 0) return 1 - normalCdf(-x)
  const t = 1 / (1 + 0.2316419 * x)
  const coefficients = [0.31938153, -0.356563782, 1.781477937, -1.821255978, 1.330274429]
  const sum = coefficients.reduceRight((rest, coefficient) => (rest + coefficient) * t, 0)
  return 1 - (Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)) * sum
}

/** In place. */
export function shuffle(values, random) {
  for (let i = values.length - 1; i > 0; i -= 1) {
    const j = Math.floor(random() * (i + 1))
    ;[values[i], values[j]] = [values[j], values[i]]
  }
  return values
}

/** The plain lower-case words of a vocab.txt, in its order: about the order of frequency. */
export function readWords(vocabularyPath) {
  return readFileSync(vocabularyPath, 'utf8')
    .split('\n')
    .map((word, id) => ({ word, id }))
    .filter(({ word }) => /^[a-z]{2,}$/.test(word))
}

/** A word by Zipf's law: the n-th is drawn in proportion to 1/n. */
function pick(words, random) {
  return words[Math.floor(words.length ** random()) - 1]
}

/**
 * For each length a text and its ids. Its words are entries of the vocabulary, so the text has
 * exactly that many tokens whoever tokenizes it.
 */
export function textsOfLengths(lengths, words, seed = 2) {
  const random = createRandom(seed)
  return lengths.map((length) => {
    const drawn = Array.from({ length: length - SPECIAL_TOKENS }, () => pick(words, random))
    return {
      text: drawn.map(({ word }) => word).join(' '),
      input_ids: Int32Array.from([CLS, ...drawn.map(({ id }) => id), SEP]),
    }
  })
}

/** One word as prose has it: mostly plain, sometimes compound, a number, with punctuation. */
function proseWord(words, random, first) {
  let { word } = pick(words, random)
  const kind = random()
  if (kind < 0.06) word += words[Math.floor(random() * words.length)].word
  else if (kind < 0.08) word = String(Math.floor(random() * 2100))
  if (first || random() < 0.04) word = word[0].toUpperCase() + word.slice(1)
  return word
}

/** About `count` words of prose in sentences. */
function prose(count, words, random) {
  let text = ''
  let first = true
  for (let i = 0; i < count; i += 1) {
    text += (i === 0 ? '' : ' ') + proseWord(words, random, first)
    first = i === count - 1 || random() < 0.07
    if (first) text += random() < 0.9 ? '.' : '?'
    else if (random() < 0.06) text += ','
  }
  return text
}

// Tokens a word of such prose has, with its punctuation; measured on the texts it makes.
const TOKENS_PER_WORD = 1.27

/** `count` lines whose lengths are evenly spaced quantiles: even a few have the long tail. */
function sampleLines(lines, count, random) {
  if (lines.length < count) {
    return Array.from({ length: count }, (_, i) => lines[i % lines.length])
  }
  const sorted = [...lines].sort((a, b) => a.length - b.length)
  const at = (i) => sorted[Math.floor(((i + 0.5) * sorted.length) / count)]
  return shuffle(Array.from({ length: count }, (_, i) => at(i)), random)
}

/**
 * `count` texts: lines of `options.texts`, or of corpus/english.txt where it is, repeated where it
 * has fewer; else prose with lengths about those of raggedLengths.
 */
export function makeTexts(count, words, options, seed = 3) {
  const file = options.texts ?? corpusFile('english')
  if (file !== undefined) {
    const lines = readFileSync(file, 'utf8').split('\n').filter((line) => line !== '')
    if (lines.length === 0) throw new Error(`Expected texts in ${file} but it is empty.`)
    return sampleLines(lines, count, createRandom(seed))
  }
  const random = createRandom(seed)
  return raggedLengths(count, seed).map((length) =>
    prose(Math.max(1, Math.round((length - SPECIAL_TOKENS) / TOKENS_PER_WORD)), words, random),
  )
}

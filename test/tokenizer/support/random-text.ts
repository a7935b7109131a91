// Seeded random texts that look for trouble: every Unicode block, marks in any order, Hangul, Han,
// emoji sequences, controls, lone surrogates, special tokens, words around the length limit.
import { randomUint32 } from '../../support/random.js'
import { EXTRA_TOKENS, smallVocabulary } from './small-tokenizer.js'

export class Random {
  readonly #next: () => number

  constructor(seed: number) {
    this.#next = randomUint32(seed)
  }

  /** An integer in [0, bound). */
  below(bound: number): number {
    return this.#next() % bound
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!
  }

  repeat(most: number, make: () => string): string {
    return Array.from({ length: 1 + this.below(most) }, make).join('')
  }
}

const VOCABULARY = smallVocabulary()
const SPACES = [
  ' ', ' ', ' ', '  ', '\t', '\n', '\r\n', '\u00a0', '\u2003', '\u3000', '\u200b', '\u0085',
  '\u2028',
]
const CONTROLS = [
  '\0', '\u0001', '\u001f', '\u007f', '\u00ad', '\u200d', '\u202e', '\ufeff', '\ufffd', '\u061c',
  '\ue000', '\u{e0001}',
]
const EMOJI = ['👩‍💻', '👨‍👩‍👧‍👦', '🏳️‍🌈', '❤️', '👍🏽', '🇩🇪', '1️⃣', '🙂']
const CASES = [
  'İ', 'ı', 'ß', 'ẞ', 'Σ', 'ς', 'ǅ', 'Å', '\u212a', '\u2126', 'ﬁ', 'ŉ', 'Ⅷ', 'Ⓐ', 'Ა', 'Ꭰ', '𐐀',
  '𞤀',
]
const HAN_RANGES = [0x4e00, 0x3400, 0x20000, 0xf900, 0x2f800, 0x9fc0]
const SPECIALS = [
  '[CLS]', '[SEP]', '[MASK]', '[UNK]', '[PAD]', '[mask]', '[', ']', '[MASK', 'MASK]',
]
/** Code points with a combining class; the last ones are not nonspacing marks and survive. */
const MARKS = [
  0x300, 0x301, 0x307, 0x308, 0x315, 0x316, 0x31b, 0x321, 0x323, 0x327, 0x334, 0x344, 0x345, 0x360,
  0x591, 0x5b0, 0x5bc, 0x64b, 0x651, 0x670, 0x93c, 0x94d, 0xe38, 0xe48, 0xf71, 0xf72, 0xf73, 0xf74,
  0xf75, 0xf81, 0x1dce, 0x302a, 0x3099, 0x309a, 0xfb1e, 0x1e8d0, 0x302e, 0x302f, 0x16ff0, 0x16ff1,
  0x1d165, 0x1d166, 0x1d16d, 0x1d16e, 0x1d172, 0x1d15e, 0x1d160, 0x1d1bb, 0x1b44, 0xabed, 0x110f3,
]

function anywhere(random: Random): string {
  // Most of what is assigned is in the first two planes.
  const plane = random.below(8) < 6 ? random.below(2) : random.below(17)
  const from = plane * 0x10000 + random.below(512) * 128
  return random.repeat(4, () => String.fromCodePoint(from + random.below(128)))
}

const makers: readonly ((random: Random) => string)[] = [
  (r) => r.pick(VOCABULARY).replace(/^##/, ''),
  (r) => r.pick(VOCABULARY).replace(/^##/, ''),
  (r) => r.repeat(6, () => String.fromCharCode(32 + r.below(95))),
  anywhere,
  anywhere,
  (r) => r.pick(['a', 'E', 'é', '가', '你', ' ', '']) +
    r.repeat(6, () => String.fromCodePoint(r.pick(MARKS))),
  (r) => String.fromCodePoint(0xac00 + r.below(11172)) + r.pick(['', 'ᆨ', 'ᅡ', '\u302e']),
  (r) => String.fromCodePoint(r.pick(HAN_RANGES) + r.below(64)),
  (r) => r.pick(EMOJI),
  (r) => r.pick(CONTROLS),
  (r) => r.pick(CASES),
  (r) => String.fromCharCode(0xd800 + r.below(2048)),
  (r) => r.pick(SPECIALS),
  (r) => r.pick(SPACES) + r.pick(EXTRA_TOKENS).content + r.pick(SPACES),
  (r) => r.pick(EXTRA_TOKENS).content,
  (r) => r.pick(EXTRA_TOKENS).content.toLowerCase(),
]

function longWord(random: Random): string {
  const length = 95 + random.below(10)
  const letter = random.pick(['a', 'é', '\u{10400}', 'x\u0301', 'İ'])
  return letter.repeat(length)
}

export function randomText(random: Random): string {
  if (random.below(100) === 0) return ''
  return random.repeat(random.below(10) === 0 ? 24 : 6, () => {
    if (random.below(60) === 0) return longWord(random)
    const space = random.below(3) === 0 ? random.pick(SPACES) : ''
    return random.pick(makers)(random) + space
  })
}

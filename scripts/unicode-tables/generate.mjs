// Derives native/tokenizer/unicode_tables.cc from the behaviour of the reference implementation,
// code point by code point. Asking it, instead of reading a Unicode data file, gives exactly the
// mixture of Unicode versions that its dependencies were built with.
//
//   node scripts/unicode-tables/generate.mjs            writes the file
//   node scripts/unicode-tables/generate.mjs --check    fails when the file would change

import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

import { renderTables } from './render.mjs'

const require = createRequire(import.meta.url)
const oracle = require('tokenizers')
const oracleVersion = require('tokenizers/package.json').version
const output = fileURLToPath(new URL('../../native/tokenizer/unicode_tables.cc', import.meta.url))

const CODE_POINTS = 0x110000
const isSurrogate = (c) => c >= 0xd800 && c <= 0xdfff
const points = (text) => Array.from(text, (char) => char.codePointAt(0))

/** One representative of each nonzero canonical combining class; classes never change (Unicode
 * stability policy), so these few values are all that is not asked from the reference. */
const CLASS_REPRESENTATIVES = [
  [1, 0x0334], [6, 0x16ff0], [7, 0x093c], [8, 0x3099], [9, 0x094d], [10, 0x05b0], [11, 0x05b1],
  [12, 0x05b2], [13, 0x05b3], [14, 0x05b4], [15, 0x05b5], [16, 0x05b6], [17, 0x05b7],
  [18, 0x05b8], [19, 0x05b9], [20, 0x05bb], [21, 0x05bc], [22, 0x05bd], [23, 0x05bf],
  [24, 0x05c1], [25, 0x05c2], [26, 0xfb1e], [27, 0x064b], [28, 0x064c], [29, 0x064d],
  [30, 0x064e], [31, 0x064f], [32, 0x0650], [33, 0x0651], [34, 0x0652], [35, 0x0670],
  [36, 0x0711], [84, 0x0c55], [91, 0x0c56], [103, 0x0e38], [107, 0x0e48], [118, 0x0eb8],
  [122, 0x0ec8], [129, 0x0f71], [130, 0x0f72], [132, 0x0f74], [202, 0x0321], [214, 0x1dce],
  [216, 0x031b], [218, 0x302a], [220, 0x0316], [222, 0x059a], [224, 0x302e], [226, 0x1d16d],
  [228, 0x05ae], [230, 0x0300], [232, 0x0315], [233, 0x035c], [234, 0x035d], [240, 0x0345],
]

const nfd = oracle.nfdNormalizer()
const bert = (options) =>
  oracle.bertNormalizer({
    cleanText: false, handleChineseChars: false, stripAccents: false, lowercase: false, ...options,
  })

/** Whether the reference swaps `first` and `second` when it puts marks in canonical order. */
function swaps(first, second) {
  const ordered = points(nfd.normalizeString(String.fromCodePoint(first, second)))
  return ordered.length === 2 && ordered[0] === second && ordered[1] === first && first !== second
}

const isStarter = (c) =>
  c !== 0x0334 && c !== 0x0345 && !swaps(0x0345, c) && !swaps(c, 0x0334)

/** Without those that the reference is too old to know. */
const representatives = CLASS_REPRESENTATIVES.filter(([, mark]) => !isStarter(mark))
representatives.forEach(([k, mark], i) => {
  const [previous, lower] = representatives[i - 1] ?? [0, mark]
  if (i > 0 && !(k > previous && swaps(mark, lower))) throw new Error(`class ${k} is out of order`)
})

function combiningClass(c) {
  if (isStarter(c)) return 0
  const match = representatives.find(
    ([, mark]) => mark === c || (!swaps(mark, c) && !swaps(c, mark)),
  )
  if (match === undefined) throw new Error(`no combining class for U+${c.toString(16)}`)
  return match[0]
}

/** Code points that the regular expression class \w of the reference matches, seen through an added
 * token that must stand alone. */
async function wordCharacters() {
  const tokenizer = oracle.Tokenizer.fromString(JSON.stringify({
    version: '1.0', truncation: null, padding: null, normalizer: null, pre_tokenizer: null,
    post_processor: null, decoder: null,
    added_tokens: [{ id: 1, content: 'Q', single_word: true, lstrip: false, rstrip: false,
      normalized: false, special: false }],
    model: { type: 'WordLevel', unk_token: '?', vocab: { '?': 0 } },
  }))
  const word = new Uint8Array(CODE_POINTS).fill(1)
  const step = 4096
  for (let from = 0; from < CODE_POINTS; from += step) {
    const members = Array.from({ length: step }, (_, i) => from + i).filter((c) => !isSurrogate(c))
    const text = members.map((c) => `Q${String.fromCodePoint(c)} `).join('')
    const encoding = await tokenizer.encode(text)
    const offsets = encoding.getOffsets()
    encoding.getIds().forEach((id, i) => {
      if (id === 1 && offsets[i][0] % 3 === 0) word[members[offsets[i][0] / 3]] = 0
    })
  }
  for (let c = 0xd800; c <= 0xdfff; c++) word[c] = 0
  word[0x51] = 1 // 'Q' itself: "QQ " was three tokens wide
  return word
}

/** What happens to one code point; decompositions and lowercase forms as arrays. */
function properties(c, ask) {
  const char = String.fromCodePoint(c)
  const decomposition = points(ask.nfd.normalizeString(char))
  const lowercase = points(ask.lower.normalizeString(char))
  const pieces = ask.preTokenizer.preTokenizeString(`a${char}b`).map(([text]) => text)
  const separates = pieces.length > 1
  const cleaned = ask.clean.normalizeString(char)
  const whitespace = separates && pieces.length === 2
  if (cleaned === ' ' && !whitespace) throw new Error(`U+${c.toString(16)}: white space differs`)
  if (cleaned !== '' && cleaned !== ' ' && cleaned !== char) throw new Error('unexpected cleaning')
  const split = ask.split[c]
  if ((split === 'space') !== whitespace) throw new Error(`U+${c.toString(16)}: \\s differs`)
  const hangul = c >= 0xac00 && c <= 0xd7a3
  const itself = decomposition.length === 1 && decomposition[0] === c
  return {
    removed: cleaned === '',
    whitespace,
    punctuation: pieces.length === 3,
    chinese: ask.chinese.normalizeString(char) !== char,
    nonspacingMark: itself && ask.strip.normalizeString(char) === '',
    combiningClass: itself ? combiningClass(c) : 0,
    decomposition: itself || hangul ? [] : decomposition,
    hangul: hangul ? decomposition : [],
    lowercase: lowercase.length === 1 && lowercase[0] === c ? [] : lowercase,
    split,
  }
}

const SPLIT_RUN = 128

/** What the split pattern of GPT-2 takes each code point for: what it stays in one piece with. Runs
 * of one class are asked about at once. */
function splitClasses() {
  const byteLevel = oracle.byteLevelPreTokenizer(false, true)
  const joins = (other, chars) => byteLevel.preTokenizeString(other + chars).length === 1
  const classOf = (chars) => {
    if (joins('!', chars)) return 'other'
    if (joins('a', chars)) return 'letter'
    return joins('1', chars) ? 'number' : undefined
  }
  const classes = []
  for (let from = 0; from < CODE_POINTS; from += SPLIT_RUN) {
    if (isSurrogate(from)) {
      classes.length += SPLIT_RUN
      continue
    }
    const run = Array.from({ length: SPLIT_RUN }, (_, i) => String.fromCodePoint(from + i))
    const common = classOf(run.join(''))
    for (const char of run) classes.push(common ?? classOf(char) ?? 'space')
  }
  return classes
}

function checkHangul(c, decomposition) {
  const s = c - 0xac00
  const expected = [0x1100 + Math.floor(s / 588), 0x1161 + Math.floor((s % 588) / 28)]
  if (s % 28 !== 0) expected.push(0x11a7 + (s % 28))
  if (expected.join() !== decomposition.join()) throw new Error('Hangul is not algorithmic')
}

async function main() {
  const ask = {
    nfd,
    lower: bert({ lowercase: true }),
    clean: bert({ cleanText: true }),
    chinese: bert({ handleChineseChars: true }),
    strip: bert({ stripAccents: true }),
    preTokenizer: oracle.bertPreTokenizer(),
    split: splitClasses(),
  }
  const word = await wordCharacters()
  const table = []
  for (let c = 0; c < CODE_POINTS; c++) {
    if (isSurrogate(c)) {
      table.push(undefined)
      continue
    }
    const entry = properties(c, ask)
    if (entry.hangul.length > 0) checkHangul(c, entry.hangul)
    table.push({ ...entry, word: word[c] === 1 })
  }
  checkDecompositions(table)
  const text = renderTables(table, oracleVersion)
  if (process.argv.includes('--check')) {
    if (readFileSync(output, 'utf8') !== text) throw new Error('unicode_tables.cc is out of date')
    return
  }
  writeFileSync(output, text)
}

/** The native code relies on this: what a decomposition begins with is never reordered behind the
 * rest of it, and nothing decomposes twice. */
function checkDecompositions(table) {
  for (const entry of table) {
    if (entry === undefined || entry.decomposition.length === 0) continue
    const classes = entry.decomposition.map((d) => table[d].combiningClass)
    const nested = entry.decomposition.some((d) => table[d].decomposition.length > 0)
    const unordered = classes.some((k, i) => i > 0 && k !== 0 && k < classes[i - 1])
    if (nested || unordered) throw new Error('unexpected decomposition')
  }
}

await main()

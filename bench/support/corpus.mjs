// The texts of corpus/, which make-corpus.mjs writes: documents that are all different, as strings
// and as UTF-8 in one Buffer.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { CORPUS } from './options.mjs'

const NEWLINE = 0x0a
/** Documents of a run that measures nothing. */
const QUICK_DOCUMENTS = 500

const pathOf = (name) => join(CORPUS, `${name}.txt`)

export const hasCorpus = (name) => existsSync(pathOf(name))

/** The path of a corpus, undefined where there is none. */
export const corpusFile = (name) => (hasCorpus(name) ? pathOf(name) : undefined)

/** Where the lines of a file begin and end, its last newline not being one of its own. */
function lineRanges(bytes) {
  const ranges = []
  for (let begin = 0; begin < bytes.length; ) {
    const newline = bytes.indexOf(NEWLINE, begin)
    const end = newline < 0 ? bytes.length : newline
    ranges.push([begin, end])
    begin = end + 1
  }
  return ranges
}

/**
 * @returns texts: strings; range: all of them as { bytes, offsets [texts + 1] }; megabytes of UTF-8
 */
export function readCorpus(name, options) {
  const file = readFileSync(pathOf(name))
  const lines = lineRanges(file).slice(0, options.quick ? QUICK_DOCUMENTS : undefined)
  // Each decoded for itself: pieces of one large string would all be in UTF-16, like its widest.
  const texts = lines.map(([begin, end]) => file.toString('utf8', begin, end))
  const bytes = Buffer.concat(lines.map(([begin, end]) => file.subarray(begin, end)))
  const offsets = new Int32Array(lines.length + 1)
  lines.forEach(([begin, end], i) => {
    offsets[i + 1] = offsets[i] + end - begin
  })
  return { texts, range: { bytes, offsets }, megabytes: bytes.length / 1e6 }
}

// From JavaScript strings, or one Buffer, to ids in typed arrays, on one thread, against Hugging
// Face's tokenizer, which takes strings only.
// The ids must be the same, all of them, before anything is timed. Fetching the ids from Hugging
// Face's Encoding objects is not in its time.

import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { figure, sample } from '../support/figure.mjs'
import { loadTokenizer } from '../support/fusebert.mjs'
import { huggingFaceTokenizer } from '../support/minilm.mjs'
import { selected } from '../support/options.mjs'
import { makeTexts, readWords } from '../support/texts.mjs'

export const title = 'tokenizer'

const TEXTS = 4_000
const QUICK_TEXTS = 200
const MAX_TOKENS = 512
const STRINGS = { name: 'ids from strings', target: 22 }
const BUFFER = { name: 'ids from one Buffer', target: 35 }
const FIGURE = 'ids from strings, one call'

/** The texts as UTF-8 in one Buffer, with the offset of each. */
function toRange(texts) {
  const chunks = texts.map((text) => Buffer.from(text))
  const offsets = new Int32Array(chunks.length + 1)
  chunks.forEach((chunk, i) => {
    offsets[i + 1] = offsets[i] + chunk.length
  })
  return { bytes: Buffer.concat(chunks), offsets }
}

function checkIds({ input_ids, cu_seqlens }, theirs) {
  if (cu_seqlens.length !== theirs.length + 1) {
    throw new Error(`Expected ${theirs.length} texts but received ${cu_seqlens.length - 1}.`)
  }
  theirs.forEach((encoding, i) => {
    const ids = input_ids.subarray(cu_seqlens[i], cu_seqlens[i + 1])
    const expected = encoding.getIds()
    if (ids.length !== expected.length || !expected.every((id, j) => ids[j] === id)) {
      throw new Error(`Expected the ids of Hugging Face's tokenizer but text ${i} differs.`)
    }
  })
  return 'ids equal'
}

export async function run(options, { compare, report, skip }) {
  const wanted = [STRINGS.name, BUFFER.name, FIGURE].filter((name) =>
    selected(options, title, name),
  )
  if (wanted.length === 0) return
  if (!existsSync(join(options.minilm, 'tokenizer.json'))) {
    return skip('the tokenizer of all-MiniLM-L6-v2 is not there')
  }
  const tokenizer = await loadTokenizer(options.minilm)
  const other = huggingFaceTokenizer(options.minilm, MAX_TOKENS)
  const words = readWords(join(options.minilm, 'vocab.txt'))
  const texts = makeTexts(options.quick ? QUICK_TEXTS : TEXTS, words, options)
  const megabytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0) / 1e6
  const truncated = { truncation: true, max_length: MAX_TOKENS }
  const encode = () => tokenizer.encodeBatch(texts, truncated)
  const range = toRange(texts)
  const sides = [
    { ...STRINGS, ours: encode },
    { ...BUFFER, ours: () => tokenizer.encodeBatch(range, truncated) },
  ]
  for (const side of sides.filter(({ name }) => wanted.includes(name))) {
    await compare({
      ...side,
      against: 'tokenizers (native), one thread',
      amount: megabytes,
      unit: 'MB',
      theirs: () => other.encodeBatch(texts),
      check: checkIds,
    })
  }
  if (!wanted.includes(FIGURE)) return
  const times = await sample(FIGURE, encode, options)
  const rate = (ms) => (megabytes * 1_000) / ms
  const spread = `${rate(times.max).toFixed(1)}–${rate(times.min).toFixed(1)}`
  report(figure(FIGURE, rate(times.median), 'MB/s', spread, { times }))
}

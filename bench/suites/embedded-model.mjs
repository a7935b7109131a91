// fusebert-mini beside all-MiniLM-L6-v2, both in fusebert, from text to normalised vectors: what
// the small model inside the package saves. The two do not compute the same, so what is checked
// is that both give one vector of unit length a text, and that they agree on which texts are alike.

import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { cosine } from '../support/check.mjs'
import { loadPipeline, rowsOf } from '../support/fusebert.mjs'
import { selected } from '../support/options.mjs'
import { makeTexts, readWords } from '../support/texts.mjs'

export const title = 'embedded model from text'

const TEXTS = 512
const QUICK_TEXTS = 64
const TARGET = 10
/** Texts of random words are alike by chance only; a model that knows nothing would be near 0. */
const MIN_CORRELATION = 0.3
const UNIT_TOLERANCE = 1e-3

function checkUnit(vectors, texts) {
  if (vectors.length !== texts) throw new Error(`Expected ${texts} vectors, not ${vectors.length}.`)
  for (const vector of vectors) {
    const norm = Math.hypot(...vector)
    if (!(Math.abs(norm - 1) < UNIT_TOLERANCE)) throw new Error(`A vector has length ${norm}.`)
  }
}

/** Cosines of neighbouring texts. */
const cosines = (vectors) => vectors.slice(1).map((vector, i) => cosine(vector, vectors[i]))

/** Pearson's correlation. */
function correlation(a, b) {
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length
  const [ma, mb] = [mean(a), mean(b)]
  const product = (x, mx, y, my) => x.reduce((sum, v, i) => sum + (v - mx) * (y[i] - my), 0)
  return product(a, ma, b, mb) / Math.sqrt(product(a, ma, a, ma) * product(b, mb, b, mb))
}

function check(ours, theirs, texts) {
  checkUnit(ours, texts)
  checkUnit(theirs, texts)
  const found = correlation(cosines(ours), cosines(theirs))
  if (!(found > MIN_CORRELATION)) throw new Error(`The cosines correlate by ${found} only.`)
  return `cosines correlate by ${found.toFixed(2)}`
}

export async function run(options, { compare, skip }) {
  if (!selected(options, title, 'one call fusebert, all-MiniLM-L6-v2')) return
  const there = existsSync(join(options.minilm, 'model.safetensors'))
  if (!there) return skip('all-MiniLM-L6-v2 is not there')
  const mini = await loadPipeline('fusebert-mini', options.threads)
  const minilm = await loadPipeline(options.minilm, options.threads)
  const words = readWords(join(options.minilm, 'vocab.txt'))
  const texts = makeTexts(options.quick ? QUICK_TEXTS : TEXTS, words, options)
  await compare({
    name: 'one call',
    against: 'fusebert, all-MiniLM-L6-v2',
    amount: texts.length,
    unit: 'texts',
    target: TARGET,
    ours: async () => rowsOf(await mini(texts)),
    theirs: async () => rowsOf(await minilm(texts)),
    check: (a, b) => check(a, b, texts.length),
  })
  await mini.dispose()
  await minilm.dispose()
}

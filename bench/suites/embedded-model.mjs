// fusebert-mini, the model inside the package, from text to normalised vectors: against onnxruntime
// on its fused graph, and beside all-MiniLM-L6-v2 in fusebert, which shows what it saves. Those two
// do not compute the same, so what is checked there is that both give one vector of unit length a
// text, and that they agree on which texts are alike.

import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { checkCosine, cosine } from '../support/check.mjs'
import { embedEach, loadPipeline, rowsOf } from '../support/fusebert.mjs'
import { MODELS, selected } from '../support/options.mjs'
import { hasTextModel, loadOnnxTexts, textModels } from '../support/text-models.mjs'
import { makeTexts, readWords } from '../support/texts.mjs'

export const title = 'embedded model from text'

const TEXTS = 512
const QUICK_TEXTS = 64
const AGAINST_MINILM = 'fusebert, all-MiniLM-L6-v2'
const MINILM_TARGET = 10
const AGAINST_ONNX = 'onnxruntime-node, one by one'
const ONNX_TARGET = 1.5
const MIN_COSINE = 0.99999
/** Texts of random words are alike by chance only; a model that knows nothing would be near 0. */
const MIN_CORRELATION = 0.3
const UNIT_TOLERANCE = 1e-3

const textsFor = (options) =>
  makeTexts(
    options.quick ? QUICK_TEXTS : TEXTS,
    readWords(join(MODELS, 'bert-base', 'vocab.txt')),
    options,
  )

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

async function compareWithMinilm(mini, options, { compare, skip }) {
  const there = existsSync(join(options.minilm, 'model.safetensors'))
  if (!there) return skip('all-MiniLM-L6-v2 is not there')
  const minilm = await loadPipeline(options.minilm, options.threads)
  const texts = textsFor(options)
  await compare({
    name: 'one call',
    against: AGAINST_MINILM,
    amount: texts.length,
    unit: 'texts',
    target: MINILM_TARGET,
    ours: async () => rowsOf(await mini(texts)),
    theirs: async () => rowsOf(await minilm(texts)),
    check: (a, b) => check(a, b, texts.length),
  })
  await minilm.dispose()
}

async function compareWithOnnx(mini, cases, options, { compare, skip }) {
  const { embedded } = textModels(options)
  if (!hasTextModel(embedded)) return skip('its ONNX file is not there')
  const onnx = await loadOnnxTexts(embedded, 'native', options)
  const texts = textsFor(options)
  const calls = { 'one by one': () => embedEach(mini, texts),
    'one call': async () => rowsOf(await mini(texts)) }
  for (const name of cases) {
    await compare({
      name,
      against: AGAINST_ONNX,
      amount: texts.length,
      unit: 'texts',
      target: ONNX_TARGET,
      ours: calls[name],
      theirs: () => onnx.embed(texts, 1),
      check: (a, b) => checkCosine(a, b, MIN_COSINE),
    })
  }
  await onnx.release()
}

export async function run(options, reporter) {
  const cases = ['one by one', 'one call'].filter((name) =>
    selected(options, title, `${name} ${AGAINST_ONNX}`),
  )
  const minilm = selected(options, title, `one call ${AGAINST_MINILM}`)
  if (cases.length === 0 && !minilm) return
  const mini = await loadPipeline('fusebert-mini', options.threads)
  if (cases.length > 0) await compareWithOnnx(mini, cases, options, reporter)
  if (minilm) await compareWithMinilm(mini, options, reporter)
  await mini.dispose()
}

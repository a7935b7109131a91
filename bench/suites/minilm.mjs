// The real all-MiniLM-L6-v2 from text to normalised vectors: tokenizing, encoding and pooling are
// all inside. Against onnxruntime with Hugging Face's native tokenizer, which pools in JavaScript;
// against transformers.js with the graph that its users get; against sentence-transformers.

import { join } from 'node:path'

import { checkCosine } from '../support/check.mjs'
import { embedEach, loadPipeline, loadTokenizer, rowsOf } from '../support/fusebert.mjs'
import { selected } from '../support/options.mjs'
import { hasPython, startSentenceTransformers } from '../support/sentence-transformers.mjs'
import { hasTextModel, loadOnnxTexts, textModels } from '../support/text-models.mjs'
import { makeTexts, readWords } from '../support/texts.mjs'
import { hasTransformersJs, loadTransformersJsPipeline } from '../support/transformers-js.mjs'

export const title = 'MiniLM-L6 from text'

const TEXTS = 128
const QUICK_TEXTS = 16
const MIN_COSINE = 0.99999
/** Tokens that the model sees of a text. */
const LIMIT = 256

/** Each opens the other side: { call: async () → vectors or anything, vectors?, close }. */
const OTHERS = {
  'onnxruntime-node, one by one': (texts, options) => openOnnx(texts, options, 1),
  'onnxruntime-node, padded 16': (texts, options) => openOnnx(texts, options, 16),
  'transformers.js, one by one': async (texts, { threads }) => {
    const { embed, dispose } = await loadTransformersJsPipeline('minilm', threads)
    return {
      async call() {
        const vectors = []
        for (const text of texts) vectors.push(await embed(text))
        return vectors
      },
      close: dispose,
    }
  },
  'sentence-transformers, one call': async (texts, options) => {
    const side = await startSentenceTransformers(options.minilm, texts, options)
    return { call: side.run, vectors: side.vectors, close: side.stop }
  },
}

const CASES = [
  { name: 'one call', against: 'onnxruntime-node, one by one', target: 1.15 },
  { name: 'one by one', against: 'onnxruntime-node, one by one', target: 1.15 },
  { name: 'one call', against: 'onnxruntime-node, padded 16' },
  { name: 'one call', against: 'transformers.js, one by one', target: 1.9 },
  { name: 'one by one', against: 'transformers.js, one by one', target: 1.9 },
  { name: 'one call', against: 'sentence-transformers, one call', target: 2 },
]

async function openOnnx(texts, options, batchSize) {
  const onnx = await loadOnnxTexts(textModels(options).minilm, 'native', options)
  return { call: () => onnx.embed(texts, batchSize), close: onnx.release }
}

function makePair(one, texts, embed, other) {
  const call = { 'one call': async () => rowsOf(await embed(texts)),
    'one by one': () => embedEach(embed, texts) }
  return {
    ...one,
    amount: texts.length,
    unit: 'texts',
    ours: call[one.name],
    theirs: other.call,
    check: (a, b) => checkCosine(a, b, MIN_COSINE),
  }
}

/**
 * Those that both sides see alike: transformers.js drops the [SEP] of a text that it cuts, and its
 * vectors are others then.
 */
async function comparable(texts, against, options) {
  if (!against.startsWith('transformers.js')) return texts
  const counts = await (await loadTokenizer(options.minilm)).countTokens(texts)
  return texts.filter((_, i) => counts[i] <= LIMIT)
}

/** Why the other side cannot run, or undefined. */
function obstacle(against, options) {
  if (against.startsWith('transformers.js')) {
    return hasTransformersJs('minilm') ? undefined : `${against}: its model is not there`
  }
  if (against.startsWith('sentence')) {
    return hasPython(options) ? undefined : `${against}: no Python at --python`
  }
  return undefined
}

export async function run(options, { compare, skip }) {
  const cases = CASES.filter(({ name, against }) => selected(options, title, `${name} ${against}`))
  if (cases.length === 0) return
  if (!hasTextModel(textModels(options).minilm)) {
    return skip('all-MiniLM-L6-v2 or its ONNX file is not there')
  }
  const embed = await loadPipeline(options.minilm, options.threads)
  const words = readWords(join(options.minilm, 'vocab.txt'))
  const all = makeTexts(options.quick ? QUICK_TEXTS : TEXTS, words, options)
  for (const against of new Set(cases.map((one) => one.against))) {
    const reason = obstacle(against, options)
    if (reason !== undefined) {
      skip(reason)
      continue
    }
    const texts = await comparable(all, against, options)
    const other = await OTHERS[against](texts, options)
    const vectors = await other.vectors?.()
    const checked = vectors === undefined ? other : withVectors(other, vectors)
    for (const one of cases.filter((each) => each.against === against)) {
      await compare(makePair(one, texts, embed, checked))
    }
    await other.close()
  }
  await embed.dispose()
}

/** A side whose timed calls leave their vectors where they are: what is checked came before. */
function withVectors(other, vectors) {
  return { ...other, call: async () => (await other.call(), vectors) }
}

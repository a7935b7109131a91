// The real all-MiniLM-L6-v2 from text to normalised vectors: tokenizing, encoding and pooling are
// all inside. onnxruntime gets Hugging Face's native tokenizer and pools in JavaScript.

import { join } from 'node:path'

import { checkCosine } from '../support/check.mjs'
import { loadPipeline, rowsOf } from '../support/fusebert.mjs'
import { hasMinilm, loadOnnxMinilm } from '../support/minilm.mjs'
import { selected } from '../support/options.mjs'
import { makeTexts, readWords } from '../support/texts.mjs'

export const title = 'MiniLM-L6 from text'

const TEXTS = 128
const QUICK_TEXTS = 32
const MIN_COSINE = 0.99999

const CASES = [
  { name: 'one call', against: 'onnxruntime-node, one by one', ours: 'all', batchSize: 1,
    target: 1.15 },
  { name: 'one by one', against: 'onnxruntime-node, one by one', ours: 'each', batchSize: 1 },
  { name: 'one call', against: 'onnxruntime-node, padded 16', ours: 'all', batchSize: 16 },
]

async function embedEach(embed, texts) {
  const vectors = []
  for (const text of texts) vectors.push((await embed(text)).data)
  return vectors
}

function makePair({ name, against, ours, batchSize, target }, texts, embed, onnx) {
  return {
    name,
    against,
    amount: texts.length,
    unit: 'texts',
    target,
    ours:
      ours === 'all'
        ? async () => rowsOf(await embed(texts))
        : () => embedEach(embed, texts),
    theirs: () => onnx.embed(texts, batchSize),
    check: (a, b) => checkCosine(a, b, MIN_COSINE),
  }
}

export async function run(options, { compare, skip }) {
  const cases = CASES.filter(({ name, against }) =>
    selected(options, title, `${name} ${against}`),
  )
  if (cases.length === 0) return
  if (!hasMinilm(options)) return skip('all-MiniLM-L6-v2 or its ONNX file is not there')
  const onnx = await loadOnnxMinilm(options)
  const embed = await loadPipeline(options.minilm, options.threads)
  const words = readWords(join(options.minilm, 'vocab.txt'))
  const texts = makeTexts(options.quick ? QUICK_TEXTS : TEXTS, words, options)
  for (const one of cases) await compare(makePair(one, texts, embed, onnx))
  await embed.dispose()
  await onnx.release()
}

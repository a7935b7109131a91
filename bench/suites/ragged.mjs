// BERT-Base, fp32, on texts whose lengths differ: one call of ours, which pads nothing, against
// onnxruntime one text at a time and in padded batches. Both return every hidden state. We start
// from text, onnxruntime from ids that it is given. Texts are generated ones with the lengths of
// short posts (median 35 tokens, mean 72), and real ones of the corpus.

import { join } from 'node:path'

import { checkClose } from '../support/check.mjs'
import { loadPipeline, loadTokenizer } from '../support/fusebert.mjs'
import { loadOnnx, padBatch, unpadBatch } from '../support/onnx.mjs'
import { MODELS, selected } from '../support/options.mjs'
import { quantile } from '../support/statistics.mjs'
import {
  LONGEST, makeTexts, raggedLengths, readWords, textsOfLengths,
} from '../support/texts.mjs'

export const title = 'BERT-Base, ragged'

const HIDDEN_SIZE = 768
const TEXTS = 64
const QUICK_TEXTS = 8
const TOLERANCE = 1e-3
const OTHERS = [
  { against: 'onnxruntime-node, one by one', batchSize: 1, target: 1.2 },
  { against: 'onnxruntime-node, padded 16', batchSize: 16, target: 5 },
]
const SOURCES = {
  'lengths of posts': (count, words) =>
    textsOfLengths(raggedLengths(count), words).map(({ text }) => text),
  'real texts': makeTexts,
}

/** The rows in unsorted batches, as somebody who embeds a file in its order sends them. */
function makeBatches(rows, batchSize) {
  const batches = []
  for (let begin = 0; begin < rows.length; begin += batchSize) {
    batches.push(padBatch(rows.slice(begin, begin + batchSize)))
  }
  return batches
}

/** The ids of each text, cut to the model's limit. */
async function encode(folder, texts) {
  const tokenizer = await loadTokenizer(folder)
  const options = { truncation: true, max_length: LONGEST }
  const { input_ids, cu_seqlens } = await tokenizer.encodeBatch(texts, options)
  return texts.map((_, i) => input_ids.subarray(cu_seqlens[i], cu_seqlens[i + 1]))
}

/** What the check found, and how long the texts are. */
function describe(agreement, rows, tokens) {
  const median = quantile(rows.map(({ length }) => length), 0.5)
  return `${agreement}; tokens a text: median ${median}, mean ${(tokens / rows.length).toFixed(0)}`
}

function makePair(name, { against, batchSize, target }, { texts, rows }, { embed, session }) {
  const batches = makeBatches(rows, batchSize)
  const tokens = rows.reduce((sum, { length }) => sum + length, 0)
  return {
    name,
    against,
    amount: tokens,
    unit: 'tokens',
    target,
    ours: async () => (await embed(texts, { pooling: 'none' })).map(({ data }) => data),
    theirs: async () => {
      const hidden = []
      for (const batch of batches) {
        hidden.push(...unpadBatch(batch, await session.run(batch), HIDDEN_SIZE))
      }
      return hidden
    },
    check: (ours, theirs) => describe(checkClose(ours, theirs, TOLERANCE), rows, tokens),
  }
}

export async function run(options, { compare }) {
  const wanted = (name) =>
    OTHERS.filter(({ against }) => selected(options, title, `${name} ${against}`))
  const names = Object.keys(SOURCES).filter((name) => wanted(name).length > 0)
  if (names.length === 0) return
  const folder = join(MODELS, 'bert-base')
  const session = await loadOnnx('bert-base', options.threads)
  const embed = await loadPipeline(folder, options.threads)
  const words = readWords(join(folder, 'vocab.txt'))
  for (const name of names) {
    const texts = SOURCES[name](options.quick ? QUICK_TEXTS : TEXTS, words, options)
    const source = { texts, rows: await encode(folder, texts) }
    for (const other of wanted(name)) {
      await compare(makePair(name, other, source, { embed, session }))
    }
  }
  await embed.dispose()
  await session.release()
}

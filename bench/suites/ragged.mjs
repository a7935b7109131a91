// BERT-Base, fp32, on texts whose lengths differ as real ones do: one call of ours, which pads
// nothing, against onnxruntime one text at a time and in padded batches. Both return every hidden
// state. We start from text, onnxruntime from ids that it is given.

import { join } from 'node:path'

import { checkClose } from '../support/check.mjs'
import { loadPipeline } from '../support/fusebert.mjs'
import { loadOnnx, padBatch, unpadBatch } from '../support/onnx.mjs'
import { MODELS, selected } from '../support/options.mjs'
import { raggedLengths, readWords, textsOfLengths } from '../support/texts.mjs'

export const title = 'BERT-Base, ragged'

const HIDDEN_SIZE = 768
const TEXTS = 64
const QUICK_TEXTS = 16
const TOLERANCE = 1e-3
const CASES = [
  { name: 'fp32, one call', against: 'onnxruntime-node, one by one', batchSize: 1, target: 1.2 },
  { name: 'fp32, one call', against: 'onnxruntime-node, padded 16', batchSize: 16, target: 5 },
]

/** The rows in unsorted batches, as somebody who embeds a file in its order sends them. */
function makeBatches(rows, batchSize) {
  const batches = []
  for (let begin = 0; begin < rows.length; begin += batchSize) {
    batches.push(padBatch(rows.slice(begin, begin + batchSize)))
  }
  return batches
}

function makePair({ name, against, batchSize, target }, texts, embed, session) {
  const batches = makeBatches(texts.map(({ input_ids }) => input_ids), batchSize)
  const list = texts.map(({ text }) => text)
  return {
    name,
    against,
    amount: texts.reduce((sum, { input_ids }) => sum + input_ids.length, 0),
    unit: 'tokens',
    target,
    ours: async () => (await embed(list, { pooling: 'none' })).map(({ data }) => data),
    theirs: async () => {
      const hidden = []
      for (const batch of batches) {
        hidden.push(...unpadBatch(batch, await session.run(batch), HIDDEN_SIZE))
      }
      return hidden
    },
    check: (ours, theirs) => checkClose(ours, theirs, TOLERANCE),
  }
}

export async function run(options, { compare }) {
  const cases = CASES.filter(({ name, against }) =>
    selected(options, title, `${name} ${against}`),
  )
  if (cases.length === 0) return
  const folder = join(MODELS, 'bert-base')
  const session = await loadOnnx('bert-base', options.threads)
  const embed = await loadPipeline(folder, options.threads)
  const lengths = raggedLengths(options.quick ? QUICK_TEXTS : TEXTS)
  const texts = textsOfLengths(lengths, readWords(join(folder, 'vocab.txt')))
  for (const one of cases) await compare(makePair(one, texts, embed, session))
  await embed.dispose()
  await session.release()
}

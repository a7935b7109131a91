// BERT-Base, fp32, ids in and last hidden states out, in batches of one length: no padding on
// either side, so this compares arithmetic and nothing else.

import { join } from 'node:path'

import { checkClose } from '../support/check.mjs'
import { int32Tensor, loadModel } from '../support/fusebert.mjs'
import { loadOnnx, padBatch } from '../support/onnx.mjs'
import { MODELS, selected } from '../support/options.mjs'
import { readWords, textsOfLengths } from '../support/texts.mjs'

export const title = 'BERT-Base'

const SHAPES = [
  { batch: 1, length: 32, target: 1.28 },
  { batch: 1, length: 128, target: 1.18 },
  { batch: 8, length: 128, target: 1.12 },
  { batch: 4, length: 512, target: 1.12 },
]
const TOLERANCE = 1e-3

async function makePair(shape, words, model, session) {
  const { batch, length, target } = shape
  const lengths = Array.from({ length: batch }, () => length)
  const rows = textsOfLengths(lengths, words).map(({ input_ids }) => input_ids)
  const padded = padBatch(rows)
  const input_ids = await int32Tensor(padded.feeds.input_ids.data, [batch, length])
  return {
    name: `fp32 ${batch}×${length}`,
    against: 'onnxruntime-node, fused graph',
    amount: batch * length,
    unit: 'tokens',
    target,
    ours: async () => (await model({ input_ids })).last_hidden_state.data,
    theirs: () => session.run(padded),
    check: (ours, theirs) => checkClose([ours], [theirs], TOLERANCE),
  }
}

export async function run(options, { compare }) {
  const shapes = SHAPES.filter(({ batch, length }) =>
    selected(options, title, `fp32 ${batch}×${length}`),
  )
  if (shapes.length === 0) return
  const folder = join(MODELS, 'bert-base')
  const session = await loadOnnx('bert-base', options.threads)
  const model = await loadModel(folder, options.threads)
  const words = readWords(join(folder, 'vocab.txt'))
  for (const shape of shapes) await compare(await makePair(shape, words, model, session))
  await model.dispose()
  await session.release()
}

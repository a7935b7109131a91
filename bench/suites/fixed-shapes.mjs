// BERT-Base, fp32, ids in and last hidden states out, in batches of one length: no padding on
// either side, so this compares arithmetic and nothing else. The processor's peak is measured in
// every round, and a competitor far below it is none: then the suite fails.

import { join } from 'node:path'

import { checkClose } from '../support/check.mjs'
import { checkCompetitor } from '../support/competitor.mjs'
import { int32Tensor, loadModel } from '../support/fusebert.mjs'
import { hasNative, measurePeak } from '../support/native.mjs'
import { loadOnnx, padBatch } from '../support/onnx.mjs'
import { MODELS, selected } from '../support/options.mjs'
import { readWords, textsOfLengths } from '../support/texts.mjs'

export const title = 'BERT-Base'

/**
 * target: least ratio; share_target: share of the peak at which the other side leaves no room for
 * that ratio; least_share: asked for besides.
 */
const SHAPES = [
  { batch: 1, length: 32, target: 1.28, share_target: 0.82 },
  { batch: 1, length: 128, target: 1.18, share_target: 0.86 },
  { batch: 8, length: 128, target: 1.12, share_target: 0.9, least_share: 0.88 },
  { batch: 32, length: 128, target: 1.12, share_target: 0.9 },
  { batch: 4, length: 512, target: 1.12, share_target: 0.9 },
]
/** Larger batches take too long where nothing is measured. */
const MAX_QUICK_TOKENS = 1_024
const TOLERANCE = 1e-3

// 12 layers of 2 · 768 · (2304 + 768 + 3072 + 3072), and 4 · 768 for each token that a token sees.
const FLOP_PER_TOKEN = 169_869_312
const FLOP_PER_TOKEN_AND_KEY = 36_864

/** Where the other side's share of the peak is looked at. */
const VALIDITY = { batch: 8, length: 128 }

const nameOf = ({ batch, length }) => `fp32 ${batch}×${length}`

async function makePair(shape, words, model, session, options) {
  const { batch, length } = shape
  const tokens = batch * length
  const lengths = Array.from({ length: batch }, () => length)
  const rows = textsOfLengths(lengths, words).map(({ input_ids }) => input_ids)
  const padded = padBatch(rows)
  const input_ids = await int32Tensor(padded.feeds.input_ids.data, [batch, length])
  const peak = async () => (await measurePeak(options.threads, options)).gflops
  return {
    ...shape,
    name: nameOf(shape),
    against: 'onnxruntime-node, fused graph',
    amount: tokens,
    unit: 'tokens',
    flop: tokens * (FLOP_PER_TOKEN + FLOP_PER_TOKEN_AND_KEY * length),
    peak: hasNative() ? peak : undefined,
    ours: async () => (await model({ input_ids })).last_hidden_state.data,
    theirs: () => session.run(padded),
    check: (ours, theirs) => checkClose([ours], [theirs], TOLERANCE),
  }
}

/** Looks at the other side's share of the peak, where that was measured. */
function checkValidity(rows, options, skip) {
  const row = rows.find(({ name }) => name === nameOf(VALIDITY))
  if (row?.theirs_share !== undefined) return checkCompetitor(row, options)
  const why = row === undefined ? 'not selected' : 'measured without fusebert_cpu_bench'
  return skip(`the competitor's share of the peak was not checked: ${nameOf(VALIDITY)} is ${why}`)
}

export async function run(options, { compare, skip }) {
  const largest = options.quick ? MAX_QUICK_TOKENS : Infinity
  const shapes = SHAPES.filter((shape) => selected(options, title, nameOf(shape))).filter(
    ({ batch, length }) => batch * length <= largest,
  )
  if (shapes.length === 0) return
  const folder = join(MODELS, 'bert-base')
  const session = await loadOnnx('bert-base', options.threads)
  const model = await loadModel(folder, options.threads)
  const words = readWords(join(folder, 'vocab.txt'))
  const rows = []
  for (const shape of shapes) {
    rows.push(await compare(await makePair(shape, words, model, session, options)))
  }
  await model.dispose()
  await session.release()
  checkValidity(rows, options, skip)
}

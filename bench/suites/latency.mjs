// What a service that embeds one short sentence at a time waits for: text in, vector out.

import { join } from 'node:path'

import { loadPipeline } from '../support/fusebert.mjs'
import { figure, sample } from '../support/figure.mjs'
import { hasMinilm } from '../support/minilm.mjs'
import { MODELS, selected } from '../support/options.mjs'

export const title = 'latency'

const SENTENCE = 'the quick brown fox jumps over the lazy dog'
const POOLED = { pooling: 'mean', normalize: true }
const NORM_TOLERANCE = 1e-4

async function measure(name, folder, options, report) {
  const embed = await loadPipeline(folder, options.threads)
  const { data, usage } = await embed(SENTENCE, POOLED)
  const norm = Math.hypot(...data)
  if (!(Math.abs(norm - 1) <= NORM_TOLERANCE)) {
    throw new Error(`Expected a vector of length 1 but received one of length ${norm}.`)
  }
  const times = await sample(name, () => embed(SENTENCE, POOLED), options)
  await embed.dispose()
  const spread = `${times.min.toFixed(2)}–${times.max.toFixed(2)}`
  report(figure(`${name}, ${usage.tokens} tokens`, times.median, 'ms', spread, { times }))
}

export async function run(options, { report, skip }) {
  const bert = 'one short sentence, BERT-Base'
  const minilm = 'one short sentence, MiniLM-L6'
  if (selected(options, title, bert)) {
    await measure(bert, join(MODELS, 'bert-base'), options, report)
  }
  if (!selected(options, title, minilm)) return
  if (hasMinilm(options)) await measure(minilm, options.minilm, options, report)
  else skip('all-MiniLM-L6-v2 or its ONNX file is not there')
}

// How long it takes from a folder to a model that is ready, weights packed, with the files in the
// page cache.

import { join } from 'node:path'

import { loadModel } from '../support/fusebert.mjs'
import { figure, sample } from '../support/figure.mjs'
import { MODELS, selected } from '../support/options.mjs'

export const title = 'load'

const NAME = 'BERT-Base, fp32, warm page cache'
// A load takes most of a second.
const MIN_SAMPLES = 7

export async function run(options, { report }) {
  if (!selected(options, title, NAME)) return
  const folder = join(MODELS, 'bert-base')
  const load = async () => (await loadModel(folder, options.threads)).dispose()
  await load()
  const times = await sample(NAME, load, options, { minSamples: MIN_SAMPLES })
  const spread = `${times.min.toFixed(0)}–${times.max.toFixed(0)}`
  report(figure(NAME, times.median, 'ms', spread, { times }))
}

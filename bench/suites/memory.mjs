// How much the process grows by loading a model, as a multiple of the model's fp32 tensors. A suite
// has a process of its own, so nothing else is in the numbers.

import { closeSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'

import { loadModel } from '../support/fusebert.mjs'
import { figure } from '../support/figure.mjs'
import { MODELS, selected } from '../support/options.mjs'
import { atMost } from '../support/targets.mjs'

export const title = 'memory'

const NAME = 'BERT-Base, growth of the resident size after load'
const TARGET = 1.15
const PEAK_NAME = 'BERT-Base, the same at its peak during the load'
const PEAK_TARGET = 1.5
const MIB = 2 ** 20

/** Bytes of the tensors of a safetensors file, from its header. */
function tensorBytes(path) {
  const file = openSync(path)
  const prefix = Buffer.alloc(8)
  readSync(file, prefix, 0, 8, 0)
  const header = Buffer.alloc(Number(prefix.readBigUInt64LE()))
  readSync(file, header, 0, header.length, 8)
  closeSync(file)
  const entries = Object.entries(JSON.parse(header.toString('utf8')))
  return entries
    .filter(([name]) => name !== '__metadata__')
    .reduce((sum, [, { data_offsets: [begin, end] }]) => sum + end - begin, 0)
}

export async function run(options, { report }) {
  if (!selected(options, title, NAME)) return
  const folder = join(MODELS, 'bert-base')
  const bytes = tensorBytes(join(folder, 'model.safetensors'))
  // The library itself is loaded before the first look.
  await loadModel(join(folder, 'none'), options.threads).catch(() => undefined)
  const before = process.memoryUsage().rss
  const model = await loadModel(folder, options.threads)
  const growth = process.memoryUsage().rss - before
  // In KiB.
  const peak = process.resourceUsage().maxRSS * 1024 - before
  await model.dispose()
  const tell = (name, found, target) => {
    const more = { targets: atMost(found / bytes, target), found, bytes }
    report(figure(name, found / bytes, '× the tensors', `${(found / MIB).toFixed(0)} MiB`, more))
  }
  tell(NAME, growth, TARGET)
  tell(PEAK_NAME, peak, PEAK_TARGET)
}

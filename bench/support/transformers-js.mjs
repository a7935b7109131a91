// transformers.js on the folders that make-models.py writes for it, without a network.

import { existsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

import { AutoTokenizer, env, pipeline } from '@huggingface/transformers'

import { MODELS } from './options.mjs'

const FOLDER = join(MODELS, 'transformers.js')

export const hasTransformersJs = (name) => existsSync(join(FOLDER, name, 'onnx', 'model.onnx'))

/** Names are looked up below `parent`. */
function look(parent) {
  env.allowRemoteModels = false
  env.localModelPath = parent
}

/** The tokenizer of a folder. */
export function loadTransformersJsTokenizer(folder) {
  look(dirname(folder))
  return AutoTokenizer.from_pretrained(basename(folder))
}

/** feature-extraction in fp32 on the CPU → async text → normalised mean as a Float32Array. */
export async function loadTransformersJsPipeline(name, threads) {
  look(FOLDER)
  const extract = await pipeline('feature-extraction', name, {
    dtype: 'fp32',
    device: 'cpu',
    session_options: { intraOpNumThreads: threads, interOpNumThreads: 1 },
  })
  return {
    embed: async (text) => (await extract(text, { pooling: 'mean', normalize: true })).data,
    dispose: () => extract.dispose(),
  }
}

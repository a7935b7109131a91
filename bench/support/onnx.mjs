// The competitor: onnxruntime-node on the files that make-models.py writes. It only counts with a
// graph that is fused, which the manifest records of exactly this file.

import { createHash } from 'node:crypto'
import { createReadStream, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'

import ort from 'onnxruntime-node'

import { MODELS } from './options.mjs'

const MAKE = 'Run "python3 make-models.py" in bench/.'
// FastGelu is another function: the tanh approximation.
const GELU_KINDS = ['Gelu', 'BiasGelu']

async function sha256(path) {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash)
  return hash.digest('hex')
}

/** Whether make-models.py has written a model of this name. */
export function hasOnnx(name) {
  return existsSync(join(MODELS, `${name}.onnx`))
}

/**
 * The path of a model's file.
 * @throws when the file is not the one of the manifest, or its graph does not have one Attention
 * and one GELU node a layer
 */
async function fusedFile(name) {
  const manifestPath = join(MODELS, 'manifest.json')
  if (!existsSync(manifestPath) || !hasOnnx(name)) throw new Error(`No ${name}.onnx. ${MAKE}`)
  const entry = JSON.parse(readFileSync(manifestPath, 'utf8')).models[name]
  if (entry === undefined) throw new Error(`The manifest does not know ${name}.onnx. ${MAKE}`)
  const path = join(MODELS, entry.file)
  if ((await sha256(path)) !== entry.sha256) {
    throw new Error(`Expected the ${entry.file} that the manifest describes. ${MAKE}`)
  }
  const { num_hidden_layers: layers, operators } = entry
  const gelus = GELU_KINDS.reduce((sum, kind) => sum + (operators[kind] ?? 0), 0)
  const attentions = operators.Attention ?? 0
  if (!(layers >= 1) || attentions !== layers || gelus !== layers) {
    throw new Error(
      `Expected one fused Attention and one GELU node for each of ${layers} layers of ` +
        `${entry.file} but it has ${attentions} and ${gelus}. A graph that is not fused is no ` +
        `competitor. ${MAKE}`,
    )
  }
  return path
}

/** One batch, padded on the right to its longest row: what a session takes. */
export function padBatch(rows) {
  const columns = Math.max(...rows.map((row) => row.length))
  const size = rows.length * columns
  const input_ids = new Int32Array(size)
  const attention_mask = new Int32Array(size)
  rows.forEach((row, i) => {
    input_ids.set(row, i * columns)
    attention_mask.fill(1, i * columns, i * columns + row.length)
  })
  const dims = [rows.length, columns]
  return {
    columns,
    lengths: rows.map((row) => row.length),
    feeds: {
      input_ids: new ort.Tensor('int32', input_ids, dims),
      attention_mask: new ort.Tensor('int32', attention_mask, dims),
      token_type_ids: new ort.Tensor('int32', new Int32Array(size), dims),
    },
  }
}

/** The last hidden states of a batch: one Float32Array [S_i, hidden] a text, without padding. */
export function unpadBatch(batch, hidden, hiddenSize) {
  return batch.lengths.map((length, i) => {
    const begin = i * batch.columns * hiddenSize
    return hidden.subarray(begin, begin + length * hiddenSize)
  })
}

/** Opens a session with `threads` threads and everything that makes it fast switched on. */
export async function loadOnnx(name, threads) {
  const session = await ort.InferenceSession.create(await fusedFile(name), {
    executionProviders: ['cpu'],
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    enableCpuMemArena: true,
    enableMemPattern: true,
  })
  return {
    /** A padded batch → the last hidden states [batch, S, hidden], padding included. */
    async run(batch) {
      const { last_hidden_state } = await session.run(batch.feeds)
      return last_hidden_state.data
    },
    release: () => session.release(),
  }
}

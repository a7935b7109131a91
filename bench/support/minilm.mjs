// The real MiniLM on both sides, from text to normalised vectors.

import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { Tokenizer } from 'tokenizers'

import { hasOnnx, loadOnnx, padBatch, unpadBatch } from './onnx.mjs'

const HIDDEN_SIZE = 384
// sentence_bert_config.json of the model.
const MAX_TOKENS = 256

/** Whether both sides have the model. */
export function hasMinilm(options) {
  return existsSync(join(options.minilm, 'model.safetensors')) && hasOnnx('minilm')
}

/** The Hugging Face tokenizer of a folder, native, without the padding its file may ask for. */
export function huggingFaceTokenizer(folder, maxTokens) {
  const tokenizer = Tokenizer.fromFile(join(folder, 'tokenizer.json'))
  tokenizer.disablePadding()
  tokenizer.setTruncation(maxTokens)
  return tokenizer
}

/** Mean over the tokens, then division by the L2 norm. */
function pool(hidden) {
  const vector = new Float32Array(HIDDEN_SIZE)
  for (let offset = 0; offset < hidden.length; offset += HIDDEN_SIZE) {
    for (let i = 0; i < HIDDEN_SIZE; i += 1) vector[i] += hidden[offset + i]
  }
  const norm = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0))
  return vector.map((value) => value / norm)
}

/** onnxruntime-node with the native tokenizer. */
export async function loadOnnxMinilm(options) {
  const tokenizer = huggingFaceTokenizer(options.minilm, MAX_TOKENS)
  const session = await loadOnnx('minilm', options.threads)
  return {
    /** Texts in padded batches of `batchSize`, in the order given → one vector a text. */
    async embed(texts, batchSize) {
      const vectors = []
      for (let begin = 0; begin < texts.length; begin += batchSize) {
        const part = texts.slice(begin, begin + batchSize)
        const encodings =
          part.length === 1
            ? [await tokenizer.encode(part[0])]
            : await tokenizer.encodeBatch(part)
        const batch = padBatch(encodings.map((encoding) => encoding.getIds()))
        const hidden = await session.run(batch)
        vectors.push(...unpadBatch(batch, hidden, HIDDEN_SIZE).map(pool))
      }
      return vectors
    },
    release: () => session.release(),
  }
}

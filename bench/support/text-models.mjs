// The models that are compared from text to normalised vectors, and how onnxruntime-node does it:
// a tokenizer of Hugging Face's, the session on the fused graph, and the mean in JavaScript.

import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { Tokenizer } from 'tokenizers'

import { hasOnnx, loadOnnx, padBatch, unpadBatch } from './onnx.mjs'
import { MODELS } from './options.mjs'
import { loadTransformersJsTokenizer } from './transformers-js.mjs'

/**
 * folder: what fusebert loads; onnx: the name of the fused graph; tokenizer: a folder with
 * tokenizer.json; maxTokens: where texts are cut.
 */
export const textModels = ({ minilm }) => ({
  embedded: {
    name: 'fusebert-mini',
    folder: 'fusebert-mini',
    onnx: 'fusebert-mini',
    tokenizer: join(MODELS, 'transformers.js', 'fusebert-mini'),
    hiddenSize: 192,
    maxTokens: 256,
  },
  minilm: {
    name: 'MiniLM-L6',
    folder: minilm,
    onnx: 'minilm',
    tokenizer: join(MODELS, 'transformers.js', 'minilm'),
    hiddenSize: 384,
    maxTokens: 256,
  },
  bert: {
    name: 'BERT-Base',
    folder: join(MODELS, 'bert-base'),
    onnx: 'bert-base',
    tokenizer: join(MODELS, 'bert-base'),
    hiddenSize: 768,
    maxTokens: 512,
  },
})

/** Whether both sides have the model. */
export const hasTextModel = ({ onnx, tokenizer }) =>
  hasOnnx(onnx) && existsSync(join(tokenizer, 'tokenizer.json'))

/** Texts → ids, with the native tokenizer. */
function nativeTokenizer({ tokenizer: folder, maxTokens }) {
  const tokenizer = Tokenizer.fromFile(join(folder, 'tokenizer.json'))
  tokenizer.disablePadding()
  tokenizer.setTruncation(maxTokens)
  return async (texts) => {
    const encodings =
      texts.length === 1 ? [await tokenizer.encode(texts[0])] : await tokenizer.encodeBatch(texts)
    return encodings.map((encoding) => encoding.getIds())
  }
}

/** The same with transformers.js. */
async function javaScriptTokenizer({ tokenizer: folder, maxTokens }) {
  const tokenizer = await loadTransformersJsTokenizer(folder)
  const options = { truncation: true, max_length: maxTokens, return_tensor: false }
  return async (texts) => tokenizer(texts, options).input_ids
}

/** Mean over the tokens, then division by the L2 norm. */
function pool(hidden, hiddenSize) {
  const vector = new Float32Array(hiddenSize)
  for (let offset = 0; offset < hidden.length; offset += hiddenSize) {
    for (let i = 0; i < hiddenSize; i += 1) vector[i] += hidden[offset + i]
  }
  const norm = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0))
  return vector.map((value) => value / norm)
}

/**
 * onnxruntime-node from text.
 * @param tokenization - 'native' or 'transformers.js'
 */
export async function loadOnnxTexts(model, tokenization, options) {
  const tokenize =
    tokenization === 'native' ? nativeTokenizer(model) : await javaScriptTokenizer(model)
  const session = await loadOnnx(model.onnx, options.threads)
  return {
    /** Texts in padded batches of `batchSize`, in the order given → one vector a text. */
    async embed(texts, batchSize) {
      const vectors = []
      for (let begin = 0; begin < texts.length; begin += batchSize) {
        const batch = padBatch(await tokenize(texts.slice(begin, begin + batchSize)))
        const hidden = unpadBatch(batch, await session.run(batch), model.hiddenSize)
        vectors.push(...hidden.map((rows) => pool(rows, model.hiddenSize)))
      }
      return vectors
    },
    release: () => session.release(),
  }
}

// The sides of the tokenizers' comparisons: how each is loaded from a folder with tokenizer.json,
// runs over a corpus, and what ids it gave. None truncates or pads.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { Tokenizer as JavaScriptTokenizer } from '@huggingface/tokenizers'
import { Tokenizer } from 'tokenizers'

import { loadTokenizer } from './fusebert.mjs'
import { loadTransformersJsTokenizer } from './transformers-js.mjs'

/** Texts a call, where one call with all of them would keep gigabytes of Encoding objects alive. */
const CALL_TEXTS = 1_000

function* calls(texts) {
  for (let begin = 0; begin < texts.length; begin += CALL_TEXTS) {
    yield texts.slice(begin, begin + CALL_TEXTS)
  }
}

/** Whether encodeBatch takes a number of threads. */
export async function takesThreads(folder) {
  const tokenizer = await loadTokenizer(folder)
  try {
    await tokenizer.encodeBatch(['a'], { threads: 2 })
    return true
  } catch (error) {
    if (error.code === 'ERR_INVALID_ARGUMENT') return false
    throw error
  }
}

/**
 * fusebert: everything in one call.
 * @param input - strings, or one Buffer with offsets
 * @param options - of encodeBatch
 */
export function fusebertSide(name, folder, input, options = {}) {
  const pass = (tokenizer) => tokenizer.encodeBatch(input, options)
  return {
    name,
    load: () => loadTokenizer(folder),
    pass,
    async collect(tokenizer) {
      const { input_ids, cu_seqlens } = await pass(tokenizer)
      return Array.from({ length: cu_seqlens.length - 1 }, (_, i) =>
        input_ids.subarray(cu_seqlens[i], cu_seqlens[i + 1]),
      )
    },
  }
}

/** Stands for all ids of what encodeBatch gave, where they cannot be compared. */
export const digestOf = ({ input_ids, cu_seqlens }) =>
  createHash('sha256').update(input_ids).update(cu_seqlens).digest('hex')

/** Hugging Face's native tokenizer. Fetching ids from its Encoding objects is not in its time. */
export function nativeSide(name, folder, texts) {
  return {
    name,
    async load() {
      const tokenizer = Tokenizer.fromFile(join(folder, 'tokenizer.json'))
      tokenizer.disablePadding()
      tokenizer.disableTruncation()
      return tokenizer
    },
    async pass(tokenizer) {
      for (const part of calls(texts)) await tokenizer.encodeBatch(part)
    },
    async collect(tokenizer) {
      const rows = []
      for (const part of calls(texts)) {
        rows.push(...(await tokenizer.encodeBatch(part)).map((encoding) => encoding.getIds()))
      }
      return rows
    },
  }
}

const readJson = (folder, name) => JSON.parse(readFileSync(join(folder, name), 'utf8'))

/** Hugging Face's tokenizer in JavaScript. */
export function javaScriptSide(name, folder, texts) {
  const encode = (tokenizer) => texts.map((text) => tokenizer.encode(text).ids)
  return {
    name,
    async load() {
      const config = readJson(folder, 'tokenizer_config.json')
      return new JavaScriptTokenizer(readJson(folder, 'tokenizer.json'), config)
    },
    pass: async (tokenizer) => void encode(tokenizer),
    collect: async (tokenizer) => encode(tokenizer),
  }
}

/** transformers.js, called as its users call it, for arrays of ids. */
export function transformersJsSide(name, folder, texts) {
  const encode = (tokenizer, part) =>
    tokenizer(part, { padding: false, truncation: false, return_tensor: false }).input_ids
  return {
    name,
    load: () => loadTransformersJsTokenizer(folder),
    async pass(tokenizer) {
      for (const part of calls(texts)) encode(tokenizer, part)
    },
    async collect(tokenizer) {
      return [...calls(texts)].flatMap((part) => encode(tokenizer, part))
    },
  }
}

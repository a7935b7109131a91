// Our side of the encoder's measurements: a process that takes commands as lines of JSON on the
// standard input and answers each with one on the standard output. Ids are generated here and in
// bench.py alike, so that they need not travel.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

const OUTPUT = {
  pooling: 'mean',
  normalize: true,
  hidden_states: true,
  pooler_output: false,
  head: null,
}
const SHORTEST_TEXT_WORDS = 4
const LONGEST_TEXT_WORDS = 24
// Of the words of a text, one in this many is followed by a continuation.
const CONTINUED = 5

let packageFolder
let modelFolder
let model

const load = (file) => import(pathToFileURL(join(packageFolder, 'dist', file)).href)

/** Numerical Recipes' linear congruential generator; the high bits are the good ones. */
function createGenerator(seed) {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state >>> 8
  }
}

function packedBatch({ lengths, seed, first_id, vocab_size }) {
  const cu_seqlens = new Int32Array(lengths.length + 1)
  lengths.forEach((length, i) => {
    cu_seqlens[i + 1] = cu_seqlens[i] + length
  })
  const next = createGenerator(seed)
  const tokens = cu_seqlens[lengths.length]
  const input_ids = Int32Array.from({ length: tokens }, () => {
    return first_id + (next() % (vocab_size - first_id))
  })
  return { input_ids, token_type_ids: new Int32Array(tokens), cu_seqlens }
}

function encodeBatch({ input_ids, token_type_ids, cu_seqlens }) {
  return model.encodeIds(input_ids, token_type_ids, cu_seqlens, OUTPUT, 0, undefined)
}

async function secondsOf(run) {
  const begin = performance.now()
  await run()
  return (performance.now() - begin) / 1e3
}

const batches = new Map()

function batchOf(command) {
  const key = JSON.stringify([command.lengths, command.seed])
  if (!batches.has(key)) {
    batches.clear()
    batches.set(key, packedBatch(command))
  }
  return batches.get(key)
}

/** Each call awaited before the next one. */
async function measureCalls(batch, calls) {
  const seconds = []
  for (let i = 0; i < calls; i += 1) seconds.push(await secondsOf(() => encodeBatch(batch)))
  return seconds
}

/** `inFlight` calls at any time, until `calls` have ended. */
function measureThroughput(batch, calls, inFlight) {
  let started = 0
  const worker = async () => {
    while (started < calls) {
      started += 1
      await encodeBatch(batch)
    }
  }
  return secondsOf(() => Promise.all(Array.from({ length: inFlight }, worker)))
}

/** Seeded texts of words that are tokens of the vocabulary, some with a continuation. */
function makeTexts(folder, count, seed) {
  const tokens = readFileSync(join(folder, 'vocab.txt'), 'utf8').trim().split('\n')
  const words = tokens.filter((token) => /^[a-z]{2,}$/.test(token))
  const continuations = tokens.filter((token) => /^##[a-z]+$/.test(token))
  const next = createGenerator(seed)
  const word = () => {
    const whole = words[next() % words.length]
    if (next() % CONTINUED !== 0) return whole
    return whole + continuations[next() % continuations.length].slice(2)
  }
  const span = LONGEST_TEXT_WORDS - SHORTEST_TEXT_WORDS + 1
  return Array.from({ length: count }, () => {
    const length = SHORTEST_TEXT_WORDS + (next() % span)
    return Array.from({ length }, word).join(' ')
  })
}

const COMMANDS = {
  async load({ package: folder, model: path, options }) {
    packageFolder = folder
    modelFolder = path
    const { LoadedModel } = await load('models/loaded-model.js')
    const { ModelFolder } = await load('hub/folder.js')
    const seconds = await secondsOf(async () => {
      model = await LoadedModel.load(await ModelFolder.open(path), options)
    })
    return { seconds, info: model.info, node: process.version }
  },

  async encode(command) {
    const batch = batchOf(command)
    const { calls, in_flight } = command
    if (command.vectors === true) {
      const { pooled } = await encodeBatch(batch)
      const bytes = Buffer.from(pooled.buffer, pooled.byteOffset, pooled.byteLength)
      return { vectors: bytes.toString('base64') }
    }
    // Another process may have had the device.
    await encodeBatch(batch)
    if (in_flight === 1) return { seconds: await measureCalls(batch, calls) }
    return { seconds: [(await measureThroughput(batch, calls, in_flight)) / calls] }
  },

  /** Texts through the pipeline; beside it the tokenizer alone, and the model on the same ids. */
  async text({ options, count, seed, rounds, limit_seconds }) {
    const { pipeline } = await load('index.js')
    const extract = await pipeline('feature-extraction', modelFolder, options)
    const texts = makeTexts(modelFolder, count, seed)
    const result = { tokens: 0, pipeline: [], tokenizer: [], model: [], info: extract.device }
    const begin = performance.now()
    const runAll = async (record) => {
      let output
      const whole = await secondsOf(async () => {
        output = await extract(texts, { pooling: 'mean', normalize: true })
      })
      let ids
      const tokenized = await secondsOf(async () => {
        ids = await extract.tokenizer.encodeBatch(texts)
      })
      const encoded = await secondsOf(() => encodeBatch(ids))
      if (ids.input_ids.length !== output.usage.tokens) {
        throw new Error('The tokenizer and the pipeline differ in their numbers of tokens.')
      }
      result.tokens = output.usage.tokens
      if (!record) return
      result.pipeline.push(whole)
      result.tokenizer.push(tokenized)
      result.model.push(encoded)
    }
    if (rounds > 1) await runAll(false)
    for (let round = 0; round < rounds; round += 1) {
      await runAll(true)
      if (performance.now() - begin > limit_seconds * 1e3) break
    }
    await extract.dispose()
    return result
  },

  async close() {
    await model?.dispose()
    return {}
  },
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer
  try {
    const { command, ...fields } = JSON.parse(line)
    answer = await COMMANDS[command](fields)
  } catch (error) {
    answer = { error: error?.stack ?? String(error) }
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}

// The process of a first pass that has processors, a tokenizer and a corpus of its own.

import { runOn } from './affinity.mjs'

let side
let tokenizer
let settle

/** By the message's `call`; each answers with one message. */
const CALLS = {
  /** Answers with what stands for the ids of all texts. */
  async begin({ processors, folder, corpus, threads, options }) {
    // Once: passes of processes that asked again before each were slower by a tenth.
    runOn(processors)
    ;({ settle } = await import('./first-passes.mjs'))
    const { digestOf, fusebertSide } = await import('./tokenizers.mjs')
    const { readCorpus } = await import('./corpus.mjs')
    side = fusebertSide('fusebert', folder, readCorpus(corpus, options).range, { threads })
    return digestOf(await side.pass(await side.load()))
  },
  async load() {
    tokenizer = await side.load()
    await settle()
  },
  /** Milliseconds. */
  async pass() {
    const begin = performance.now()
    await side.pass(tokenizer)
    return performance.now() - begin
  },
}

process.on('message', async ({ call, ...rest }) => {
  try {
    process.send({ result: (await CALLS[call](rest)) ?? null })
  } catch (error) {
    process.send({ error: error.stack ?? String(error) })
  }
})

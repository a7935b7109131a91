// The process of a first pass that has processors, a tokenizer and a corpus of its own.

import { runOn } from './affinity.mjs'
import { readCorpus } from './corpus.mjs'
import { settle } from './first-passes.mjs'
import { fusebertSide } from './tokenizers.mjs'

let side
let tokenizer

/** By the message's `call`; each answers with one message. */
const CALLS = {
  begin({ processors, folder, corpus, threads, options }) {
    // Once, before there is much memory: to ask for it takes a fork of this process, after which
    // every page that is written to again costs a fault.
    runOn(processors)
    const { range } = readCorpus(corpus, options)
    side = fusebertSide('fusebert', folder, range, { threads })
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

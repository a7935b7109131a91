// Prints, as JSON, the longest turn of the event loop in milliseconds while each of the tokenizer's
// calls works on a text of 10 MB or on 10,000 texts: the least of several tries, as what else runs
// on a machine makes a turn longer, never shorter. It stops trying below the milliseconds that are
// its argument. V8's collections are not counted: the probe makes most of the garbage that starts
// them, and they take the longer the more strings live. `busy 10 ms` shows that it sees something.
import { performance, PerformanceObserver } from 'node:perf_hooks'

import { AutoTokenizer } from '../../../dist/index.js'

const ENOUGH_MS = Number(process.argv[2])
const TRIES = 20
// The probe is busy itself: with more threads than this the scheduler would be measured.
const ONE_THREAD = { threads: 1 }
const BYTES = 10 << 20
const tokenizer = await AutoTokenizer.from_pretrained('fusebert-mini')

/** English-looking text, without a repetition that a cache would profit from. */
function makeText() {
  const words = Array.from({ length: 20_000 }, (_, i) => tokenizer.convertIdsToTokens(1_000 + i))
    .filter((word) => /^[a-z]+$/.test(word))
  const bytes = Buffer.alloc(BYTES, ' ')
  let state = 1
  for (let at = 0; at < BYTES; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    // Frequent words are more frequent.
    const word = words[Math.floor((state / 2 ** 32) ** 3 * words.length)]
    at += bytes.write(`${word} `, at, 'latin1')
  }
  return bytes
}

const collections = []
const observer = new PerformanceObserver((list) => collections.push(...list.getEntries()))
observer.observe({ entryTypes: ['gc'] })

/** Milliseconds from start to end that V8 did not spend on a collection. */
function withoutCollections([start, end]) {
  return collections.reduce((left, { startTime, duration }) => {
    const shared = Math.min(end, startTime + duration) - Math.max(start, startTime)
    return left - Math.max(0, shared)
  }, end - start)
}

async function longestTurn(work) {
  const longTurns = [[0, 0]]
  let last = performance.now()
  const endTurn = () => {
    const now = performance.now()
    if (now - last > ENOUGH_MS / 4) longTurns.push([last, now])
    last = now
  }
  let ended = false
  const look = () => {
    endTurn()
    if (!ended) setImmediate(look)
  }
  setImmediate(look)
  await work()
  ended = true
  endTurn()
  // The observer hears of a collection in a later turn.
  await new Promise((resolve) => setTimeout(resolve, 5))
  return Math.max(...longTurns.map(withoutCollections))
}

const bytes = makeText()
const one = bytes.toString('latin1')
// Flat, as text from a file is: what is put together of pieces is one string only when it is read.
const notAscii = Buffer.from(`é${one.slice(0, BYTES / 2)}`, 'utf16le').toString('utf16le')
const many = Array.from({ length: 10_000 }, (_, i) => one.slice(i * 500, i * 500 + 400))
const { input_ids, cu_seqlens } = await tokenizer.encodeBatch(many)
const ids = (await tokenizer.encodeBatch([one])).input_ids
const calls = {
  'tokenizer(one)': () => tokenizer(one),
  'tokenizer(many)': () => tokenizer(many, { ...ONE_THREAD, padding: true, truncation: true }),
  'encodeBatch(one)': () => tokenizer.encodeBatch([one]),
  'encodeBatch(one) with offsets': () =>
    tokenizer.encodeBatch([one], { return_offsets_mapping: true }),
  'encodeBatch(UTF-8)': () => tokenizer.encodeBatch([bytes]),
  'encodeBatch(not ASCII)': () => tokenizer.encodeBatch([notAscii]),
  'encodeBatch(many)': () => tokenizer.encodeBatch(many, ONE_THREAD),
  'countTokens(one)': () => tokenizer.countTokens(one),
  'countTokens(many)': () => tokenizer.countTokens(many, ONE_THREAD),
  'decode(one)': () => tokenizer.decode(ids),
  'batchDecode(many)': () => tokenizer.batchDecode({ input_ids, cu_seqlens }),
  'busy 10 ms': async () => {
    await new Promise(setImmediate)
    for (const end = performance.now() + 10; performance.now() < end; );
  },
}

const longest = {}
for (const [name, work] of Object.entries(calls)) {
  longest[name] = Infinity
  for (let i = 0; i < TRIES && longest[name] > ENOUGH_MS; i += 1) {
    longest[name] = Math.min(longest[name], await longestTurn(work))
  }
}
console.log(JSON.stringify(longest))

// Prints, as JSON, the longest turn of the event loop in milliseconds while each of the tokenizer's
// calls works on a text of 10 MB or on 10,000 texts: the least of several tries, as what else runs
// on a machine makes a turn longer, never shorter. It stops trying below the milliseconds that are
// its argument. `busy 10 ms` shows that the probe sees something.
import { performance } from 'node:perf_hooks'

import { AutoTokenizer } from '../../../dist/index.js'

const ENOUGH_MS = Number(process.argv[2])
const TRIES = 40
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

async function longestTurn(work) {
  let longest = 0
  let last = performance.now()
  let ended = false
  const look = () => {
    const now = performance.now()
    longest = Math.max(longest, now - last)
    last = now
    if (!ended) setImmediate(look)
  }
  setImmediate(look)
  await work()
  ended = true
  return Math.max(longest, performance.now() - last)
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

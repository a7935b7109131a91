// Runs the reference tokenizer in a process of its own, because it aborts where it panics.
// Messages: { json } loads a tokenizer; { texts, pairs, add_special_tokens, truncation } encodes,
// and with { packed } all in one; { rows, skip_special_tokens } decodes.

import { createRequire } from 'node:module'

const { Tokenizer } = createRequire(import.meta.url)('tokenizers')

const STRATEGIES = {
  longest_first: 'LongestFirst', only_first: 'OnlyFirst', only_second: 'OnlySecond',
}
let tokenizer

function flatten(encoding, windows) {
  if (encoding === null) return null
  return {
    ids: Int32Array.from(encoding.getIds()),
    type_ids: Int32Array.from(encoding.getTypeIds()),
    offsets: Int32Array.from(encoding.getOffsets().flat()),
    special: Uint8Array.from(encoding.getSpecialTokensMask()),
    sequences: Int8Array.from(encoding.getSequenceIds(), (of) => of ?? -1),
    words: Int32Array.from(encoding.getWordIds(), (word) => word ?? -1),
    overflowing: windows ? encoding.getOverflowing().map((window) => flatten(window, false)) : [],
  }
}

async function encode({ texts, pairs, add_special_tokens, truncation }) {
  if (truncation === null) tokenizer.disableTruncation()
  else {
    const { max_length, strategy, stride = 0 } = truncation
    tokenizer.setTruncation(max_length, { strategy: STRATEGIES[strategy], stride })
  }
  const options = { addSpecialTokens: add_special_tokens }
  const encodings = await Promise.all(
    texts.map((text, i) =>
      tokenizer.encode(text, pairs === null ? null : pairs[i], options).catch(() => null),
    ),
  )
  const windows = truncation?.stride !== undefined
  return encodings.map((encoding) => flatten(encoding, windows))
}

/** What nobody refuses, end to end. */
async function encodePacked({ texts, pairs, add_special_tokens }) {
  tokenizer.disableTruncation()
  const options = { addSpecialTokens: add_special_tokens }
  // Its encodeBatch takes no pairs.
  const encodings = await (pairs === null
    ? tokenizer.encodeBatch(texts, options)
    : Promise.all(texts.map((text, i) => tokenizer.encode(text, pairs[i], options))))
  const ends = new Int32Array(encodings.length + 1)
  encodings.forEach((encoding, i) => {
    ends[i + 1] = ends[i] + encoding.getLength()
  })
  const tokens = ends[encodings.length]
  const packed = {
    ends, ids: new Int32Array(tokens), type_ids: new Int32Array(tokens),
    offsets: new Int32Array(tokens * 2), special: new Uint8Array(tokens),
    sequences: new Int8Array(tokens),
  }
  encodings.forEach((encoding, i) => {
    const begin = ends[i]
    packed.ids.set(encoding.getIds(), begin)
    packed.type_ids.set(encoding.getTypeIds(), begin)
    packed.special.set(encoding.getSpecialTokensMask(), begin)
    encoding.getOffsets().forEach((offsets, j) => packed.offsets.set(offsets, 2 * (begin + j)))
    encoding.getSequenceIds().forEach((of, j) => {
      packed.sequences[begin + j] = of ?? -1
    })
  })
  return packed
}

process.on('message', (message) => {
  const work = async () => {
    if (message.rows !== undefined) {
      return tokenizer.decodeBatch(message.rows, message.skip_special_tokens)
    }
    if (message.packed === true) return encodePacked(message)
    if (message.json === undefined) return encode(message)
    tokenizer = Tokenizer.fromString(message.json)
    tokenizer.disablePadding()
    return null
  }
  work().then(
    (result) => process.send({ result }),
    (error) => process.send({ error: String(error) }),
  )
})

// Runs the reference tokenizer in a process of its own, because it aborts where it panics.
// Messages: { json } loads a tokenizer; { texts, pairs, add_special_tokens, truncation } encodes;
// { rows, skip_special_tokens } decodes.

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

process.on('message', (message) => {
  const work = async () => {
    if (message.rows !== undefined) {
      return tokenizer.decodeBatch(message.rows, message.skip_special_tokens)
    }
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

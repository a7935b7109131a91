// Runs the reference tokenizer in a process of its own, because it aborts where it panics.
// Messages: { json } loads a tokenizer; { texts, pairs, add_special_tokens, truncation } encodes;
// { rows, skip_special_tokens } decodes.

import { createRequire } from 'node:module'

const { Tokenizer } = createRequire(import.meta.url)('tokenizers')

const STRATEGIES = {
  longest_first: 'LongestFirst', only_first: 'OnlyFirst', only_second: 'OnlySecond',
}
let tokenizer

function flatten(encoding) {
  if (encoding === null) return null
  return {
    ids: Int32Array.from(encoding.getIds()),
    type_ids: Int32Array.from(encoding.getTypeIds()),
    offsets: Int32Array.from(encoding.getOffsets().flat()),
    special: Uint8Array.from(encoding.getSpecialTokensMask()),
  }
}

async function encode({ texts, pairs, add_special_tokens, truncation }) {
  if (truncation === null) tokenizer.disableTruncation()
  else {
    tokenizer.setTruncation(truncation.max_length, { strategy: STRATEGIES[truncation.strategy] })
  }
  const options = { addSpecialTokens: add_special_tokens }
  const encodings = await Promise.all(
    texts.map((text, i) =>
      tokenizer.encode(text, pairs === null ? null : pairs[i], options).catch(() => null),
    ),
  )
  return encodings.map(flatten)
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

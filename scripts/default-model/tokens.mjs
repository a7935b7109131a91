// What a model puts out for every token, without a head: node tokens.mjs MODEL TEXTS OUTPUT
//
// TEXTS is JSONL with a field "text"; OUTPUT takes fp32 numbers [tokens, hidden_size], the texts
// behind one another in their order.
import { openSync, closeSync, readFileSync, writeSync } from 'node:fs'

import { pipeline } from '../../dist/index.js'

const TEXTS_AT_ONCE = 500 // so that the numbers of few texts are in memory

const [model, textFile, outputFile] = process.argv.slice(2)
const lines = readFileSync(textFile, 'utf8').trimEnd().split('\n')
const texts = lines.map((line) => JSON.parse(line).text)
const extract = await pipeline('feature-extraction', model)
const output = openSync(outputFile, 'w')
for (let first = 0; first < texts.length; first += TEXTS_AT_ONCE) {
  const some = texts.slice(first, first + TEXTS_AT_ONCE)
  for (const { data } of await extract(some, { pooling: 'none', normalize: false })) {
    writeSync(output, data)
  }
}
closeSync(output)
await extract.dispose()

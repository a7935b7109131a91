// Encodes texts in a process of its own and prints what came of it: node encode.mjs <SPEC
//
// SPEC is JSON: {"model", "texts", "runs": [options of a pipeline]}; a run with "trim" encodes,
// gives its memory back and encodes again. A driver is opened once in a process, so each driver's
// behaviour needs one.
import { readFileSync } from 'node:fs'

import { pipeline } from '../../dist/index.js'

const { model, texts, runs } = JSON.parse(readFileSync(0, 'utf8'))

async function encode({ trim = false, ...options }) {
  try {
    const extract = await pipeline('feature-extraction', model, options)
    const result = { device: extract.device }
    try {
      if (trim) {
        await extract(texts, { pooling: 'mean', normalize: true })
        await extract.trim()
      }
      const { data } = await extract(texts, { pooling: 'mean', normalize: true })
      result.vectors = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64')
    } finally {
      await extract.dispose()
    }
    return result
  } catch (error) {
    return { code: error.code, message: error.message }
  }
}

const results = []
for (const options of runs) results.push(await encode(options))
console.log(JSON.stringify(results))

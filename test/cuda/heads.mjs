// Runs the golden models with heads in a process of its own and prints their logits:
// node heads.mjs <SPEC
//
// SPEC is JSON: {"options": of the load, "calls": [{"class", "folder", "inputs", "options"}]}. A
// driver is opened once in a process, so each driver's behaviour needs one.
import { readFileSync } from 'node:fs'

import * as fusebert from '../../dist/index.js'

const { options, calls } = JSON.parse(readFileSync(0, 'utf8'))

async function call({ class: name, folder, inputs, options: callOptions }) {
  const model = await fusebert[name].from_pretrained(folder, options)
  try {
    const output = await model(inputs, callOptions)
    const tensors = Object.entries(output).map(([key, tensor]) => [key, tensor.tolist()])
    return { device: model.device, ...Object.fromEntries(tensors) }
  } finally {
    await model.dispose()
  }
}

const results = []
for (const each of calls) results.push(await call(each))
console.log(JSON.stringify(results))

// Asks pipelines in a process of its own and prints what they answer: node pipelines.mjs <SPEC
//
// SPEC is JSON: {"options": of the load, "runs": [{"task", "folder", "calls": [arguments]}]}. A
// driver is opened once in a process, so each driver's behaviour needs one.
import { readFileSync } from 'node:fs'

import { pipeline, Tensor } from '../../dist/index.js'

const { options, runs } = JSON.parse(readFileSync(0, 'utf8'))

async function ask({ task, folder, calls }) {
  const loaded = await pipeline(task, folder, options)
  try {
    const answers = []
    for (const each of calls) {
      const answer = await loaded(...each)
      answers.push(answer instanceof Tensor ? Array.from(answer.data) : answer)
    }
    return { device: loaded.device, answers }
  } finally {
    await loaded.dispose()
  }
}

const results = []
for (const each of runs) results.push(await ask(each))
console.log(JSON.stringify(results))

// The process of one suite: receives its name and the options, sends back a row for each case.

import { comparePair } from '../pairs.mjs'

/** What a suite reports to. */
function makeReporter(title, options) {
  const send = (row) => process.send({ suite: title, row })
  const progress = (text) => process.send({ progress: `${title}: ${text} …` })
  return {
    progress,
    report: send,
    skip: (reason) => send({ kind: 'skip', reason }),
    async compare(pair) {
      progress(`${pair.name} against ${pair.against}`)
      const row = await comparePair(pair, options)
      send(row)
      return row
    },
  }
}

process.once('message', async ({ suite, options }) => {
  let code = 0
  try {
    const { run, title } = await import(`../suites/${suite}.mjs`)
    await run(options, makeReporter(title, options))
  } catch (error) {
    code = 1
    process.send({ error: error.stack ?? String(error) })
  }
  // Lets the last message out first.
  process.disconnect()
  process.exitCode = code
})

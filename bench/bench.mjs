// npm run bench: runs every suite and prints tables of ratios, latencies, operations and single
// figures.

import { readOptions } from './support/options.mjs'
import { conclude, printRows, runSuites, writeJson } from './support/runner.mjs'
import { ALL_SUITES } from './support/suites.mjs'

const options = readOptions()
const { rows, failures } = await runSuites(ALL_SUITES, options)
printRows(rows, options)
if (options.json !== undefined) writeJson(options.json, rows, options)
conclude(rows, failures)

// npm run bench:cpu: how fast the CPU backend is, in one run: ratios, shares of the processor's
// peak, operations, latencies; printed, and written as JSON and as a plot.

import { readOptions } from './support/options.mjs'
import { plotCpu } from './support/plot.mjs'
import {
  conclude, describeMachine, printRows, runSuites, writeJson, writeResult,
} from './support/runner.mjs'
import { CPU_SUITES } from './support/suites.mjs'

const options = readOptions()
const { rows, failures } = await runSuites(CPU_SUITES, options)
printRows(rows, options)
const name = options.json ?? `cpu-${options.threads}-threads.json`
writeJson(name, rows, options)
const date = new Date().toISOString().slice(0, 10)
const plot = plotCpu(rows, `${describeMachine()}; ${options.threads} threads a side; ${date}`)
if (plot !== undefined) writeResult(name.replace(/(\.json)?$/, '.svg'), plot)
conclude(rows, failures)

#!/usr/bin/env node
// The fusebert command: signals, and an end that leaves nothing behind.

import { removeTemporaryFiles } from '../batch/temporary-file.js'
import { report, SIGNAL_EXITS, Stopped, type StopSignal } from './context.js'
import { runProgram } from './program.js'

/** How long an orderly end may take after a signal. */
const GRACE_MS = 1000

/** Any length of time will do. */
const KEEP_ALIVE_MS = 60_000

const SIGNALS = Object.keys(SIGNAL_EXITS) as StopSignal[]

const controller = new AbortController()
const actions = new Set<() => void>()

function exitNow(code: number): never {
  for (const action of actions) action()
  removeTemporaryFiles()
  // Should the exit itself wait for something, a further signal ends the process at once.
  for (const signal of SIGNALS) process.removeAllListeners(signal)
  process.exit(code)
}

function stop(signal: StopSignal): void {
  const code = SIGNAL_EXITS[signal]
  if (controller.signal.aborted) exitNow(code)
  controller.abort(new Stopped(signal))
  setTimeout(() => exitNow(code), GRACE_MS)
}

for (const signal of SIGNALS) {
  process.on(signal, () => stop(signal))
}

// A limit on file sizes is a failed write like a full disk, not a reason to die on the spot.
process.on('SIGXFSZ', () => undefined)

// Nobody listens to messages any more: that is no reason to stop. Results report their own errors.
process.stderr.on('error', () => undefined)
process.stdout.on('error', () => undefined)

process.on('uncaughtException', (error) => exitNow(report(error, process.stderr)))

// Promises alone do not keep a process alive: it ends where this file says, not when nothing else
// happens to be pending.
setInterval(() => undefined, KEEP_ALIVE_MS)

const code = await runProgram(process.argv.slice(2), {
  signal: controller.signal,
  stderr: process.stderr,
  beforeExit: (action) => {
    actions.add(action)
    return () => actions.delete(action)
  },
})
// Handles such as an open standard input must not keep the process alive.
exitNow(code)

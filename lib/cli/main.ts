#!/usr/bin/env node
// The fusebert command: signals, and an end that leaves nothing behind.

import { setTimeout as sleep } from 'node:timers/promises'

import { removeTemporaryFiles } from '../batch/temporary-file.js'
import { report, SIGNAL_EXITS, Stopped, type StopSignal } from './context.js'
import { runProgram } from './program.js'

/** How long an orderly end may take after a signal. */
const GRACE_MS = 1000

/** How long calls in the thread pool may take to end by themselves. */
const SETTLE_MS = 300
const POLL_MS = 10

/** Any length of time will do. */
const KEEP_ALIVE_MS = 60_000

const SIGNALS = Object.keys(SIGNAL_EXITS) as StopSignal[]

const controller = new AbortController()
const actions = new Set<() => void>()

/**
 * process.exit() waits for the calls that are under way in the thread pool: a read of a terminal
 * or of a file system that does not answer may never return.
 */
function exitWouldWait(): boolean {
  return process.getActiveResourcesInfo().some((name) => name.startsWith('FSReq'))
}

async function settle(): Promise<void> {
  for (let ms = 0; ms < SETTLE_MS && exitWouldWait(); ms += POLL_MS) await sleep(POLL_MS)
}

/** @param signal - what has asked for the end, if anything has */
function exitNow(code: number, signal?: StopSignal): never {
  for (const action of actions) action()
  removeTemporaryFiles()
  // Should the exit itself wait for something, a further signal ends the process at once.
  for (const name of SIGNALS) process.removeAllListeners(name)
  // With its handler gone the signal ends the process without waiting, and to a shell the status
  // is the same.
  if (signal !== undefined && exitWouldWait()) process.kill(process.pid, signal)
  process.exit(code)
}

function stop(signal: StopSignal): void {
  const code = SIGNAL_EXITS[signal]
  if (controller.signal.aborted) exitNow(code, signal)
  controller.abort(new Stopped(signal))
  setTimeout(() => exitNow(code, signal), GRACE_MS)
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
const reason: unknown = controller.signal.reason
const stopped = reason instanceof Stopped ? reason.signal : undefined
if (stopped !== undefined) await settle()
// Handles such as an open standard input must not keep the process alive.
exitNow(code, stopped)

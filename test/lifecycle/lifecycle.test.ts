// Processes and workers that end at awkward moments: never a crash, never a hang. Each scenario is
// a process; its exit code and signal are what is asserted.
import { spawn } from 'node:child_process'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { GOLDEN_MODEL, ROOT } from '../support/require.js'

const ROUNDS = 100
/** Of scenarios that take a second each. */
const FEW_ROUNDS = 10
/** A single process that takes longer than this hangs. */
const HANG_MS = 300_000

interface Outcome {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

function run(name: string, rounds: number, flags: string[] = []): Promise<Outcome> {
  const script = join(ROOT, 'test/lifecycle/scenario.mjs')
  const child = spawn(process.execPath, [...flags, script, name, GOLDEN_MODEL, String(rounds)])
  const timer = setTimeout(() => child.kill('SIGKILL'), HANG_MS)
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      resolve({ code, signal, stdout, stderr })
    })
  })
}

const finished: Outcome = { code: 0, signal: null, stdout: 'done\n', stderr: '' }

describe('life cycle', () => {
  test('the main thread and four workers at once', async () => {
    expect(await run('together', ROUNDS)).toEqual(finished)
  })

  test('texts in many parts from the main thread and three workers at once', async () => {
    expect(await run('tokenizeTogether', FEW_ROUNDS)).toEqual(finished)
  })

  test('a worker terminated in the middle of a call', async () => {
    expect(await run('terminate', ROUNDS)).toEqual(finished)
  })

  test('a worker terminated while it loads a model', async () => {
    expect(await run('terminateLoading', ROUNDS)).toEqual(finished)
  })

  test('a worker terminated while it tokenizes', async () => {
    expect(await run('terminateTokenizing', 20)).toEqual(finished)
  })

  test('process.exit() in the middle of a call', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      expect(await run('exit', round % 10)).toMatchObject({ code: 7, signal: null, stderr: '' })
    }
  })

  test('process.exit() while workers are in the middle of calls', async () => {
    for (let round = 0; round < 20; round += 1) {
      const outcome = await run('exitWithWorkers', round % 10)
      expect(outcome).toMatchObject({ code: 7, signal: null, stderr: '' })
    }
  })

  test('an idle model does not keep the process alive', async () => {
    expect(await run('idle', 1)).toEqual(finished)
  })

  test('a thousand concurrent calls, and a dispose among them', async () => {
    expect(await run('concurrent', 1)).toEqual(finished)
  })

  test('forgotten models are collected', async () => {
    expect(await run('collected', 50, ['--expose-gc'])).toEqual(finished)
  })
})

// fusebert_cpu_bench, which make-native.mjs builds: the processor's multiply-add peak and the times
// of the kernels.

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const PROGRAM = fileURLToPath(new URL('../build/fusebert_cpu_bench', import.meta.url))
const PEAK_MS = 200
const QUICK_PEAK_MS = 20

const exec = promisify(execFile)

export const hasNative = () => existsSync(PROGRAM)

async function run(args, env = {}) {
  if (!hasNative()) throw new Error('No fusebert_cpu_bench. Run "node make-native.mjs" in bench/.')
  const { stdout } = await exec(PROGRAM, args, { env: { ...process.env, ...env } })
  return stdout.trimEnd().split('\n').map((line) => JSON.parse(line))
}

/**
 * The register-only peak in GFLOP/s of `threads` threads, with the instruction set that fusebert
 * uses or with `isa`.
 */
export async function measurePeak(threads, options, isa) {
  const ms = options.quick ? QUICK_PEAK_MS : PEAK_MS
  const args = ['peak', '--threads', String(threads), '--milliseconds', String(ms)]
  const [{ gflops, isa: used }] = await run(args, isa && { FUSEBERT_CPU_ISA: isa })
  return { gflops, isa: used }
}

/** Each operation's flop, bytes and seconds a round, and the peaks of the rounds. */
export const runOperations = (threads, rounds) =>
  run(['operations', '--threads', String(threads), '--rounds', String(rounds)])

// How the tests of the virtual GPU build it and run programs on it.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

import { ROOT } from '../support/require.js'

export const SCRIPT = join(ROOT, 'scripts/virtual-gpu.mjs')

const TIMEOUT_MS = 1_200_000

/** Runs a command in an environment that sets nothing of the virtual GPU but `env`. */
export function run(command: string, args: string[], env: NodeJS.ProcessEnv = {}, input = '') {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('VIRTUAL_GPU_'))
  return spawnSync(command, args, {
    encoding: 'utf8',
    input,
    env: { ...Object.fromEntries(own), ...env },
    maxBuffer: 1 << 28,
    timeout: TIMEOUT_MS,
  })
}

/** The path of the library, built where it is not up to date. */
export function buildLibrary(): string {
  const { status, stdout, stderr } = run(process.execPath, [SCRIPT, 'path'])
  if (status !== 0) throw new Error(stderr)
  return stdout.trim()
}

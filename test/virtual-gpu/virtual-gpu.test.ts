// The virtual GPU as part of `npm test`: its C++ tests, and kernels that Triton compiled, compared
// with NumPy under several seeds and device profiles.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { beforeAll, describe, expect, test } from 'vitest'

import { available, PYTHON, ROOT } from '../support/require.js'

const SCRIPT = join(ROOT, 'scripts/virtual-gpu.mjs')
const RUN = join(ROOT, 'test/virtual-gpu/python/run.py')
const MANIFEST = join(ROOT, 'test/virtual-gpu/triton/ptx/manifest.json')
const SEEDS = ['1', '2', '3']

const TIMEOUT_MS = 600_000

/** Runs a command in an environment that sets nothing of the virtual GPU but `env`. */
function run(command: string, args: string[], env: NodeJS.ProcessEnv = {}) {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('VIRTUAL_GPU_'))
  return spawnSync(command, args, {
    encoding: 'utf8',
    env: { ...Object.fromEntries(own), ...env },
    maxBuffer: 1 << 28,
    timeout: TIMEOUT_MS,
  })
}

describe.skipIf(!available('gtest'))('the machine', () => {
  test('passes its C++ tests', () => {
    const { status, stdout, stderr } = run(process.execPath, [SCRIPT, 'tests'])
    expect(status, stdout + stderr).toBe(0)
    // The machine's tests, and the driver's where the toolkit is.
    const passed = stderr.match(/\[ {2}PASSED {2}\] [1-9]\d* tests/g)
    expect(passed).toHaveLength(available('nvcc') ? 2 : 1)
  })
})

describe.skipIf(!available('nvcc') || !available('numpy'))('the driver', () => {
  const manifest = JSON.parse(readFileSync(MANIFEST, 'utf8')) as {
    kernels: { file: string }[]
  }
  let library = ''

  beforeAll(() => {
    const { status, stdout, stderr } = run(process.execPath, [SCRIPT, 'path'])
    expect(status, stderr).toBe(0)
    library = stdout.trim()
  })

  const runSuite = (suite: string, env: NodeJS.ProcessEnv): string => {
    const { status, stdout, stderr } = run(PYTHON, ['-B', RUN, library, suite], {
      ...env,
      SAMPLES_FOLDER: join(ROOT, 'build/virtual-gpu/samples'),
    })
    expect(status, stdout + stderr).toBe(0)
    expect(stderr).toBe('')
    return stdout
  }

  test.each(SEEDS)("runs Triton's kernels to NumPy's results, seed %s", (seed) => {
    const lines = runSuite('triton', { VIRTUAL_GPU_SEED: seed }).trimEnd().split('\n')
    expect(lines.map((line) => line.split(/ +/).slice(0, 2))).toEqual(
      manifest.kernels.map(({ file }) => ['ok', file]),
    )
  })

  test.each(SEEDS)('runs CUB, cooperative groups and wmma, seed %s', (seed) => {
    const lines = runSuite('samples', { VIRTUAL_GPU_SEED: seed }).trimEnd().split('\n')
    expect(lines.length).toBeGreaterThan(20)
    expect(lines.filter((line) => !line.startsWith('ok '))).toEqual([])
  })

  test('runs them on the newest profile as well', () => {
    expect(runSuite('triton', { VIRTUAL_GPU_PROFILE: 'sm_90' })).not.toBe('')
    expect(runSuite('samples', { VIRTUAL_GPU_PROFILE: 'sm_90' })).not.toBe('')
  })

  test('says which module a device is too old for', () => {
    const { status, stderr } = run(PYTHON, ['-B', RUN, library, 'triton'], {
      VIRTUAL_GPU_PROFILE: 'sm_75',
    })
    expect(status).toBe(1)
    expect(stderr).toContain('the module is for sm_80, the device is sm_75')
    expect(stderr).toContain('CUDA_ERROR_INVALID_PTX')
  })

  test('refuses a profile that it does not know', () => {
    const { status, stderr } = run(PYTHON, ['-B', RUN, library, 'triton'], {
      VIRTUAL_GPU_PROFILE: 'sm_42',
    })
    expect(status).toBe(1)
    expect(stderr).toContain('expected one of: sm_75 sm_80 sm_86 sm_89 sm_90')
    expect(stderr).toContain('CUDA_ERROR_NO_DEVICE')
  })
})

// The virtual GPU as part of `npm test`: its C++ tests, and kernels that Triton compiled, compared
// with NumPy under several seeds and device profiles.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { beforeAll, describe, expect, test } from 'vitest'

import { available, PYTHON, ROOT } from '../support/require.js'

const SCRIPT = join(ROOT, 'scripts/virtual-gpu.mjs')
const TRITON = join(ROOT, 'test/virtual-gpu/triton')
const SEEDS = ['1', '2', '3']

function run(command: string, args: string[], env: NodeJS.ProcessEnv = {}) {
  return spawnSync(command, args, {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    maxBuffer: 1 << 28,
  })
}

describe.skipIf(!available('gtest'))('the machine', () => {
  test('passes its C++ tests', () => {
    const { status, stdout, stderr } = run(process.execPath, [SCRIPT, 'tests'])
    expect(status, stdout + stderr).toBe(0)
    expect(stderr).toMatch(/\[ {2}PASSED {2}\] [1-9]\d* tests/)
  })
})

describe.skipIf(!available('nvcc') || !available('numpy'))('the driver', () => {
  const manifest = JSON.parse(readFileSync(join(TRITON, 'ptx/manifest.json'), 'utf8')) as {
    kernels: { file: string }[]
  }
  let library = ''

  beforeAll(() => {
    const { status, stdout, stderr } = run(process.execPath, [SCRIPT, 'path'])
    expect(status, stderr).toBe(0)
    library = stdout.trim()
  })

  const runTriton = (env: NodeJS.ProcessEnv): string => {
    const { status, stdout, stderr } = run(PYTHON, ['-B', join(TRITON, 'run.py'), library], env)
    expect(status, stdout + stderr).toBe(0)
    expect(stderr).toBe('')
    return stdout
  }

  test.each(SEEDS)("runs Triton's kernels to NumPy's results, seed %s", (seed) => {
    const lines = runTriton({ VIRTUAL_GPU_SEED: seed }).trimEnd().split('\n')
    expect(lines.map((line) => line.split(/ +/).slice(0, 2))).toEqual(
      manifest.kernels.map(({ file }) => ['ok', file]),
    )
  })

  test('runs them on the newest profile as well', () => {
    expect(runTriton({ VIRTUAL_GPU_PROFILE: 'sm_90' })).not.toBe('')
  })

  test('says which module a device is too old for', () => {
    const { status, stderr } = run(PYTHON, ['-B', join(TRITON, 'run.py'), library], {
      VIRTUAL_GPU_PROFILE: 'sm_75',
    })
    expect(status).toBe(1)
    expect(stderr).toContain('the module is for sm_80, the device is sm_75')
    expect(stderr).toContain('CUDA_ERROR_INVALID_PTX')
  })

  test('refuses a profile that it does not know', () => {
    const { stderr } = run(PYTHON, ['-B', join(TRITON, 'run.py'), library], {
      VIRTUAL_GPU_PROFILE: 'sm_42',
    })
    expect(stderr).toContain('expected one of: sm_75 sm_80 sm_86 sm_89 sm_90')
    expect(stderr).toContain('CUDA_ERROR_NO_DEVICE')
  })
})

// The virtual GPU as part of `npm test`: its C++ tests, and kernels that Triton compiled, compared
// with NumPy under several seeds and device profiles.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { beforeAll, describe, expect, test } from 'vitest'

import { available, PYTHON, ROOT } from '../support/require.js'
import { buildLibrary, run, SCRIPT } from './run.js'

const RUN = join(ROOT, 'test/virtual-gpu/python/run.py')
const MANIFEST = join(ROOT, 'test/virtual-gpu/triton/ptx/manifest.json')
const MUTANTS = join(ROOT, 'test/virtual-gpu/python/run_mutants.py')
const DEVICES = join(ROOT, 'test/virtual-gpu/python/devices.py')
const REPORT = join(ROOT, 'scripts/virtual-gpu-report.mjs')
const SEEDS = ['1', '2', '3']

const SAMPLES_FOLDER = join(ROOT, 'build/virtual-gpu/samples')

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
    library = buildLibrary()
  })

  const runSuite = (suite: string, env: NodeJS.ProcessEnv): string => {
    const { status, stdout, stderr } = run(PYTHON, ['-B', RUN, library, suite], {
      ...env,
      SAMPLES_FOLDER,
    })
    expect(status, stdout + stderr).toBe(0)
    expect(stderr).toBe('')
    return stdout
  }

  test.each(SEEDS)("runs Triton's kernels to NumPy's results, seed %s", (seed) => {
    const lines = runSuite('triton', { VIRTUAL_GPU_SEED: seed }).trimEnd().split('\n')
    const names = lines.map((line) => /^ok +(\S+) /.exec(line)?.[1])
    expect(names).toEqual(expect.arrayContaining(manifest.kernels.map(({ file }) => file)))
    expect(names).not.toContain(undefined)
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

  test('starts all blocks of a cooperative launch at once', () => {
    // On one host thread, and with too few instructions to wait until blocks seem to be stuck.
    const env = { VIRTUAL_GPU_THREADS: '1', VIRTUAL_GPU_MAX_INSTRUCTIONS: '2000000' }
    expect(runSuite('samples', env)).toMatch(/^ok +share_of_sum\.sm_80 /m)
  })

  // Every barrier, wait and fence removed, every constant of an index changed, one at a time.
  test.each(['triton', 'samples'])('catches mutants of %s', (suite) => {
    const { status, stdout, stderr } = run(PYTHON, ['-B', MUTANTS, library, suite], {
      SAMPLES_FOLDER,
      VIRTUAL_GPU_MAX_INSTRUCTIONS: '2000000',
    })
    process.stdout.write(stdout)
    expect(status, stdout + stderr).toBe(0)
    expect(stdout).toMatch(/^all: [1-9]\d+ mutants, .* 0 left;/m)
  })

  test('reports what a launch did, and the least time it could take', () => {
    const folder = mkdtempSync(join(tmpdir(), 'virtual-gpu-'))
    try {
      const file = join(folder, 'report.jsonl')
      const kernels = ['triton', 'matmul-64.sm_80.ptx']
      const env = { VIRTUAL_GPU_REPORT: file }
      const ran = run(PYTHON, ['-B', RUN, library, ...kernels], env)
      expect(ran.status, ran.stderr).toBe(0)
      type Sums = { least: number; bytes: number; wavefronts: number; sectors: number }
      const launch = JSON.parse(readFileSync(file, 'utf8')) as {
        kernel: string
        grid: number[]
        tensor_multiply_adds: Record<string, number>
        shared: Sums
        global: Sums
      }
      expect(launch.kernel).toBe('matmul')
      expect(launch.grid).toEqual([2, 1, 1])
      // 128 × 64 × 96, all of it in whole tiles.
      expect(launch.tensor_multiply_adds).toEqual({ f16: 128 * 64 * 96 })
      expect(launch.shared.wavefronts).toBeGreaterThanOrEqual(launch.shared.least)
      expect(launch.global.sectors).toBeGreaterThanOrEqual(launch.global.least)
      // Both inputs once, B for each of two tiles of rows, and the result.
      expect(launch.global.bytes).toBe(2 * (128 * 96 + 2 * 96 * 64 + 128 * 64))
      const { status, stdout, stderr } = run(process.execPath, [REPORT, file])
      expect(status, stderr).toBe(0)
      expect(stdout).toMatch(/^matmul \(sm_80\) {2}grid 2×1×1, block 128×1×1, [1-9]\d+ registers/m)
      expect(stdout).toMatch(/^ {2}[1-9]\d* barriers and [1-9]\d* asynchronous waits of warps$/m)
      expect(stdout).toMatch(/^ {2}A100 +predicted ≥ +\d+\.\d\d µs by [a-z ]+ occupancy/m)
      expect(stdout).not.toContain('T4')
      writeFileSync(file, '')
      expect(run(process.execPath, [REPORT, file]).stderr).toContain('has no launch in it')
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  test('says which module a device is too old for', () => {
    const { status, stderr } = run(PYTHON, ['-B', RUN, library, 'triton'], {
      VIRTUAL_GPU_PROFILE: 'sm_75',
    })
    expect(status).toBe(1)
    expect(stderr).toContain('the module is for sm_80, the device is sm_75')
    expect(stderr).toContain('CUDA_ERROR_INVALID_PTX')
  })

  // "Technical Specifications per Compute Capability" of the CUDA C++ Programming Guide: KiB of
  // shared memory of a block at most and of a multiprocessor, its threads and blocks.
  test.each([
    ['sm_75', 7, 5, 64, 64, 1024, 16],
    ['sm_80', 8, 0, 163, 164, 2048, 32],
    ['sm_86', 8, 6, 99, 100, 1536, 16],
    ['sm_89', 8, 9, 99, 100, 1536, 24],
    ['sm_90', 9, 0, 227, 228, 2048, 32],
  ])('has the limits of %s', (profile, major, minor, optin, shared, threads, blocks) => {
    const env = { VIRTUAL_GPU_PROFILE: profile, VIRTUAL_GPU_COUNT: '3' }
    const { status, stdout, stderr } = run(PYTHON, ['-B', DEVICES, library], env)
    expect(status, stderr).toBe(0)
    const { devices } = JSON.parse(stdout) as { devices: object[] }
    expect(devices).toHaveLength(3)
    for (const device of devices) {
      expect(device).toMatchObject({
        compute_capability_major: major,
        compute_capability_minor: minor,
        shared_per_block: 48 << 10,
        shared_per_block_optin: optin << 10,
        shared_per_multiprocessor: shared << 10,
        threads_per_multiprocessor: threads,
        blocks_per_multiprocessor: blocks,
        registers: 65536,
      })
    }
  })

  test('has faults of the whole machine: no device, an old driver', () => {
    const none = run(PYTHON, ['-B', DEVICES, library], { VIRTUAL_GPU_FAULTS: 'no-device=1' })
    expect(none.status).toBe(1)
    expect(none.stderr).toContain('cuInit: CUDA_ERROR_NO_DEVICE')
    const old = run(PYTHON, ['-B', DEVICES, library], { VIRTUAL_GPU_FAULTS: 'driver=12080' })
    expect(JSON.parse(old.stdout)).toMatchObject({ version: 12080 })
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

// devices() where there are GPUs, and where their driver cannot be used.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import type { CudaDevice, Device } from '../../dist/index.js'
import { available, ROOT } from '../support/require.js'
import { run } from '../virtual-gpu/run.js'
import { buildFaultyDriver, CUDA_ERROR, type FaultyDriver } from './faulty-driver.js'
import { environment, gpuAvailable, PROFILES, REAL } from './gpu.js'

/** In a process of its own: the driver is opened once in each. */
function devicesIn(env: NodeJS.ProcessEnv): Device[] {
  const script =
    `import(${JSON.stringify(join(ROOT, 'dist/index.js'))})` +
    '.then(({ devices }) => console.log(JSON.stringify(devices())))'
  const { status, stdout, stderr } = run(process.execPath, ['-e', script], env)
  expect(status, stderr).toBe(0)
  return JSON.parse(stdout) as Device[]
}

const names = (found: Device[]): string[] => found.map(({ device }) => device)

describe.skipIf(!gpuAvailable())('devices() with GPUs', () => {
  test.each(PROFILES)('names them, their architecture and memory, %s', (profile) => {
    const found = devicesIn({ ...environment(profile), VIRTUAL_GPU_COUNT: '2' })
    const gpus = found.filter((each): each is CudaDevice => each.device !== 'cpu')
    if (!REAL) expect(names(gpus)).toEqual(['cuda:0', 'cuda:1'])
    expect(found.at(-1)!.device).toBe('cpu')
    expect(gpus[0]).toEqual({
      device: 'cuda:0',
      name: expect.stringMatching(/\S/) as string,
      isa: REAL ? (expect.stringMatching(/^sm_\d+$/) as string) : profile,
      memory_bytes: expect.any(Number) as number,
    })
    expect(gpus[0]!.memory_bytes).toBeGreaterThan(1 << 28)
  })
})

describe.skipIf(REAL || !available('nvcc'))('devices() with a driver that', () => {
  let folder = ''
  let driver: FaultyDriver

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'fusebert-devices-'))
    driver = buildFaultyDriver(folder)
  })
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true })
  })

  test.each(['driver=12080', 'no-device=1', 'without=cuLaunchKernelEx'])('has %s', (faults) => {
    expect(names(devicesIn({ ...environment(), VIRTUAL_GPU_FAULTS: faults }))).toEqual(['cpu'])
  })

  test.each(['cuInit', 'cuDeviceGetCount', 'cuDeviceGetName', 'cuDeviceTotalMem'])(
    'fails in %s',
    (name) => {
      expect(names(devicesIn(driver.environment({ [name]: CUDA_ERROR.UNKNOWN })))).toEqual(['cpu'])
    },
  )

  test('starts no device', () => {
    const errors = { cuCtxCreate: CUDA_ERROR.UNKNOWN, cuDevicePrimaryCtxRetain: CUDA_ERROR.UNKNOWN }
    expect(names(devicesIn(driver.environment(errors)))).toEqual(['cuda:0', 'cpu'])
  })

  test('is not a library', () => {
    const file = join(folder, 'libcuda.so.1')
    writeFileSync(file, 'no library')
    expect(names(devicesIn({ FUSEBERT_CUDA_DRIVER: file }))).toEqual(['cpu'])
  })
})

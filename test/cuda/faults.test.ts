// Faults of the virtual GPU, and of the driver: each answered with an error in a process that goes
// on, and 'auto' falls back.
import { describe, expect, test } from 'vitest'

import { pipeline } from '../../dist/index.js'
import { available, GOLDEN_MODEL } from '../support/require.js'
import { run } from '../virtual-gpu/run.js'
import {
  encode as encodeIn,
  ENCODE,
  environment,
  REAL,
  TEXTS,
  vectorsOf,
  type Encoded,
} from './gpu.js'

const encode = (runs: object[], env: NodeJS.ProcessEnv = {}) =>
  encodeIn(runs, { ...environment(), ...env })

describe.skipIf(REAL || !available('nvcc'))('a virtual GPU', () => {
  test('a cubin is refused, and PTX runs', () => {
    const [cuda] = encode([{ device: 'cuda' }])
    expect(cuda!.device.reason).toMatch(
      /kernels from ptx sm_80; refused cubin sm_80: .*\(CUDA_ERROR_NO_BINARY_FOR_GPU\)$/,
    )
  })

  test('bf16 is for sm_80 and newer', () => {
    const runs = [{ device: 'cuda', dtype: 'bf16' }, { dtype: 'bf16' }]
    for (const refused of encode(runs, { VIRTUAL_GPU_PROFILE: 'sm_75' })) {
      expect(refused).toMatchObject({
        code: 'ERR_DEVICE_UNAVAILABLE',
        message: expect.stringMatching(/8\.0.*'bf16'.*7\.5/) as string,
      })
    }
  })

  test('several devices, by number', () => {
    const runs = [{ device: 'cuda:1' }, { device: 'cuda:2' }]
    const [second, third] = encode(runs, { VIRTUAL_GPU_COUNT: '2' })
    expect(second!.device.device).toBe('cuda:1')
    expect(third).toMatchObject({
      code: 'ERR_DEVICE_UNAVAILABLE',
      message: expect.stringContaining('cuda:2') as string,
    })
  })

  test.each([
    ['an old driver', 'driver=12080', /CUDA 13\.0 \(580 or newer\).*CUDA 12\.8/],
    ['no device', 'no-device=1', /NO_DEVICE/],
    ['a function missing', 'without=cuLaunchKernelEx', /cuLaunchKernelEx/],
  ])('%s: refused, and auto falls back', (_, faults, message) => {
    const [cuda, auto] = encode([{ device: 'cuda' }, {}], { VIRTUAL_GPU_FAULTS: faults })
    expect(cuda).toMatchObject({
      code: 'ERR_DEVICE_UNAVAILABLE',
      message: expect.stringMatching(message) as string,
    })
    expect(auto!.device).toMatchObject({
      device: 'cpu',
      reason: expect.stringMatching(new RegExp(`^CUDA is not used: .*${message.source}`)) as string,
    })
    expect(vectorsOf(auto!)).toHaveLength(TEXTS.length)
  })

  test('no memory for the weights: refused with numbers, and auto falls back', () => {
    const env = { VIRTUAL_GPU_FAULTS: 'alloc-above=9000000' }
    const [cuda, auto] = encode([{ device: 'cuda' }, {}], env)
    expect(cuda).toMatchObject({
      code: 'ERR_OUT_OF_MEMORY',
      message: expect.stringMatching(/\d+ MiB of memory on .* but \d+ MiB of \d+ MiB/) as string,
    })
    expect(auto!.device).toMatchObject({ device: 'cpu' })
  })

  test('a kernel that fails, and a device that is lost, end the model, not the process', () => {
    for (const fault of ['sticky', 'lost']) {
      // After the kernels that load the weights.
      const env = { VIRTUAL_GPU_FAULTS: `${fault}=50` }
      const [cuda, cpu] = encode([{ device: 'cuda' }, { device: 'cpu' }], env)
      expect(cuda).toMatchObject({
        code: 'ERR_DEVICE_FAILED',
        message: expect.stringMatching(/CUDA_ERROR_/) as string,
      })
      expect(vectorsOf(cpu!)).toHaveLength(TEXTS.length)
    }
  })
})

describe('without a driver', () => {
  test('a CUDA device is refused with the reason', async () => {
    const env = { FUSEBERT_CUDA_DRIVER: '/nowhere/libcuda.so.1' }
    const spec = JSON.stringify({ model: GOLDEN_MODEL, texts: TEXTS, runs: [{ device: 'cuda' }] })
    const { stdout } = run(process.execPath, [ENCODE], env, spec)
    const [refused] = JSON.parse(stdout) as [Encoded]
    expect(refused).toMatchObject({ code: 'ERR_DEVICE_UNAVAILABLE' })
    expect(refused.message).toContain(available('nvcc') ? '/nowhere/libcuda.so.1' : 'CUDA')
  })

  test('a dtype that GPUs lack is a reason', async () => {
    const extract = await pipeline('feature-extraction', GOLDEN_MODEL, { dtype: 'fp32' })
    expect(extract.device.reason).toBe('CUDA is not used: GPUs run fp16 and bf16, not fp32')
    await extract.dispose()
  })

  test.each([
    [{ device: 'cuda', dtype: 'fp32' }, /'fp16'.*'bf16'.*cuda/],
    [{ device: 'cpu', dtype: 'fp16' }, /'auto'.*'fp32'.*cpu/],
    [{ device: 'cpu', devices: 'all' }, /'auto'.*'cuda'.*'all'/],
    [{ device: 'cuda:1', devices: 'all' }, /'auto'.*'cuda'.*'all'/],
    [{ devices: 'some' }, /'all'/],
    [{ device: 'cuda:x' }, /'auto', 'cpu', 'cuda', 'cuda:N' for device but received "cuda:x"/],
  ] as const)('%o is a contradiction', async (options, message) => {
    const load = pipeline('feature-extraction', GOLDEN_MODEL, options as object)
    await expect(load).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringMatching(message) as string,
    })
  })
})

// Models on the virtual GPU, from TypeScript: the same vectors as on the CPU, which device is
// chosen and why, and every fault answered with an error in a process that goes on.
import { beforeAll, describe, expect, test } from 'vitest'

import { pipeline } from '../../dist/index.js'
import { available, GOLDEN, GOLDEN_MODEL } from '../support/require.js'
import { buildLibrary, run } from '../virtual-gpu/run.js'

const ENCODE = new URL('encode.mjs', import.meta.url).pathname
const TEXTS = ['I cannot sleep', 'hello', 'again and again and again and again and again it rained']
const FEW_TOKENS = 64
const LEAST_COSINE = 0.9999
const PROFILES = ['sm_75', 'sm_80', 'sm_90']

interface Encoded {
  device: { device: string; isa: string; dtype: string; reason: string }
  vectors: string
  code: string
  message: string
}

function vectorsOf({ vectors }: Encoded): Float32Array[] {
  const bytes = Buffer.from(vectors, 'base64')
  const all = new Float32Array(new Uint8Array(bytes).buffer)
  const size = all.length / TEXTS.length
  return TEXTS.map((_, i) => all.subarray(i * size, (i + 1) * size))
}

function cosine(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, x, i) => sum + x * (b[i] ?? NaN), 0)
}

describe.skipIf(!available('nvcc'))('a CUDA device', () => {
  let library = ''

  beforeAll(() => {
    library = buildLibrary()
  })

  const encode = (
    runs: object[],
    env: NodeJS.ProcessEnv = {},
    model: string | undefined = undefined,
  ): Encoded[] => {
    const given = runs.map((options) => ({ max_batch_tokens: FEW_TOKENS, ...options }))
    const spec = JSON.stringify({ model, texts: TEXTS, runs: given })
    const { status, stdout, stderr } = run(process.execPath, [ENCODE, spec], {
      FUSEBERT_CUDA_DRIVER: library,
      ...env,
    })
    expect(status, stderr).toBe(0)
    return JSON.parse(stdout) as Encoded[]
  }

  test.each(PROFILES)('gives the vectors of the CPU, %s', (profile) => {
    for (const model of [undefined, `${GOLDEN}/head128-f16`, `${GOLDEN}/head16`]) {
      const runs = [{ device: 'cpu' }, { device: 'cuda' }, { device: 'auto' }]
      const found = encode(runs, { VIRTUAL_GPU_PROFILE: profile }, model)
      const [cpu, cuda, auto] = found as [Encoded, Encoded, Encoded]
      expect(cuda.device).toMatchObject({ device: 'cuda:0', isa: profile, dtype: 'fp16' })
      expect(auto.vectors).toBe(cuda.vectors)
      const expected = vectorsOf(cpu)
      vectorsOf(cuda).forEach((vector, i) => {
        expect(cosine(vector, expected[i]!)).toBeGreaterThan(LEAST_COSINE)
      })
    }
  })

  test('says which images run, and why', () => {
    const [cuda, auto] = encode([{ device: 'cuda' }, {}])
    expect(cuda!.device.reason).toMatch(/^asked for; kernels from ptx; cubin refused: .*NO_BINARY/)
    expect(auto!.device.reason).toMatch(/^a CUDA device is there; kernels from ptx/)
  })

  test('FUSEBERT_CUDA_IMAGE forces a kind of image', () => {
    const [ptx] = encode([{ device: 'cuda' }], { FUSEBERT_CUDA_IMAGE: 'ptx' })
    expect(ptx!.device.reason).toBe('asked for; kernels from ptx')
    const cubin = encode([{ device: 'cuda' }, {}], { FUSEBERT_CUDA_IMAGE: 'cubin' })
    expect(cubin[0]).toMatchObject({ message: expect.stringContaining('NO_BINARY') as string })
    expect(cubin[1]!.device).toMatchObject({
      device: 'cpu',
      reason: expect.stringMatching(/^no CUDA device: .*NO_BINARY/) as string,
    })
    const [other] = encode([{ device: 'cuda' }], { FUSEBERT_CUDA_IMAGE: 'fatbin' })
    expect(other).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
  })

  test('bf16 is for sm_80 and newer', () => {
    const runs = [{ device: 'cuda', dtype: 'bf16' }, { dtype: 'bf16' }]
    for (const refused of encode(runs, { VIRTUAL_GPU_PROFILE: 'sm_75' })) {
      expect(refused).toMatchObject({
        code: 'ERR_DEVICE_UNAVAILABLE',
        message: expect.stringMatching(/8\.0.*'bf16'.*7\.5/) as string,
      })
    }
    for (const found of encode(runs)) expect(found.device.dtype).toBe('bf16')
  })

  test('a geometry without kernels is refused, and auto falls back', () => {
    const runs = [{ device: 'cuda' }, {}]
    const [refused, auto] = encode(runs, {}, `${GOLDEN}/head17-odd`)
    expect(refused).toMatchObject({
      code: 'ERR_CONFIG',
      message: expect.stringContaining('multiple of 8') as string,
    })
    expect(auto!.device).toMatchObject({
      device: 'cpu',
      reason: expect.stringContaining('multiple of 8') as string,
    })
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
      reason: expect.stringMatching(message) as string,
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
    const { stdout } = run(process.execPath, [ENCODE, spec], env)
    const [refused] = JSON.parse(stdout) as [Encoded]
    expect(refused).toMatchObject({ code: 'ERR_DEVICE_UNAVAILABLE' })
    expect(refused.message).toContain(available('nvcc') ? '/nowhere/libcuda.so.1' : 'CUDA')
  })

  test.each([
    [{ device: 'cuda', dtype: 'fp32' }, /'fp16'.*'bf16'.*cuda/],
    [{ device: 'cpu', dtype: 'fp16' }, /'auto'.*'fp32'.*cpu/],
    [{ device: 'cuda:x' }, /cuda/],
  ] as const)('%o is a contradiction', async (options, message) => {
    const load = pipeline('feature-extraction', GOLDEN_MODEL, options as object)
    await expect(load).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringMatching(message) as string,
    })
  })
})

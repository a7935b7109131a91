// Models on a CUDA device, from TypeScript: the same vectors as on the CPU, whatever the batch, and
// which device and images are chosen and why. On the virtual GPU, and unchanged on hardware.
import { describe, expect, test } from 'vitest'

import { randomUint32 } from '../support/random.js'
import { GOLDEN } from '../support/require.js'
import {
  cosine,
  encode,
  environment,
  gpuAvailable,
  PROFILES,
  REAL,
  vectorsOf,
  type Encoded,
} from './gpu.js'

const LEAST_COSINE = 0.9999
// The virtual GPU takes PTX alone.
const KIND = REAL ? 'cubin' : 'ptx'
const HAS_BF16 = REAL ? 'real' : 'sm_80'

const WORDS = ['sleep', 'rain', 'I', 'cannot', 'again', 'and', 'hello', 'tired', 'work', 'night']

/** Seeded texts of 1 to `most` words. */
function texts(count: number, most: number): string[] {
  const next = randomUint32(5)
  const word = () => WORDS[next() % WORDS.length]
  return Array.from({ length: count }, () =>
    Array.from({ length: (next() % most) + 1 }, word).join(' '),
  )
}

describe.skipIf(!gpuAvailable())('a CUDA device', () => {
  test.each(PROFILES)('gives the vectors of the CPU, %s', (profile) => {
    const isa = (REAL ? expect.stringMatching(/^sm_\d+$/) : profile) as string
    for (const model of [undefined, `${GOLDEN}/head128-f16`, `${GOLDEN}/head16`]) {
      const runs = [{ device: 'cpu' }, { device: 'cuda' }, { device: 'auto' }]
      const found = encode(runs, environment(profile), model)
      const [cpu, cuda, auto] = found as [Encoded, Encoded, Encoded]
      expect(cuda.device).toMatchObject({ device: 'cuda:0', isa, dtype: 'fp16' })
      expect(auto.vectors).toBe(cuda.vectors)
      const expected = vectorsOf(cpu)
      vectorsOf(cuda).forEach((vector, i) => {
        expect(cosine(vector, expected[i]!)).toBeGreaterThan(LEAST_COSINE)
      })
    }
  })

  test.each(PROFILES)('gives a text the same vector in any batch, %s', (profile) => {
    const sizes = REAL ? [256, 700, 3000, 20_000, 100_000] : [16, 40, 400]
    const all = REAL ? texts(3000, 200) : texts(8, 12)
    const runs = sizes.map((max_batch_tokens) => ({ device: 'cuda', max_batch_tokens }))
    const model = REAL ? undefined : `${GOLDEN}/mental-bert-like`
    const found = encode([{ device: 'cpu' }, ...runs], environment(profile), model, all)
    const [cpu, first, ...others] = found as [Encoded, Encoded, ...Encoded[]]
    for (const other of others) expect(other.vectors === first.vectors).toBe(true)
    const expected = vectorsOf(cpu, all.length)
    vectorsOf(first, all.length).forEach((vector, i) => {
      expect(cosine(vector, expected[i]!)).toBeGreaterThan(LEAST_COSINE)
    })
  })

  test('all devices share a batch', () => {
    const env = { ...environment(), VIRTUAL_GPU_COUNT: '2' }
    const all = texts(REAL ? 300 : 9, 12)
    const runs = [{ device: 'cuda' }, { device: 'cuda', devices: 'all' }, { devices: 'all' }]
    const found = encode(runs, env, `${GOLDEN}/mental-bert-like`, all)
    const [one, ...others] = found as [Encoded, ...Encoded[]]
    for (const several of others) {
      expect(several.vectors).toBe(one.vectors)
      if (!REAL) expect(several.device.device).toBe('cuda:0,cuda:1')
    }
  })

  test('says which images run, and why', () => {
    const [cuda, auto] = encode([{ device: 'cuda' }, {}], environment())
    const from = `kernels from ${KIND} sm_\\d+`
    expect(cuda!.device.reason).toMatch(new RegExp(`^asked for; ${from}`))
    expect(auto!.device.reason).toMatch(new RegExp(`^a CUDA device is there; ${from}`))
  })

  test('FUSEBERT_CUDA_IMAGE forces a kind of image', () => {
    const run = { device: 'cuda' }
    const [ptx] = encode([run], { ...environment(), FUSEBERT_CUDA_IMAGE: 'ptx' })
    expect(ptx!.device.reason).toMatch(/^asked for; kernels from ptx sm_\d+$/)
    const [other] = encode([run], { ...environment(), FUSEBERT_CUDA_IMAGE: 'fatbin' })
    expect(other).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
  })

  test('bf16 runs', () => {
    const runs = [{ device: 'cpu' }, { device: 'cuda', dtype: 'bf16' }, { dtype: 'bf16' }]
    const found = encode(runs, environment(HAS_BF16))
    const [cpu, ...both] = found as [Encoded, ...Encoded[]]
    const expected = vectorsOf(cpu)
    for (const cuda of both) {
      expect(cuda.device.dtype).toBe('bf16')
      vectorsOf(cuda).forEach((vector, i) => {
        expect(cosine(vector, expected[i]!)).toBeGreaterThan(0.999)
      })
    }
  })

  test('memory that is given back is taken again', () => {
    const found = encode([{ device: 'cuda' }, { device: 'cuda', trim: true }], environment())
    const [cuda, trimmed] = found as [Encoded, Encoded]
    expect(trimmed.vectors).toBe(cuda.vectors)
  })

  test('a limit of memory is kept, and says what is missing', () => {
    const run = { device: 'cuda', max_batch_tokens: 1 << 16 }
    const runs = [1e6, 200e6].map((bytes) => ({ ...run, max_device_bytes: bytes }))
    const [little, enough] = encode(runs, environment(), `${GOLDEN}/mental-bert-like`)
    expect(little).toMatchObject({
      code: 'ERR_OUT_OF_MEMORY',
      message: expect.stringMatching(/977 KiB.*max_device_bytes.* needs \d+ MiB/) as string,
    })
    expect(enough!.device.device).toBe('cuda:0')
  })

  test('a geometry without kernels is refused, and auto falls back', () => {
    const runs = [{ device: 'cuda' }, {}]
    const [refused, auto] = encode(runs, environment(), `${GOLDEN}/head17-odd`)
    expect(refused).toMatchObject({
      code: 'ERR_CONFIG',
      message: expect.stringContaining('multiple of 8') as string,
    })
    expect(auto!.device).toMatchObject({
      device: 'cpu',
      reason: expect.stringContaining('multiple of 8') as string,
    })
  })
})

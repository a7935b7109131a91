// What 'auto' makes of a GPU that cannot run a model, and what 'cuda' says of it: a driver that
// fails, images that it refuses, weights that fp16 cannot hold. On the virtual GPU.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { available, GOLDEN, GOLDEN_MODEL } from '../support/require.js'
import { buildFaultyDriver, CUDA_ERROR, type FaultyDriver } from './faulty-driver.js'
import { cosine, encode, environment, REAL, vectorsOf, type Encoded } from './gpu.js'

const BOTH = [{ device: 'cuda' }, {}]

const matching = (pattern: RegExp): string => expect.stringMatching(pattern) as string

/** Writes a number over the first one of the word embeddings, in F32. */
function overwrite(file: string, value: number): void {
  const bytes = readFileSync(file)
  const headerBytes = Number(bytes.readBigUInt64LE())
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerBytes)) as Record<
    string,
    { dtype: string; data_offsets: [number, number] }
  >
  const name = Object.keys(header).find((each) => each.endsWith('word_embeddings.weight'))!
  const { dtype, data_offsets } = header[name]!
  expect(dtype).toBe('F32')
  bytes.writeFloatLE(value, 8 + headerBytes + data_offsets[0])
  writeFileSync(file, bytes)
}

describe.skipIf(REAL || !available('nvcc'))("where the GPU fails, 'auto' takes the CPU", () => {
  let folder = ''
  let driver: FaultyDriver

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'fusebert-fallback-'))
    driver = buildFaultyDriver(folder)
  })
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true })
  })

  test.each([
    ['unknown', CUDA_ERROR.UNKNOWN, 'ERR_DEVICE_FAILED'],
    ['out of memory', CUDA_ERROR.OUT_OF_MEMORY, 'ERR_OUT_OF_MEMORY'],
  ])('a driver that answers the first question with: %s', (_, error, code) => {
    const env = driver.environment({ cuDeviceGetCount: error })
    const [cuda, auto] = encode(BOTH, env)
    expect(cuda).toMatchObject({ code, message: matching(/cuDeviceGetCount/) })
    expect(auto!.device).toMatchObject({
      device: 'cpu',
      reason: matching(/^CUDA is not used: .*cuDeviceGetCount/),
    })
  })

  test('images that are all refused are all named', () => {
    const env = driver.environment({
      cubin: CUDA_ERROR.NO_BINARY_FOR_GPU,
      ptx: CUDA_ERROR.UNSUPPORTED_PTX_VERSION,
    })
    const [cuda, auto] = encode(BOTH, env)
    const refusals = /cubin sm_80: .*NO_BINARY_FOR_GPU.*ptx sm_80: .*UNSUPPORTED_PTX_VERSION/
    expect(cuda).toMatchObject({ code: 'ERR_DEVICE_UNAVAILABLE', message: matching(refusals) })
    expect(cuda!.message).not.toContain('FUSEBERT_CUDA_IMAGE')
    expect(auto!.device).toMatchObject({ device: 'cpu', reason: matching(refusals) })
  })

  // The virtual GPU would run the PTX.
  test.each([
    ['no memory', CUDA_ERROR.OUT_OF_MEMORY, 'ERR_OUT_OF_MEMORY', /memory for kernels.*are free/],
    ['a lost context', CUDA_ERROR.ILLEGAL_ADDRESS, 'ERR_DEVICE_FAILED', /ILLEGAL_ADDRESS/],
  ])('PTX is no way out of %s', (_, error, code, message) => {
    const [cuda, auto] = encode(BOTH, driver.environment({ cubin: error }))
    expect(cuda).toMatchObject({ code, message: matching(message) })
    expect(auto!.device).toMatchObject({ device: 'cpu', reason: matching(message) })
  })

  test('a kind of image that was forced is named with its variable', () => {
    const env = { ...environment(), FUSEBERT_CUDA_IMAGE: 'cubin' }
    const [cuda, auto] = encode(BOTH, env)
    const message = matching(/cubin sm_80: .*NO_BINARY.*FUSEBERT_CUDA_IMAGE=cubin/)
    expect(cuda).toMatchObject({ code: 'ERR_DEVICE_UNAVAILABLE', message })
    expect(auto!.device).toMatchObject({ device: 'cpu', reason: message })
  })

  test('weights that fp16 cannot hold', () => {
    const model = join(folder, 'large')
    cpSync(`${GOLDEN}/head16`, model, { recursive: true })
    overwrite(join(model, 'model.safetensors'), 1e6)
    const runs = [...BOTH, { device: 'cpu' }, { dtype: 'fp16' }, { dtype: 'bf16' }]
    const [cuda, auto, cpu, fp16, bf16] = encode(runs, environment(), model) as [
      Encoded, Encoded, Encoded, Encoded, Encoded,
    ]
    const refused = { code: 'ERR_TENSOR_VALUE', message: matching(/fp16 can hold/) }
    expect(cuda).toMatchObject(refused)
    expect(auto.device).toMatchObject({ device: 'cpu', reason: matching(/fp16 can hold/) })
    expect(auto.vectors).toBe(cpu.vectors)
    expect(fp16).toMatchObject(refused)
    expect(bf16.device).toMatchObject({ device: 'cuda:0', dtype: 'bf16' })
    const expected = vectorsOf(cpu)
    vectorsOf(bf16).forEach((vector, i) => {
      expect(cosine(vector, expected[i]!)).toBeGreaterThan(0.999)
    })
  })

  test('but not with weights that no device can use', () => {
    const model = join(folder, 'damaged')
    cpSync(`${GOLDEN}/head16`, model, { recursive: true })
    overwrite(join(model, 'model.safetensors'), NaN)
    for (const refused of encode(BOTH, environment(), model)) {
      expect(refused).toMatchObject({ code: 'ERR_TENSOR_VALUE', message: matching(/finite/) })
    }
  })

  test('nor with a dtype that only GPUs have', () => {
    const env = driver.environment({ cuDeviceGetCount: CUDA_ERROR.UNKNOWN })
    const [fp16] = encode([{ dtype: 'fp16' }], env, GOLDEN_MODEL)
    expect(fp16).toMatchObject({ code: 'ERR_DEVICE_FAILED' })
  })
})

// Where the CUDA tests run, and running models there: on the virtual GPU, or with
// FUSEBERT_TEST_GPU=real on the GPU of this machine.
import { expect } from 'vitest'

import { available } from '../support/require.js'
import { buildLibrary, run } from '../virtual-gpu/run.js'

export const REAL = process.env['FUSEBERT_TEST_GPU'] === 'real'

/** Devices to run on; an isa of the virtual GPU. */
export const PROFILES = REAL ? ['real'] : ['sm_75', 'sm_80', 'sm_90']

export const ENCODE = new URL('encode.mjs', import.meta.url).pathname
export const TEXTS = [
  'I cannot sleep',
  'hello',
  'again and again and again and again and again it rained',
]
const FEW_TOKENS = 64

export interface Encoded {
  device: { device: string; isa: string; dtype: string; reason: string }
  vectors: string
  code: string
  message: string
}

export function gpuAvailable(): boolean {
  return REAL || available('nvcc')
}

let library: string | undefined

/** The environment in which a profile's device is found. Builds the virtual GPU when needed. */
export function environment(profile = 'sm_80'): NodeJS.ProcessEnv {
  if (REAL) return {}
  library ??= buildLibrary()
  return { FUSEBERT_CUDA_DRIVER: library, VIRTUAL_GPU_PROFILE: profile }
}

/** What a process of its own makes of the texts with each of the runs' options. */
export function encode(
  runs: object[],
  env: NodeJS.ProcessEnv,
  model?: string,
  texts: string[] = TEXTS,
): Encoded[] {
  const given = runs.map((options) => ({ max_batch_tokens: FEW_TOKENS, ...options }))
  const spec = JSON.stringify({ model, texts, runs: given })
  const { status, stdout, stderr } = run(process.execPath, [ENCODE], env, spec)
  expect(status, stderr).toBe(0)
  return JSON.parse(stdout) as Encoded[]
}

/** One vector a text. */
export function vectorsOf({ vectors }: Encoded, texts = TEXTS.length): Float32Array[] {
  const bytes = Buffer.from(vectors, 'base64')
  const all = new Float32Array(new Uint8Array(bytes).buffer)
  const size = all.length / texts
  return Array.from({ length: texts }, (_, i) => all.subarray(i * size, (i + 1) * size))
}

/** Of vectors of length 1. */
export function cosine(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, x, i) => sum + x * (b[i] ?? NaN), 0)
}

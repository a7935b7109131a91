// Builds the driver that fails on demand, and puts it in front of the virtual GPU.
import { join } from 'node:path'

import { ROOT } from '../support/require.js'
import { run } from '../virtual-gpu/run.js'
import { environment } from './gpu.js'

/** CUresults that cuda.h numbers. */
export const CUDA_ERROR = {
  OUT_OF_MEMORY: 2,
  NO_BINARY_FOR_GPU: 209,
  UNSUPPORTED_PTX_VERSION: 222,
  ILLEGAL_ADDRESS: 700,
  UNKNOWN: 999,
} as const

export interface FaultyDriver {
  /** What each of these calls answers; `cubin` and `ptx` are cuModuleLoadData of such an image. */
  environment(errors: Record<string, number>): NodeJS.ProcessEnv
}

/** @param folder - where the library goes */
export function buildFaultyDriver(folder: string): FaultyDriver {
  const library = join(folder, 'libfaulty.so')
  const source = join(ROOT, 'test/cuda/faulty_driver.cc')
  const options = ['-std=c++20', '-shared', '-fPIC', '-o', library]
  const { status, stderr } = run('c++', [...options, source, '-ldl'])
  if (status !== 0) throw new Error(stderr)
  return {
    environment(errors) {
      const given = environment()
      const list = Object.entries(errors).map(([name, error]) => `${name}=${error}`)
      return {
        ...given,
        FUSEBERT_CUDA_DRIVER: library,
        FAULTY_DRIVER_BEHIND: given['FUSEBERT_CUDA_DRIVER'],
        FAULTY_DRIVER_ERRORS: list.join(';'),
      }
    },
  }
}

// Builds fusebert_cpu_bench in build/ with the project's CMakeLists.txt; what is up to date stays.

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const SOURCE = fileURLToPath(new URL('..', import.meta.url))
const BUILD = fileURLToPath(new URL('build', import.meta.url))
// Nothing here is timed on a GPU.
const env = { ...process.env, FUSEBERT_BUILD_CUDA: 'off' }

function cmake(...args) {
  const stdio = ['ignore', 'ignore', 'inherit']
  const { status, error } = spawnSync('cmake', args, { env, stdio })
  if (error !== undefined) throw error
  if (status !== 0) process.exit(status ?? 1)
}

cmake('-S', SOURCE, '-B', BUILD, '-DFUSEBERT_BUILD_ADDON=OFF', '-DCMAKE_BUILD_TYPE=Release')
cmake('--build', BUILD, '--parallel', '--target', 'fusebert_cpu_bench')

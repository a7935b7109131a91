// What binding.gyp runs: the CMake build, with fusebert.node put into node-gyp's product folder.
// Usage: node scripts/gyp-build.mjs PRODUCT_DIR
import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const product = process.argv[2]
if (product === undefined) {
  console.error('Expected node-gyp\'s product folder as the first argument but received nothing.')
  process.exit(2)
}
const buildFolder = resolve(root, 'build', 'cmake-gyp')
for (const args of [
  ['-S', root, '-B', buildFolder, `-DFUSEBERT_OUTPUT_DIRECTORY=${resolve(root, product)}`,
    '-DCMAKE_BUILD_TYPE=Release'],
  ['--build', buildFolder, '--config', 'Release', '--parallel'],
]) {
  const { status, error } = spawnSync('cmake', args, { cwd: root, stdio: 'inherit' })
  if (error) console.error(`Expected CMake on PATH but could not start it: ${error.message}`)
  if (status !== 0) process.exit(status ?? 1)
}

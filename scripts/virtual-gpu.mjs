// Builds the virtual GPU (test/virtual-gpu) in build/virtual-gpu:
//
//   node scripts/virtual-gpu.mjs path    builds, then prints where the driver's library is
//   node scripts/virtual-gpu.mjs tests   builds, then runs its C++ tests
//
// What the build says goes to the standard error. Exits with 0, with 77 when nvcc or GoogleTest is
// missing, and with 1 when something failed.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..')
const FOLDER = join(ROOT, 'build/virtual-gpu')
const SKIPPED = 77
const GOALS = {
  path: { target: 'virtual_gpu', file: 'libcuda.so.1', missing: 'nvcc, the CUDA toolkit' },
  tests: { target: 'virtual_gpu_tests', file: 'virtual_gpu_tests', missing: 'GoogleTest' },
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: ['ignore', 2, 2] })
  if (error) console.error(error.message)
  return status === 0
}

/** Builds a target; false when it failed. A target that CMake left out is no failure. */
function build(target) {
  const source = join(ROOT, 'test/virtual-gpu')
  const jobs = String(availableParallelism())
  return (
    run('cmake', ['-S', source, '-B', FOLDER, '-DCMAKE_BUILD_TYPE=Release']) &&
    run('cmake', ['--build', FOLDER, '--target', `${target}_if_possible`, '-j', jobs])
  )
}

const goal = GOALS[process.argv[2] ?? '']
if (goal === undefined) {
  console.error(`Expected one of ${Object.keys(GOALS).join(', ')}.`)
  process.exit(1)
}
const result = join(FOLDER, goal.file)
const driverTests = join(FOLDER, 'virtual_gpu_driver_tests')
if (!build(goal.target)) process.exit(1)
if (!existsSync(result)) {
  console.error(`virtual GPU: skipped, ${goal.missing} is missing`)
  process.exit(SKIPPED)
}
if (process.argv[2] === 'path') {
  console.log(result)
} else {
  // The driver's tests are there where the toolkit is.
  const binaries = [result, driverTests].filter(existsSync)
  const passed = binaries.map((binary) => run(binary, ['--gtest_brief=1', '--gtest_shuffle']))
  process.exit(passed.every(Boolean) ? 0 : 1)
}

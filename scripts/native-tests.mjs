// Builds and runs the C++ tests, in the ways that find different faults:
//
//   node scripts/native-tests.mjs [plain] [asan] [tsan] [qemu] [cuda]     default: plain
//
//   plain  every test, on this processor; and no file of an instruction set may define a symbol
//          that the linker could choose for everyone
//   asan   every test under AddressSanitizer and UndefinedBehaviorSanitizer
//   tsan   the tests with threads (pool, engine, a backend's batch) under ThreadSanitizer
//   qemu   the kernels' tests on emulated processors without AVX-512 and without AVX
//   cuda   the CUDA backend's tests on the virtual GPU, as each generation that has kernels
//
// Exits with 0 when all passed, 77 when nothing failed but something was skipped because
// GoogleTest, qemu or nvcc is missing, 1 otherwise.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..')
const SKIPPED = 77

// The kernels' and the small backend tests: what depends on the instruction set.
const KERNEL_TESTS = '*Kernels.*:*Kernels/*:Dispatch.*:CpuInfo.*:*/CpuBackend.*'
const THREAD_TESTS = 'ThreadPool*:Engine*:*/CpuBackend.ASequenceAlone*'
const EMULATED = [
  { cpu: 'Westmere', isas: ['scalar'] },
  { cpu: 'Haswell', isas: ['avx2', 'scalar'] },
]

const CUDA_PROFILES = ['sm_75', 'sm_80', 'sm_90']

const KINDS = {
  plain: { run: runPlain },
  asan: { sanitize: 'address,undefined', run: (binary) => runTests(binary, '*') },
  tsan: { sanitize: 'thread', run: (binary) => runTests(binary, THREAD_TESTS) },
  qemu: { run: runEmulated },
  cuda: { target: 'fusebert_cuda_tests', run: runCuda },
}

function run(command, args, options = {}) {
  return spawnSync(command, args, { stdio: 'inherit', ...options })
}

function has(command) {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0
}

// 'ok', 'failed' or 'skipped'. CMake says itself when GoogleTest is missing.
function build(directory, sanitize, target) {
  const configured = run(
    'cmake',
    [
      '-S', ROOT, '-B', directory, '-DCMAKE_BUILD_TYPE=Release', '-DFUSEBERT_BUILD_ADDON=OFF',
      '-DFUSEBERT_BUILD_TESTS=ON', `-DFUSEBERT_SANITIZE=${sanitize}`,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' },
  )
  if (configured.status !== 0) {
    if (/Could NOT find GTest|GTestConfig\.cmake/.test(configured.stderr ?? '')) {
      console.log('native tests: skipped, GoogleTest is missing (Debian: libgtest-dev)')
      return 'skipped'
    }
    console.error(configured.error?.message ?? configured.stderr)
    return 'failed'
  }
  const jobs = String(availableParallelism())
  const built = run('cmake', ['--build', directory, '--target', target, '-j', jobs])
  return built.status === 0 ? 'ok' : 'failed'
}

function runTests(binary, filter) {
  const args = [`--gtest_filter=${filter}`, '--gtest_brief=1', '--gtest_shuffle']
  return run(binary, args).status === 0 ? 'ok' : 'failed'
}

function runPlain(binary, directory) {
  return runTests(binary, '*') === 'ok' && symbolsStayHome(directory) ? 'ok' : 'failed'
}

// A weak symbol that was compiled with AVX may become the one copy that a processor without it
// runs. nm marks weak ones W, V or u.
function symbolsStayHome(directory) {
  if (!has('nm')) {
    console.log('native tests: the check of weak symbols was left out, nm is missing')
    return true
  }
  const objects = spawnSync('find', [directory, '-name', '*.o', '-path', '*/cpu/kernels/avx*'], {
    encoding: 'utf8',
  }).stdout.split('\n').filter(Boolean)
  const listing = spawnSync('nm', ['--defined-only', '-C', '-A', ...objects], { encoding: 'utf8' })
  const weak = listing.stdout.split('\n').filter((line) => /:[0-9a-f]+ [WVu] /.test(line))
  for (const line of weak) console.error(`native tests: weak symbol in ${line}`)
  return objects.length > 0 && listing.status === 0 && weak.length === 0
}

function runEmulated(binary) {
  for (const { cpu, isas } of EMULATED) {
    console.log(`native tests: emulated ${cpu}`)
    const args = ['-cpu', cpu, binary, `--gtest_filter=${KERNEL_TESTS}`, '--gtest_brief=1']
    const result = spawnSync('qemu-x86_64', args, { encoding: 'utf8' })
    // qemu warns of features that it cannot emulate; none of them is used.
    process.stderr.write(result.stderr.replace(/^qemu-x86_64: warning: .*\n/gm, ''))
    process.stdout.write(result.stdout)
    const expected = `kernels: ${isas.join(' ')}\n`
    if (result.status !== 0 || !result.stdout.includes(expected)) {
      console.error(`native tests: ${cpu} failed; expected “${expected.trim()}” in its output`)
      return 'failed'
    }
  }
  return 'ok'
}

function runCuda(binary) {
  const script = join(ROOT, 'scripts/virtual-gpu.mjs')
  const built = spawnSync(process.execPath, [script, 'path'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (built.status !== 0) return 'failed'
  for (const profile of CUDA_PROFILES) {
    console.log(`native tests: the virtual GPU as ${profile}`)
    const env = {
      ...process.env,
      FUSEBERT_CUDA_DRIVER: built.stdout.trim(),
      VIRTUAL_GPU_PROFILE: profile,
    }
    const args = ['--gtest_brief=1', '--gtest_shuffle']
    if (run(binary, args, { env }).status !== 0) return 'failed'
  }
  return 'ok'
}

const NEEDS = {
  qemu: { command: 'qemu-x86_64', name: 'qemu-x86_64 is missing (Debian: qemu-user)' },
  cuda: { command: 'nvcc', name: 'nvcc, the CUDA toolkit, is missing' },
}

function runKind(kind) {
  const need = NEEDS[kind]
  if (need !== undefined && !has(need.command)) {
    console.log(`native tests: ${kind} skipped, ${need.name}`)
    return 'skipped'
  }
  const { sanitize = '', target = 'fusebert_tests', run: runBuilt } = KINDS[kind]
  const directory = join(ROOT, 'build', `tests-${sanitize.replace(',', '-') || 'plain'}`)
  console.log(`native tests: ${kind}`)
  const state = build(directory, sanitize, target)
  if (state !== 'ok') return state
  const binary = join(directory, target)
  return existsSync(binary) ? runBuilt(binary, directory) : 'failed'
}

const kinds = process.argv.length > 2 ? process.argv.slice(2) : ['plain']
const unknown = kinds.filter((kind) => !(kind in KINDS))
if (unknown.length > 0) {
  console.error(`Expected ${Object.keys(KINDS).join(', ')} but received ${unknown.join(', ')}.`)
  process.exit(1)
}
const results = kinds.map((kind) => ({ kind, state: runKind(kind) }))
for (const { kind, state } of results) console.log(`native tests: ${kind} ${state}`)
const states = results.map(({ state }) => state)
process.exit(states.includes('failed') ? 1 : states.includes('skipped') ? SKIPPED : 0)

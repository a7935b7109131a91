// Builds and runs the C++ tests, in the ways that find different faults:
//
//   node scripts/native-tests.mjs [plain] [asan] [fuzz] [tsan] [qemu] [neon] [cuda]
//
// With none of them, plain.
//
//   plain  every test, on this processor; and no file of an instruction set may define a symbol
//          that the linker could choose for everyone
//   asan   every test under AddressSanitizer and UndefinedBehaviorSanitizer
//   fuzz   the tokenizer's fuzz, under the same two; FUSEBERT_FUZZ_SCALE makes it longer
//   tsan   the tests with threads (pool, engine, a backend's batch, a batch of texts) under
//          ThreadSanitizer
//   qemu   the kernels' tests on emulated processors without AVX-512 and without AVX
//   neon   tests of kernels and of the tokenizer's blocks, built for 64-bit ARM and emulated
//   cuda   the CUDA backend's tests on the virtual GPU, as each generation that has kernels
//
// Exits with 0 when all passed, 77 when nothing failed but something was skipped because
// GoogleTest, qemu, the compiler for ARM or nvcc is missing, 1 otherwise.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..')
const SKIPPED = 77

// The kernels' and the small backend tests: what depends on the instruction set.
const KERNEL_TESTS = '*Kernels.*:*Kernels/*:Dispatch.*:CpuInfo.*:*/CpuBackend.*'
// What takes sixteen bytes of text at once, and what is made of it.
const BLOCK_TESTS =
  'TokenizerBlock.*:TokenizerFindByte.*:TokenizerEqualBytes.*:TokenTable.*:MergeTable.*:Trie.*:' +
  'WordCache.*:*WordPiece*:BytePair*'
const THREAD_TESTS =
  'ThreadPool*:WorkPlace*:Engine*:*/CpuBackend.ASequenceAlone*:BatchEncoder*:' +
  'Tokenizer.ManyThreads*'
const EMULATED = [
  { cpu: 'Westmere', isas: ['scalar'] },
  { cpu: 'Haswell', isas: ['avx2', 'scalar'] },
]

// Debian's libgtest-dev has the library for this processor alone, and its sources.
const GOOGLETEST_SOURCES = '/usr/src/googletest/googletest'
const ARM_COMPILER = 'aarch64-linux-gnu-g++'
const FOR_ARM = [
  '-DCMAKE_SYSTEM_NAME=Linux', '-DCMAKE_SYSTEM_PROCESSOR=aarch64',
  `-DCMAKE_CXX_COMPILER=${ARM_COMPILER}`, '-DCMAKE_C_COMPILER=aarch64-linux-gnu-gcc',
  // So that the emulator needs no libraries.
  '-DCMAKE_EXE_LINKER_FLAGS=-static', `-DFUSEBERT_GTEST_SOURCES=${GOOGLETEST_SOURCES}`,
]

const CUDA_PROFILES = ['sm_75', 'sm_80', 'sm_90']

const KINDS = {
  plain: { run: runPlain },
  asan: { sanitize: 'address,undefined', run: (binary) => runTests(binary, '*') },
  fuzz: { sanitize: 'address,undefined', run: (binary) => runTests(binary, 'TokenizerFuzz*') },
  tsan: { sanitize: 'thread', run: (binary) => runTests(binary, THREAD_TESTS) },
  qemu: { run: runEmulated },
  neon: { directory: 'tests-aarch64', options: FOR_ARM, cuda: 'off', run: runArm },
  cuda: { target: 'fusebert_cuda_tests', run: runCuda },
}

function run(command, args, options = {}) {
  return spawnSync(command, args, { stdio: 'inherit', ...options })
}

function has(command) {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0
}

// 'ok', 'failed' or 'skipped'. CMake says itself when GoogleTest is missing.
function build(directory, { sanitize = '', options = [], cuda, target }) {
  const env = { ...process.env, ...(cuda && { FUSEBERT_BUILD_CUDA: cuda }) }
  const configured = run(
    'cmake',
    [
      '-S', ROOT, '-B', directory, '-DCMAKE_BUILD_TYPE=Release', '-DFUSEBERT_BUILD_ADDON=OFF',
      '-DFUSEBERT_BUILD_TESTS=ON', `-DFUSEBERT_SANITIZE=${sanitize}`, ...options,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8', env },
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
  const built = run('cmake', ['--build', directory, '--target', target, '-j', jobs], { env })
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

// 'ok' when the kernels' tests pass on an emulated processor that has these instruction sets.
function runEmulatedKernels(emulator, binary, isas, tests = KERNEL_TESTS) {
  const args = [binary, `--gtest_filter=${tests}`, '--gtest_brief=1']
  const [command, ...options] = emulator
  const result = spawnSync(command, [...options, ...args], { encoding: 'utf8' })
  // qemu warns of features that it cannot emulate; none of them is used.
  process.stderr.write(result.stderr.replace(/^qemu-x86_64: warning: .*\n/gm, ''))
  process.stdout.write(result.stdout)
  const expected = `kernels: ${isas.join(' ')}\n`
  if (result.status === 0 && result.stdout.includes(expected)) return 'ok'
  console.error(`native tests: expected “${expected.trim()}” and no failure of ${command}`)
  return 'failed'
}

function runEmulated(binary) {
  const states = EMULATED.map(({ cpu, isas }) => {
    console.log(`native tests: emulated ${cpu}`)
    return runEmulatedKernels(['qemu-x86_64', '-cpu', cpu], binary, isas)
  })
  return states.includes('failed') ? 'failed' : 'ok'
}

function runArm(binary) {
  console.log('native tests: emulated 64-bit ARM')
  const tests = `${KERNEL_TESTS}:${BLOCK_TESTS}`
  return runEmulatedKernels(['qemu-aarch64'], binary, ['neon', 'scalar'], tests)
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
  qemu: [{ command: 'qemu-x86_64', name: 'qemu-x86_64 is missing (Debian: qemu-user)' }],
  neon: [
    { command: 'qemu-aarch64', name: 'qemu-aarch64 is missing (Debian: qemu-user)' },
    { command: ARM_COMPILER, name: `${ARM_COMPILER} is missing (Debian: g++-aarch64-linux-gnu)` },
  ],
  cuda: [{ command: 'nvcc', name: 'nvcc, the CUDA toolkit, is missing' }],
}

function runKind(kind) {
  const missing = (NEEDS[kind] ?? []).find((need) => !has(need.command))
  if (missing !== undefined) {
    console.log(`native tests: ${kind} skipped, ${missing.name}`)
    return 'skipped'
  }
  const { target = 'fusebert_tests', run: runBuilt, ...settings } = KINDS[kind]
  const instrumented = settings.sanitize?.replace(',', '-') ?? 'plain'
  const directory = join(ROOT, 'build', settings.directory ?? `tests-${instrumented}`)
  console.log(`native tests: ${kind}`)
  const state = build(directory, { ...settings, target })
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

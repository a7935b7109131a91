// Packs what a machine with a GPU, Python and PyTorch, but without Node or compilers, lacks to run
// the CUDA tests and bench/gpu: node scripts/gpu-bundle/pack.mjs [OUTPUT]
//
// OUTPUT, by default build/gpu-bundle.tar.xz, holds this Node, the built addon and package, the
// test runner, the C++ tests with kernels of their own, and the library of bench/gpu. It goes
// beside the repository's tracked files; there, python3 scripts/gpu-bundle/run.py unpacks it and
// runs all. Builds the C++ parts; the addon and the package are npm run build's.
import { spawnSync } from 'node:child_process'
import {
  cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync,
} from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..')
const OUTPUT = process.argv[2] ?? join(ROOT, 'build/gpu-bundle.tar.xz')
const TESTS = join(ROOT, 'build/tests-plain')
const IMAGES = join(ROOT, 'build/cuda')
// At most what travels well: PACKED alone, and with the tracked files.
const MOST_PACKED_BYTES = 40e6
const MOST_BYTES = 60 << 20

// Packages that the tests or the package need at run time, with all that these need.
const PACKAGES = ['vitest', 'commander', 'cli-progress', 'csv-parse']
// Kernels that are wrong on purpose go where unpack-images.mjs puts those of the addon.
const WRONG_KERNELS = /^wrong_\w+\.\w+\.sm_\d+\.ptx$/
// For style sheets, which no test has.
const LEFT_OUT = /node_modules\/lightningcss/

function run(command, args, options = {}) {
  const { status, stdout, error } = spawnSync(command, args, {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 1 << 28,
    ...options,
  })
  if (status !== 0) throw new Error(`${command} ${args[0]} failed: ${error?.message ?? status}`)
  return stdout
}

/** The folders of packages and of all that they need, of those that are installed. */
function packageFolders(names) {
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'))
  const found = new Set()
  const resolve = (from, name) => {
    const folder = `${from === '' ? '' : `${from}/`}node_modules/${name}`
    if (folder in packages) return folder
    if (from === '') return undefined
    return resolve(from.slice(0, Math.max(0, from.lastIndexOf('/node_modules/'))), name)
  }
  const visit = (folder) => {
    if (folder === undefined || found.has(folder) || LEFT_OUT.test(folder)) return
    if (!statSync(join(ROOT, folder), { throwIfNoEntry: false })) return
    found.add(folder)
    const { dependencies = {}, optionalDependencies = {} } = packages[folder]
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      visit(resolve(folder, name))
    }
  }
  for (const name of names) visit(`node_modules/${name}`)
  return [...found]
}

function build() {
  const configure = [
    '-S', ROOT, '-B', TESTS, '-DCMAKE_BUILD_TYPE=Release', '-DFUSEBERT_BUILD_ADDON=OFF',
    '-DFUSEBERT_BUILD_TESTS=ON',
  ]
  run('cmake', configure)
  const jobs = String(availableParallelism())
  for (const target of ['fusebert_cuda_tests', 'fusebert_older_driver', 'fusebert_gpu_bench']) {
    run('cmake', ['--build', TESTS, '--target', target, '-j', jobs])
  }
}

function pack() {
  const staging = mkdtempSync(join(tmpdir(), 'fusebert-gpu-bundle-'))
  try {
    const put = (from, to) => {
      mkdirSync(dirname(join(staging, to)), { recursive: true })
      cpSync(from, join(staging, to), { recursive: true, dereference: true })
    }
    put(process.execPath, 'build/gpu/node')
    put(join(ROOT, 'build/Release/fusebert.node'), 'build/Release/fusebert.node')
    put(join(TESTS, 'fusebert_cuda_tests'), 'build/gpu/fusebert_cuda_tests')
    for (const name of ['libfusebert_older_driver.so', 'libfusebert_gpu_bench.so']) {
      put(join(TESTS, name), `build/gpu/${name}`)
    }
    const images = readdirSync(IMAGES).filter((name) => WRONG_KERNELS.test(name))
    if (images.length === 0) throw new Error(`Expected kernels of the C++ tests in ${IMAGES}.`)
    for (const name of images) put(join(IMAGES, name), `build/cuda/${name}`)
    put(join(ROOT, 'dist'), 'dist')
    const commit = run('git', ['describe', '--always', '--dirty'])
    writeFileSync(join(staging, 'build/gpu/commit'), commit)
    for (const folder of packageFolders(PACKAGES)) put(join(ROOT, folder), folder)
    mkdirSync(dirname(OUTPUT), { recursive: true })
    rmSync(OUTPUT, { force: true })
    const files = ['build', 'dist', 'node_modules']
    run('tar', ['-C', staging, '-cf', `${OUTPUT}.tar`, ...files])
    run('sh', ['-c', 'xz -T0 -6 <"$1.tar" >"$1" && rm "$1.tar"', 'sh', OUTPUT])
  } finally {
    rmSync(staging, { recursive: true, force: true })
  }
}

function trackedBytes() {
  const files = run('git', ['ls-files', '-z']).split('\0').filter(Boolean)
  const sizes = files.map((file) => statSync(join(ROOT, file), { throwIfNoEntry: false })?.size)
  return sizes.reduce((sum, size) => sum + (size ?? 0), 0)
}

build()
pack()
const packed = statSync(OUTPUT).size
const total = packed + trackedBytes()
console.log(`${OUTPUT}: ${packed} bytes, ${total} with the tracked files`)
if (packed > MOST_PACKED_BYTES || total > MOST_BYTES) {
  console.error(`Expected at most ${MOST_PACKED_BYTES} bytes, ${MOST_BYTES} with tracked files.`)
  process.exitCode = 1
}

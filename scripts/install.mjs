// npm's install script: keeps a prebuilt addon when one fits, else builds fusebert.node from
// source with cmake-js. Downloads nothing. `--from-source` builds in any case, incrementally.
// FUSEBERT_SKIP_BUILD=1 does nothing, for those who only want the JavaScript.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const require = createRequire(import.meta.url)

/** Whether the prebuilt addon for this platform exists and loads in this Node. */
function prebuildLoads() {
  const file = join(root, 'prebuilds', `${process.platform}-${process.arch}`, 'fusebert.node')
  if (!existsSync(file)) return false
  // In a child: a binary for another C library can take the process down.
  const probe = spawnSync(process.execPath, ['-e', 'require(process.argv[1])', file])
  return probe.status === 0
}

function starts(command) {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0
}

/** What is missing for a build, as names of things to install. */
function missingTools() {
  const missing = []
  const compilers = [process.env.CXX, 'c++', 'g++', 'clang++'].filter(Boolean)
  if (process.platform !== 'win32' && !compilers.some(starts)) {
    missing.push('a C++20 compiler (GCC 11 or Clang 14, or newer)')
  }
  if (!starts('cmake')) missing.push('CMake (3.18 or newer)')
  const generators = process.platform === 'win32' ? [] : ['ninja', 'make']
  if (generators.length > 0 && !generators.some(starts)) missing.push('Ninja or Make')
  return missing
}

function main() {
  if (process.env.FUSEBERT_SKIP_BUILD === '1') return 0
  if (!process.argv.includes('--from-source') && prebuildLoads()) return 0

  const missing = missingTools()
  if (missing.length > 0) {
    console.error(
      `fusebert: to build its native addon, please install ${missing.join(' and ')}, then run ` +
        'npm install again. On Debian and Ubuntu: apt-get install g++ cmake make. On Fedora: ' +
        'dnf install gcc-c++ cmake make. On macOS: xcode-select --install && brew install cmake.',
    )
    return 1
  }
  const cmakeJs = join(dirname(require.resolve('cmake-js/package.json')), 'bin', 'cmake-js')
  const run = (command, ...options) =>
    spawnSync(process.execPath, [cmakeJs, command, '--directory', root, ...options], {
      cwd: root,
      stdio: 'inherit',
    }).status ?? 1
  // A folder that is configured already is not configured again by compile.
  if (process.env.FUSEBERT_BUILD_CUDA !== undefined) {
    const status = run('configure')
    if (status !== 0) return status
  }
  return run('compile', '--parallel', String(availableParallelism()))
}

process.exitCode = main()

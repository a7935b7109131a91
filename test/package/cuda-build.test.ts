// What CMake makes of the CUDA toolkit that it finds, or does not: built with it, without it and
// for which reason, or not at all.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { available, ROOT } from '../support/require.js'
import { run } from '../virtual-gpu/run.js'

interface Configured {
  status: number | null
  /** What CMake said, without its line breaks. */
  said: string
}

let work = ''
let folders = 0

const newFolder = (): string => join(work, `build-${(folders += 1)}`)

/** @param wanted - FUSEBERT_BUILD_CUDA in the environment; '' is as good as not set */
function configure(
  wanted: string,
  { folder = newFolder(), path = '', options = [] as string[] } = {},
): Configured {
  const searched = [path, process.env['PATH'] ?? ''].filter(Boolean).join(':')
  const { status, stdout, stderr } = run(
    'cmake',
    ['-S', ROOT, '-B', folder, '-G', 'Unix Makefiles', '-DFUSEBERT_BUILD_ADDON=OFF', ...options],
    { FUSEBERT_BUILD_CUDA: wanted, PATH: searched },
  )
  return { status, said: (stdout + stderr).replace(/\s+/g, ' ') }
}

/** A folder with an nvcc that only says this. */
function pretend(words: string): string {
  const folder = mkdtempSync(join(work, 'bin-'))
  writeFileSync(join(folder, 'nvcc'), `#!/bin/sh\necho "${words}"\n`, { mode: 0o755 })
  return folder
}

const release = (version: string): string =>
  pretend(`Cuda compilation tools, release ${version}, V${version}.131`)

beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), 'fusebert-cuda-build-'))
})
afterAll(() => {
  rmSync(work, { recursive: true, force: true })
})

// An nvcc on PATH is taken though another may be where the toolkit is usually installed.
describe('an nvcc on PATH that', () => {
  test.each([
    ['is too old', () => release('12.4'), 'nvcc 12.4 is older than 13.0'],
    ['is unknown yet', () => release('14.0'), 'nvcc 14.0 is newer than CUDA 13'],
    ['is something else', () => pretend('hello'), 'nvcc does not tell its version'],
  ])('%s: the addon is built without CUDA, which is said once; or require fails', (...row) => {
    const [, make, why] = row
    const path = make()
    const auto = configure('auto', { path })
    expect(auto.status, auto.said).toBe(0)
    expect(auto.said.split(why)).toHaveLength(2)
    expect(auto.said).toContain('fusebert: built without CUDA')
    const required = configure('require', { path })
    expect(required.status).not.toBe(0)
    expect(required.said).toContain(why)
  })
})

test('FUSEBERT_BUILD_CUDA in the environment decides whenever CMake runs', () => {
  const folder = newFolder()
  const path = release('12.4')
  const configured = (wanted: string, ...options: string[]) =>
    configure(wanted, { folder, path, options })
  const off = configured('off')
  expect(off.status, off.said).toBe(0)
  expect(off.said).not.toContain('nvcc')
  expect(configured('auto').said).toContain('nvcc 12.4')
  expect(configured('require').status).not.toBe(0)
  expect(configured('off').status).toBe(0)
  // Where it is not set, the option of that name.
  expect(configured('', '-DFUSEBERT_BUILD_CUDA=require').status).not.toBe(0)
  expect(configured('off', '-DFUSEBERT_BUILD_CUDA=require').status).toBe(0)
  const wrong = configured('yes')
  expect(wrong.status).not.toBe(0)
  expect(wrong.said).toContain('Expected auto, require or off for FUSEBERT_BUILD_CUDA')
})

describe.skipIf(!available('nvcc'))('kernels are compiled', () => {
  /** The commands that make PTX. */
  function commands(wanted: string, ...options: string[]): string {
    const folder = newFolder()
    const { status, said } = configure(wanted, { folder, options })
    expect(status, said).toBe(0)
    const rules = join(folder, 'native/cuda/CMakeFiles/fusebert_cuda_ptx.dir/build.make')
    return readFileSync(rules, 'utf8')
  }

  test('without line numbers, and warnings are no errors', () => {
    const plain = commands('auto')
    expect(plain).toContain('-ptx')
    expect(plain).not.toContain('-lineinfo')
    expect(plain).not.toContain('-Werror')
  })

  test('with line numbers where they are asked for', () => {
    expect(commands('auto', '-DFUSEBERT_CUDA_LINE_INFO=ON')).toContain('-lineinfo')
  })

  test.skipIf(!available('gtest'))('once for the addon and for tests, unless with lines', () => {
    const shipped = join(ROOT, 'build/cuda')
    expect(commands('auto', '-DFUSEBERT_BUILD_TESTS=ON')).toContain(`-o ${shipped}/`)
    const lines = ['-DFUSEBERT_BUILD_TESTS=ON', '-DFUSEBERT_CUDA_LINE_INFO=ON']
    expect(commands('auto', ...lines)).not.toContain(shipped)
  })

  test('and must not give warnings where CUDA is required', () => {
    expect(commands('require')).toContain('-Werror all-warnings')
  })
})

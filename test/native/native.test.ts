// The C++ tests as part of `npm test`: plain, under sanitizers, on emulated older processors,
// those for ARM, and the CUDA kernels on the virtual GPU.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { available, ROOT } from '../support/require.js'

function run(kind: string): string {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(ROOT, 'scripts/native-tests.mjs'), kind],
    { cwd: ROOT, encoding: 'utf8', maxBuffer: 1 << 28 },
  )
  const output = stdout + stderr
  // 77 is a skip: what this test needs was there a moment ago.
  expect(status, output.slice(-20_000)).toBe(0)
  expect(output).toMatch(/\[ {2}PASSED {2}\] \d+ tests/)
  expect(output).not.toMatch(/\[ {2}PASSED {2}\] 0 tests/)
  return output
}

describe.skipIf(!available('gtest'))('C++ tests', () => {
  test('on this processor', () => {
    const output = run('plain')
    expect(output).toMatch(/scalar/)
  })

  test('under AddressSanitizer and UndefinedBehaviorSanitizer', () => {
    run('asan')
  })

  test('pool and engine under ThreadSanitizer', () => {
    run('tsan')
  })

  describe.skipIf(!available('qemu'))('emulated', () => {
    test('the kernels as a Westmere and as a Haswell', () => {
      const output = run('qemu')
      expect(output).toMatch(/Westmere/)
      expect(output).toMatch(/Haswell/)
    })
  })

  test.skipIf(!available('aarch64'))('the NEON kernels on an emulated ARM processor', () => {
    expect(run('neon')).toMatch(/kernels: neon scalar/)
  })

  test.skipIf(!available('nvcc'))('the CUDA kernels on the virtual GPU', () => {
    const output = run('cuda')
    for (const profile of ['sm_75', 'sm_80', 'sm_90']) {
      expect(output).toContain(`the virtual GPU as ${profile}`)
    }
  })
})

// What ptxas made of the kernels, as a table, and what may not be in it: spills, local memory, more
// registers or shared memory than the blocks planned leave, products without tensor cores. And that
// kernels with these faults are found.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { available, ROOT } from '../support/require.js'
import { run } from '../virtual-gpu/run.js'
import type { Kernel } from './static-checks.js'
import { ptxProblems, resourceProblems, sassProblems } from './static-checks.js'

const TABLE = join(ROOT, 'scripts/kernel-table.mjs')
const KERNELS = join(ROOT, 'native/cuda/kernels')
const BAD_KERNELS = join(ROOT, 'test/cuda/bad_kernels.cu')
const VARIANTS = ['fp16.sm_75', 'fp16.sm_80', 'fp16.sm_90', 'bf16.sm_80', 'bf16.sm_90']
const NO_NVDISASM = 'nvdisasm is not there'

/**
 * Launch bounds that shared memory does not let come true. They are here, exactly, so that a kernel
 * that changes leaves this list or is looked at again.
 */
const SHORTFALLS = [
  'attention_long_128, fp16, sm_75: 2 blocks planned, shared memory allows 1',
  'attention_long_64, fp16, sm_75: 2 blocks planned, shared memory allows 1',
]

/** Throws where FUSEBERT_REQUIRE names nvdisasm and there is none. */
function hasMachineCode({ sass }: Kernel): boolean {
  return available('nvdisasm') && sass !== null
}

describe.skipIf(!available('nvcc'))('as ptxas sees them', () => {
  let folder = ''

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'fusebert-static-'))
  })
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true })
  })

  const measure = (...files: string[]): { table: string; kernels: Kernel[] } => {
    const json = join(folder, 'kernels.json')
    const { status, stdout, stderr } = run(process.execPath, [TABLE, '--json', json, ...files])
    expect(status, stderr).toBe(0)
    return { table: stdout, kernels: JSON.parse(readFileSync(json, 'utf8')) as Kernel[] }
  }

  describe('the kernels', () => {
    let kernels: Kernel[] = []

    beforeAll(() => {
      const measured = measure()
      kernels = measured.kernels
      console.log(measured.table)
    })

    test('are there for each type and architecture', () => {
      const entries = readdirSync(KERNELS, { recursive: true, encoding: 'utf8' })
      const sources = entries.filter((entry) => entry.endsWith('.cu'))
      const named = sources.map((source) => basename(source, '.cu'))
      const images = named.flatMap((name) => VARIANTS.map((variant) => `${name}.${variant}`))
      expect([...new Set(kernels.map(({ image }) => image))].sort()).toEqual(images.sort())
    })

    test('neither spill nor use local memory, and leave room for the blocks planned', () => {
      expect(kernels.flatMap(resourceProblems).sort()).toEqual(SHORTFALLS)
    })

    test('have tensor instructions and asynchronous copies', () => {
      expect(kernels.flatMap(ptxProblems)).toEqual([])
    })

    test('have them in machine code, and nothing of local memory', ({ skip }) => {
      skip(!hasMachineCode(kernels[0]!), NO_NVDISASM)
      expect(kernels.flatMap(sassProblems)).toEqual([])
    })
  })

  describe('bad kernels', () => {
    let bad = new Map<string, Kernel>()

    beforeAll(() => {
      const ptx = join(folder, 'bad.fp16.sm_80.ptx')
      const options = ['-std=c++20', '-arch=compute_80', '-ptx']
      const { status, stderr } = run('nvcc', [...options, '-o', ptx, BAD_KERNELS])
      expect(status, stderr).toBe(0)
      bad = new Map(measure(ptx).kernels.map((kernel) => [kernel.name, kernel]))
    })

    test.each([
      ['local_array', [/\d+ bytes of local memory/]],
      ['spills', [/\d+ bytes spilled/, /\d+ bytes of local memory/]],
      ['many_threads', [/3 .* planned, threads allow 2/, /3 .* planned, registers allow 2/]],
      ['much_shared', [/4 blocks planned, shared memory allows 3/]],
      ['without_bounds', [/no launch bounds/]],
      ['gemm_scalar', []],
    ])('%s: what it takes is found', (name, expected) => {
      const problems = resourceProblems(bad.get(name)!)
      expect(problems).toEqual(expected.map((each) => expect.stringMatching(each) as string))
    })

    test('a product without tensor instructions is found', () => {
      const lacks = ['no mma', 'no ldmatrix', 'no cp.async']
      const prefix = 'gemm_scalar, fp16, sm_80: '
      expect(ptxProblems(bad.get('gemm_scalar')!)).toEqual(lacks.map((each) => prefix + each))
    })

    test('so it is in machine code, and so is local memory', ({ skip }) => {
      skip(!hasMachineCode(bad.get('spills')!), NO_NVDISASM)
      const found = (name: string): string[] =>
        sassProblems(bad.get(name)!).map((problem) => problem.replace(/^.*: (\d+ )?/, ''))
      const local = ['loads from local memory', 'stores to local memory']
      expect(found('local_array')).toEqual(local)
      expect(found('spills')).toEqual(local)
      expect(found('gemm_scalar')).toEqual(['no HMMA', 'no LDSM', 'no LDGSTS'])
    })
  })

  test('a file that is no image is refused', () => {
    const { status, stderr } = run(process.execPath, [TABLE, BAD_KERNELS])
    expect(status).toBe(1)
    expect(stderr).toMatch(/^Expected <kernels>\.<type>\.sm_<75\|80\|90>\.ptx but received .*\.cu/)
  })
})

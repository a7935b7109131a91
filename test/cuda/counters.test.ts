// What the kernels of a BERT-Base layer do, counted on the virtual GPU, as a table, and the targets
// that they meet: bank conflicts, sectors, and tensor cores that are what takes the time. That
// nothing spills is static.test.ts's. A kernel without the swizzle is found.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import type { Gpu, Launch } from '../../scripts/virtual-gpu/gpus.mjs'
import { GPUS } from '../../scripts/virtual-gpu/gpus.mjs'
import { available, ROOT } from '../support/require.js'
import { run } from '../virtual-gpu/run.js'
import type { Counted } from './counters.js'
import { ATTENTION, buildLauncher, count, GEMMS, problems, tableOf } from './counters.js'
import { REAL } from './gpu.js'

const IMAGES = join(ROOT, 'build/cuda')
const KERNELS = join(ROOT, 'native/cuda/kernels')
const PLAIN_LAYOUT = join(ROOT, 'test/cuda/plain_layout.cuh')
const WORK = [...GEMMS, ...ATTENTION]
const A_WORK_OF_EACH_KERNEL = [GEMMS[1]!, ...ATTENTION]
/** Two of the largest tiles. All tiles of rows do the same, so a few of them say it of all. */
const FEW_ROWS = 256

const gpuNamed = (name: string): Gpu => GPUS.find((gpu) => gpu.name === name)!
const T4 = gpuNamed('T4')
const A100 = gpuNamed('A100')
const H100 = gpuNamed('H100')

describe.skipIf(REAL || !available('nvcc'))('on the virtual GPU', () => {
  let folder = ''
  let program = ''
  let a100: Counted[] = []
  let others: Counted[] = []

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'fusebert-counters-'))
    program = buildLauncher(folder)
    a100 = count(program, IMAGES, A100, WORK)
    others = [T4, H100].flatMap((gpu) => count(program, IMAGES, gpu, WORK, FEW_ROWS))
    console.log(tableOf([...a100, ...others]))
  })
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true })
  })

  test('the kernels meet the targets', () => {
    expect([...a100, ...others].flatMap(problems)).toEqual([])
  })

  test('a few rows count as much as their part of all', () => {
    const [few] = count(program, IMAGES, A100, [GEMMS[1]!], FEW_ROWS)
    const numbersOf = ({ kernel, grid, shared, global, instructions }: Launch, times: number) => ({
      kernel,
      blocks: times * grid[0]!,
      wavefronts: times * shared.wavefronts,
      sectors: times * global.sectors,
      instructions: Object.values(instructions).map(({ warps }) => times * warps),
    })
    expect(numbersOf(few!.launch, few!.times)).toEqual(numbersOf(a100[1]!.launch, 1))
  })

  test.each([A100, T4])('kernels without the swizzle do not, on $name', (gpu) => {
    for (const kernels of ['gemm', 'attention']) {
      const source = join(KERNELS, kernels, `${kernels}.cu`)
      const image = join(folder, `${kernels}.fp16.sm_${gpu.architecture}.ptx`)
      const options = ['-std=c++20', '-DFUSEBERT_FP16', `-I${join(ROOT, 'native')}`, '-ptx']
      const target = `-arch=compute_${gpu.architecture}`
      const layout = ['-include', PLAIN_LAYOUT]
      const built = run('nvcc', [...options, target, ...layout, '-o', image, source])
      expect(built.status, built.stderr).toBe(0)
    }
    for (const counted of count(program, folder, gpu, A_WORK_OF_EACH_KERNEL, FEW_ROWS)) {
      const found = problems(counted).join('\n')
      expect(found).toMatch(/[2-8]\.\d+ × the least wavefronts: .* at PTX line \d+/)
      const idle = /tensor cores take .* limited by shared memory/
      if (counted.work.isGemm) expect(found).toMatch(idle)
    }
  })

  test('sectors that are half empty are found', () => {
    const { launch, ...rest } = a100[0]!
    const global = { ...launch.global, sectors: 2 * launch.global.sectors }
    expect(problems({ ...rest, launch: { ...launch, global } })).toEqual([
      expect.stringContaining('2.00 × the least sectors'),
    ])
  })
})

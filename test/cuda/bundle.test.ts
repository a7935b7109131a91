// The bundle for a machine with a GPU: packed, then unpacked beside the tracked files on a machine
// with Python and without Node, compilers or an environment, where the virtual GPU is the driver.
import { spawnSync } from 'node:child_process'
import {
  copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { available, PYTHON, ROOT } from '../support/require.js'
import { buildLibrary, run } from '../virtual-gpu/run.js'

const MOST_PACKED_BYTES = 40e6
const MOST_BYTES = 60 * 1024 * 1024
const STEPS = [
  'unpacking images', 'C++ tests, ptx', 'C++ tests, ptx of sm_75', 'TypeScript tests', 'bench/gpu',
]

// Skipped below sm_80.
const BF16_TEST = 'CudaHead.AgreesWithTheReferenceInBf16'

interface Step {
  name: string
  status: number | string
  tests?: Record<string, string>
  results?: Record<string, unknown>
}

interface Results {
  commit: string
  rehearsal: boolean
  machine: { gpus: string[] }
  steps: Step[]
}

type Side = Record<string, { median: number }>

function runHere(command: string, args: string[]): string {
  const { status, stdout, stderr } = run(command, args)
  expect(status, stdout + stderr).toBe(0)
  return stdout
}

/** A folder for PATH with Python, which needs to stay where it is, and a shell. */
function makeTools(folder: string): void {
  mkdirSync(folder)
  const python = runHere(PYTHON, ['-c', 'import sys; print(sys.executable)']).trim()
  writeFileSync(join(folder, 'python3'), `#!/bin/sh\nexec "${python}" "$@"\n`, { mode: 0o755 })
  symlinkSync('/bin/sh', join(folder, 'sh'))
}

function copyTrackedFiles(folder: string): void {
  const listed = runHere('git', ['-C', ROOT, 'ls-files', '-z']).split('\0').filter(Boolean)
  for (const file of listed.filter((each) => existsSync(join(ROOT, each)))) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    copyFileSync(join(ROOT, file), join(folder, file))
  }
}

const parts = ['nvcc', 'gtest', 'numpy', 'xz'] as const

describe.skipIf(!parts.every((part) => available(part)))('the bundle for a GPU', () => {
  const work = mkdtempSync(join(tmpdir(), 'fusebert-bundle-'))
  const bundle = join(work, 'bundle.tar.xz')
  const checkout = join(work, 'checkout')
  const tools = join(work, 'bin')
  const output = join(work, 'results.json')
  let packed = { status: null as number | null, stdout: '', stderr: '' }
  let driver = ''

  const rehearse = (env: NodeJS.ProcessEnv, ...options: string[]) => {
    const script = join(checkout, 'scripts/gpu-bundle/run.py')
    const given = ['--rehearsal', driver, '--bundle', bundle, '--output', output, ...options]
    const { status, stdout, stderr } = spawnSync(join(tools, 'python3'), [script, ...given], {
      cwd: work,
      env: { PATH: tools, ...env },
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    })
    return { status, said: stdout + stderr }
  }
  const readResults = () => JSON.parse(readFileSync(output, 'utf8')) as Results

  beforeAll(() => {
    driver = buildLibrary()
    packed = run(process.execPath, [join(ROOT, 'scripts/gpu-bundle/pack.mjs'), bundle])
    makeTools(tools)
    copyTrackedFiles(checkout)
  })
  afterAll(() => rmSync(work, { recursive: true, force: true }))

  test('is as large as travels well', () => {
    expect(packed.status, packed.stdout + packed.stderr).toBe(0)
    const said = /: (\d+) bytes, (\d+) with the tracked files/.exec(packed.stdout)
    const [size, all] = [Number(said?.[1]), Number(said?.[2])]
    expect(size).toBe(readFileSync(bundle).length)
    expect(size).toBeLessThanOrEqual(MOST_PACKED_BYTES)
    expect(all).toBeGreaterThan(size)
    expect(all).toBeLessThanOrEqual(MOST_BYTES)
  })

  test('runs where Python is and nothing else', () => {
    const { status, said } = rehearse({})
    expect(status, said).toBe(0)
    const { rehearsal, commit, steps } = readResults()
    expect(rehearsal).toBe(true)
    expect(commit).toMatch(/\S/)
    expect(steps.map(({ name, status: ended }) => [name, ended])).toEqual(
      STEPS.map((name) => [name, 0]),
    )
    const [, cpp, older, typescript, bench] = steps as [Step, Step, Step, Step, Step]
    const ran = {
      'Rows.AreCopiedAndGathered': 'passed',
      'Rows.WrongOnesAreFound': 'passed',
      'CudaBackend.AgreesWithTheReferenceForOtherShapes': 'passed',
    }
    expect(cpp.tests).toMatchObject(ran)
    expect(older.tests).toMatchObject(ran)
    expect(cpp.tests).toMatchObject({ [BF16_TEST]: 'passed' })
    expect(older.tests).toMatchObject({ [BF16_TEST]: 'skipped' })
    expect(typescript.tests).toMatchObject({
      'a CUDA device gives the vectors of the CPU, real': 'passed',
      "pipelines on a CUDA device 'dense' answers as golden, real": 'passed',
    })
    const results = bench.results ?? {}
    expect(results).toMatchObject({
      errors: [],
      device: { images: 'ptx' },
      encoder_load: { info: { device: 'cuda:0' } },
      text: { texts: 4 },
    })
    const timed = [
      ['gemm', 'ours'], ['attention', 'ours'], ['layer_norm', 'ours'],
      ['encoder', 'ours_call'], ['encoder', 'ours_throughput'],
    ] as const
    for (const [part, side] of timed) {
      const [first] = results[part] as { sides: Side }[]
      expect(first?.sides[side]?.median, `${part}, ${side}`).toBeGreaterThan(0)
    }
  })

  test('has results that the ledger refuses as a rehearsal and would take as a run', () => {
    const script = join(ROOT, 'scripts/gpu-ledger.mjs')
    const ledger = join(work, 'ledger.md')
    copyFileSync(join(ROOT, 'docs/gpu-ledger.md'), ledger)
    const refused = run(process.execPath, [script, output, ledger])
    expect(refused.status).toBe(1)
    expect(refused.stderr).toContain('not of a rehearsal')
    const found = readResults()
    const name = (found.steps[4]?.results?.['device'] as { name: string }).name
    const machine = { gpus: [`${name}, 580.1, 1 MiB, 1 MHz, 8.0`] }
    writeFileSync(output, JSON.stringify({ ...found, rehearsal: false, machine }))
    const taken = run(process.execPath, [script, output, ledger])
    expect(taken.status, taken.stderr).toBe(0)
    const pooling = Object.entries(found.steps[1]?.tests ?? {})
      .filter(([test]) => /^(Pooling|Rows)\./.test(test))
    expect(pooling.length).toBeGreaterThan(0)
    expect(pooling.filter(([, outcome]) => outcome !== 'passed')).toEqual([])
    const rows = readFileSync(ledger, 'utf8').split('\n')
    const row = rows.find((line) => line.includes('| `pooling` |'))
    expect(row).toMatch(/^\| `pooling` \| .* \(sm_80\), .* with sm_75's PTX.* \| .* \| NVIDIA H/)
    expect(row).toContain(`: ${pooling.length} passed with PTX | NVIDIA `)
  })

  test('fails where a kernel cannot run', () => {
    const { status, said } = rehearse({ VIRTUAL_GPU_FAULTS: 'launch=1' }, '--only', 'cpp')
    expect(status, said).toBe(1)
    expect(said).toMatch(/FAILED: C\+\+ tests, ptx, C\+\+ tests, ptx of sm_75\n$/)
    const [, cpp, older] = readResults().steps
    for (const step of [cpp, older]) {
      expect(step?.status).toBe(1)
      expect(Object.values(step?.tests ?? {})).toContain('failed')
    }
  })

  // The C++ tests end there without a report, and the last one's must not be taken for theirs.
  test('fails where there is no driver, and has no results of the run before', () => {
    const { status, said } = rehearse({}, '--rehearsal', '/nowhere', '--only', 'cpp')
    expect(status, said).toBe(1)
    const [, cpp] = readResults().steps
    expect(cpp).toMatchObject({ name: 'C++ tests, ptx', status: 1 })
    expect(cpp?.tests).toEqual({})
  })

  test('that is not there is named', () => {
    const { status, said } = rehearse({}, '--bundle', join(work, 'nowhere.tar.xz'))
    expect(status).toBe(1)
    expect(said).toMatch(/^Expected what pack\.mjs packed, but .*nowhere\.tar\.xz is not there\.$/m)
  })
})

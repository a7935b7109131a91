// The ledger of GPUs: what runs there found is entered once, failures included, and what is not a
// run on a GPU is refused.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeEach, describe, expect, test } from 'vitest'

import { ROOT } from '../support/require.js'

const SCRIPT = join(ROOT, 'scripts/gpu-ledger.mjs')
const folder = mkdtempSync(join(tmpdir(), 'fusebert-ledger-'))
const ledger = join(folder, 'ledger.md')

const EMPTY = `# Ledger

Written by hand.

<!-- kernels: by scripts/gpu-ledger.mjs -->
<!-- end of kernels -->

- A note.

<!-- runs: by scripts/gpu-ledger.mjs -->
<!-- end of runs -->

The end.
`

const side = (median: number, spread = 0.05, rest: object = {}) => {
  return { rounds: [median, median], median, spread, ...rest }
}

const BENCH = {
  device: {
    name: 'NVIDIA H200', architecture: 90, images: 'cubin',
    torch: { torch: '2.11.0', cudnn: 91900 },
  },
  ceilings: {
    cublas_gemm: side(0.0014, 0.01, { tflops: 752.04 }),
    copy: side(0.0007, 0.03, { gigabytes_per_second: 2768.7 }),
    bert_gemms: { rows: 32768, tflops: 620.7 },
  },
  gemm: [
    {
      name: 'qkv', rows: 2048, columns: 2304, depth: 768, ratio: 0.43,
      sides: {
        ours: side(1e-5, 0.06, { tflops: 223.6 }),
        cublas: side(5e-6, 0.01, { tflops: 518 }),
      },
    },
  ],
  attention: [
    {
      name: '64 × 128', fill: 1, ratio: 0.92, ratio_to_varlen: null,
      sides: { ours: side(27.2e-6, 0.01, { tflops: 118.6 }), flash: { error: 'Error: none' } },
    },
  ],
  layer_norm: [],
  encoder: [
    {
      name: 'ragged', fill: 0.62, ratio_to_eager: 1.06, ratio_to_packed: 0.68,
      share_of_cublas_ceiling: 0.33,
      sides: {
        ours_throughput: side(0.0283, 0.05, { tokens_per_second: 1438298 }),
        eager_device: side(0.0299),
        packed_device: side(0.0192),
      },
    },
    { name: '1 × 16', error: 'RuntimeError: lost' },
  ],
  encoder_check: { cosines: [0.9999991, 0.9999988], cosines_of_torch_fp16: [0.9999981] },
  text: {},
  skipped: ['encoder 1 × 32: no time left'],
  errors: ['encoder 1 × 16: lost'],
}

const CPP = {
  'Gemm.Bf16': 'passed', 'Rows.AreCopied': 'passed', 'Convert.PartsOfRows': 'passed',
  'CudaBackend.Any': 'passed', 'FaultsTest.Any': 'skipped',
}

interface Step {
  name: string
  status: number | string
  seconds: number
  tests?: Record<string, string>
  results?: typeof BENCH
}

const step = (name: string, rest: Partial<Step> = {}): Step => {
  return { name, status: 0, seconds: 1, ...rest }
}

/** What run.py writes, of one GPU. */
function results() {
  return {
    date: '2026-11-26',
    commit: '8ad3df5',
    machine: { gpus: ['NVIDIA H200, 580.159.04, 143771 MiB, 1980 MHz, 9.0'], cpus: 16 },
    rehearsal: false,
    steps: [
      step('unpacking images'),
      step('C++ tests, cubin', { tests: { ...CPP } }),
      step('C++ tests, ptx', { tests: { ...CPP } }),
      step('TypeScript tests', { tests: { 'a device runs': 'passed' } }),
      step('bench/gpu', { status: 1, results: structuredClone(BENCH) }),
    ],
  }
}

type Results = ReturnType<typeof results>

/** The status, what was said, and the ledger after a run of the script. */
function merge(content: unknown) {
  const file = join(folder, 'results.json')
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content))
  const { status, stdout, stderr } = spawnSync(process.execPath, [SCRIPT, file, ledger], {
    encoding: 'utf8',
  })
  return { status, said: stdout + stderr, text: readFileSync(ledger, 'utf8') }
}

/** Cells of the table of kernels: of sm_75, sm_80 and sm_90. */
function cells(text: string, label: string): string[] {
  const line = text.split('\n').find((each) => each.startsWith(`| ${label} | `))
  return line?.slice(2, -2).split(' | ').slice(1) ?? []
}

const VIRTUAL = 'virtual only'
const H200 = 'NVIDIA H200, driver 580.159.04, 2026-11-26'

describe('the ledger', () => {
  beforeEach(() => writeFileSync(ledger, EMPTY))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test('has each kernel that ran, and leaves the others virtual', () => {
    const { status, said, text } = merge(results())
    expect(status, said).toBe(0)
    const both = `${H200}: 1 passed with cubins, 1 passed with PTX`
    expect(cells(text, '`gemm`')).toEqual([VIRTUAL, VIRTUAL, both])
    expect(cells(text, '`pooling`')).toEqual([VIRTUAL, VIRTUAL, both])
    expect(cells(text, '`convert`')).toEqual([VIRTUAL, VIRTUAL, both])
    expect(cells(text, '`attention`')).toEqual([VIRTUAL, VIRTUAL, VIRTUAL])
    const typescript = [VIRTUAL, VIRTUAL, `${H200}: 1 passed`]
    expect(cells(text, 'encoder, heads and pipelines, from TypeScript')).toEqual(typescript)
    expect(text).toContain('| contexts, memory, streams, graphs | 1 skipped | 1 skipped |')
    for (const kept of ['Written by hand.', '- A note.', 'The end.']) expect(text).toContain(kept)
  })

  test('has what the kernels of older architectures did on a newer GPU', () => {
    const given = results()
    given.steps.push(
      step('C++ tests, ptx of sm_80', { tests: { ...CPP } }),
      step('C++ tests, ptx of sm_75', { status: 'timed out after 240 s', tests: {} }),
    )
    const { status, said, text } = merge(given)
    expect(status, said).toBe(0)
    const here = 'NVIDIA H200 (sm_90), driver 580.159.04, 2026-11-26'
    const [sm75, sm80, sm90] = cells(text, '`gemm`')
    expect(sm75).toBe(`${here}: **no end** with sm_75's PTX`)
    expect(sm80).toBe(`${here}: 1 passed with sm_80's PTX`)
    expect(sm90).toBe(`${H200}: 1 passed with cubins, 1 passed with PTX`)
    expect(text).toContain("| C++ tests | from cubins | from PTX | from sm_80's PTX |")
    expect(text).toContain('- C++ tests, ptx of sm_75: ended with timed out after 240 s\n')
  })

  test('has medians and spreads of the benchmarks, and what went wrong there', () => {
    const { text } = merge(results())
    for (const line of [
      '| cuBLAS, fp16, 8192³, TFLOP/s | 752.0 (1 %) |',
      '| qkv | 2,048 | 2304 × 768 | 223.6 (6 %) | 518.0 (1 %) | 0.43 |',
      '| 64 × 128 | 1.00 | 27.2 (1 %) | **failed** | – | – | 0.92 | – | 118.6 |',
      '| 1 × 16 | **failed** |',
      '- bench/gpu: encoder 1 × 16: lost',
      'Not measured: encoder 1 × 32: no time left.',
    ]) {
      expect(text).toContain(`${line}\n`)
    }
    expect(text).toMatch(/\| ragged \| 0\.62 .* 28\.300 \(5 %\) \| 1,438,298 \| 29\.900 \(5 %\) /)
    expect(text).toMatch(/\| ragged, torch packed \| .* 19\.200 \(5 %\) \| – \| 0\.68 \|/)
    expect(text).toMatch(/least cosine .*: 0\.9999988; .*: 0\.9999981/)
  })

  test('does not change when the same run comes again', () => {
    const { text } = merge(results())
    const again = merge(results())
    expect(again.status).toBe(0)
    expect(again.said).toContain('has this run already')
    expect(again.text).toBe(text)
  })

  test('has one run of a GPU, the newest, beside those of others', () => {
    merge(results())
    const other = results()
    other.machine.gpus = ['NVIDIA A10, 590.10, 23028 MiB, 1695 MHz, 8.6']
    other.steps.pop()
    const both = merge(other).text
    expect(cells(both, '`gemm`')[1]).toMatch(/^NVIDIA A10 \(sm_86\), driver 590\.10, .*: 1 passed/)
    expect(cells(both, '`gemm`')[2]).toContain(H200)
    const newer = { ...results(), date: '2026-12-01', commit: 'abcdef0' }
    const { text } = merge(newer)
    expect(text).not.toContain(H200)
    expect(text).not.toContain('8ad3df5.\n\n**Failed:**\n\n- bench')
    expect(text.match(/^### .*/gm)).toEqual(['### NVIDIA A10', '### NVIDIA H200'])
    const older = merge(results())
    expect(older.status).toBe(1)
    expect(older.said).toBe('Expected results of 2026-12-01 or later but received 2026-11-26.\n')
    expect(older.text).toBe(text)
  })

  test('says which tests failed, and which did not come to an end', () => {
    const failing = results()
    const tests = { ...CPP, 'Gemm.SeededShapes': 'failed' }
    failing.steps[1] = step('C++ tests, cubin', { status: 1, tests })
    failing.steps[2] = step('C++ tests, ptx', { status: 'timed out after 240 s', tests: {} })
    const { status, text } = merge(failing)
    expect(status).toBe(0)
    const cell = `${H200}: 1 passed, **1 failed** with cubins, **no end** with PTX`
    expect(cells(text, '`gemm`')[2]).toBe(cell)
    expect(text).toContain('- C++ tests, cubin: `Gemm.SeededShapes`\n')
    expect(text).toContain('- C++ tests, ptx: ended with timed out after 240 s\n')
    expect(text).not.toContain('Nothing failed.')
  })

  test.each<[string, (given: Results) => unknown, RegExp]>([
    ['a rehearsal', (given) => ({ ...given, rehearsal: true }), /not of a rehearsal/],
    ['no test', (given) => ({ ...given, steps: given.steps.slice(0, 1) }), /test that passed/],
    ['tests that failed alone', (given) => {
      given.steps = given.steps.slice(0, 2)
      given.steps[1]!.tests = { 'Gemm.Bf16': 'failed' }
      return given
    }, /test that passed/],
    ['an unknown result', (given) => {
      given.steps[1]!.tests = { 'Gemm.Bf16': 'flaky' }
      return given
    }, /the result of Gemm.Bf16 but received "flaky"/],
    ['no GPU', (given) => ({ ...given, machine: { gpus: [] } }), /a GPU but received nothing/],
    ['another device', (given) => {
      given.steps[4]!.results!.device.name = 'Virtual GPU'
      return given
    }, /results of NVIDIA H200 but received "Virtual GPU"/],
    ['no date', (given) => ({ ...given, date: 'today' }), /a date but received "today"/],
    ['no steps', () => ({}), /results of run.py/],
    ['half a file', (given) => JSON.stringify(given).slice(0, 400), /^Expected JSON/],
  ])('refuses %s', (_, change, message) => {
    const { status, said, text } = merge(change(results()))
    expect(status).toBe(1)
    expect(said).toMatch(message)
    expect(text).toBe(EMPTY)
  })

  test('that lost its markers is left alone', () => {
    writeFileSync(ledger, EMPTY.replace('<!-- end of runs -->', ''))
    const { status, said } = merge(results())
    expect(status).toBe(1)
    expect(said).toMatch(/Expected “<!-- runs: .*” and “<!-- end of runs -->” in the ledger/)
  })

  test('of the repository can be merged into', () => {
    writeFileSync(ledger, readFileSync(join(ROOT, 'docs/gpu-ledger.md'), 'utf8'))
    const { status, said } = merge({ ...results(), date: '2999-01-01' })
    expect(status, said).toBe(0)
  })
})

// Every golden pipeline on a CUDA device, from TypeScript: strings, labels and offsets as Python
// prints them, scores and vectors by the rule of error ≤ 2 × naive fp16. On the virtual GPU, and
// unchanged on hardware.
import { describe, expect, test } from 'vitest'

import { run as runProcess } from '../virtual-gpu/run.js'
import { expectNear, goldenRuns, type Run } from './golden-runs.js'
import { environment, gpuAvailable, REAL } from './gpu.js'

const SCRIPT = new URL('pipelines.mjs', import.meta.url).pathname
const ALL = REAL ? 'real' : 'sm_80'
/** What the other profiles run. */
const ONE_OF_ALL = [
  ['sm_75', 'fill-mask'],
  ['sm_90', 'question-answering'],
] as const

interface Found {
  device: { device: string; isa: string; dtype: string }
  answers: unknown[]
}

function expectGolden(profile: string, run: Run): void {
  const { task, folder, calls } = run
  const asked = { task, folder, calls: calls.map(({ args }) => args) }
  const spec = JSON.stringify({ options: { device: 'cuda' }, runs: [asked] })
  const { status, stdout, stderr } = runProcess(
    process.execPath, [SCRIPT], environment(profile), spec,
  )
  expect(status, stderr).toBe(0)
  const [found] = JSON.parse(stdout) as [Found]
  expect(found.device).toMatchObject({ device: 'cuda:0', dtype: 'fp16' })
  if (!REAL) expect(found.device.isa).toBe(profile)
  expect(found.answers).toHaveLength(calls.length)
  calls.forEach((call, i) => expectNear(run, call, found.answers[i]))
}

const runs = goldenRuns()
const runNamed = (name: string): Run => runs.find((run) => run.name === name)!

describe.skipIf(!gpuAvailable())('pipelines on a CUDA device', () => {
  test.each(runs)(`$name answers as golden, ${ALL}`, (run) => {
    expectGolden(ALL, run)
  })

  test.skipIf(REAL).each(ONE_OF_ALL)('%s: %s answers as golden', (profile, name) => {
    expectGolden(profile, runNamed(name))
  })
})

describe('what counts as near', () => {
  const softmax = runNamed('softmax')
  const error = softmax.naive_fp16
  const label = (name: string, score: number) => ({ label: name, score })
  const all = [label('joy', 0.5), label('fear', 0.3), label('anger', 0.3 - error)]
  const [first, second, third] = all as [object, object, object]
  const call = { args: [], expected: all, many: false }
  const check = (found: unknown) => () => expectNear(softmax, call, found)

  test('scores within twice the error', () => {
    check([label('joy', 0.5 + 1.9 * error), second, third])()
    expect(check([label('joy', 0.5 + 2.1 * error), second, third])).toThrow()
    expect(check([label('joy', NaN), second, third])).toThrow()
  })

  test('another order only of scores that are as near, and true to the scores', () => {
    const [fear, anger] = [label('fear', 0.3 - error), label('anger', 0.3)]
    check([first, anger, fear])()
    expect(check([first, fear, anger])).toThrow()
    expect(check([fear, first, anger])).toThrow()
    const far = { ...call, expected: [first, second, label('anger', 0.3 - 2.5 * error)] }
    const swapped = [first, label('anger', 0.3 - error), label('fear', 0.3 - 1.5 * error)]
    expect(() => expectNear(softmax, far, swapped)).toThrow()
  })

  test('the same strings, and as many', () => {
    expect(check([first, second, label('sleep', 0.3 - error)])).toThrow()
    expect(check([first, second])).toThrow()
    expect(check([...all, label('sleep', 0)])).toThrow()
  })

  test('each number of a vector', () => {
    const run = runNamed('dense')
    const expected = run.calls[0]!.expected as number[]
    const off = (by: number) => expected.map((x, i) => (i === 40 ? x + by * run.naive_fp16 : x))
    expectNear(run, run.calls[0]!, off(1.9))
    expect(() => expectNear(run, run.calls[0]!, off(2.1))).toThrow()
    expect(() => expectNear(run, run.calls[0]!, expected.slice(1))).toThrow()
  })
})

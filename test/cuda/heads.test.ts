// Models with heads on a CUDA device, from TypeScript: logits by the rule of error ≤ 2 × naive
// fp16, masked words alone to the bit, and the largest of their logits. On the virtual GPU, and
// unchanged on hardware.
import { describe, expect, test } from 'vitest'

import {
  goldenHeads,
  inputsOf,
  logitsOf,
  packedRows,
  readExpected,
  type Inputs,
  type Task,
} from '../models/golden-heads.js'
import { GOLDEN } from '../support/require.js'
import { run } from '../virtual-gpu/run.js'
import { environment, gpuAvailable, PROFILES, REAL } from './gpu.js'

const SCRIPT = new URL('heads.mjs', import.meta.url).pathname
const CLASSES: Record<Task, string> = {
  'masked-lm': 'AutoModelForMaskedLM',
  'next-sentence': 'AutoModelForNextSentencePrediction',
  'sequence-classification': 'AutoModelForSequenceClassification',
  'token-classification': 'AutoModelForTokenClassification',
  'question-answering': 'AutoModelForQuestionAnswering',
}
const MASK = 4
/** What is allowed beside twice the naive error: golden values are fp32. */
const ROUNDING = 1e-5

interface Call {
  class: string
  folder: string
  inputs: Inputs
  options?: object
}

interface Found {
  device: { device: string; isa: string }
  /** Of texts, or of masked words; of tokens. */
  logits: number[][] | number[][][]
  start_logits?: number[][]
  end_logits?: number[][]
  positions: number[][]
  token_ids: number[][]
  log_sum_exp: number[]
}

function runCalls(profile: string, calls: Call[], options: object = {}): Found[] {
  const spec = JSON.stringify({ options: { device: 'cuda', ...options }, calls })
  const { status, stdout, stderr } = run(process.execPath, [SCRIPT], environment(profile), spec)
  expect(status, stderr).toBe(0)
  return JSON.parse(stdout) as Found[]
}

const callOf = (name: string, task: Task, options?: object): Call => ({
  class: CLASSES[task],
  folder: `${GOLDEN}/heads/${name}`,
  inputs: inputsOf(readExpected(name)),
  ...(options === undefined ? {} : { options }),
})

function packedLogits(found: Found, pooled: boolean, cu_seqlens: number[]): number[] {
  if (pooled) return (found.logits as number[][]).flat()
  const { start_logits: starts, end_logits: ends = [] } = found
  const spans = starts?.map((row, i) => row.map((x, j) => [x, ends[i]![j]!]))
  return packedRows(spans ?? (found.logits as number[][][]), cu_seqlens)
}

describe.skipIf(!gpuAvailable())('heads on a CUDA device', () => {
  test.each(PROFILES)('every golden model keeps the rule, %s', (profile) => {
    const models = goldenHeads()
    const found = runCalls(profile, models.map(({ name, task }) => callOf(name, task)))
    models.forEach(({ name, pooled }, i) => {
      const expected = readExpected(name)
      expect(found[i]!.device.device).toBe('cuda:0')
      if (!REAL) expect(found[i]!.device.isa).toBe(profile)
      const logits = packedLogits(found[i]!, pooled, expected.cu_seqlens)
      const errors = logitsOf(expected).map((value, j) => Math.abs(value - logits[j]!))
      expect(logits).toHaveLength(errors.length)
      const rms = Math.sqrt(errors.reduce((sum, x) => sum + x * x, 0) / errors.length)
      const { naive_fp16 } = expected
      expect(Math.max(...errors), name).toBeLessThanOrEqual(2 * naive_fp16.max + ROUNDING)
      expect(rms, name).toBeLessThanOrEqual(2 * naive_fp16.rms + ROUNDING)
    })
  })

  test('masked words alone have the bits that they have among all', () => {
    const few = { max_batch_tokens: 24 } // parts of the calls
    const masked = { mask_token_id: MASK }
    const calls = [undefined, masked, { ...masked, top_k: 4 }].map((options) =>
      callOf('masked-lm', 'masked-lm', options),
    )
    const profile = PROFILES.at(-1)!
    const [all, alone, top] = runCalls(profile, calls) as [Found, Found, Found]
    const [, aloneInParts, topInParts] = runCalls(profile, calls, few) as [Found, Found, Found]
    expect(alone.positions.length).toBeGreaterThan(0)
    expect(alone.logits).toEqual(
      alone.positions.map(([row, column]) => (all.logits as number[][][])[row!]![column!]),
    )
    ;(alone.logits as number[][]).forEach((row, i) => {
      const order = row.map((value, id) => ({ value, id })).sort((a, b) => b.value - a.value)
      expect(top.token_ids[i]).toEqual(order.slice(0, 4).map(({ id }) => id))
      expect(top.logits[i]).toEqual(order.slice(0, 4).map(({ value }) => value))
      const sum = row.reduce((total, value) => total + Math.exp(value), 0)
      expect(top.log_sum_exp[i]).toBeCloseTo(Math.log(sum), 4)
    })
    expect(aloneInParts).toEqual({ ...alone, device: aloneInParts.device })
    expect(topInParts).toEqual({ ...top, device: topInParts.device })
  })
})

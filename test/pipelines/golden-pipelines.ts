// The golden answers of Python's pipelines: what is in their folders, and how near an answer must
// be.
import { readFileSync } from 'node:fs'

import { expect } from 'vitest'

import { GOLDEN } from '../support/require.js'

const TOLERANCE = 1e-5

export interface GoldenCall {
  inputs: unknown
  options: Record<string, unknown>
  result: unknown
}

/** A model that answers questions. */
export const QUESTIONS = `${GOLDEN}/question-answering`

/** The same with byte-level tokens. */
export const BYTE_LEVEL_QUESTIONS = ['', '-prefixed'].map(
  (more) => `${GOLDEN}/roberta-question-answering${more}`,
)

export const folderOf = (name: string): string => `${GOLDEN}/pipelines/${name}`

export function namesOf(task: string): string[] {
  const text = readFileSync(`${GOLDEN}/pipelines/manifest.json`, 'utf8')
  const { models } = JSON.parse(text) as { models: { name: string; task: string }[] }
  return models.filter((model) => model.task === task).map(({ name }) => name)
}

export function callsOf(name: string): GoldenCall[] {
  return JSON.parse(readFileSync(`${folderOf(name)}/expected.json`, 'utf8')) as GoldenCall[]
}

/** Offsets in code points, as Python counts, in the units of JavaScript's strings. */
export function inUtf16(text: string, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((each) => inUtf16(text, each))
  const { start, end } = value as { start?: number; end?: number }
  if (start === undefined || end === undefined) return value
  const units = (codePoints: number): number => [...text].slice(0, codePoints).join('').length
  return { ...(value as object), start: units(start), end: units(end) }
}

/** Everything equal, strings and shapes too, but for scores, which are within the tolerance. */
export function expectAnswer(found: unknown, expected: unknown, tolerance = TOLERANCE): void {
  if (Array.isArray(expected)) {
    expect(Array.isArray(found)).toBe(true)
    const list = found as unknown[]
    expect(list).toHaveLength(expected.length)
    expected.forEach((each, i) => expectAnswer(list[i], each, tolerance))
    return
  }
  const { score, ...others } = found as { score: number }
  const { score: wanted, ...same } = expected as { score: number }
  expect(others).toEqual(same)
  expect(Math.abs(score - wanted)).toBeLessThan(tolerance)
}

// Spans of windows by their logits: the best ones, in their order, whatever their scores are.
import { describe, expect, test } from 'vitest'

import { findSpans } from '../../lib/pipelines/spans.js'

/** The logits of [start, end] of each token. */
const logitsOf = (...pairs: [number, number][]): Float32Array => Float32Array.from(pairs.flat())

describe('spans', () => {
  test('of one window, by falling score', () => {
    const logits = logitsOf([0, 0], [3, 0], [0, 2], [0, 0])
    const { spans } = findSpans(logits, { begin: 1, end: 4 }, 2, 2)
    expect(spans.map(({ first, last }) => [first, last])).toEqual([[1, 2], [1, 1]])
    expect(spans[0]!.score).toBeGreaterThan(spans[1]!.score)
  })

  test('are there when all scores underflow', () => {
    // That there is no answer is so sure that nothing is left for the others.
    const logits = logitsOf([1e4, 1e4], [0, 0], [1, 1], [0, 0])
    const { spans, null_score } = findSpans(logits, { begin: 1, end: 4 }, 15, 2)
    expect(null_score).toBe(1)
    expect(spans).toHaveLength(2)
    for (const { score } of spans) expect(score).toBe(0)
  })

  test('are as many as are wanted where only one has a score', () => {
    const logits = logitsOf([0, 0], [1e4, 0], [0, 1e4])
    const { spans } = findSpans(logits, { begin: 1, end: 3 }, 15, 10)
    expect(spans.map(({ first, last, score }) => [first, last, score])).toEqual([
      [1, 2, 1], [1, 1, 0], [2, 2, 0],
    ])
  })

  test('of many the best stay, and those of score 0 do not push them out', () => {
    const tokens = 300
    const pairs = Array.from({ length: tokens }, (_, i): [number, number] =>
      i === 250 ? [1e4, 1e4] : [0, 0])
    const { spans } = findSpans(logitsOf(...pairs), { begin: 1, end: tokens }, 15, 1)
    expect(spans).toEqual([{ first: 250, last: 250, score: 1 }])
  })
})

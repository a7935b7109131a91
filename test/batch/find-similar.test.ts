// The nearest texts of an input, against sorting all of them.
import { describe, expect, test } from 'vitest'

import { findSimilar, MAX_TOP, type FindSimilarOptions } from '../../lib/batch/find-similar.js'
import { random } from '../support/random.js'
import { fakeEmbedder, hashOf, HIDDEN, scratch, type FakeOptions } from './fake.js'

const TINY = { limits: { max_texts: 3, max_chars: 1000 } }

/** A direction for each text, made from its hash; those that begin with "same" share one. */
function directionOf(text: string): number[] {
  const next = random(text.startsWith('same') ? 1 : hashOf(text))
  const vector = Array.from({ length: HIDDEN }, () => next() - 0.5)
  const norm = Math.hypot(...vector)
  return vector.map((value) => value / norm)
}

const fake = (more: FakeOptions = {}) => fakeEmbedder({ vector: directionOf, ...more })

async function find(lines: string[], options: Partial<FindSimilarOptions> = {}) {
  const input = scratch().write('in.txt', lines.map((line) => `${line}\n`).join(''))
  return findSimilar(fake(), 'same as this', { input, ...options }, TINY)
}

describe('findSimilar', () => {
  test('says so when the query was cut', async () => {
    const input = scratch().write('in.txt', 'a\n')
    expect(await findSimilar(fake(), 'q', { input })).toMatchObject({ query_truncated: false })
    const cut = fake({ truncated: 1 })
    expect(await findSimilar(cut, 'q', { input })).toMatchObject({ query_truncated: true })
  })

  test('vectors that are no numbers are an error, rounding beyond 1 is not', async () => {
    const input = scratch().write('in.txt', 'a\n')
    const broken = fake({ vector: () => [NaN, 0, 0, 0] })
    const search = findSimilar(broken, 'q', { input })
    await expect(search).rejects.toMatchObject({ code: 'ERR_INTERNAL' })
    const rounded = fake({ vector: () => [1.0000001, 0, 0, 0] })
    expect((await findSimilar(rounded, 'q', { input })).nearest[0]?.score).toBe(1)
  })

  test('an abort in the middle ends it with its reason', async () => {
    const input = scratch().write('in.txt', 'a line\n'.repeat(100))
    const controller = new AbortController()
    const never = new Promise(() => undefined)
    const embed = fake({
      delay: (call) => {
        if (call < 3) return Promise.resolve()
        controller.abort(new Error('enough'))
        return never
      },
    })
    const { signal } = controller
    await expect(findSimilar(embed, 'q', { input, signal }, TINY)).rejects.toThrow('enough')
  })

  test.each([1, 5, 40, 41, 1000])('finds the best %i of 41, as sorting does', async (top) => {
    const texts = Array.from({ length: 41 }, (_, i) => `text ${i}`)
    const query = directionOf('same')
    const expected = texts
      .map((text, index) => {
        const vector = directionOf(text).map(Math.fround)
        const score = vector.reduce((sum, value, k) => sum + value * Math.fround(query[k]!), 0)
        return { text, index, line: index + 1, id: null, score }
      })
      .sort((a, b) => b.score - a.score)
      .slice(0, top)
    const { nearest, records } = await find(texts, { top })
    expect(records).toBe(41)
    expect(nearest).toHaveLength(Math.min(top, 41))
    nearest.forEach((match, i) => {
      expect(match).toEqual({ ...expected[i], score: expect.closeTo(expected[i]!.score, 6) })
    })
  })

  test('of equals the earlier comes first, whatever chunk they are in', async () => {
    const texts = ['a', 'same 1', 'b', 'c', 'd', 'same 2', 'e', 'same 3', 'same 4']
    const { nearest } = await find(texts, { top: 3 })
    expect(nearest.map(({ text }) => text)).toEqual(['same 1', 'same 2', 'same 3'])
    expect(nearest.map(({ score }) => score)).toEqual([1, 1, 1].map((one) => expect.closeTo(one)))
  })

  test('invalid records end it, or are passed over and counted', async () => {
    const lines = ['{"text":"same 1","id":"x"}', '{"text":""}', '{"text":"same 2","id":7}']
    const input = scratch().write('in.jsonl', lines.join('\n'))
    const search = (skip_invalid: boolean) =>
      findSimilar(fake(), 'same', { input, skip_invalid }, TINY)
    await expect(search(false)).rejects.toMatchObject({ code: 'ERR_INPUT_RECORD' })
    const { nearest, records, invalid } = await search(true)
    expect({ records, invalid }).toEqual({ records: 3, invalid: 1 })
    expect(nearest).toMatchObject([
      { text: 'same 1', id: '"x"', index: 0, line: 1 },
      { text: 'same 2', id: '7', index: 2, line: 3 },
    ])
  })

  test('vectors of unit length are asked for, pooled, for query and texts', async () => {
    const input = scratch().write('in.txt', 'a\n')
    const embed = fake({ from_sentence_transformers: false })
    await findSimilar(embed, 'q', { input, max_length: 9 })
    expect(embed.calls.map(({ texts }) => texts)).toEqual([['q'], ['a']])
    for (const { options } of embed.calls) {
      expect(options).toMatchObject({ pooling: 'mean', normalize: true, max_length: 9 })
    }
  })

  test.each([
    ['an empty query', '  ', {}, 'ERR_INVALID_ARGUMENT'],
    ['no results wanted', 'q', { top: 0 }, 'ERR_INVALID_ARGUMENT'],
    ['too many wanted', 'q', { top: MAX_TOP + 1 }, 'ERR_INVALID_ARGUMENT'],
    ['a matrix a text', 'q', { pooling: 'none' }, 'ERR_INVALID_ARGUMENT'],
    ['a key for lines', 'q', { field: 'body' }, 'ERR_INVALID_ARGUMENT'],
    ['no file', 'q', { input: 'none.txt' }, 'ERR_FILE_NOT_FOUND'],
  ] as const)('refuses %s', async (_, query, options, code) => {
    const input = scratch().write('in.txt', 'a\n')
    await expect(findSimilar(fake(), query, { input, ...options })).rejects.toMatchObject({ code })
  })

  test('an empty input is an error, an abort its reason', async () => {
    await expect(find([])).rejects.toMatchObject({ code: 'ERR_INPUT_EMPTY' })
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(find(['a'], { signal })).rejects.toThrow('enough')
  })
})

// float32 as JSON: the shortest digits that come back.
import { expect, test } from 'vitest'

import { MAX_FLOAT_BYTES, writeFloat32 } from '../../lib/batch/float32-json.js'

const target = Buffer.alloc(64)

function format(value: number): string {
  const end = writeFloat32(target, 0, value)
  expect(end).toBeLessThanOrEqual(MAX_FLOAT_BYTES)
  return target.toString('latin1', 0, end)
}

/** Significant digits of a decimal number. */
const digits = (text: string): number =>
  text.replace(/^-|e.*$|\./g, '').replace(/^0+|0+$/g, '').length

test('numbers people know', () => {
  const known: [number, string][] = [
    [0, '0'], [-0, '-0'], [1, '1'], [-1, '-1'], [0.1, '0.1'], [-0.5, '-0.5'], [100, '100'],
    [1 / 3, '0.33333334'], [16777216, '16777216'], [9999999, '9999999'], [0.001, '0.001'],
    [1e-6, '0.000001'], [3.4028234663852886e38, '3.4028235e+38'], [1e-45, '1e-45'],
    [1e-7, '1e-7'], [NaN, 'null'], [Infinity, 'null'], [-Infinity, 'null'],
  ]
  for (const [value, text] of known) expect(format(Math.fround(value))).toBe(text)
})

test('any float32 comes back, with the fewest digits', () => {
  let seed = 1
  const bits = new Uint32Array(1)
  const float = new Float32Array(bits.buffer)
  const check = (value: number): void => {
    const text = format(value)
    if (!Object.is(Math.fround(JSON.parse(text) as number), value)) throw new Error(text)
    if (value === 0) return
    let shortest = 1
    while (Math.fround(Number(value.toPrecision(shortest))) !== value) shortest += 1
    if (digits(text) > shortest) throw new Error(`${text} has more than ${shortest} digits`)
  }
  for (let i = 0; i < 100_000; i += 1) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    bits[0] = seed
    if (Number.isFinite(float[0])) check(float[0]!)
    check(Math.fround((seed / 2 ** 32 - 0.5) * 0.3))
  }
})

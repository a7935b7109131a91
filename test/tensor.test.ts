// Tensor: shapes that fit their data, nesting, and refusal of what does not.
import { describe, expect, test } from 'vitest'

import { FusebertError, Tensor, type TensorData, type TensorType } from '../dist/index.js'

describe('Tensor', () => {
  test('nests its elements as deep as it has dimensions', () => {
    const tensor = new Tensor('float32', Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3])
    expect(tensor.tolist()).toEqual([[1, 2, 3], [4, 5, 6]])
    expect(tensor.size).toBe(6)
    expect(new Tensor('int64', BigInt64Array.of(7n), [1, 1, 1]).tolist()).toEqual([[[7n]]])
    expect(new Tensor('int32', Int32Array.of(5), []).tolist()).toBe(5)
    expect(new Tensor('float32', new Float32Array(0), [0, 3]).tolist()).toEqual([])
    expect(new Tensor('float32', new Float32Array(0), [2, 0]).tolist()).toEqual([[], []])
  })

  test('takes views of larger buffers', () => {
    const view = Float32Array.of(0, 1, 2, 3).subarray(1, 3)
    expect(new Tensor('float32', view, [2]).tolist()).toEqual([1, 2])
  })

  test.each([
    ['float32', Float32Array.of(1, 2), [3]],
    ['float32', Float32Array.of(1, 2), [-1, -2]],
    ['float32', Float32Array.of(1, 2), [0.5, 4]],
    ['float32', Int32Array.of(1, 2), [2]],
    ['float64', Float32Array.of(1, 2), [2]],
    ['constructor', Float32Array.of(1, 2), [2]],
    ['float32', Float32Array.of(1, 2), undefined],
    ['float32', Float32Array.of(1, 2), '2'],
  ])('refuses %s %s as %s', (type, data, dims) => {
    const make = () => new Tensor(type as TensorType, data as TensorData, dims as number[])
    expect(make).toThrow(FusebertError)
    expect(make).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
  })
})

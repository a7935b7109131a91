// Headers of safetensors files: what is valid, and everything that must be refused.
import { describe, expect, test } from 'vitest'

import { readSafetensors } from '../../lib/checkpoint/safetensors.js'
import { FusebertError } from '../../lib/errors.js'
import { insideFile, safetensors, source } from './build.js'

const read = (bytes: Buffer) => readSafetensors(source(bytes))
const entry = (dtype: unknown, shape: unknown, data_offsets: unknown) => ({
  dtype,
  shape,
  data_offsets,
})
const refusal = async (bytes: Buffer): Promise<FusebertError> => {
  const error: unknown = await read(bytes).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(FusebertError)
  return error as FusebertError
}

const HEADER = { __metadata__: { format: 'pt' }, a: entry('F32', [2, 3], [0, 24]) }

describe('valid files', () => {
  test('tensors, in any order, with metadata and padding', async () => {
    const header = {
      b: entry('BF16', [4], [24, 32]),
      __metadata__: { format: 'pt' },
      a: entry('F32', [2, 3], [0, 24]),
      scalar: entry('F16', [], [32, 34]),
    }
    const text = `${JSON.stringify(header)}      `
    const bytes = safetensors(text, 34)
    const tensors = await read(bytes)
    const start = 8 + text.length
    expect([...tensors.keys()].sort()).toEqual(['a', 'b', 'scalar'])
    expect(tensors.get('a')).toEqual({
      dtype: 'F32',
      shape: [2, 3],
      strides: [3, 1],
      offsetBytes: start,
    })
    expect(tensors.get('b')).toMatchObject({ dtype: 'BF16', offsetBytes: start + 24 })
    expect(tensors.get('scalar')).toMatchObject({ shape: [], strides: [], offsetBytes: start + 32 })
    for (const tensor of tensors.values()) {
      expect(insideFile(tensor, { sizeBytes: bytes.length })).toBe(true)
    }
  })

  test('empty tensors, also with sizes whose product would overflow', async () => {
    const tensors = await read(
      safetensors(
        {
          a: entry('F32', [0, 5], [0, 0]),
          b: entry('U8', [3], [0, 3]),
          c: entry('F32', [2 ** 40, 0], [3, 3]),
        },
        3,
      ),
    )
    expect(tensors.get('a')!.shape).toEqual([0, 5])
    expect(tensors.get('c')!.shape).toEqual([2 ** 40, 0])
  })

  test('no tensors at all', async () => {
    expect((await read(safetensors({}, 0))).size).toBe(0)
  })

  test('dtypes smaller than a byte, when they fill whole bytes', async () => {
    const tensors = await read(safetensors({ a: entry('F4', [3, 2], [0, 3]) }, 3))
    expect(tensors.get('a')!.dtype).toBe('F4')
    const half = safetensors({ a: entry('F4', [3], [0, 1]) }, 1)
    expect((await refusal(half)).code).toBe('ERR_CHECKPOINT_FORMAT')
  })

  test('names that mean something to JavaScript', async () => {
    const text = '{"__proto__": {"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'
    const tensors = await read(safetensors(text, 1))
    expect([...tensors.keys()]).toEqual(['__proto__'])
  })
})

describe('refused files', () => {
  test('cut short at every byte', async () => {
    const whole = safetensors(HEADER, 24)
    expect((await read(whole)).size).toBe(1)
    for (let length = 0; length < whole.length; length += 1) {
      const error = await refusal(whole.subarray(0, length))
      expect(error.code).toBe('ERR_CHECKPOINT_FORMAT')
      expect(error.message).toContain('/models/test.bin')
    }
  })

  test.each([
    ['beyond the file', 10_000n],
    ['beyond the reference limit', 100_000_001n],
    ['beyond safe integers', 2n ** 53n + 1n],
    ['all ones', 2n ** 64n - 1n],
  ])('a header length %s', async (_, length) => {
    const bytes = safetensors(HEADER, 24)
    bytes.writeBigUInt64LE(length)
    const error = await refusal(bytes)
    expect(error.code).toBe('ERR_CHECKPOINT_FORMAT')
    expect(error.message).toMatch(/^Expected .* but received .*\. Download the file again\.$/)
  })

  test('a header of more than 100 MB even if the file has it, without reading it', async () => {
    const length = Buffer.alloc(8)
    length.writeBigUInt64LE(100_000_001n)
    const reads: number[] = []
    const huge = {
      path: '/models/huge',
      sizeBytes: 1e12,
      read: async (_: number, bytes: number) => {
        reads.push(bytes)
        return length.subarray(0, Math.min(8, bytes))
      },
    }
    await expect(readSafetensors(huge)).rejects.toMatchObject({ code: 'ERR_CHECKPOINT_FORMAT' })
    expect(Math.max(...reads)).toBeLessThan(100)
  })

  test.each([
    ['an array', '[1]'],
    ['a leading blank', ' {}'],
    ['a byte order mark', '\ufeff{}'],
    ['NaN', '{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,24]}}'],
    ['Infinity', '{"a":{"dtype":"F32","shape":[Infinity],"data_offsets":[0,24]}}'],
    ['text after the object', '{} x'],
    ['nothing', ''],
    ['deep nesting', `{"a":${'['.repeat(100_000)}`],
    ['deep nesting that closes', `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
    ['metadata that is not strings', '{"__metadata__":{"a":1}}'],
    ['metadata that is a list', '{"__metadata__":[]}'],
    [
      'the same name twice',
      '{"a":{"dtype":"F32","shape":[6],"data_offsets":[0,24]},' +
        '"a":{"dtype":"F32","shape":[6],"data_offsets":[0,24]}}',
    ],
    [
      'the same name twice, spelled in two ways',
      '{"a":{"dtype":"F32","shape":[6],"data_offsets":[0,24]},' +
        '"\\u0061":{"dtype":"F32","shape":[6],"data_offsets":[0,24]}}',
    ],
  ])('a header with %s', async (_, text) => {
    expect((await refusal(safetensors(text, 24))).code).toBe('ERR_CHECKPOINT_FORMAT')
  })

  test('keys inside tensors and strings with braces are not taken for names', async () => {
    const text =
      '{"x{,\\"": {"dtype":"U8","shape":[1],"data_offsets":[0,1]},' +
      '"dtype": {"dtype":"U8","shape":[1],"data_offsets":[1,2]}}'
    expect((await read(safetensors(text, 2))).size).toBe(2)
  })

  test('a header that is not UTF-8', async () => {
    const bytes = safetensors({ aé: entry('F32', [6], [0, 24]) }, 24)
    bytes[bytes.indexOf(0xc3) + 1] = 0x20
    expect((await refusal(bytes)).message).toContain('UTF-8')
  })

  test.each([
    ['an unknown dtype', entry('float32', [6], [0, 24])],
    ['a dtype named like a method', entry('toString', [6], [0, 24])],
    ['no dtype', entry(undefined, [6], [0, 24])],
    ['a dtype that is a number', entry(32, [6], [0, 24])],
    ['a negative size', entry('F32', [-6], [0, 24])],
    ['two negative sizes', entry('F32', [-2, -3], [0, 24])],
    ['a fraction', entry('F32', [1.5, 4], [0, 24])],
    ['a size beyond safe integers', entry('F32', [2 ** 53], [0, 24])],
    ['a product beyond safe integers', entry('F32', [2 ** 31, 2 ** 31], [0, 24])],
    ['a product that wraps to 24 bytes', entry('F32', [2 ** 32, 2 ** 32 + 6], [0, 24])],
    ['a string as size', entry('F32', ['6'], [0, 24])],
    ['a shape that is no list', entry('F32', 6, [0, 24])],
    ['a thousand axes', entry('F32', [6, ...new Array<number>(1000).fill(1)], [0, 24])],
    ['an empty shape with large strides', entry('F32', [0, 2 ** 52, 2 ** 52], [0, 0])],
    ['no offsets', entry('F32', [6], undefined)],
    ['one offset', entry('F32', [6], [0])],
    ['three offsets', entry('F32', [6], [0, 24, 24])],
    ['a negative offset', entry('F32', [6], [-24, 0])],
    ['offsets in reverse', entry('F32', [6], [24, 0])],
    ['a length that is not the shape’s', entry('F32', [5], [0, 24])],
    ['a range beyond the file', entry('F32', [7], [0, 28])],
    ['a range far beyond the file', entry('U8', [2 ** 50], [0, 2 ** 50])],
    ['a value that is no object', 7],
    ['null', null],
    ['a list', []],
  ])('a tensor with %s', async (_, value) => {
    const error = await refusal(safetensors({ a: value }, 24))
    expect(error.code).toBe('ERR_CHECKPOINT_FORMAT')
    expect(error.message).toContain("'a'")
  })

  test.each([
    ['overlap', entry('U8', [10], [0, 10]), entry('U8', [10], [9, 19]), 19],
    ['are the same', entry('U8', [10], [0, 10]), entry('U8', [10], [0, 10]), 10],
    ['leave a hole', entry('U8', [10], [0, 10]), entry('U8', [9], [11, 20]), 20],
    ['begin after a hole', entry('U8', [9], [1, 10]), entry('U8', [10], [10, 20]), 20],
    ['leave bytes at the end', entry('U8', [10], [0, 10]), entry('U8', [10], [10, 20]), 21],
    ['end after the file', entry('U8', [10], [0, 10]), entry('U8', [10], [10, 20]), 19],
  ])('tensors that %s', async (_, a, b, bytes) => {
    expect((await refusal(safetensors({ a, b }, bytes))).code).toBe('ERR_CHECKPOINT_FORMAT')
  })

  test('a Git LFS pointer, with what to do', async () => {
    const pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n'
    expect((await refusal(Buffer.from(pointer))).message).toContain('git lfs pull')
  })
})

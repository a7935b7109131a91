// The Tokenizer that users see: shapes, padding, truncation, offsets, errors.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { AutoTokenizer, type Tokenizer } from '../../lib/tokenizer/auto-tokenizer.js'
import { nativeOf } from '../../lib/tokenizer/native-of.js'

const VOCAB = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'one', 'two', 'three', '中', '##s']

let folder: string
let tokenizer: Tokenizer

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fusebert-tokenizer-'))
  await writeFile(join(folder, 'vocab.txt'), VOCAB.join('\n'))
  await writeFile(join(folder, 'tokenizer_config.json'), '{"model_max_length": 8}')
  tokenizer = await AutoTokenizer.from_pretrained(folder)
})
afterAll(() => rm(folder, { recursive: true }))

function code(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'no error',
    (error: { code?: unknown }) => error.code,
  )
}

describe('calling it', () => {
  it('gives int64 rows', async () => {
    const encoding = await tokenizer('one twos')
    expect(encoding.input_ids.type).toBe('int64')
    expect(encoding.input_ids.dims).toEqual([1, 5])
    expect(encoding.input_ids.tolist()).toEqual([[2n, 5n, 6n, 9n, 3n]])
    expect(encoding.attention_mask.tolist()).toEqual([[1n, 1n, 1n, 1n, 1n]])
    expect(encoding.token_type_ids?.tolist()).toEqual([[0n, 0n, 0n, 0n, 0n]])
    expect(Object.keys(encoding)).toEqual(['input_ids', 'attention_mask', 'token_type_ids'])
  })

  it('pads to nothing that would fill the memory', async () => {
    const huge = tokenizer('one', { padding: 'max_length', max_length: 2 ** 31 - 1 })
    expect(await code(huge)).toBe('ERR_INVALID_ARGUMENT')
  })

  it('refuses tokens that are none', () => {
    for (const tokens of [undefined, null, 5, ['one', 5]]) {
      const convert = () => tokenizer.convert_tokens_to_ids(tokens as unknown as string)
      expect(convert).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
    }
  })

  it('pads to the longest, or to max_length', async () => {
    const texts = ['one', 'one two three']
    const longest = await tokenizer(texts, {
      padding: true,
      return_offsets_mapping: true,
      return_special_tokens_mask: true,
      return_token_type_ids: false,
    })
    expect(longest.input_ids.tolist()).toEqual([[2n, 5n, 3n, 0n, 0n], [2n, 5n, 6n, 7n, 3n]])
    expect(longest.attention_mask.tolist()).toEqual([[1n, 1n, 1n, 0n, 0n], [1n, 1n, 1n, 1n, 1n]])
    expect(longest.special_tokens_mask?.tolist()).toEqual([
      [1n, 0n, 1n, 1n, 1n], [1n, 0n, 0n, 0n, 1n],
    ])
    expect(longest.token_type_ids).toBeUndefined()
    expect(longest.offset_mapping?.dims).toEqual([2, 5, 2])
    expect(longest.offset_mapping?.tolist()).toEqual([
      [[0, 0], [0, 3], [0, 0], [0, 0], [0, 0]], [[0, 0], [0, 3], [4, 7], [8, 13], [0, 0]],
    ])
    expect((await tokenizer(texts, { padding: 'max_length' })).input_ids.dims).toEqual([2, 8])
    const short = await tokenizer(texts, { padding: 'max_length', max_length: 4, truncation: true })
    expect(short.input_ids.tolist()).toEqual([[2n, 5n, 3n, 0n], [2n, 5n, 6n, 3n]])
  })

  it('encodes pairs with token types', async () => {
    const encoding = await tokenizer('one', { text_pair: 'two three' })
    expect(encoding.input_ids.tolist()).toEqual([[2n, 5n, 3n, 6n, 7n, 3n]])
    expect(encoding.token_type_ids?.tolist()).toEqual([[0n, 0n, 0n, 1n, 1n, 1n]])
    const several = await tokenizer(['one', 'two'], { text_pair: ['two', 'one'] })
    expect(several.input_ids.dims).toEqual([2, 5])
  })

  it('truncates by strategy, to model_max_length by default', async () => {
    const long = 'one two three '.repeat(10)
    expect((await tokenizer(long, { truncation: true })).input_ids.dims).toEqual([1, 8])
    expect((await tokenizer(long)).input_ids.dims).toEqual([1, 32])
    const strategies = { only_first: 5, only_second: 5, longest_first: 5 } as const
    for (const [truncation, max_length] of Object.entries(strategies)) {
      const pair = truncation === 'only_second' ? ['one', long] : [long, 'one']
      const encoding = await tokenizer(pair[0]!, {
        text_pair: pair[1]!,
        truncation: truncation as keyof typeof strategies,
        max_length,
      })
      expect(encoding.input_ids.tolist()).toEqual([[2n, 5n, 3n, 5n, 3n]])
    }
  })

  it('says what is wrong', async () => {
    const wrong: unknown[][] = [
      [7], [null], [['one', 7]], ['one', 7], ['one', { padding: 'most' }],
      ['one', { truncation: 'most' }], ['one', { truncation: true, max_length: 1 }],
      ['one', { max_length: 2.5, truncation: true }], ['one', { offsets_unit: 'byte' }],
      ['one', { text_pair: ['two'] }], [['one'], { text_pair: 'two' }],
      [['one'], { text_pair: ['two', 'three'] }], [['one', 'one two']],
      ['one', { add_special_tokens: 1 }], ['one', { return_offsets_mapping: 'yes' }],
    ]
    for (const args of wrong) {
      const call = tokenizer as unknown as (...values: unknown[]) => Promise<unknown>
      expect(await code(call(...args)), JSON.stringify(args)).toBe('ERR_INVALID_ARGUMENT')
    }
    expect(await code(tokenizer([]))).toBe('ERR_INPUT_EMPTY')
    const text_pair = 'one two three'
    const impossible = tokenizer('one', { text_pair, truncation: 'only_first', max_length: 5 })
    expect(await code(impossible)).toBe('ERR_INPUT_TOO_LONG')
  })

  it('does not put texts into messages', async () => {
    const secret = 'secret words'
    const failures = [
      () => tokenizer([secret, 'one']),
      () => tokenizer(secret, { text_pair: 'one', truncation: 'only_second', max_length: 5 }),
      () => tokenizer(secret, { text_pair: [secret] }),
    ]
    for (const failure of failures) {
      await expect(failure()).rejects.toThrow(/^(?!.*secret).*$/s)
    }
  })
})

describe('encodeBatch', () => {
  it('packs texts of any lengths', async () => {
    const packed = await tokenizer.encodeBatch(['one', '', 'two three'], {
      return_offsets_mapping: true,
      return_special_tokens_mask: true,
    })
    expect(packed).toEqual({
      input_ids: Int32Array.of(2, 5, 3, 2, 3, 2, 6, 7, 3),
      token_type_ids: new Int32Array(9),
      cu_seqlens: Int32Array.of(0, 3, 5, 9),
      offsets: Int32Array.of(0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 4, 9, 0, 0),
      special_tokens_mask: Uint8Array.of(1, 0, 1, 1, 1, 1, 0, 0, 1),
      truncated: 0,
    })
    const cut = await tokenizer.encodeBatch(['one', 'one two'], { truncation: true, max_length: 3 })
    expect(cut.truncated).toBe(1)
    expect(cut.offsets).toBeUndefined()
  })

  it('counts offsets in the unit asked for', async () => {
    const text = '😀 中'
    const options = { return_offsets_mapping: true, add_special_tokens: false }
    const utf16 = await tokenizer.encodeBatch([text], options)
    expect(Array.from(utf16.offsets!)).toEqual([0, 2, 3, 4])
    expect(text.slice(3, 4)).toBe('中')
    const points = await tokenizer.encodeBatch([text], { ...options, offsets_unit: 'code_point' })
    expect(Array.from(points.offsets!)).toEqual([0, 1, 2, 3])
  })

  it('takes arrays only', async () => {
    expect(await code(tokenizer.encodeBatch('one' as unknown as string[]))).toBe(
      'ERR_INVALID_ARGUMENT',
    )
  })
})

it('encodes one text to ids', async () => {
  expect(await tokenizer.encode('one\ud800 two')).toEqual([2, 5, 6, 3])
  expect(await tokenizer.encode('one', { add_special_tokens: false })).toEqual([5])
})

it('knows its tokens', () => {
  expect(tokenizer.model_max_length).toBe(8)
  expect(tokenizer.vocab_size).toBe(VOCAB.length)
  expect(tokenizer.convert_tokens_to_ids('two')).toBe(6)
  expect(tokenizer.convert_tokens_to_ids(['one', 'none'])).toEqual([5, undefined])
  const { pad_token_id, unk_token_id, cls_token_id, sep_token_id, mask_token_id } = tokenizer
  expect([pad_token_id, unk_token_id, cls_token_id, sep_token_id, mask_token_id]).toEqual([
    0, 1, 2, 3, 4,
  ])
  expect(nativeOf(tokenizer).specialTokenCount(true)).toBe(3)
})

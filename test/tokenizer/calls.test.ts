// Counting, tokens, decoding, overflow and the forms that texts and ids may have.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { AutoTokenizer, type Tokenizer } from '../../lib/tokenizer/auto-tokenizer.js'
import { nativeOf } from '../../lib/tokenizer/native-of.js'
import { gatherTexts } from '../../lib/tokenizer/text-parts.js'
import { listSource } from '../../lib/tokenizer/text-source.js'
import { atOnce } from '../../lib/turns.js'

const VOCAB = [
  '[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'one', 'two', 'three', '中', '##s', '.', "'",
]
// What the tokenizer's own decoder leaves, as it looks at one token at a time.
const SPACED = "one ' two"
const CLEAN = "one'two"

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

describe('texts', () => {
  it('may be UTF-8, alone, in a list with strings, or many in one array', async () => {
    const bytes = Buffer.from('one中two')
    expect(await tokenizer.encode(bytes)).toEqual([2, 5, 8, 6, 3])
    expect((await tokenizer(bytes, { text_pair: 'one' })).input_ids.dims).toEqual([1, 7])
    const mixed = await tokenizer.encodeBatch([bytes, 'three'])
    expect(mixed.cu_seqlens).toEqual(Int32Array.of(0, 5, 8))
    const range = { bytes, offsets: Int32Array.of(0, 3, 3, 6, 9) }
    const packed = await tokenizer.encodeBatch(range, { text_pair: range })
    expect(packed.cu_seqlens).toEqual(Int32Array.of(0, 5, 8, 13, 18))
    expect(await tokenizer.countTokens(range)).toEqual(Int32Array.of(3, 2, 3, 3))
    const part = { bytes, offsets: Int32Array.of(3, 6) }
    expect((await tokenizer(part)).input_ids.tolist()).toEqual([[2n, 8n, 3n]])
  })

  it('may be malformed and are read as TextDecoder does', async () => {
    expect(await tokenizer.encode(Buffer.from([0xff, 0x6f, 0x6e, 0x65, 0xe4, 0xb8]))).toEqual(
      await tokenizer.encode('\ufffdone\ufffd'),
    )
  })

  it('are refused in other forms', async () => {
    const bytes = Buffer.from('one')
    const wrong: unknown[] = [
      new Uint16Array(2), [new ArrayBuffer(2)], { bytes }, { bytes, offsets: [0, 3] },
      { bytes, offsets: new Int32Array(0) }, { bytes, offsets: Int32Array.of(0, 4) },
      { bytes, offsets: Int32Array.of(2, 1) }, { bytes, offsets: Int32Array.of(-1, 1) },
      { bytes: 'one', offsets: Int32Array.of(0, 3) },
    ]
    for (const texts of wrong) {
      expect(await code(tokenizer.encodeBatch(texts as string[]))).toBe('ERR_INVALID_ARGUMENT')
    }
    const none = { bytes, offsets: Int32Array.of(0) }
    expect(await code(tokenizer.encodeBatch(none))).toBe('ERR_INPUT_EMPTY')
  })
})

describe('countTokens', () => {
  it('counts one text or each of many', async () => {
    expect(await tokenizer.countTokens('one two')).toBe(4)
    expect(await tokenizer.countTokens('one', { text_pair: 'two' })).toBe(5)
    expect(await tokenizer.countTokens('one two', { add_special_tokens: false })).toBe(2)
    const texts = ['one', '', 'twos three '.repeat(20)]
    expect(await tokenizer.countTokens(texts)).toEqual(Int32Array.of(3, 2, 62))
    expect(await tokenizer.countTokens(texts, { truncation: true })).toEqual(Int32Array.of(3, 2, 8))
  })

  it('says what is wrong', async () => {
    expect(await code(tokenizer.countTokens(7 as unknown as string))).toBe('ERR_INVALID_ARGUMENT')
    const stride = { stride: 1 } as object
    expect(await code(tokenizer.countTokens('one', stride))).toBe('ERR_INVALID_ARGUMENT')
  })
})

describe('what overflows', () => {
  it('follows, and says which text it is of', async () => {
    const packed = await tokenizer.encodeBatch(['one two three', 'one'], {
      truncation: true, max_length: 4, stride: 1, return_overflowing_tokens: true,
      return_offsets_mapping: true,
    })
    expect(packed.input_ids).toEqual(Int32Array.of(2, 5, 6, 3, 2, 6, 7, 3, 2, 5, 3))
    expect(packed.cu_seqlens).toEqual(Int32Array.of(0, 4, 8, 11))
    expect(packed.overflow_to_sample_mapping).toEqual(Int32Array.of(0, 0, 1))
    expect(packed.offsets!.slice(8, 16)).toEqual(Int32Array.of(0, 0, 4, 7, 8, 13, 0, 0))
    expect(packed.truncated).toBe(1)
  })

  it('is rows of Tensors too', async () => {
    const encoding = await tokenizer('one two three', {
      truncation: true, max_length: 4, return_overflowing_tokens: true, padding: true,
    })
    expect(encoding.input_ids.tolist()).toEqual([[2n, 5n, 6n, 3n], [2n, 7n, 3n, 0n]])
    expect(encoding.overflow_to_sample_mapping?.tolist()).toEqual([0n, 0n])
    const options = { truncation: true, max_length: 4, return_overflowing_tokens: true }
    expect(await tokenizer.encode('one two three', options)).toEqual([2, 5, 6, 3])
  })

  it('needs room for more than it repeats', async () => {
    const options = { truncation: true, max_length: 4, return_overflowing_tokens: true }
    const endless = tokenizer.encodeBatch(['one two three'], { ...options, stride: 2 })
    expect(await code(endless)).toBe('ERR_INVALID_ARGUMENT')
    const short = await tokenizer.encodeBatch(['one two'], { ...options, stride: 2 })
    expect(short.cu_seqlens).toEqual(Int32Array.of(0, 4))
  })
})

describe('tokens and text', () => {
  it('tokenizes to strings', async () => {
    expect(await tokenizer.tokenize('twos 中x')).toEqual(['two', '##s', '中', '[UNK]'])
    const pair = { text_pair: 'two', add_special_tokens: true }
    expect(await tokenizer.tokenize('one', pair)).toEqual(['[CLS]', 'one', '[SEP]', 'two', '[SEP]'])
    expect(tokenizer.convertTokensToIds(['two', '##s'])).toEqual([6, 9])
    expect(tokenizer.convertIdsToTokens([6, 9, 99])).toEqual(['two', '##s', undefined])
    expect(tokenizer.convert_ids_to_tokens(6)).toBe('two')
    expect(() => tokenizer.convertIdsToTokens(-1)).toThrow(/ids/)
  })

  it('decodes ids in every form', async () => {
    const ids = [2, 6, 9, 10, 3, 99, -1]
    expect(await tokenizer.decode(ids)).toBe('[CLS] twos. [SEP]')
    const skip = { skip_special_tokens: true }
    expect(await tokenizer.decode(Int32Array.from(ids), skip)).toBe('twos.')
    expect(await tokenizer.decode(BigInt64Array.from(ids, BigInt), skip)).toBe('twos.')
    expect(await tokenizer.decode([6n, 2n ** 40n])).toBe('two')
    expect(await tokenizer.decode([])).toBe('')
    const tokens = atOnce(gatherTexts(listSource(['un', '##aff', '!', 'Łódź', '##s'])))
    const native = nativeOf(tokenizer)
    const decoded = await native.decodeTokens(tokens, Int32Array.of(0, 3, 3, 5))
    expect(decoded).toEqual(['unaff!', '', 'Łódźs'])
    expect(() => native.decodeTokens(tokens, Int32Array.of(0, 6))).toThrow('ascending offsets')
    expect(() => native.decodeTokens([7] as never, Int32Array.of(0, 1))).toThrow()
    expect(tokenizer.continuing_subword_prefix).toBe('##')
    expect(await tokenizer.batchDecode([[5], [], Int32Array.of(6, 9)])).toEqual(['one', '', 'twos'])
    const texts = ['one', 'twos three']
    expect(await tokenizer.batchDecode(await tokenizer.encodeBatch(texts), skip)).toEqual(texts)
    const { input_ids } = await tokenizer(texts, { padding: true })
    expect(await tokenizer.batchDecode(input_ids, skip)).toEqual(texts)
  })

  it('refuses ids that are none', async () => {
    const wrong: unknown[] = [undefined, 'one', 7, ['one'], [0.5], new Float32Array(1), [null]]
    for (const ids of wrong) {
      expect(await code(tokenizer.decode(ids as number[]))).toBe('ERR_INVALID_ARGUMENT')
    }
    for (const rows of [undefined, [7], {}, { input_ids: [1], cu_seqlens: [0, 1] }]) {
      const decoded = tokenizer.batchDecode(rows as unknown as number[][])
      expect(await code(decoded)).toBe('ERR_INVALID_ARGUMENT')
    }
    const outside = { input_ids: Int32Array.of(5), cu_seqlens: Int32Array.of(0, 2) }
    expect(await code(tokenizer.batchDecode(outside))).toBe('ERR_INVALID_ARGUMENT')
  })

  it('cleans up when tokenizer_config.json says so, or the call does', async () => {
    const load = async (clean_up_tokenization_spaces: unknown) => {
      const config = JSON.stringify({ clean_up_tokenization_spaces })
      await writeFile(join(folder, 'tokenizer_config.json'), config)
      return AutoTokenizer.from_pretrained(folder)
    }
    expect(await code(load(7))).toBe('ERR_TOKENIZER_FORMAT')
    for (const said of [true, false]) {
      const loaded = await load(said)
      const ids = await loaded.encode(SPACED, { add_special_tokens: false })
      const clean_up_tokenization_spaces = !said
      expect(await loaded.decode(ids)).toBe(said ? CLEAN : SPACED)
      const decoded = await loaded.decode(ids, { clean_up_tokenization_spaces })
      expect(decoded).toBe(said ? SPACED : CLEAN)
    }
  })
})

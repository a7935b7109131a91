// Padded batches against the reference tokenizer: ids, mask, types and special tokens.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { AutoTokenizer, type Tokenizer } from '../../lib/tokenizer/auto-tokenizer.js'
import { available } from '../support/require.js'
import { smallTokenizerJson } from './support/small-tokenizer.js'

interface OracleEncoding {
  getIds(): number[]
  getTypeIds(): number[]
  getAttentionMask(): number[]
  getSpecialTokensMask(): number[]
}

interface Oracle {
  disableTruncation(): void
  setPadding(options: { maxLength?: number; padId: number; padToken: string }): void
  encodeBatch(texts: string[]): Promise<OracleEncoding[]>
}

const TEXTS = ['', 'hello', 'hello world café', 'unaffable 你好 naive', 'the a the a the a the a']
const require = createRequire(import.meta.url)

describe.skipIf(!available('tokenizers'))('padding as the reference', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fusebert-padding-'))
  const file = join(folder, 'tokenizer.json')
  let tokenizer: Tokenizer

  beforeAll(async () => {
    const options = {
      clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true,
    }
    writeFileSync(file, smallTokenizerJson(options))
    tokenizer = await AutoTokenizer.from_pretrained(folder)
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  test.each([
    ['to the longest', undefined],
    ['to a length', 24],
  ])('%s', async (_, maxLength) => {
    const { Tokenizer: Reference } = require('tokenizers') as {
      Tokenizer: { fromFile(path: string): Oracle }
    }
    const oracle = Reference.fromFile(file)
    oracle.disableTruncation()
    oracle.setPadding({
      ...(maxLength === undefined ? {} : { maxLength }), padId: 0, padToken: '[PAD]',
    })
    const expected = await oracle.encodeBatch(TEXTS)
    const ours = await tokenizer(TEXTS, {
      padding: maxLength === undefined ? true : 'max_length',
      ...(maxLength === undefined ? {} : { max_length: maxLength }),
      return_special_tokens_mask: true,
    })
    const rows = (tensor: { tolist<T>(): T }): number[][] =>
      tensor.tolist<bigint[][]>().map((row) => row.map(Number))
    expect(rows(ours.input_ids)).toEqual(expected.map((row) => row.getIds()))
    expect(rows(ours.attention_mask)).toEqual(expected.map((row) => row.getAttentionMask()))
    expect(rows(ours.token_type_ids!)).toEqual(expected.map((row) => row.getTypeIds()))
    expect(rows(ours.special_tokens_mask!)).toEqual(
      expected.map((row) => row.getSpecialTokensMask()),
    )
  })
})

// The spaces that decoding cleans up against Python's transformers: any text, through byte-level
// tokens, which lose nothing, and ids of a WordPiece vocabulary with its decoder.
import { readFileSync } from 'node:fs'

import { expect, test } from 'vitest'

import { AutoTokenizer } from '../../dist/index.js'
import { GOLDEN } from '../support/require.js'
import { cleanUp } from './support/clean-up.js'

interface CleanUp {
  tokenizer: string
  texts: [string, string][]
  rows: { ids: number[]; skip_special_tokens: boolean; text: string }[]
}

const { tokenizer, texts, rows } = JSON.parse(
  readFileSync(`${GOLDEN}/clean-up.json`, 'utf8'),
) as CleanUp
const CLEAN = { clean_up_tokenization_spaces: true }

test('texts are cleaned up as clean_up_tokenization does', async () => {
  const byteLevel = await AutoTokenizer.from_pretrained(`${GOLDEN}/pipelines/roberta-softmax`)
  const packed = await byteLevel.encodeBatch(texts.map(([text]) => text), {
    add_special_tokens: false,
  })
  expect(await byteLevel.batchDecode(packed)).toEqual(texts.map(([text]) => text))
  const cleaned = texts.map(([, text]) => text)
  expect(await byteLevel.batchDecode(packed, CLEAN)).toEqual(cleaned)
  expect(texts.map(([text]) => cleanUp(text))).toEqual(cleaned)
})

test('ids are decoded and cleaned up as by BertTokenizer', async () => {
  const wordPiece = await AutoTokenizer.from_pretrained(`${GOLDEN}/${tokenizer}`)
  for (const { ids, skip_special_tokens, text } of rows) {
    expect(await wordPiece.decode(ids, { skip_special_tokens, ...CLEAN })).toBe(text)
  }
})

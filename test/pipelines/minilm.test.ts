// The real MiniLM against what sentence-transformers and the fast tokenizer say of 48 difficult
// texts: ids equal, vectors to a cosine of 0.99999, alone and together.
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { AutoTokenizer, pipeline, type FeatureExtractionPipeline } from '../../dist/index.js'
import { available, MINILM, SHARED } from '../support/require.js'

interface Reference {
  text: string
  ids: number[]
  n_tokens: number
  embedding: number[]
}

function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let dot = 0
  let aa = 0
  let bb = 0
  for (let i = 0; i < a.length; i += 1) {
    dot += a[i]! * b[i]!
    aa += a[i]! * a[i]!
    bb += b[i]! * b[i]!
  }
  return dot / Math.sqrt(aa * bb)
}

describe.skipIf(!available('shared'))('all-MiniLM-L6-v2', () => {
  let embed: FeatureExtractionPipeline
  let references: Reference[]

  beforeAll(async () => {
    embed = await pipeline('feature-extraction', MINILM)
    references = readFileSync(`${SHARED}/reference/minilm.jsonl`, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Reference)
  })

  afterAll(() => embed.dispose())

  test('takes its defaults from the sentence-transformers folder', () => {
    expect(embed.defaults).toEqual({
      pooling: 'mean', normalize: true, max_length: 256, from_sentence_transformers: true,
      embedding_size: 384, prompts: { query: '', document: '' }, default_prompt_name: null,
    })
    expect(embed.hidden_size).toBe(384)
  })

  test('ids are equal', async () => {
    const tokenizer = await AutoTokenizer.from_pretrained(MINILM)
    expect(references.length).toBe(48)
    for (const { text, ids } of references) {
      expect(await tokenizer.encode(text, { truncation: true, max_length: 512 })).toEqual(ids)
    }
  })

  test('ids are equal without tokenizer.json, from vocab.txt', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fusebert-vocab-'))
    copyFileSync(`${MINILM}/vocab.txt`, join(folder, 'vocab.txt'))
    const tokenizer = await AutoTokenizer.from_pretrained(folder)
    const encoding = await tokenizer.encodeBatch(
      references.map(({ text }) => text), { truncation: true, max_length: 512 },
    )
    expect(Array.from(encoding.input_ids)).toEqual(references.flatMap(({ ids }) => ids))
    rmSync(folder, { recursive: true })
  })

  test('vectors are equal, all texts in one call', async () => {
    const result = await embed(references.map(({ text }) => text), { pooling: 'mean' })
    expect(result.dims).toEqual([48, 384])
    expect(result.usage).toEqual({
      texts: 48,
      tokens: references.reduce((sum, reference) => sum + reference.n_tokens, 0),
      truncated: references.filter(({ ids }) => ids.length > 256).length,
    })
    references.forEach(({ embedding }, i) => {
      const row = (result.data as Float32Array).subarray(i * 384, (i + 1) * 384)
      expect(cosine(row, embedding)).toBeGreaterThanOrEqual(0.99999)
      for (let j = 0; j < 384; j += 1) expect(Math.abs(row[j]! - embedding[j]!)).toBeLessThan(2e-6)
    })
  })

  test('a text alone gives the same bits', async () => {
    const together = await embed(references.map(({ text }) => text), { pooling: 'mean' })
    for (const [i, { text }] of references.entries()) {
      const alone = await embed(text)
      expect(alone).not.toBeInstanceOf(Array)
      const { data } = alone
      const row = (together.data as Float32Array).slice(i * 384, (i + 1) * 384)
      expect(Buffer.from(data.buffer, data.byteOffset, data.byteLength)).toEqual(
        Buffer.from(row.buffer),
      )
    }
  })

  test('texts beyond the limit are refused without truncation', async () => {
    const long = references.find(({ ids }) => ids.length > 256)!
    await expect(embed(['short', long.text], { truncation: false })).rejects.toMatchObject({
      code: 'ERR_INPUT_TOO_LONG',
    })
  })
})

// The examples of tasks run, and print what the pipelines of the golden models answer.
import { execFile } from 'node:child_process'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { describe, expect, test } from 'vitest'

import { AutoModelForNextSentencePrediction } from '../../dist/index.js'
import { GOLDEN, ROOT } from '../support/require.js'
import { folderOf, QUESTIONS } from './golden-pipelines.js'

const run = promisify(execFile)

async function example(name: string, ...args: string[]): Promise<string[]> {
  const { stdout } = await run(process.execPath, [`examples/${name}.mjs`, ...args], { cwd: ROOT })
  return stdout.trimEnd().split('\n')
}

const EXAMPLES = [
  'feature-extraction', 'next-sentence', 'fill-mask', 'text-classification',
  'token-classification', 'question-answering', 'zero-shot-classification', 'rerank',
  'sentence-similarity',
] as const

describe('examples', () => {
  test('feature-extraction', async () => {
    const lines = await example('feature-extraction', 'fusebert-mini', 'I sleep.', 'Awake')
    expect(lines).toHaveLength(2)
    expect(lines[1]).toMatch(/^\[(-?0\.\d{4}, ){4}… 192 numbers\] {2}Awake$/)
  })

  test('next-sentence', async () => {
    // The golden model has no tokenizer.
    const folder = await mkdtemp(join(tmpdir(), 'fusebert-next-'))
    await cp(`${GOLDEN}/heads/next-sentence`, folder, { recursive: true })
    await writeFile(join(folder, 'vocab.txt'), '[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb')
    const lines = await example('next-sentence', folder, 'a', 'b', 'a')
    const model = await AutoModelForNextSentencePrediction.from_pretrained(folder)
    const { logits } = await model({
      input_ids: [[2, 5, 3, 6, 3], [2, 5, 3, 5, 3]],
      token_type_ids: [[0, 0, 0, 1, 1], [0, 0, 0, 1, 1]],
    })
    await model.dispose()
    await rm(folder, { recursive: true })
    const expected = logits.tolist<number[][]>().map(([follows, random]) => {
      const [one, other] = [Math.exp(follows!), Math.exp(random!)]
      return (one / (one + other)).toFixed(3)
    })
    expect(lines).toEqual([`${expected[0]}  b`, `${expected[1]}  a`])
  })

  test('fill-mask', async () => {
    const texts = ['Not a [MASK].', 'The [MASK] is a [MASK].']
    const lines = await example('fill-mask', folderOf('fill-mask'), ...texts)
    expect(lines).toHaveLength(3 + 2 * 3)
    expect(lines[0]).toMatch(/^0\.\d{3} {2}\S+ +not a/)
    expect(lines[3]).toMatch(/\[CLS\] the.*\[MASK\]\. \[SEP\]$/)
  })

  test('text-classification', async () => {
    const lines = await example('text-classification', folderOf('softmax'), 'I sleep.', 'Not I')
    expect(lines).toHaveLength(2 * 6)
    expect(lines[0]).toBe('I sleep.')
    expect(lines[1]).toMatch(/^ {2}0\.\d{3} {2}(joy|sadness|anger|fear|surprise)$/)
  })

  test('token-classification', async () => {
    const text = 'Zoë sleeps 🎉 in Łódź'
    const lines = await example('token-classification', folderOf('entities'), text, 'a')
    expect(lines[0]).toBe(text)
    const found = lines.slice(1, lines.indexOf('a'))
    expect(found.length).toBeGreaterThan(0)
    for (const line of found) {
      const [, name] = /^ {2}0\.\d{3} {2}(?:PER|LOC) +(.+)$/.exec(line) ?? []
      expect(text).toContain(name)
    }
  })

  test('question-answering', async () => {
    const context = 'Zoë sleeps 🎉 in Łódź'
    const lines = await example('question-answering', QUESTIONS, context, 'Who?', 'Is it?')
    expect(lines).toHaveLength(2 * 4)
    expect(lines[4]).toBe('Is it?')
    const [, answer, start, end] = /^ {2}\d\.\d{3} {2}(.+) {2}\[(\d+), (\d+)\)$/.exec(lines[1]!)!
    expect(context.slice(Number(start), Number(end))).toBe(answer)
  })

  test('zero-shot-classification', async () => {
    const folder = folderOf('entailment-last')
    const lines = await example('zero-shot-classification', folder, 'sleep, a day', 'I sleep.')
    expect(lines[0]).toBe('I sleep.')
    expect(lines.slice(1).map((line) => line.slice(9)).sort()).toEqual(['a day', 'sleep'])
  })

  test('rerank', async () => {
    const folder = `${GOLDEN}/sentence-transformers/cross-encoder`
    const lines = await example('rerank', folder, 'a day', 'I sleep.', 'not a lot')
    expect(lines.map((line) => line.slice(7)).sort()).toEqual(['I sleep.', 'not a lot'])
    expect(lines[0]! > lines[1]!).toBe(true)
  })

  test('sentence-similarity', async () => {
    const folder = `${GOLDEN}/sentence-transformers/bi-encoder`
    const lines = await example('sentence-similarity', folder, 'a day', 'I sleep.', 'a day')
    expect(lines[0]).toMatch(/^ {1,2}-?0\.\d{3} {2}I sleep\.$/)
    expect(lines[1]).toBe(' 1.000  a day')
  })

  test.each(EXAMPLES)('%s without a folder says how', async (name) => {
    await expect(example(name)).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`Usage: node examples/${name}.mjs`) as string,
    })
  })
})

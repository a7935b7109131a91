// fusebert fill-mask, classify, ner, qa, rerank and tokenize on the golden models: tables for a
// person, JSON for scripts, exit codes.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'

import { describe, expect, test } from 'vitest'

import { tableLines } from '../../lib/cli/printing.js'
import { scratch } from '../batch/fake.js'
import {
  callsOf,
  expectAnswer,
  folderOf,
  inUtf16,
  QUESTIONS,
  type GoldenCall,
} from '../pipelines/golden-pipelines.js'
import { GOLDEN, ROOT } from '../support/require.js'

const MAIN = `${ROOT}dist/cli/main.js`
const CROSS_ENCODER = `${GOLDEN}/sentence-transformers/cross-encoder`
const MODELS: Record<string, string> = {
  'fill-mask': folderOf('fill-mask'),
  classify: folderOf('softmax'),
  ner: folderOf('entities'),
  qa: QUESTIONS,
  rerank: CROSS_ENCODER,
}

function fusebert(args: string[], input = '') {
  const options = { encoding: 'utf8', input } as const
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], options)
  return { status, stdout, stderr, lines: stdout.trimEnd().split('\n') }
}

/** A command with the model that it needs. */
function task(name: string, ...args: string[]) {
  const model = MODELS[name]
  return fusebert([name, ...(model === undefined ? [] : ['--model', model]), ...args])
}

interface Row {
  index: number
  id: unknown
  result: unknown
}

const rowsOf = (lines: string[]): Row[] => lines.map((line) => JSON.parse(line) as Row)

describe('a table for a person', () => {
  test('columns stand under each other, and no text steers a terminal', () => {
    const rows = [['0.9', 'joy', 'a\u001b[31mb'], ['-0.10', '北京', 'c\nd']]
    expect(tableLines(rows, 1, Infinity)).toEqual(['  0.9  joy   a [31mb', '-0.10  北京  c d'])
    expect(tableLines(rows, 1, 12)).toEqual(['  0.9  joy …', '-0.10  北京…'])
    expect(tableLines([], 1, 80)).toEqual([])
  })

  test('fill-mask', () => {
    const { status, lines, stderr } = task('fill-mask', 'Not a [MASK].', '--top', '2')
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(lines).toHaveLength(2)
    expect(lines[0]).toMatch(/^0\.\d{3} {2}\S+ +not a/)
    const targets = task('fill-mask', '[MASK] [MASK]', '--targets', 'the, i')
    expect(targets.lines).toHaveLength(4)
    expect(targets.stdout).toMatch(/^0\.\d{3} {2}(the|i) /)
  })

  test('classify, with the texts above where there are several', () => {
    const one = task('classify', 'I sleep.')
    expect(one.lines).toHaveLength(5)
    expect(one.lines[0]).toMatch(/^0\.\d{3} {2}anger$/)
    const two = task('classify', 'I sleep.', 'Not', '--top', '1')
    expect(two.lines.map((line) => line.replace(/0\.\d{3}/, 'N'))).toEqual([
      'I sleep.', '  N  anger', 'Not', '  N  anger',
    ])
  })

  test('ner', () => {
    const text = 'The sleeping Zoë in Łódź'
    const { status, lines } = task('ner', text)
    expect(status).toBe(0)
    for (const line of lines) expect(line).toMatch(/^0\.\d{3} {2}(PER|LOC) {2}\S.* \d+–\d+$/)
    const windows = task('ner', `${text} `.repeat(40), '--stride', '0')
    expect({ status: windows.status, stderr: windows.stderr }).toEqual({ status: 0, stderr: '' })
    const tokens = task('ner', text, '--strategy', 'none')
    expect(tokens.stdout).toMatch(/[BI]-(PER|LOC)/)
  })

  test('qa', () => {
    const context = 'Zoë sleeps in Łódź.'
    const { status, lines } = task('qa', 'Who sleeps?', context, '--top', '2', '--impossible')
    expect(status).toBe(0)
    expect(lines).toHaveLength(2)
    const [, start, end] = /(\d+)–(\d+)$/.exec(lines[0]!)!
    expect(lines[0]).toContain(`  ${context.slice(Number(start), Number(end))}  `)
  })

  test('rerank', () => {
    const { status, lines } = task('rerank', 'a day', 'I sleep.', 'not a lot', 'a', '--top', '2')
    expect(status).toBe(0)
    expect(lines).toHaveLength(2)
    expect(lines[0]).toMatch(/^0\.\d{3} {2}text \d {2}\S/)
    expect(lines[0]!.slice(0, 5) >= lines[1]!.slice(0, 5)).toBe(true)
  })

  test('tokenize, with the model inside the package or another', () => {
    const { status, lines } = task('tokenize', 'I cannot sleep.')
    expect(status).toBe(0)
    expect(lines[0]).toMatch(/^ *\d+ {2}\[CLS\] +0–0$/)
    const other = task('tokenize', '--model', folderOf('softmax'), 'Zoë 🎉', '--no-special')
    expect(other.lines.map((line) => line.trim().split(/ {2,}/).slice(1))).toEqual([
      ['z', '0–1'], ['##o', '1–2'], ['##e', '2–3'], ['[UNK]', '4–6'],
    ])
  })
})

describe('JSON for scripts', () => {
  test('is what the pipeline returns, a line a record', () => {
    const [call] = callsOf('softmax').slice(4)
    const folder = scratch()
    const texts = call!.inputs as string[]
    const records = texts.map((text, i) => `p${i},${text}`)
    const csv = folder.write('in.csv', ['id,body', ...records].join('\n'))
    const { status, lines } = task(
      'classify', '--input', csv, '--column', 'body', '--json', '--top', '1',
    )
    expect(status).toBe(0)
    const rows = rowsOf(lines)
    expect(rows.map(({ index, id }) => [index, id])).toEqual(texts.map((_, i) => [i, `p${i}`]))
    const expected = call!.result as object[]
    rows.forEach(({ result }, i) => expectAnswer((result as object[])[0], expected[i]))
  })

  /** The call with these options. */
  const callOf = (name: string, options: object): GoldenCall =>
    callsOf(name).find((call) => isDeepStrictEqual(call.options, options))!

  test.each<[string, GoldenCall, string[]]>([
    ['fill-mask', callOf('fill-mask', {}), []],
    ['classify', callOf('softmax', { top_k: null }), []],
    ['ner', callOf('entities', { aggregation_strategy: 'simple' }), ['--strategy', 'simple']],
  ])('%s of a text argument is what Python gives', (name, { inputs, result }, options) => {
    const text = inputs as string
    const { status, lines } = task(name, text, ...options, '--json')
    expect(status).toBe(0)
    const [row, ...others] = rowsOf(lines)
    expect(others).toEqual([])
    expectAnswer(row!.result, inUtf16(text, result))
  })

  test('qa and rerank of text arguments are what Python gives', () => {
    const asked = JSON.parse(readFileSync(`${QUESTIONS}/expected.json`, 'utf8')) as {
      question: string; context: string; options: object; result: unknown
    }[]
    const { question, context, result } = asked.find(
      ({ options }) => isDeepStrictEqual(options, { top_k: 3 }),
    )!
    const answers = task('qa', question, context, '--top', '3', '--json')
    expectAnswer(rowsOf(answers.lines)[0]!.result, inUtf16(context, result))
    const ranking = JSON.parse(readFileSync(`${CROSS_ENCODER}/expected.json`, 'utf8')) as {
      query: string; documents: string[]; result: { index: number; score: number }[]
    }
    // An empty argument is no text.
    const documents = ranking.documents.map((text, index) => ({ text, index }))
      .filter(({ text }) => text !== '')
    const ranked = task('rerank', ranking.query, ...documents.map(({ text }) => text), '--json')
    const rows = rowsOf(ranked.lines) as (Row & { score: number })[]
    const wanted = ranking.result.filter(({ index }) => ranking.documents[index] !== '')
    expectAnswer(
      rows.map(({ index, score }) => ({ index: documents[index]!.index, score })),
      wanted.map(({ index, score }) => ({ index, score })),
    )
  })

  test.each<[string, string[], string]>([
    ['fill-mask', [], 'token_str'],
    ['ner', ['--strategy', 'none'], 'entity'],
    ['qa', ['Who?'], 'answer'],
    ['tokenize', [], 'ids'],
  ])('%s reads lines from a pipe', (name, args, key) => {
    const model = MODELS[name] ?? folderOf('fill-mask')
    const all = [name, '--model', model, ...args, '--input', '-', '--format', 'txt', '--json']
    const { status, stderr, lines } = fusebert(all, 'a [MASK] day\nthe [MASK]\n')
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    const rows = rowsOf(lines)
    expect(rows.map(({ index }) => index)).toEqual([0, 1])
    expect([rows[0]!.result].flat()[0]).toHaveProperty(key)
  })

  test('rerank keeps the best of a file', () => {
    const input = scratch().write('in.jsonl', ['I sleep.', 'not a lot', 'a day'].map((text, i) =>
      JSON.stringify({ id: i + 10, text })).join('\n'))
    const { lines } = task('rerank', 'a day', '--input', input, '--json', '--top', '2')
    interface Ranked extends Row {
      score: number
    }
    const rows = rowsOf(lines) as Ranked[]
    expect(rows).toHaveLength(2)
    expect(rows[0]!.score).toBeGreaterThan(rows[1]!.score)
    for (const { index, id } of rows) expect(id).toBe(index + 10)
  })

  test('an invalid record ends it with its line, or is null', () => {
    const input = scratch().write('in.jsonl', '{"text":"a"}\n{"text":""}\n{"text":"b"}\n')
    const strict = task('classify', '--input', input, '--json')
    expect(strict.status).toBe(1)
    expect(strict.stderr).toContain('on line 2')
    const loose = task('classify', '--input', input, '--json', '--skip-invalid')
    expect(loose.status).toBe(0)
    expect(loose.stderr).toBe('fusebert: 1 of 3 records had no usable text\n')
    expect(rowsOf(loose.lines).map(({ result }) => result === null)).toEqual([false, true, false])
  })

  // More than a chunk, so that the number in the chunk is neither the record's nor its line.
  const csv = (last: string, text: string): string =>
    `body\n${`${text}\n`.repeat(600)}${last}\n${text}\n`

  test.each<[string, string[], string, string, RegExp]>([
    ['fill-mask', [], 'confidential', 'a [MASK]', /Expected \[MASK\] in it.* is wanted\. /],
    ['qa', ['Who?'], '" "', 'Zoë.', /Expected a context with a token/],
  ])('%s names the line of a text that it refuses', (name, args, last, text, message) => {
    const input = scratch().write('in.csv', csv(last, text))
    const all = [...args, '--input', input, '--column', 'body', '--json']
    const strict = task(name, ...all)
    expect(strict.status).toBe(1)
    expect(strict.stderr).toMatch(message)
    expect(strict.stderr).toMatch(/^fusebert: Text on line 602 of .*in\.csv: /)
    expect(strict.stderr).toMatch(/ --skip-invalid\. \[ERR_INPUT_RECORD\]\n$/)
    expect(strict.stderr).not.toContain('confidential')
    const loose = task(name, ...all, '--skip-invalid')
    expect(loose.stderr).toBe('fusebert: 1 of 602 records had no usable text\n')
    expect(loose.status).toBe(0)
    const rows = rowsOf(loose.lines)
    expect(rows.map(({ index }) => index)).toEqual(Array.from({ length: 602 }, (_, i) => i))
    expect(rows.flatMap(({ index, result }) => (result === null ? [index] : []))).toEqual([600])
  })

  test('nothing but texts that are refused', () => {
    const { status, stdout, stderr } = task('fill-mask', 'a', 'b', 'c', '--skip-invalid')
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' })
    expect(stderr).toBe('fusebert: 3 of 3 records had no usable text\n')
  })

  test('a long input is answered without a warning', () => {
    // As many chunks as would listen to the output too often, of 512 texts each.
    const { status, stderr, lines } = fusebert(
      ['tokenize', '--input', '-', '--format', 'txt', '--json', '--no-special'],
      'a\n'.repeat(512 * 12),
    )
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(lines).toHaveLength(512 * 12)
  })

  test('what was cut is counted', () => {
    const { stderr } = task('classify', 'a '.repeat(100))
    expect(stderr).toMatch(/1 of 1 text was longer than 40 tokens and was truncated/)
  })
})

describe('wrong usage', () => {
  test.each([...Object.keys(MODELS), 'tokenize'])('%s has help and examples', (name) => {
    const { status, stdout } = fusebert([name, '--help'])
    expect(status).toBe(0)
    expect(stdout).toContain('Examples:')
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(100)
  })

  test.each<[string, string[], RegExp]>([
    ['no texts', ['classify', '--model', 'm'], /expected texts, or an input/],
    ['both', ['ner', '--model', 'm', 'a', '--input', 'x.txt'], /not both/],
    ['no model', ['classify', 'a'], /required option '--model <folder>'/],
    ['no question', ['qa', '--model', 'm'], /missing required argument 'question'/],
    ['an unknown strategy', ['ner', '--model', 'm', 'a', '--strategy', 'all'], /Allowed choices/],
    ['another format', ['classify', '--model', 'm', '--input', 'x.doc'], /--format/],
    ['a text without a mask', ['fill-mask', '--model', MODELS['fill-mask']!, 'a'], /\[MASK\]/],
    [
      'too few tokens for a question',
      ['qa', '--model', MODELS['qa']!, '--max-length', '3', 'a', 'b'],
      /Expected an integer from \d+ to \d+ for --max-length but received 3\./,
    ],
    [
      'too few tokens for a query',
      ['rerank', '--model', CROSS_ENCODER, '--max-length', '2', 'a', 'b'],
      / for --max-length but received 2\./,
    ],
    [
      'a stride without entities',
      ['ner', '--model', MODELS['ner']!, '--strategy', 'none', '--stride', '3', 'a'],
      /Expected one of 'simple', .*'max' for --strategy with a stride but received "none"\./,
    ],
    ['a stride', ['ner', '--model', MODELS['ner']!, '--stride', '9999', 'a'], / for --stride but/],
    ['no number', ['ner', '--model', MODELS['ner']!, '--stride', '-1', 'a'], /--stride/],
  ])('%s ends with 2', (_, args, message) => {
    const { status, stdout, stderr } = fusebert(args)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toMatch(message)
  })

  test('a question that leaves no room: options are those of the command', () => {
    const { status, stderr } = task('qa', 'a '.repeat(20), 'b', '--max-length', '20')
    expect(status).toBe(1)
    expect(stderr).toMatch(
      /Raise --max-length or ask a shorter question\. \[ERR_INPUT_TOO_LONG\]\n$/,
    )
  })

  test('a model without the head says what it has', () => {
    const { status, stderr } = fusebert(['ner', '--model', MODELS['fill-mask']!, 'confidential'])
    expect(status).toBe(1)
    expect(stderr).toMatch(/masked-lm.*\[ERR_TENSOR_MISSING\]/)
    expect(stderr).not.toContain('confidential')
  })
})

// fusebert similar: its lines, and the whole command with the embedded model.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

import stringWidth from 'string-width'
import { describe, expect, test } from 'vitest'

import type { SimilarText } from '../../lib/batch/find-similar.js'
import { matchJson, matchLines } from '../../lib/cli/similar.js'
import { scratch } from '../batch/fake.js'
import { available, GOLDEN, ROOT } from '../support/require.js'

const MAIN = `${ROOT}dist/cli/main.js`
const POSTS = `${ROOT}examples/posts.jsonl`

function similar(...args: string[]) {
  const options = { encoding: 'utf8' } as const
  const all = [MAIN, 'similar', ...args]
  const { status, stdout, stderr } = spawnSync(process.execPath, all, options)
  return { status, stdout, stderr }
}

function match(more: Partial<SimilarText> = {}): SimilarText {
  return { score: 0.7125, index: 1, line: 2, id: '"p02"', text: 'Some text.', ...more }
}

describe('lines', () => {
  test('score, id or line, text', () => {
    const nearest = [match(), match({ score: -0.04, id: null, line: 1234, text: 'Other.' })]
    expect(matchLines(nearest, Infinity, 'line')).toEqual([
      ' 0.713  p02        Some text.',
      '-0.040  line 1234  Other.',
    ])
    expect(matchLines([], 80, 'line')).toEqual([])
  })

  test('are cut to the width of a terminal, between characters', () => {
    const wide = match({ text: '🙂'.repeat(100) })
    for (const columns of [20, 21]) {
      const [line = ''] = matchLines([wide], columns, 'line')
      expect(line).toBe(` 0.713  p02  ${'🙂'.repeat(3)}…`)
    }
    expect(matchLines([match({ text: '🙂' })], 15, 'line')).toEqual([' 0.713  p02  🙂'])
    expect(matchLines([match({ text: '北京' })], 16, 'line')).toEqual([' 0.713  p02  北…'])
    const family = '👨\u200d👩\u200d👧'
    expect(matchLines([match({ text: `${family} abc` })], 17, 'line')[0]).toContain(family)
  })

  test('nothing in a text or an id can steer a terminal', () => {
    const text = 'a\u001b[31mred\r\nb\u0007\u009b2J\u202ereversed\u2066'
    const id = JSON.stringify('x\u001b]0;t\u0007\u009b')
    const [line = ''] = matchLines([match({ text, id })], Infinity, 'line')
    expect(line).not.toMatch(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/u)
    expect(line).toContain('red b')
    const json = matchJson(match({ text: `${text}\u007f`, id: '"\u009b"' }))
    expect(json).not.toMatch(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/u)
    expect(JSON.parse(json)).toMatchObject({ text: `${text}\u007f`, id: '\u009b' })
  })

  test('ids are what they say, and leave room for the text', () => {
    const long = match({ id: JSON.stringify('x'.repeat(500)) })
    const lines = matchLines([match({ id: '"a\\"b"' }), long, match({ id: '12' })], 60, 'line')
    expect(lines[0]).toBe(` 0.713  a"b${' '.repeat(21)}  Some text.`)
    expect(lines[1]).toBe(` 0.713  ${'x'.repeat(23)}…  Some text.`)
    expect(lines[2]).toMatch(/ 12 {24}Some text\.$/)
  })

  test('as JSON they are whole, ids with all their digits', () => {
    const text = 'say "a"\nb'
    const parsed = JSON.parse(matchJson(match({ text, id: null }))) as unknown
    expect(parsed).toEqual({ score: 0.7125, index: 1, id: null, text })
    expect(matchJson(match({ id: '12345678901234567890' }))).toContain('"id":12345678901234567890,')
  })
})

describe('with the embedded model', () => {
  test('a newcomer sees meaning', () => {
    const { status, stdout, stderr } = similar('I cannot sleep', '--input', POSTS)
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    const lines = stdout.trimEnd().split('\n')
    expect(lines).toHaveLength(5)
    expect(lines.slice(0, 3).join('\n')).toMatch(/p01 .*I finally slept through the night/)
    const scores = lines.map((line) => Number(line.slice(0, 6)))
    expect(scores).toEqual([...scores].sort((a, b) => b - a))
    expect(scores.every((score) => score > -1 && score < 1)).toBe(true)
    // What the README shows is what it prints, cut to a narrow terminal.
    const shown = /similar "I cannot sleep"[^`]*```\n\n```\n([^`]*)```/.exec(
      readFileSync(`${ROOT}README.md`, 'utf8'),
    )
    const expected = shown?.[1]?.trimEnd().split('\n').map((line) => line.replace(/…$/, ''))
    expect(expected).toHaveLength(5)
    expected?.forEach((line, i) => expect(lines[i]?.startsWith(line)).toBe(true))
  })

  test('a text is nearest to itself, from any format, piped, with --json', () => {
    const folder = scratch()
    const texts = ['alpha beta', 'the cat sat', 'gamma delta', 'rain in May']
    const records = texts.map((text, i) => `${i},${text}`)
    const csv = folder.write('in.csv', ['id,body', ...records].join('\n'))
    const json = similar('the cat sat', '--input', csv, '--column', 'body', '--top', '2', '--json')
    expect(json.stderr).toBe('')
    const rows = json.stdout.trimEnd().split('\n').map((line) => JSON.parse(line) as SimilarText)
    expect(rows).toHaveLength(2)
    expect(rows[0]).toMatchObject({ index: 1, id: '1', text: 'the cat sat' })
    expect(rows[0]!.score).toBeCloseTo(1, 5)
    const [other, best] = ['alpha beta', 'the cat sat']
    const spoken = similar('the cat sat', other!, best!)
    expect(spoken).toMatchObject({ status: 0, stderr: '' })
    expect(spoken.stdout.split('\n')[0]).toBe(' 1.000  text 2  the cat sat')
    expect(spoken.stdout.split('\n')[1]).toMatch(/^ [-\d.]+ {2}text 1 {2}alpha beta$/)
    const command = `printf 'alpha beta\\nthe cat sat\\n' | ${process.execPath} ${MAIN} similar ` +
      "'the cat sat' --input - --format txt | head -1"
    const piped = spawnSync('sh', ['-c', command], { encoding: 'utf8' })
    expect(piped.stderr).toBe('')
    expect(piped.stdout).toBe(' 1.000  line 2  the cat sat\n')
  })

  test('with a model of one’s own, the cosines that Python gives', () => {
    const model = `${GOLDEN}/sentence-transformers/bi-encoder`
    const { sources, sentences, result } = JSON.parse(
      readFileSync(`${model}/expected.json`, 'utf8'),
    ) as { sources: string[]; sentences: string[]; result: number[][] }
    const expected = sentences.map((text, i) => ({ text, score: result[0]![i]! }))
      .filter(({ text }) => text !== '') // no record's text is empty
    const rows = expected.map(({ text }) => JSON.stringify({ text }))
    const input = scratch().write('in.jsonl', rows.join('\n'))
    const args = ['--model', model, '--input', input, '--top', '10', '--json']
    const { status, stdout } = similar(sources[0]!, ...args)
    expect(status).toBe(0)
    const nearest = stdout.trimEnd().split('\n').map((line) => JSON.parse(line) as SimilarText)
    expected.sort((a, b) => b.score - a.score)
    expect(nearest.map(({ text }) => text)).toEqual(expected.map(({ text }) => text))
    nearest.forEach(({ score }, i) => expect(score).toBeCloseTo(expected[i]!.score, 5))
  })

  test('a long query is cut, and said to be', () => {
    const { status, stderr } = similar('word '.repeat(400), '--input', POSTS)
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: 'fusebert: the query is longer than the model reads and was truncated\n',
    })
  })

  test('a standard output that is closed or full is a failure, a reader that left is not', () => {
    const command = `${process.execPath} ${MAIN} similar word --top 10000 --json --input`
    const big = scratch().write('in.txt', `${'word '.repeat(8)}\n`.repeat(5000))
    const shell = (line: string) => spawnSync('bash', ['-c', line], { encoding: 'utf8' })
    const closed = shell(`${command} ${POSTS} >&-`)
    expect(closed.status).toBe(1)
    expect(closed.stderr).toMatch(/\[ERR_OUTPUT_WRITE\]\n$/)
    const full = shell(`${command} ${POSTS} > /dev/full`)
    expect(full.status).toBe(1)
    expect(full.stderr).toMatch(/\[ERR_OUTPUT_WRITE\]\n$/)
    const left = shell(`set -o pipefail; ${command} ${big} | head -1`)
    expect(left).toMatchObject({ status: 0, stderr: '' })
    expect(left.stdout.trimEnd().split('\n')).toHaveLength(1)
  })

  test.skipIf(!available('script'))('fits the terminal', () => {
    const command = `stty cols 60; ${process.execPath} ${MAIN} similar tired --input ${POSTS}`
    const { stdout } = spawnSync('script', ['-qec', command, '/dev/null'], { encoding: 'utf8' })
    const lines = stdout.trimEnd().split(/\r?\n/)
    expect(lines).toHaveLength(5)
    expect(lines.every((line) => stringWidth(line) <= 60)).toBe(true)
    expect(lines.some((line) => line.endsWith('…'))).toBe(true)
  })

  test('invalid records end it or are passed over; long ones are counted', () => {
    const folder = scratch()
    const long = 'word '.repeat(400)
    const input = folder.write('in.jsonl', `{"text":"a"}\n{"text":null}\n{"text":"${long}"}\n`)
    const stopped = similar('a', '--input', input)
    expect(stopped).toMatchObject({ status: 1, stdout: '' })
    expect(stopped.stderr).toMatch(/line 2 .* pass over such records .*\[ERR_INPUT_RECORD\]\n$/)
    const passed = similar('a', '--input', input, '--skip-invalid')
    expect(passed.status).toBe(0)
    expect(passed.stdout.trimEnd().split('\n')).toHaveLength(2)
    expect(passed.stderr).toBe(
      'fusebert: 1 of 2 texts was longer than 256 tokens and was truncated\n' +
        'fusebert: 1 of 3 records had no usable text\n',
    )
  })

  test.each([
    ['no query', ['--input', POSTS], 2, /missing required argument 'query'/],
    ['an empty query', ['', '--input', POSTS], 2, /not empty/],
    ['a blank query', [' ', '--input', POSTS], 2, /ERR_INVALID_ARGUMENT/],
    ['no texts', ['q'], 2, /expected texts, or an input with option '--input <file>'/],
    ['no results', ['q', '--input', POSTS, '--top', '0'], 2, /positive integer/],
    ['too many results', ['q', '--input', POSTS, '--top', '99999'], 2, /top/],
    ['a misspelt option', ['q', '--inputs', POSTS], 2, /unknown option '--inputs'/],
    ['texts twice', ['q', 'r', '--input', POSTS], 2, /'--input <file>', not both/],
    ['no file', ['q', '--input', 'none.txt'], 1, /ERR_FILE_NOT_FOUND/],
    ['no model', ['q', '--input', POSTS, '--model', 'none'], 1, /ERR_FILE_NOT_FOUND/],
  ] as const)('%s', (_, args, status, message) => {
    const result = similar(...args)
    expect(result).toMatchObject({ status, stdout: '' })
    expect(result.stderr).toMatch(message)
  })

  test('its help says what the model is for', () => {
    const { status, stdout } = similar('--help')
    expect(status).toBe(0)
    expect(stdout).toMatch(/default:\s+"fusebert-mini"/)
    expect(stdout).toMatch(/no psychiatric diagnosis/)
  })
})

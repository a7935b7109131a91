// The command line with real models: MiniLM's vectors against the reference, the rest with the
// model that comes along.
import { spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

import { describe, expect, test } from 'vitest'

import { readNpy, readRows, scratch } from '../batch/fake.js'
import { available, MINILM, ROOT, SHARED } from '../support/require.js'

const MAIN = `${ROOT}/dist/cli/main.js`
const REFERENCE = `${SHARED}/reference/minilm.jsonl`
const POSTS = `${ROOT}/examples/posts.jsonl`

/** fp32 against the reference, which has 7 significant digits. */
const TOLERANCE = 1e-5
/** Of the embedded model. */
const HIDDEN = 192
/** Like `truncated` in the reference: texts longer than this are cut. */
const MAX_LENGTH = 256

function embed(input: string, output: string, ...more: string[]) {
  const args = [MAIN, 'embed', '--input', input, '--output', output, ...more]
  const options = { encoding: 'utf8', maxBuffer: 1 << 28 } as const
  const { status, stdout, stderr } = spawnSync(process.execPath, args, options)
  return { status, stdout, stderr }
}

const posts = (): { id: string; text: string }[] =>
  readFileSync(POSTS, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { id: string; text: string })

describe.skipIf(!available('shared'))('with MiniLM', () => {
  test('vectors are those of the reference', () => {
    const reference = readFileSync(REFERENCE, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { text: string; ids: number[]; embedding: number[] })
    const folder = scratch()
    const output = folder.path('out.npy')
    const { status, stderr } = embed(REFERENCE, output, '--skip-invalid', '--model', MINILM)
    expect({ status, stderr }).toMatchObject({ status: 0 })
    const { shape, rows } = readNpy(output)
    expect(shape).toEqual([reference.length, 384])
    reference.forEach(({ text, embedding }, i) => {
      if (text === '') return expect(rows[i]).toEqual(embedding.map(() => NaN))
      const worst = Math.max(...embedding.map((value, k) => Math.abs(value - rows[i]![k]!)))
      expect(worst).toBeLessThan(TOLERANCE)
    })
    const truncated = reference.filter(({ ids }) => ids.length > MAX_LENGTH).length
    expect(stderr).toContain(`${truncated} of `)
    expect(stderr).toContain(`longer than ${MAX_LENGTH} tokens`)
  })
})

describe('with the embedded model', () => {
  describe.skipIf(!available('script'))('on a terminal', () => {
    /** What the command draws on its terminal. */
    const drawn = (...more: string[]): string => {
      const folder = scratch()
      const line = 'Neither long nor short, a line of text.\n'
      const input = folder.write('in.txt', line.repeat(40_000))
      const args = [MAIN, 'embed', '--input', input, '--output', folder.path('o.npy'), ...more]
      const command = [process.execPath, ...args].map((arg) => `'${arg}'`).join(' ')
      const { status, stdout } = spawnSync('script', ['-qec', command, '/dev/null'], {
        encoding: 'utf8',
      })
      expect(status).toBe(0)
      return stdout
    }

    test('a bar with texts/s, tokens/s and the time left', () => {
      expect(drawn()).toMatch(/\[=+-+\] \d+% \| .* texts \| .* texts\/s \| .* tokens\/s \| .* left/)
    })

    test('none with --no-progress', () => {
      expect(drawn('--no-progress')).not.toMatch(/ left/)
    })
  })

  test('.npy and .jsonl hold the same float32', () => {
    const folder = scratch()
    const output = folder.path('out.npy')
    expect(embed(POSTS, output).status).toBe(0)
    const { status, stdout, stderr } = embed(POSTS, '-', '--with-text')
    expect({ status, stderr }).toMatchObject({ status: 0 })
    const rows = readRows(stdout)
    expect(rows.map(({ id, text }) => ({ id, text }))).toEqual(posts())
    const numbers = rows.map((row) => (row.embedding as number[]).map(Math.fround))
    expect(numbers).toEqual(readNpy(output).rows)
  })

  test('without pooling a row has a vector per token', () => {
    const { status, stdout } = embed(POSTS, '-', '--pooling', 'none', '--max-length', '8')
    expect(status).toBe(0)
    for (const { embedding } of readRows(stdout)) {
      const matrix = embedding as number[][]
      expect(matrix.length).toBeLessThanOrEqual(8)
      expect(matrix.every((row) => row.length === HIDDEN)).toBe(true)
    }
  })

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s in the middle of a call leaves nothing', async (signal, code) => {
    const folder = scratch()
    const text = posts()
      .map((post) => post.text)
      .join(' ')
    const input = folder.write('in.txt', `${text}\n`.repeat(6000))
    const args = ['embed', '--input', input, '--output', folder.path('o.npy')]
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: 'ignore' })
    const end = new Promise((resolve) => child.on('exit', resolve))
    const started = (): boolean => folder.list().some((name) => name.endsWith('.tmp'))
    for (let i = 0; i < 1000 && !started(); i += 1) await sleep(10)
    await sleep(300)
    const begin = performance.now()
    child.kill(signal)
    expect(await end).toBe(code)
    expect(performance.now() - begin).toBeLessThan(8000)
    expect(folder.list()).toEqual(['in.txt'])
  })

  test('what is wrong with a model or its options', () => {
    const folder = scratch()
    const output = folder.path('out.npy')
    const missing = spawnSync(
      process.execPath,
      [MAIN, 'embed', '--model', folder.path('none'), '--input', POSTS, '--output', output],
      { encoding: 'utf8' },
    )
    expect(missing.status).toBe(1)
    expect(missing.stderr).toMatch(/^fusebert: .* \[ERR_FILE_NOT_FOUND\]\n$/)
    const long = embed(POSTS, output, '--max-length', '100000')
    expect(long.status).toBe(2)
    expect(long.stderr).toMatch(/^fusebert: .*max_length.* \[ERR_INVALID_ARGUMENT\]\n$/)
    expect(folder.list()).toEqual([])
  })
})

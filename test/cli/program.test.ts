// The command line as a function, on a fake pipeline: options, messages, exit codes.
import { Writable } from 'node:stream'

import { describe, expect, test } from 'vitest'

import { summaryLines } from '../../lib/cli/embed.js'
import { runProgram } from '../../lib/cli/program.js'
import { progressLine } from '../../lib/cli/progress.js'
import type { LoadPipeline } from '../../lib/cli/shared-options.js'
import { duration } from '../../lib/cli/format.js'
import { Stopped } from '../../lib/cli/context.js'
import { FusebertError } from '../../lib/errors.js'
import { fakeEmbedder, readNpy, scratch, type FakeOptions } from '../batch/fake.js'

class Terminal extends Writable {
  content = ''
  isTTY = false
  columns = 100
  override _write(bytes: Buffer, _: string, done: () => void): void {
    this.content += bytes.toString()
    done()
  }
}

interface Run {
  code: number
  stderr: string
  loads: Parameters<LoadPipeline>[]
  disposed: number
}

async function run(args: string[], fake: FakeOptions & { tty?: boolean } = {}): Promise<Run> {
  const stderr = new Terminal()
  stderr.isTTY = fake.tty ?? false
  const result: Run = { code: -1, stderr: '', loads: [], disposed: 0 }
  const load = async (...given: Parameters<LoadPipeline>) => {
    result.loads.push(given)
    return Object.assign(fakeEmbedder(fake), {
      dispose: async () => {
        result.disposed += 1
      },
    })
  }
  const context = {
    signal: new AbortController().signal,
    stderr: stderr as unknown as NodeJS.WriteStream,
    beforeExit: () => () => undefined,
  }
  result.code = await runProgram(args, context, load as unknown as LoadPipeline)
  result.stderr = stderr.content
  return result
}

function job(content = 'a\nb\nc\n') {
  const folder = scratch()
  const output = folder.path('out.npy')
  const input = folder.write('in.txt', content)
  const args = ['embed', '--model', 'm', '--input', input, '--output', output]
  return { args, output, ...folder }
}

describe('a job', () => {
  test('writes its output and one line in a pipe', async () => {
    const { args, output } = job()
    const { code, stderr, loads, disposed } = await run(args)
    expect(code).toBe(0)
    expect(stderr.replace(/[0-9.,]+(?= s:| [a-z]+\/s)/g, '#')).toBe(
      'fusebert: embedded 3 texts (9 tokens) in # s: # texts/s, # tokens/s\n',
    )
    expect(readNpy(output).shape[0]).toBe(3)
    expect(loads).toMatchObject([['m', { device: 'auto', dtype: 'auto' }]])
    expect(disposed).toBe(1)
  })

  test('hands its options on', async () => {
    const { args } = job()
    const more = ['--threads', '2', '--batch-tokens', '512', '--device', 'cpu', '--dtype', 'fp32']
    const { code, loads } = await run([...args, ...more])
    expect(code).toBe(0)
    const options = { threads: 2, max_batch_tokens: 512, device: 'cpu', dtype: 'fp32' }
    expect(loads[0]?.[1]).toMatchObject(options)
  })

  test('says which pooling it takes when the model does not', async () => {
    const { args } = job()
    const notice = 'using --pooling mean'
    const plain = { from_sentence_transformers: false }
    expect((await run(args, plain)).stderr).toContain(notice)
    expect((await run([...args, '--pooling', 'cls'], plain)).stderr).not.toContain(notice)
    expect((await run(args)).stderr).not.toContain(notice)
  })

  test('counts what was truncated and what was skipped', async () => {
    const { args } = job('a\n\nb\n')
    const more = ['--skip-invalid', '--max-length', '16']
    const { stderr } = await run([...args, ...more], { truncated: 1 })
    expect(stderr).toContain('1 of 2 texts was longer than 16 tokens and was truncated\n')
    expect(stderr).toContain('1 of 3 records had no usable text\n')
    const summary = {
      records: 1000, invalid: 0, tokens: 5, truncated: 3, hidden_size: 4, output_closed: false,
    }
    expect(summaryLines(summary, 1000, 256)[0]).toBe(
      '3 of 1,000 texts were longer than 256 tokens and were truncated',
    )
  })

  test('draws a bar on a terminal only, and cleans it up', async () => {
    const { args } = job()
    const escape = '\x1b['
    expect((await run(args)).stderr).not.toContain(escape)
    expect((await run(args, { tty: true })).stderr).toContain(escape)
    expect((await run([...args, '--no-progress'], { tty: true })).stderr).not.toContain(escape)
  })

  test('that fails says how and leaves nothing', async () => {
    const { args, list } = job('a\n\nprivate\n')
    const { code, stderr, disposed } = await run(args)
    expect(code).toBe(1)
    expect(stderr).toMatch(/^fusebert: Expected .* on line 2 of .* \[ERR_INPUT_RECORD\]\n$/)
    expect(stderr).not.toContain('private')
    expect(disposed).toBe(1)
    expect(list()).toEqual(['in.txt'])
  })

  test('exit codes and messages of other failures', async () => {
    const failures: [Error, number, RegExp][] = [
      [new FusebertError('ERR_CONFIG', 'No.'), 1, /^fusebert: No\. \[ERR_CONFIG\]$/m],
      [new FusebertError('ERR_INVALID_ARGUMENT', 'No.'), 2, /ERR_INVALID_ARGUMENT/],
      [new Error('quotes a text'), 1, /^fusebert: An unexpected Error; .*\[ERR_INTERNAL\]\n$/],
      [new Stopped('SIGINT'), 130, /^fusebert: stopped by SIGINT\n$/],
      [new Stopped('SIGTERM'), 143, /SIGTERM/],
    ]
    for (const [error, code, message] of failures) {
      const result = await run(job().args, { delay: () => Promise.reject(error) })
      expect(result.code).toBe(code)
      expect(result.stderr).toMatch(message)
      expect(result.stderr).not.toContain('    at ')
    }
  })
})

describe('wrong usage ends with 2 before a model is loaded', () => {
  const { args } = job()
  const cases: [string, string[]][] = [
    ['an unknown option', [...args, '--nope']],
    ['an unknown command', ['nope']],
    ['an extra argument', [...args, 'extra']],
    ['no input', ['embed']],
    ['an empty model', ['embed', '--model', '', '--input', '-', '--output', '-']],
    ...['0', '-1', '1.5', '1e3', 'x', '', ' 5', '0x10', '99999999999'].flatMap((number) =>
      ['--max-length', '--threads', '--batch-tokens'].map((option): [string, string[]] => {
        return [`${option} '${number}'`, [...args, option, number]]
      }),
    ),
    ['a pooling', [...args, '--pooling', 'sum']],
    ['a device', [...args, '--device', 'tpu']],
    ['a dtype', [...args, '--dtype', 'fp64']],
    ['a format', [...args, '--format', 'xml']],
  ]
  test.each(cases)('%s', async (_, given) => {
    const { code, stderr, loads } = await run(given)
    expect(code).toBe(2)
    expect(stderr).toMatch(/^fusebert: /)
    expect(loads).toEqual([])
  })

  test.each([
    ['pooling none into .npy', ['--pooling', 'none']],
    ['text into .npy', ['--with-text']],
    ['a field of .txt', ['--field', 'x']],
    ['a column of .txt', ['--column', 'x']],
  ])('%s', async (_, more) => {
    const { code, stderr, loads } = await run([...job().args, ...more])
    expect(code).toBe(2)
    expect(stderr).toMatch(/^fusebert: Expected .*\[ERR_INVALID_ARGUMENT\]\n$/)
    expect(loads).toEqual([])
  })

  test('a missing input is a failure, not wrong usage', async () => {
    const { code, loads } = await run([...args.slice(0, 4), 'missing.txt', ...args.slice(5)])
    expect(code).toBe(1)
    expect(loads).toEqual([])
  })
})

test('the words of a bar', () => {
  const progress = { records: 1200, tokens: 36_000, bytes_done: 250, size_bytes: 1000 }
  const known = progressLine(progress, 2000)
  expect(known).toBe('1,200 texts | 600 texts/s | 18,000 tokens/s | 6.0 s left')
  const unknown = progressLine({ ...progress, size_bytes: null }, 2000)
  expect(unknown).toBe('1,200 texts | 600 texts/s | 18,000 tokens/s')
  expect([59_949, 60_000, 3_599_000, 7_500_000].map(duration)).toEqual([
    '59.9 s', '1 min 0 s', '59 min 59 s', '2 h 5 min',
  ])
})

// Whole jobs on a fake pipeline: order, bounds, invalid records, failures that leave nothing.
import { linkSync, readFileSync } from 'node:fs'
import { Writable } from 'node:stream'

import { describe, expect, test } from 'vitest'

import { embedFile, type EmbedFileProgress } from '../../lib/batch/embed-file.js'
import { MAX_IN_FLIGHT } from '../../lib/batch/embed-records.js'
import { planEmbedFile } from '../../lib/batch/plan.js'
import { fakeEmbedder, HIDDEN, readNpy, readRows, scratch, vectorOf } from './fake.js'

const texts = (count: number): string[] => Array.from({ length: count }, (_, i) => `text ${i} é`)
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const limits = { max_texts: 8, max_chars: 1000 }

/** Keeps what is written; `ready` holds up each write. */
class Sponge extends Writable {
  content = ''
  constructor(private readonly ready: () => Promise<void> = () => Promise.resolve()) {
    super()
  }
  override _write(bytes: Buffer, _: string, done: (error?: Error | null) => void): void {
    this.content += bytes.toString()
    this.ready().then(() => done(), done)
  }
}

describe('rows', () => {
  test('are in the order of the records, whichever answer comes first', async () => {
    const folder = scratch()
    const list = texts(100)
    const input = folder.write('in.txt', list.join('\n'))
    const embed = fakeEmbedder({ delay: (call) => sleep(call % 3 === 0 ? 15 : 1) })
    const output = folder.path('out.npy')
    const summary = await embedFile(embed, { input, output }, { limits })
    expect(readNpy(output)).toEqual({ shape: [100, HIDDEN], rows: list.map(vectorOf) })
    expect(summary).toEqual({
      records: 100, invalid: 0, tokens: 300, truncated: 0, hidden_size: HIDDEN,
      output_closed: false,
    })
    expect(folder.list()).toEqual(['in.txt', 'out.npy'])
  })

  test('carry index, id and, on request, text', async () => {
    const folder = scratch()
    const content = '{"id":"a","text":"x"}\n{"text":"ÿ😀"}\n{"id":3,"text":"z"}\n'
    const input = folder.write('in.jsonl', content)
    const output = folder.path('out.jsonl')
    await embedFile(fakeEmbedder(), { input, output, with_text: true })
    expect(readRows(readFileSync(output, 'utf8'))).toEqual([
      { index: 0, id: 'a', embedding: vectorOf('x'), text: 'x' },
      { index: 1, embedding: vectorOf('ÿ😀'), text: 'ÿ😀' },
      { index: 2, id: 3, embedding: vectorOf('z'), text: 'z' },
    ])
    await embedFile(fakeEmbedder(), { input, output })
    expect(readRows(readFileSync(output, 'utf8')).some((row) => 'text' in row)).toBe(false)
  })

  test('are matrices without pooling', async () => {
    const folder = scratch()
    const input = folder.write('in.txt', 'a\nbc\n')
    const stdout = new Sponge()
    await embedFile(fakeEmbedder(), { input, output: '-', pooling: 'none' }, { stdout })
    const rows = readRows(stdout.content)
    expect(rows.map((row) => row.embedding)).toEqual([
      [vectorOf('a'), vectorOf('a')],
      [vectorOf('bc'), vectorOf('bc')],
    ])
  })

  test('of a CSV with quoted newlines and a byte order mark', async () => {
    const folder = scratch()
    const input = folder.write('in.csv', '\ufefftext,id\r\n"a\r\nb",1\r\nc,2\r\n')
    const stdout = new Sponge()
    await embedFile(fakeEmbedder(), { input, output: '-' }, { stdout })
    expect(readRows(stdout.content)).toEqual([
      { index: 0, id: '1', embedding: vectorOf('a\r\nb') },
      { index: 1, id: '2', embedding: vectorOf('c') },
    ])
  })
})

describe('requests', () => {
  test('are bounded in texts, in characters and in number', async () => {
    const folder = scratch()
    const list = [...texts(50), 'x'.repeat(2000), ...texts(20)]
    const input = folder.write('in.txt', list.join('\n'))
    const embed = fakeEmbedder({ delay: () => sleep(2) })
    await embedFile(embed, { input, output: folder.path('out.npy') }, { limits })
    for (const { texts: chunk } of embed.calls) {
      expect(chunk.length).toBeLessThanOrEqual(limits.max_texts)
      if (chunk.length > 1) expect(chunk.join('').length).toBeLessThanOrEqual(limits.max_chars)
    }
    expect(embed.calls.flatMap((call) => call.texts)).toEqual(list)
    expect(embed.most_running).toBe(MAX_IN_FLIGHT)
  })

  test('stop while a reader is slow: nothing piles up', async () => {
    const folder = scratch()
    const input = folder.write('in.txt', texts(1000).join('\n'))
    let release: () => void = () => undefined
    const gate = new Promise<void>((resolve) => (release = resolve))
    const stdout = new Sponge(() => gate)
    const embed = fakeEmbedder()
    const job = embedFile(embed, { input, output: '-' }, { stdout, limits })
    await sleep(100)
    // One is being written, the others wait.
    expect(embed.calls.length).toBeLessThanOrEqual(MAX_IN_FLIGHT + 1)
    release()
    expect((await job).records).toBe(1000)
    expect(readRows(stdout.content)).toHaveLength(1000)
  })

  test('carry the options', async () => {
    const folder = scratch()
    const input = folder.write('in.txt', 'a')
    const output = folder.path('out.npy')
    const embed = fakeEmbedder({ from_sentence_transformers: false })
    await embedFile(embed, { input, output })
    await embedFile(embed, { input, output, pooling: 'cls', normalize: true, max_length: 12 })
    expect(embed.calls.map((call) => call.options)).toMatchObject([
      { pooling: 'mean', normalize: false, truncation: true },
      { pooling: 'cls', normalize: true, max_length: 12 },
    ])
    expect(embed.calls[0]!.options).not.toHaveProperty('max_length')
    const sentence = fakeEmbedder({ from_sentence_transformers: true })
    await embedFile(sentence, { input, output })
    await embedFile(sentence, { input, output: folder.path('o.jsonl'), pooling: 'none' })
    expect(sentence.calls.map((call) => call.options)).toMatchObject([
      { pooling: 'mean', normalize: true },
      { pooling: 'none', normalize: false },
    ])
  })

  test('memory does not grow with the file', { timeout: 60_000 }, async () => {
    const folder = scratch()
    const line = `${'word '.repeat(200)}\n`
    const input = folder.write('in.txt', line.repeat(60_000)) // 60 MB
    const before = process.memoryUsage()
    let most = 0
    await embedFile(fakeEmbedder(), {
      input,
      output: folder.path('out.npy'),
      on_progress: () => {
        const { heapUsed, external } = process.memoryUsage()
        most = Math.max(most, heapUsed + external - before.heapUsed - before.external)
      },
    })
    expect(most).toBeLessThan(50e6)
  })
})

describe('invalid records', () => {
  const content = '{"text":"a","id":1}\n{"text":"","id":2}\n{"text":"private\n\n{"text":"b"}\n'

  test('end the job with their line and without their text', async () => {
    const folder = scratch()
    const input = folder.write('in.jsonl', content)
    const output = folder.write('out.npy', 'old')
    const failure = embedFile(fakeEmbedder(), { input, output })
    await expect(failure).rejects.toMatchObject({ code: 'ERR_INPUT_RECORD' })
    await expect(failure).rejects.toThrow('on line 2')
    folder.write('in.jsonl', content.replace('""', '"c"'))
    const broken = await embedFile(fakeEmbedder(), { input, output }).catch((error: Error) => error)
    expect((broken as Error).message).toMatch(/on line 3/)
    expect((broken as Error).message).not.toContain('private')
    expect(readFileSync(output, 'utf8')).toBe('old')
    expect(folder.list()).toEqual(['in.jsonl', 'out.npy'])
  })

  test('give NaN or null on request, and keep rows in place', async () => {
    const folder = scratch()
    const input = folder.write('in.jsonl', content)
    const output = folder.path('out.npy')
    const summary = await embedFile(fakeEmbedder(), { input, output, skip_invalid: true })
    expect(summary).toMatchObject({ records: 4, invalid: 2, tokens: 6 })
    const nan = Array.from({ length: HIDDEN }, () => NaN)
    expect(readNpy(output).rows).toEqual([vectorOf('a'), nan, nan, vectorOf('b')])

    const stdout = new Sponge()
    const options = { input, output: '-', skip_invalid: true, with_text: true }
    await embedFile(fakeEmbedder(), options, { stdout })
    expect(readRows(stdout.content)).toEqual([
      { index: 0, id: 1, embedding: vectorOf('a'), text: 'a' },
      { index: 1, id: 2, embedding: null, text: null },
      { index: 2, embedding: null, text: null },
      { index: 3, embedding: vectorOf('b'), text: 'b' },
    ])
  })

  test('may be all there is', async () => {
    const folder = scratch()
    const input = folder.write('in.txt', '\n\n')
    const output = folder.path('out.npy')
    const embed = fakeEmbedder()
    await embedFile(embed, { input, output, skip_invalid: true })
    expect(readNpy(output).shape).toEqual([2, HIDDEN])
    expect(embed.calls).toEqual([])
  })

  test('a line beyond the bound is one', async () => {
    const folder = scratch()
    const input = folder.write('in.txt', `a\n${'x'.repeat(300)}\nb`)
    const options = { input, output: folder.path('out.npy') }
    const parts = { max_record_bytes: 100 }
    await expect(embedFile(fakeEmbedder(), options, parts)).rejects.toThrow('on line 2')
    const summary = await embedFile(fakeEmbedder(), { ...options, skip_invalid: true }, parts)
    expect(summary).toMatchObject({ records: 3, invalid: 1 })
  })

  test('UTF-16 is refused', async () => {
    const folder = scratch()
    const input = folder.write('in.txt', Buffer.from('\ufeffhello', 'utf16le'))
    const failure = embedFile(fakeEmbedder(), { input, output: folder.path('o.npy') })
    await expect(failure).rejects.toThrow('UTF-16')
  })
})

describe('failures', () => {
  test('no record at all', async () => {
    const folder = scratch()
    const empty = { 'a.txt': '', 'b.jsonl': '\n \n', 'c.csv': 'text\n', 'd.txt': '\ufeff' }
    for (const [name, content] of Object.entries(empty)) {
      const failure = embedFile(fakeEmbedder(), {
        input: folder.write(name, content),
        output: folder.path('out.npy'),
      })
      await expect(failure).rejects.toMatchObject({ code: 'ERR_INPUT_EMPTY' })
    }
    expect(folder.list()).not.toContain('out.npy')
  })

  test('a full disk leaves what was there', async () => {
    const folder = scratch()
    const input = folder.write('in.txt', texts(100).join('\n'))
    const output = folder.write('out.npy', 'old')
    let writes = 0
    const failure = embedFile(fakeEmbedder(), { input, output }, {
      limits,
      write: async (handle, bytes, position) => {
        writes += 1
        if (writes > 3) throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
        return (await handle.write(bytes, 0, bytes.length, position)).bytesWritten
      },
    })
    await expect(failure).rejects.toMatchObject({ code: 'ERR_OUTPUT_WRITE' })
    await expect(failure).rejects.toThrow('no space left')
    expect(readFileSync(output, 'utf8')).toBe('old')
    expect(folder.list()).toEqual(['in.txt', 'out.npy'])
  })

  test('a model that fails ends the other requests', async () => {
    const folder = scratch()
    const input = folder.write('in.txt', texts(100).join('\n'))
    const embed = fakeEmbedder({
      delay: async (call) => {
        await sleep(5)
        if (call === 1) throw new Error('model')
      },
    })
    const failure = embedFile(embed, { input, output: folder.path('out.npy') }, { limits })
    await expect(failure).rejects.toThrow('model')
    expect(embed.calls.every((call) => call.options.signal.aborted)).toBe(true)
    expect(folder.list()).toEqual(['in.txt'])
  })

  test('an abort ends the job at once, in the middle of a request or of a write', async () => {
    const folder = scratch()
    const input = folder.write('in.txt', texts(100).join('\n'))
    const never = (): Promise<never> => new Promise(() => undefined)
    for (const parts of [{ delay: never }, { stdout: new Sponge(never) }]) {
      const controller = new AbortController()
      const embed = fakeEmbedder('delay' in parts ? { delay: parts.delay } : {})
      const output = 'delay' in parts ? folder.path('out.npy') : '-'
      const options = { input, output, signal: controller.signal }
      const job = embedFile(embed, options, { limits, ...parts })
      setTimeout(() => controller.abort(new Error('enough')), 30)
      await expect(job).rejects.toThrow('enough')
      expect(folder.list()).toEqual(['in.txt'])
    }
  })

  test('a reader that goes away is no failure', async () => {
    const folder = scratch()
    const input = folder.write('in.txt', texts(100).join('\n'))
    const stdout = new Sponge(() => Promise.reject(Object.assign(new Error(), { code: 'EPIPE' })))
    const summary = await embedFile(fakeEmbedder(), { input, output: '-' }, { stdout, limits })
    expect(summary.output_closed).toBe(true)
  })

  test('other failures of standard output are', async () => {
    const folder = scratch()
    const input = folder.write('in.txt', 'a')
    const stdout = new Sponge(() => Promise.reject(Object.assign(new Error(), { code: 'ENOSPC' })))
    const failure = embedFile(fakeEmbedder(), { input, output: '-' }, { stdout })
    await expect(failure).rejects.toMatchObject({ code: 'ERR_OUTPUT_WRITE' })
  })
})

test('progress counts records, tokens and bytes', async () => {
  const folder = scratch()
  const content = texts(20).join('\n')
  const size_bytes = Buffer.byteLength(content)
  const seen: EmbedFileProgress[] = []
  await embedFile(
    fakeEmbedder(),
    {
      input: folder.write('in.txt', content),
      output: folder.path('out.npy'),
      on_progress: (progress) => seen.push(progress),
    },
    { limits },
  )
  expect(seen.map((progress) => progress.records)).toEqual([8, 16, 20])
  const half = Buffer.byteLength(`${texts(8).join('\n')}\n`)
  expect(seen[0]).toEqual({ records: 8, tokens: 24, bytes_done: half, size_bytes })
  expect(seen.at(-1)).toEqual({ records: 20, tokens: 60, bytes_done: size_bytes, size_bytes })
})

describe('a plan', () => {
  test('knows formats by name', async () => {
    const folder = scratch()
    const output = folder.path('out.NPY')
    const formats = { 'a.jsonl': 'jsonl', 'a.ndjson': 'jsonl', 'a.txt': 'txt', 'a.CSV': 'csv' }
    for (const [name, format] of Object.entries(formats)) {
      const plan = await planEmbedFile({ input: folder.write(name, 'x'), output })
      expect(plan).toEqual({ input_format: format, output_format: 'npy' })
    }
    const given = await planEmbedFile({ input: folder.write('data', ''), output, format: 'txt' })
    expect(given.input_format).toBe('txt')
    expect((await planEmbedFile({ input: '-', output: '-' })).input_format).toBe('jsonl')
  })

  test('refuses what cannot be', async () => {
    const folder = scratch()
    const input = folder.write('in.txt', 'x')
    const csv = folder.write('in.csv', 'text\nx')
    const output = folder.path('out.npy')
    const wrong = [
      { input: folder.write('in.xml', 'x'), output },
      { input, output: folder.path('out.parquet') },
      { input, output, field: 'text' },
      { input: csv, output, field: 'text' },
      { input, output, column: 'text' },
      { input, output, with_text: true },
      { input, output, pooling: 'none' as const },
      { input, output, format: 'tsv' as unknown as 'csv' },
    ]
    for (const options of wrong) {
      await expect(planEmbedFile(options)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
    }
    for (const missing of [folder.path('missing.txt'), folder.path('')]) {
      const failure = planEmbedFile({ input: missing, output, format: 'txt' })
      await expect(failure).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' })
    }
  })

  test('refuses an output that is the input, under any name', async () => {
    const folder = scratch()
    const input = folder.write('in.jsonl', '{"text":"x"}')
    linkSync(input, folder.path('other.jsonl'))
    for (const output of [input, folder.path('other.jsonl')]) {
      await expect(planEmbedFile({ input, output })).rejects.toThrow('the same file')
    }
  })
})

// Sources: records, ids and line numbers, whatever pieces the bytes arrive in.
import { describe, expect, test } from 'vitest'

import { splitLines } from '../../lib/batch/lines.js'
import type { RecordStream, SourceRecord } from '../../lib/batch/records.js'
import type { SourceOptions } from '../../lib/batch/sources/common.js'
import { readCsv } from '../../lib/batch/sources/csv.js'
import { readJsonl } from '../../lib/batch/sources/jsonl.js'
import { readTxt } from '../../lib/batch/sources/txt.js'

type Read = (chunks: AsyncIterable<Buffer>, options: SourceOptions) => RecordStream

async function* pieces(content: string | Uint8Array, size: number): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(content)
  for (let i = 0; i < bytes.length; i += size) yield bytes.subarray(i, i + size)
}

const defaults: SourceOptions = { field: 'text', column: 'text', max_record_bytes: 1 << 20 }

async function collect(
  read: Read,
  content: string | Uint8Array,
  options: Partial<SourceOptions> = {},
  size = 1 << 16,
): Promise<SourceRecord[]> {
  const records: SourceRecord[] = []
  const source = read(pieces(content, size), { ...defaults, ...options })
  for await (const list of source) records.push(...list)
  return records
}

/** "line: text" or "line! what was received". */
const brief = (records: SourceRecord[]): string[] =>
  records.map((record) =>
    record.kind === 'text'
      ? `${record.line}: ${record.text}`
      : `${record.line}! ${record.problem.received}`,
  )

/** The same whatever pieces the bytes arrive in. */
async function everySize(
  read: Read,
  content: string,
  options: Partial<SourceOptions> = {},
): Promise<SourceRecord[]> {
  const whole = await collect(read, content, options)
  for (const size of [1, 2, 3, 5, 7]) {
    expect(await collect(read, content, options, size)).toEqual(whole)
  }
  return whole
}

describe('txt', () => {
  test('every line is a record, a final newline none', async () => {
    expect(brief(await everySize(readTxt, 'one\ntwo\n'))).toEqual(['1: one', '2: two'])
    expect(brief(await everySize(readTxt, 'one\ntwo'))).toEqual(['1: one', '2: two'])
    expect(await everySize(readTxt, '')).toEqual([])
  })

  test('an empty line is an invalid record', async () => {
    const found = brief(await everySize(readTxt, 'one\n\nthree\n\n'))
    expect(found).toEqual(['1: one', '2! an empty string', '3: three', '4! an empty string'])
  })

  test('CRLF, characters of several bytes, carriage returns inside', async () => {
    const found = brief(await everySize(readTxt, 'é😀\r\na\rb\r\n漢字'))
    expect(found).toEqual(['1: é😀', '2: a\rb', '3: 漢字'])
  })

  test('bytes that are not UTF-8 are an invalid record', async () => {
    const found = await collect(readTxt, Buffer.from([0x61, 0x0a, 0xe9, 0x0a, 0x62]))
    expect(found.map((record) => record.kind)).toEqual(['text', 'invalid', 'text'])
  })

  test('a line beyond the bound is dropped, not kept', async () => {
    const found = await collect(readTxt, `a\n${'x'.repeat(50)}\nb`, { max_record_bytes: 20 }, 8)
    expect(brief(found)).toEqual(['1: a', '2! a longer one', '3: b'])
  })
})

describe('jsonl', () => {
  test('texts and ids; blank lines are no records but count as lines', async () => {
    const content = '{"text":"a","id":"x"}\n\n  \r\n{"id":7,"text":"b"}\r\n{"text":"c"}'
    const records = await everySize(readJsonl, content)
    expect(brief(records)).toEqual(['1: a', '4: b', '5: c'])
    expect(records.map((record) => record.id)).toEqual(['"x"', '7', null])
  })

  test('what is not a text', async () => {
    const lines = [
      '{"text":""}', '{"text":null}', '{"text":3}', '{"text":["a"]}', '{"other":"a"}',
      '[1]', '"a"', '{"text":"secret', '{"text":{}}', '{"text":true}',
    ]
    expect(brief(await everySize(readJsonl, lines.join('\n')))).toEqual([
      '1! an empty string', '2! null', '3! a number', '4! an array', '5! none',
      '6! an array', '7! a string', '8! something else', '9! an object', '10! a boolean',
    ])
  })

  test('another field; names of Object.prototype are not fields', async () => {
    const content = '{"body":"a","text":"b"}\n{"text":"c"}'
    expect(brief(await collect(readJsonl, content, { field: 'body' }))).toEqual(['1: a', '2! none'])
    const found = await collect(readJsonl, '{"text":"a"}', { field: 'toString' })
    expect(brief(found)).toEqual(['1! none'])
  })

  test('an integer id keeps its digits, whatever else the record holds', async () => {
    const content =
      '{"text":"say \\"id\\": 1, ok","id":9007199254740993,"a":{"id":5}}\n' +
      '{"id" : 12345678901234567890, "text":"b"}\n{"id":1.5,"text":"c"}\n{"id":true,"text":"d"}\n' +
      '{"id":1e2,"text":"e"}'
    const ids = (await collect(readJsonl, content)).map((record) => record.id)
    expect(ids).toEqual(['9007199254740993', '12345678901234567890', '1.5', null, '100'])
  })

  test('an id is the one of the record, not of what it holds', async () => {
    const lines = [
      '{"id":9007199254740993,"text":"a","meta":{"id":9007199254740992}}',
      '{"meta":[{"id":9007199254740992}],"text":"a","id":9007199254740993}',
      '{"\\u0069d":9007199254740993,"text":"a"}',
      '{"id":1,"text":"a","i\\u0064" :\t9007199254740993 }',
      '{"x\\"":"\\\\","text":"} \\"id\\":9007199254740992","id":9007199254740993,"xid":1}',
      '{"a\\\\":{"b":"]{"},"text":"\\"","id":9007199254740993}',
    ]
    const ids = (await collect(readJsonl, lines.join('\n'))).map((record) => record.id)
    expect(ids).toEqual(lines.map(() => '9007199254740993'))
    const [deep] = await collect(readJsonl, '{"text":"a","meta":{"id":9007199254740993}}')
    expect(deep).toMatchObject({ kind: 'text', id: null })
  })

  test('a number id is copied as it is written where reading it would round it', async () => {
    const ids = ['-9007199254740993', '0.10000000000000000001', '1e21', `${'9'.repeat(400)}`]
    const content = ids.map((id) => `{"text":"a","id":${id}}`).join('\n')
    expect((await collect(readJsonl, content)).map((record) => record.id)).toEqual(ids)
  })

  test('invalid records keep their id where it can be read', async () => {
    const [record] = await collect(readJsonl, '{"id":"k","text":""}')
    expect(record).toMatchObject({ kind: 'invalid', id: '"k"' })
  })
})

describe('csv', () => {
  test('header, quotes, newlines in quotes, ids, lines', async () => {
    const content = 'id,text\r\n1,"a\r\nb ""c"""\r\n\r\n2,plain\n"3","x\ny"\n4,"last, one"'
    const records = await everySize(readCsv, content)
    expect(brief(records)).toEqual(['2: a\r\nb "c"', '5: plain', '6: x\ny', '8: last, one'])
    expect(records.map((record) => record.id)).toEqual(['"1"', '"2"', '"3"', '"4"'])
  })

  test('columns by name and by number; a name goes first', async () => {
    const content = 'a,2,text\nx,y,z\n'
    expect(brief(await collect(readCsv, content))).toEqual(['2: z'])
    expect(brief(await collect(readCsv, content, { column: '1' }))).toEqual(['2: x'])
    expect(brief(await collect(readCsv, content, { column: '2' }))).toEqual(['2: y'])
    expect(brief(await collect(readCsv, content, { column: '3' }))).toEqual(['2: z'])
  })

  test('a column that is not there', async () => {
    for (const column of ['body', '0', '3', '-1', '1.0']) {
      await expect(collect(readCsv, 'a,secret\nx,y\n', { column })).rejects.toMatchObject({
        code: 'ERR_INPUT_RECORD',
        message: expect.not.stringContaining('secret') as string,
      })
    }
    await expect(collect(readCsv, 'text,text\nx,y\n')).rejects.toThrow('2 of that name')
  })

  test('empty fields, missing fields, a quoted empty field at the end', async () => {
    const found = brief(await everySize(readCsv, 'id,text\n1,\n2\n3,a,b\n\n4,""'))
    expect(found).toEqual(['2! an empty string', '3! 1', '4! 3', '6! an empty string'])
    const one = brief(await everySize(readCsv, 'text\n\n""\nx\n\r\n""'))
    expect(one).toEqual(['3! an empty string', '4: x', '6! an empty string'])
  })

  test('broken quotes end the reading at the line where the record begins', async () => {
    const records = ['"secret\nnever closed\n', 'secret "x" y\n', '"a"secret\n']
    for (const record of records) {
      const failure = collect(readCsv, `text\nok\n${record}`)
      await expect(failure).rejects.toMatchObject({ code: 'ERR_INPUT_RECORD' })
      await expect(failure).rejects.toThrow('on line 3')
      await expect(failure).rejects.not.toThrow('secret')
    }
  })

  test('a record beyond the bound ends the reading', async () => {
    const field = collect(readCsv, `text\nok\n"${'x\n'.repeat(500)}`, { max_record_bytes: 100 }, 64)
    await expect(field).rejects.toThrow('at most 100 bytes on line 3')
    const fields = collect(readCsv, `text\nok\n${'x,'.repeat(500)}`, { max_record_bytes: 100 }, 64)
    await expect(fields).rejects.toThrow('at most 100 bytes on line 3')
  })

  test('bytes that are not UTF-8 matter in the columns that are read', async () => {
    const bytes = Buffer.concat([Buffer.from('a,text\n'), Buffer.from([0xe9]), Buffer.from(',x\n')])
    expect(brief(await collect(readCsv, bytes))).toEqual(['2: x'])
    const found = await collect(readCsv, bytes, { column: 'a' })
    expect(found[0]).toMatchObject({ kind: 'invalid', problem: { expected: 'UTF-8' } })
  })

  test('records know where they end, for progress', async () => {
    const content = 'text\r\n"a\nb"\r\nc'
    const ends = (await collect(readCsv, content)).map((record) => record.end_bytes)
    expect(ends).toEqual([13, content.length])
    const lines = await collect(readTxt, 'é\r\nb', {}, 1)
    expect(lines.map((record) => record.end_bytes)).toEqual([4, 5])
  })

  test('a header alone has no records', async () => {
    expect(await everySize(readCsv, 'id,text\n')).toEqual([])
    expect(await everySize(readCsv, '')).toEqual([])
  })
})

test('lines of a large input, split anywhere, by a seeded random walk', async () => {
  let seed = 12345
  const random = (): number => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648
  const lines = Array.from({ length: 500 }, (_, i) => `${i}:${'ä'.repeat(random() * 40)}`)
  const content = Buffer.from(lines.join('\n'))
  async function* randomPieces(): AsyncGenerator<Buffer> {
    for (let at = 0; at < content.length; ) {
      const size = 1 + Math.floor(random() * 100)
      yield content.subarray(at, at + size)
      at += size
    }
  }
  const found: string[] = []
  for await (const list of splitLines(randomPieces(), 1000)) {
    for (const line of list) {
      found.push(line.bytes?.toString() ?? '')
      expect(line.number).toBe(found.length)
    }
  }
  expect(found).toEqual(lines)
})

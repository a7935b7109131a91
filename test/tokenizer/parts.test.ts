// Calls with so much text that it is gathered in slices and encoded in parts, by several threads:
// they give what each text gives alone, at once.
import { createHash } from 'node:crypto'

import { beforeAll, describe, expect, it } from 'vitest'

import {
  AutoTokenizer,
  type PackedEncoding,
  type Tokenizer,
} from '../../lib/tokenizer/auto-tokenizer.js'
import { forEachPart, TextParts } from '../../lib/tokenizer/text-parts.js'
import { listSource, RangeSource, type TextSource } from '../../lib/tokenizer/text-source.js'
import { Random, randomText } from './support/random-text.js'

const OPTIONS = {
  truncation: true, max_length: 24, return_overflowing_tokens: true, stride: 3,
  return_offsets_mapping: true, return_special_tokens_mask: true,
} as const

let tokenizer: Tokenizer
let texts: string[]
let pairs: string[]

beforeAll(async () => {
  tokenizer = await AutoTokenizer.from_pretrained('fusebert-mini')
  const random = new Random(7)
  texts = Array.from({ length: 6_000 }, () => randomText(random))
  // Longer than what is written at once, with characters of every length at the seams.
  for (const [i, character] of ['a ', 'é', '中', '😀', '\ud83d', 'a😀'].entries()) {
    texts[1_000 * i] = `x${character.repeat(90_000)}`
  }
  pairs = texts.map((_, i) => texts[texts.length - 1 - i]!)
})

/** Arrays of hundreds of thousands of numbers, each as one string. */
function digest(encoding: PackedEncoding): Record<string, unknown> {
  const entries = Object.entries(encoding) as [string, unknown][]
  const short = entries.map(([key, value]) => [
    key,
    value instanceof Int32Array || value instanceof Uint8Array
      ? createHash('sha256').update(value).digest('hex')
      : value,
  ])
  return Object.fromEntries(short) as Record<string, unknown>
}

/** What encodeBatch should give, one text after the other. */
function oneByOne(options: object, second: readonly string[] | null): PackedEncoding {
  const ids: Int32Array[] = []
  const types: Int32Array[] = []
  const samples: number[] = []
  let truncated = 0
  texts.forEach((text, i) => {
    const text_pair = second === null ? {} : { text_pair: [second[i]!] }
    const encoded = tokenizer.encodeBatchSync([text], { ...options, ...text_pair })
    for (let row = 0; row + 1 < encoded.cu_seqlens.length; row += 1) {
      const [begin, end] = [encoded.cu_seqlens[row], encoded.cu_seqlens[row + 1]]
      ids.push(encoded.input_ids.subarray(begin, end))
      types.push(encoded.token_type_ids.subarray(begin, end))
      samples.push(i)
    }
    truncated += encoded.truncated
  })
  const cu_seqlens = new Int32Array(ids.length + 1)
  ids.forEach((row, i) => (cu_seqlens[i + 1] = cu_seqlens[i]! + row.length))
  const concatenated = (rows: Int32Array[]): Int32Array => {
    const all = new Int32Array(cu_seqlens.at(-1)!)
    rows.forEach((row, i) => all.set(row, cu_seqlens[i]))
    return all
  }
  return {
    input_ids: concatenated(ids),
    token_type_ids: concatenated(types),
    cu_seqlens,
    overflow_to_sample_mapping: Int32Array.from(samples),
    truncated,
  }
}

function inOneArray(list: readonly string[]) {
  const offsets = new Int32Array(list.length + 1)
  const buffers = list.map((text) => Buffer.from(text))
  buffers.forEach((bytes, i) => (offsets[i + 1] = offsets[i]! + bytes.length))
  return { bytes: Buffer.concat(buffers), offsets }
}

describe('a batch in parts', () => {
  it('is what its texts are one by one', async () => {
    const encoded = digest(await tokenizer.encodeBatch(texts, OPTIONS))
    expect(encoded).toMatchObject(digest(oneByOne(OPTIONS, null)))
    const buffers = texts.map((text) => Buffer.from(text))
    for (const form of [texts, buffers, inOneArray(texts)]) {
      for (const threads of [1, 3, 8]) {
        const again = await tokenizer.encodeBatch(form, { ...OPTIONS, threads })
        expect(digest(again)).toEqual(encoded)
      }
    }
    expect(digest(tokenizer.encodeBatchSync(texts, OPTIONS))).toEqual(encoded)
  })

  it('keeps pairs together', async () => {
    const options = { ...OPTIONS, max_length: 40 }
    const encoded = digest(await tokenizer.encodeBatch(texts, { ...options, text_pair: pairs }))
    expect(encoded).toMatchObject(digest(oneByOne(options, pairs)))
    for (const text_pair of [pairs, inOneArray(pairs)]) {
      const again = await tokenizer.encodeBatch(texts, { ...options, text_pair, threads: 1 })
      expect(digest(again)).toEqual(encoded)
      const range = await tokenizer.encodeBatch(inOneArray(texts), { ...options, text_pair })
      expect(digest(range)).toEqual(encoded)
    }
  })

  it('is counted, padded and decoded in parts too', async () => {
    const counts = await tokenizer.countTokens(texts)
    expect(tokenizer.countTokensSync(texts).join()).toBe(counts.join())
    expect(counts[5_999]).toBe(tokenizer.countTokensSync(texts[5_999]!))
    const cut = { truncation: true, max_length: 16 }
    const packed = await tokenizer.encodeBatch(texts, cut)
    const padded = await tokenizer(texts, { ...cut, padding: true })
    expect(padded.input_ids.dims).toEqual([6_000, 16])
    const mask = padded.attention_mask.data as BigInt64Array
    const kept = (padded.input_ids.data as BigInt64Array).filter((_, i) => mask[i] === 1n)
    expect(Int32Array.from(kept, Number).join()).toBe(packed.input_ids.join())
    const decoded = await tokenizer.batchDecode(packed, { skip_special_tokens: true })
    expect(decoded).toHaveLength(6_000)
    for (const i of [0, 1, 777, 5_999]) {
      const ids = packed.input_ids.subarray(packed.cu_seqlens[i], packed.cu_seqlens[i + 1])
      expect(decoded[i]).toBe(tokenizer.decodeSync(ids, { skip_special_tokens: true }))
    }
    const long = await tokenizer.encode('naïve 😀 '.repeat(60_000))
    expect(long.join()).toBe(tokenizer.encodeSync('naïve 😀 '.repeat(60_000)).join())
    expect(await tokenizer.decode(long)).toBe(tokenizer.decodeSync(long))
  })

  it('says which text is wrong, whatever part it is in', async () => {
    const short = { truncation: 'only_second', max_length: 10 } as const
    const wrong = texts.map((_, i) => (i === 4_321 ? 'a '.repeat(50) : 'a'))
    const failed = tokenizer.encodeBatch(wrong, { ...short, text_pair: texts.map(() => 'b') })
    await expect(failed).rejects.toMatchObject({
      code: 'ERR_INPUT_TOO_LONG', message: expect.stringContaining('Text 4321: ') as string,
    })
    const mixed = [...texts.slice(0, 5_000), 7 as unknown as string]
    await expect(tokenizer.encodeBatch(mixed)).rejects.toThrow(/texts\[5000\]/)
    await expect(tokenizer.encodeBatch(texts, { threads: 0 })).rejects.toThrow(/threads/)
  })

  it('may be under way several times at once', async () => {
    const alone = digest(await tokenizer.encodeBatch(texts, OPTIONS))
    const together = await Promise.all([1, 2, 3].map(() => tokenizer.encodeBatch(texts, OPTIONS)))
    for (const encoded of together) expect(digest(encoded)).toEqual(alone)
  })
})

describe('parts', () => {
  const MOST = 2 ** 19
  /** Bytes of each part. */
  async function partsOf(source: TextSource): Promise<number[]> {
    const parts = new TextParts({ texts: source, pairs: null, single: false }, 1)
    const bytes: number[] = []
    for (let part = await parts.next(); part !== undefined; part = await parts.next()) {
      const { offsets } = part.texts
      bytes.push(offsets.at(-1)!)
      parts.release(part)
    }
    return bytes
  }

  it.each([10, 5_000, 60_000, 65_536, 70_000, 131_072, 150_000, 1_000_000])(
    'of texts of %i characters end soon after they have enough',
    async (length) => {
      const count = Math.ceil(2_000_000 / length)
      const one = 'x'.repeat(length)
      const offsets = Int32Array.from({ length: count + 1 }, (_, i) => i * length)
      const list = Array.from({ length: count }, () => one)
      const bytes = Buffer.alloc(count * length, 'x')
      for (const source of [listSource(list), new RangeSource(bytes, offsets)]) {
        const parts = await partsOf(source)
        expect(parts.reduce((sum, part) => sum + part, 0)).toBe(count * length)
        // MOST is enough; a part ends with the text, and the piece, that it is in.
        expect(Math.max(...parts)).toBeLessThanOrEqual(MOST + 2 ** 16 + length)
        if (length < MOST) expect(Math.max(...parts)).toBeGreaterThan(MOST / 8)
      }
    },
  )
})

describe('a part of short texts', () => {
  const TEXT_COST = 64

  it.each([0, 1, 10, 64, 100])('of %i bytes is no more work than is enough', async (length) => {
    const count = 40_000
    const offsets = Int32Array.from({ length: count + 1 }, (_, i) => i * length)
    const range = new RangeSource(Buffer.alloc(count * length, 'x'), offsets)
    const parts = new TextParts({ texts: range, pairs: null, single: false }, 1)
    let texts = 0
    for (let part = await parts.next(); part !== undefined; part = await parts.next()) {
      const some = part.texts.offsets.length - 1
      expect(some * (length + TEXT_COST)).toBeLessThanOrEqual(2 ** 19 + 2 ** 16)
      texts += some
      parts.release(part)
    }
    expect(texts).toBe(count)
  })
})

describe('work on parts', () => {
  const parts = (count: number, threads: number): TextParts => {
    const texts = listSource(Array.from({ length: count }, () => 'x'.repeat(600_000)))
    return new TextParts({ texts, pairs: null, single: false }, threads)
  }
  const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

  it.each([1, 2, 5])('is for at most %i threads at once, and for so many', async (threads) => {
    let atOnce = 0
    let most = 0
    const seen: number[] = []
    await forEachPart(parts(12, threads), threads, async ({ first_text }) => {
      most = Math.max(most, (atOnce += 1))
      seen.push(first_text)
      await later(50 + ((first_text * 7) % 5))
      atOnce -= 1
    })
    expect(most).toBe(threads)
    expect(seen).toEqual(Array.from({ length: 12 }, (_, i) => i))
  })

  it('does not run far ahead of a part that takes long', async () => {
    let done = 0
    let doneBeforeTheFirst = 0
    await forEachPart(parts(30, 2), 2, async ({ first_text }) => {
      await later(first_text === 0 ? 300 : 0)
      if (first_text === 0) doneBeforeTheFirst = done
      done += 1
    })
    expect(done).toBe(30)
    expect(doneBeforeTheFirst).toBeGreaterThan(3)
    expect(doneBeforeTheFirst).toBeLessThan(8)
  })

  it('fails when texts cannot be gathered, when no part is worked on any more', async () => {
    const list = listSource(Array.from({ length: 12 }, () => 'x'.repeat(600_000)))
    const texts: TextSource = {
      get count() { return list.count },
      get units() { return list.units },
      get written() { return list.written },
      get inText() { return list.inText },
      slice: list.slice,
      write(...some) {
        if (list.written === 4) throw new Error('gone')
        return list.write(...some)
      },
    }
    let working = 0
    const source = new TextParts({ texts, pairs: null, single: false }, 2)
    const call = forEachPart(source, 2, async () => {
      working += 1
      await later(100)
      working -= 1
    })
    await expect(call).rejects.toThrow('gone')
    expect(working).toBe(0)
  })

  it('fails as the first of the parts that fail, when none is worked on any more', async () => {
    let working = 0
    const done = forEachPart(parts(12, 3), 3, async ({ first_text }) => {
      working += 1
      await later(first_text === 4 ? 30 : 1)
      working -= 1
      if (first_text >= 4) throw new Error(`part ${first_text}`)
    })
    await expect(done).rejects.toThrow('part 4')
    expect(working).toBe(0)
  })
})

describe('texts that change while they are read', () => {
  const many = (): { bytes: Uint8Array; offsets: Int32Array } => inOneArray(texts)

  it.each([
    ['bytes that go away', (range: ReturnType<typeof many>) => structuredClone(range.bytes, {
      transfer: [range.bytes.buffer as ArrayBuffer],
    })],
    ['offsets that go away', (range: ReturnType<typeof many>) => structuredClone(range.offsets, {
      transfer: [range.offsets.buffer as ArrayBuffer],
    })],
    ['offsets that are others', (range: ReturnType<typeof many>) => range.offsets.fill(-7)],
  ])('%s are an error, or are not seen', async (name, change) => {
    const expected = digest(await tokenizer.encodeBatch(many()))
    const range = { ...many() }
    range.bytes = Uint8Array.from(range.bytes)
    const call = tokenizer.encodeBatch(range)
    change(range)
    const result = await call.then(digest, (error: { code: string }) => error.code)
    expect([expected, 'ERR_INVALID_ARGUMENT']).toContainEqual(result)
    if (name.startsWith('bytes')) expect(result).toBe('ERR_INVALID_ARGUMENT')
  })

  it('offsets that go away while they are checked are an error', async () => {
    const offsets = new Int32Array(200_000)
    const call = tokenizer.encodeBatch({ bytes: Buffer.alloc(0), offsets })
    structuredClone(offsets, { transfer: [offsets.buffer] })
    await expect(call).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT', message: expect.stringContaining('changed') as string,
    })
  })

  it('bytes that went away before are texts without characters', async () => {
    const gone = new Uint8Array(10)
    structuredClone(gone, { transfer: [gone.buffer] })
    const { cu_seqlens } = await tokenizer.encodeBatch([gone, 'a'])
    expect([...cu_seqlens]).toEqual([0, 2, 5])
    const range = { bytes: gone, offsets: Int32Array.of(0, 0) }
    expect([...(await tokenizer.encodeBatch(range)).cu_seqlens]).toEqual([0, 2])
  })

  it('what only looks like an array of bytes is refused', async () => {
    const fake = Object.create(Uint8Array.prototype) as Uint8Array
    const range = { bytes: fake, offsets: Int32Array.of(0, 1) }
    for (const wrong of [[fake], range, { bytes: Buffer.from('a'), offsets: fake }]) {
      const refused = tokenizer.encodeBatch(wrong as never)
      await expect(refused).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
    }
    const ids = tokenizer.batchDecode(new Array<Int32Array>(2 ** 11).fill(new Int32Array(2 ** 20)))
    await expect(ids).rejects.toMatchObject({ code: 'ERR_INPUT_TOO_LONG' })
    const list = ['a', 'b']
    list.slice = () => [] as string[]
    expect((await tokenizer.encodeBatch(list)).cu_seqlens).toHaveLength(3)
  })
})

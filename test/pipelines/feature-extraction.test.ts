// The feature-extraction pipeline on a small model: shapes, options, limits, abort, dispose, and
// the promise that a text's vector does not depend on what it is batched with.
import {
  cpSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync, truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import type { Tensor} from '../../dist/index.js';
import {
  pipeline, type FeatureExtractionOptions, type FeatureExtractionPipeline,
} from '../../dist/index.js'
import { random } from '../support/random.js'
import { GOLDEN, GOLDEN_MODEL } from '../support/require.js'

const HIDDEN = 32
const LIMIT = 40
let embed: FeatureExtractionPipeline

beforeAll(async () => {
  embed = await pipeline('feature-extraction', GOLDEN_MODEL)
})

afterAll(() => embed.dispose())

function randomText(next: () => number): string {
  const words = Math.floor(next() * 60)
  return Array.from({ length: words }, () =>
    String.fromCharCode(97 + Math.floor(next() * 26)).repeat(1 + Math.floor(next() * 3)),
  ).join(' ')
}

const bits = (data: ArrayBufferView): Buffer =>
  Buffer.from(data.buffer, data.byteOffset, data.byteLength)

describe('shapes', () => {
  test('one text, pooled', async () => {
    const tensor = await embed('a b c', { pooling: 'mean' })
    expect((tensor as Tensor).dims).toEqual([1, HIDDEN])
    expect(tensor.usage).toEqual({ texts: 1, tokens: 5, truncated: 0 })
  })

  test('types follow from the options', async () => {
    const pooled = await embed(['a', 'b'], { pooling: 'mean' })
    const data: Float32Array = pooled.data
    const rows = pooled.tolist<number[][]>()
    expect(rows.flat()).toEqual(Array.from(data))
  })

  test('many texts, pooled', async () => {
    const tensor = await embed(['a', 'b c', ''], { pooling: 'cls' })
    expect(tensor.dims).toEqual([3, HIDDEN])
    expect(tensor.usage).toEqual({ texts: 3, tokens: 9, truncated: 0 })
  })

  test('a bit a number, the first of eight the highest', async () => {
    const texts = Array.from({ length: 300 }, (_, i) => `a b ${'c '.repeat(i % 7)}`)
    const pooling = ['mean', 'cls', 'max'] as const
    const floats = await embed(texts, { pooling })
    const ones = Array.from(floats.data, (x) => (x > 0 ? '1' : '0')).join('')
    const bytes = (ones.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2))
    expect(new Set(bytes).size).toBeGreaterThan(20)
    const unsigned = await embed(texts, { pooling, quantize: true, precision: 'ubinary' })
    const data: Uint8Array = unsigned.data
    expect(unsigned).toMatchObject({ type: 'uint8', dims: [300, (3 * HIDDEN) / 8] })
    expect(Array.from(data)).toEqual(bytes)
    expect(unsigned.usage).toEqual(floats.usage)
    const signed = await embed(texts, { pooling, quantize: true })
    const signedData: Int8Array = signed.data
    expect(signed).toMatchObject({ type: 'int8', dims: unsigned.dims })
    expect(Array.from(signedData)).toEqual(bytes.map((byte) => byte - 128))
    expect((await embed('a', { pooling: 'mean', quantize: true })).dims).toEqual([1, HIDDEN / 8])
    expect((await embed([], { pooling: 'mean', quantize: true })).dims).toEqual([0, HIDDEN / 8])
  })

  test.each<[FeatureExtractionOptions, RegExp]>([
    [{ quantize: true }, /false with pooling 'none' for quantize/],
    [{ pooling: 'mean', quantize: 1 as never }, /for quantize/],
    [{ pooling: 'mean', precision: 'int8' as never }, /'binary' or 'ubinary'|'ubinary'/],
  ])('%j is refused', async (options, message) => {
    await expect(embed(['a'], options)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT', message: expect.stringMatching(message) as string,
    })
  })

  test('vectors that make no whole bytes stay floats', async () => {
    const narrow = await pipeline('feature-extraction', `${GOLDEN}/sentence/layer-norm`)
    const call = narrow(['a'], { pooling: narrow.defaults.pooling, quantize: true })
    await expect(call).rejects.toThrow(/multiple of 8 numbers to quantize but they have 7\./)
    await narrow.dispose()
  })

  test('without pooling: [1, S, hidden] for one, a Tensor each for many', async () => {
    const one = (await embed('a b')) as Tensor
    expect(one.dims).toEqual([1, 4, HIDDEN])
    const many = await embed(['a b', 'c'], { pooling: 'none' })
    expect(many.map(({ dims }) => dims)).toEqual([[4, HIDDEN], [3, HIDDEN]])
    expect(many[0]!.data).toEqual(one.data)
  })

  test('an array behind a Proxy is an array', async () => {
    const behind = await embed(new Proxy(['a b'], {}), { pooling: 'mean' })
    expect(behind.data).toEqual((await embed(['a b'], { pooling: 'mean' })).data)
  })

  test('no texts', async () => {
    expect((await embed([], { pooling: 'mean' })).dims).toEqual([0, HIDDEN])
    expect(await embed([], { pooling: 'none' })).toHaveLength(0)
  })
})

describe('pooling', () => {
  test('mean, cls and max follow from the hidden states', async () => {
    const hidden = (await embed('a b c d e', { pooling: 'none' })) as Tensor
    const rows = (hidden.tolist() as number[][][])[0]!
    const column = (j: number): number[] => rows.map((row) => row[j]!)
    const expected = {
      mean: (j: number) => column(j).reduce((a, b) => a + b, 0) / rows.length,
      cls: (j: number) => rows[0]![j]!,
      max: (j: number) => Math.max(...column(j)),
    }
    for (const pooling of ['mean', 'cls', 'max'] as const) {
      const { data } = (await embed('a b c d e', { pooling })) as Tensor
      for (let j = 0; j < HIDDEN; j += 1) expect(data[j]).toBeCloseTo(expected[pooling](j), 5)
    }
  })

  test('normalize divides by the L2 norm, also per token', async () => {
    const norm = (row: number[]): number => Math.hypot(...row)
    const pooled = (await embed(['a b', 'c'], { pooling: 'mean', normalize: true })) as Tensor
    for (const row of pooled.tolist() as number[][]) expect(norm(row)).toBeCloseTo(1, 5)
    const tokens = (await embed('a b', { pooling: 'none', normalize: true })) as Tensor
    for (const row of (tokens.tolist() as number[][][])[0]!) expect(norm(row)).toBeCloseTo(1, 5)
  })
})

describe('limits', () => {
  const long = 'a '.repeat(100)

  test('texts are cut at the model\'s limit and counted', async () => {
    const result = await embed([long, 'a', long], { pooling: 'mean' })
    expect(result.usage).toEqual({ texts: 3, tokens: 2 * LIMIT + 3, truncated: 2 })
  })

  test('max_length cuts earlier', async () => {
    const result = await embed(['a b c d', 'a'], { pooling: 'none', max_length: 4 })
    expect(result.map(({ dims }) => dims[0])).toEqual([4, 3])
    expect(result.usage.truncated).toBe(1)
  })

  test('truncation: false refuses, naming the text by its number only', async () => {
    const secret = 'confidential '.repeat(50)
    const failure = await embed(['a', secret], { pooling: 'mean', truncation: false }).then(
      () => undefined,
      (error: Error & { code: string }) => error,
    )
    expect(failure).toMatchObject({ name: 'FusebertError', code: 'ERR_INPUT_TOO_LONG' })
    expect(failure!.message).toContain('Text 1')
    expect(failure!.message).not.toContain('confidential')
  })
})

describe('independence of the batch', () => {
  test('ragged batches of random texts give the bits of each text alone', async () => {
    const next = random(20261124)
    for (let round = 0; round < 20; round += 1) {
      const texts = Array.from({ length: 1 + Math.floor(next() * 60) }, () => randomText(next))
      const pooling = (['mean', 'cls', 'max'] as const)[round % 3]!
      const together = await embed(texts, { pooling })
      const alone = await Promise.all(texts.map((text) => embed(text, { pooling })))
      alone.forEach((tensor, i) => {
        const row = together.data.subarray(i * HIDDEN, (i + 1) * HIDDEN)
        expect(bits(row).equals(bits((tensor as Tensor).data)), `round ${round}`).toBe(true)
      })
    }
  })

  test('threads and batch sizes change no bit', async () => {
    const next = random(7)
    const texts = Array.from({ length: 100 }, () => randomText(next))
    const expected = bits((await embed(texts, { pooling: 'mean' })).data)
    for (const options of [{ threads: 1 }, { threads: 3 }, { max_batch_tokens: 1 },
      { max_batch_tokens: 77, threads: 2 }]) {
      const other = await pipeline('feature-extraction', GOLDEN_MODEL, options)
      const { data } = await other(texts, { pooling: 'mean' })
      expect(bits(data).equals(expected), JSON.stringify(options)).toBe(true)
      await other.dispose()
    }
  })
})

describe('strange texts', () => {
  test.each<[string, string]>([
    ['NUL bytes', '\0a\0'],
    ['a lone surrogate', 'a \ud800 b'],
    ['only white space', ' \t\n '],
    ['ten megabytes', 'a '.repeat(5_000_000)],
    ['one word of ten megabytes', 'a'.repeat(10_000_000)],
  ])('%s', async (_, text) => {
    const { data } = (await embed(text, { pooling: 'mean' })) as Tensor
    expect(data.length).toBe(HIDDEN)
    expect((data as Float32Array).every(Number.isFinite)).toBe(true)
  })
})

describe('abort and dispose', () => {
  const texts = Array.from({ length: 50_000 }, (_, i) => `a b c ${i}`)

  test('an AbortSignal rejects with its reason, and others go on', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const aborted = embed(texts, { pooling: 'mean', signal: controller.signal })
    const other = embed('a', { pooling: 'mean' })
    setTimeout(() => controller.abort(reason), 20)
    await expect(aborted).rejects.toBe(reason)
    expect(((await other) as Tensor).dims).toEqual([1, HIDDEN])
  })

  test('one signal for many calls warns of no leak', async () => {
    const warnings: Error[] = []
    const listener = (warning: Error): number => warnings.push(warning)
    process.on('warning', listener)
    const { signal } = new AbortController()
    await Promise.all(texts.slice(0, 50).map((text) => embed(text, { pooling: 'mean', signal })))
    process.off('warning', listener)
    expect(warnings).toEqual([])
  })

  test('an aborted signal rejects at once', async () => {
    const call = embed('a', { signal: AbortSignal.abort() })
    await expect(call).rejects.toMatchObject({ name: 'AbortError' })
    const load = pipeline('feature-extraction', GOLDEN_MODEL, { signal: AbortSignal.abort() })
    await expect(load).rejects.toMatchObject({ name: 'AbortError' })
  })

  test('trim gives memory back, and the next call takes it again', async () => {
    const mine = await pipeline('feature-extraction', GOLDEN_MODEL)
    const before = await mine(texts, { pooling: 'mean' })
    const call = mine(texts, { pooling: 'mean' })
    const [running] = await Promise.all([call, mine.trim(), mine.trim()])
    const after = await mine(texts, { pooling: 'mean' })
    // Millions of numbers, which toEqual would take long for.
    for (const { data } of [running, after]) {
      expect(Buffer.compare(bits(data), bits(before.data))).toBe(0)
    }
    await mine.dispose()
    await expect(mine.trim()).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
  })

  test('a limit of device memory is a number of bytes', async () => {
    for (const max_device_bytes of [0, 1.5, -1, NaN]) {
      const load = pipeline('feature-extraction', GOLDEN_MODEL, { max_device_bytes })
      await expect(load).rejects.toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
        message: expect.stringContaining('max_device_bytes') as string,
      })
    }
  })

  test('dispose rejects what runs and what comes', async () => {
    const mine = await pipeline('feature-extraction', GOLDEN_MODEL)
    const running = mine(texts, { pooling: 'mean' })
    const outcome = expect(running).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
    await mine.dispose()
    await outcome
    await expect(mine('a')).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
    await mine[Symbol.asyncDispose]()
  })
})

describe('arguments', () => {
  test.each<[unknown, unknown]>([
    [42, {}],
    [null, {}],
    [['a', 42], {}],
    [[['a']], {}],
    ['a', { pooling: 'sum' }],
    ['a', { normalize: 'yes' }],
    ['a', { max_length: 0 }],
    ['a', { max_length: LIMIT + 1 }],
    ['a', { max_length: 2.5 }],
    ['a', { truncation: 'longest_first' }],
    ['a', { signal: 'now' }],
    ['a', 'mean'],
    ['a', { normalise: true }],
  ])('%j with %j is refused', async (texts, options) => {
    const call = embed(texts as string, options as FeatureExtractionOptions)
    await expect(call).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
  })

  test.each<[unknown, unknown, unknown, string]>([
    ['summarization', GOLDEN_MODEL, {}, 'ERR_INVALID_ARGUMENT'],
    ['feature-extraction', 42, {}, 'ERR_INVALID_ARGUMENT'],
    ['feature-extraction', '', {}, 'ERR_INVALID_ARGUMENT'],
    ['feature-extraction', {}, {}, 'ERR_INVALID_ARGUMENT'],
    ['feature-extraction', 'no/such/folder', {}, 'ERR_FILE_NOT_FOUND'],
    ['feature-extraction', GOLDEN_MODEL, { device: 'tpu' }, 'ERR_INVALID_ARGUMENT'],
    ['feature-extraction', GOLDEN_MODEL, { dtype: 'int4' }, 'ERR_INVALID_ARGUMENT'],
    ['feature-extraction', GOLDEN_MODEL, { threads: 0 }, 'ERR_INVALID_ARGUMENT'],
    ['feature-extraction', GOLDEN_MODEL, { max_batch_tokens: -1 }, 'ERR_INVALID_ARGUMENT'],
    ['feature-extraction', GOLDEN_MODEL, { quantized: true }, 'ERR_INVALID_ARGUMENT'],
    ['feature-extraction', GOLDEN_MODEL, [], 'ERR_INVALID_ARGUMENT'],
  ])('pipeline(%j, %j, %j) is refused with %4$s', async (task, model, options, code) => {
    const load = pipeline(task as 'feature-extraction', model as string, options as object)
    await expect(load).rejects.toMatchObject({ name: 'FusebertError', code })
  })

  test('an unknown instruction set is refused by name', async () => {
    process.env['FUSEBERT_CPU_ISA'] = 'mmx'
    try {
      const load = pipeline('feature-extraction', GOLDEN_MODEL)
      await expect(load).rejects.toMatchObject({ code: 'ERR_DEVICE_UNAVAILABLE' })
    } finally {
      delete process.env['FUSEBERT_CPU_ISA']
    }
  })
})

describe('folders', () => {
  const work = mkdtempSync(join(tmpdir(), 'fusebert-folders-'))
  afterAll(() => rmSync(work, { recursive: true, force: true }))

  const copy = (name: string): string => {
    const folder = join(work, name)
    cpSync(GOLDEN_MODEL, folder, { recursive: true })
    return folder
  }

  test('a Hugging Face cache snapshot of symlinks loads', async () => {
    const snapshot = join(work, 'snapshot')
    cpSync(GOLDEN_MODEL, join(work, 'blobs'), { recursive: true })
    mkdirSync(snapshot)
    for (const file of readdirSync(join(work, 'blobs'))) {
      symlinkSync(join('..', 'blobs', file), join(snapshot, file))
    }
    const mine = await pipeline('feature-extraction', snapshot)
    const tensor = (await mine('a b', { pooling: 'mean' })) as Tensor
    expect(tensor.data).toEqual(((await embed('a b', { pooling: 'mean' })) as Tensor).data)
    await mine.dispose()
  })

  test('a file truncated or replaced after the load changes nothing', async () => {
    const folder = copy('truncated')
    const mine = await pipeline('feature-extraction', folder)
    const before = (await mine('a b', { pooling: 'mean' })) as Tensor
    const file = join(folder, 'pytorch_model.bin')
    truncateSync(file, 0)
    const truncated = (await mine('a b', { pooling: 'mean' })) as Tensor
    expect(truncated.data).toEqual(before.data)
    writeFileSync(`${file}.new`, Buffer.alloc(100_000, 7))
    renameSync(`${file}.new`, file)
    const replaced = (await mine('a b', { pooling: 'mean' })) as Tensor
    expect(replaced.data).toEqual(before.data)
    await mine.dispose()
    await expect(pipeline('feature-extraction', folder)).rejects.toMatchObject({
      code: 'ERR_CHECKPOINT_FORMAT',
    })
  })

  test.each(['modules.json', 'tokenizer_config.json', 'model.safetensors'])(
    'a %s that leads nowhere is not taken for an absent one',
    async (name) => {
      const folder = copy(`dangling-${name}`)
      symlinkSync('../blobs/gone', join(folder, name))
      await expect(pipeline('feature-extraction', folder)).rejects.toMatchObject({
        code: 'ERR_FILE_READ',
      })
    },
  )

  test('a vocabulary of another model is refused', async () => {
    const folder = copy('vocabulary')
    const words = Array.from({ length: 300 }, (_, i) => `w${i}`)
    const tokens = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', ...words]
    writeFileSync(join(folder, 'vocab.txt'), `${tokens.join('\n')}\n`)
    await expect(pipeline('feature-extraction', folder)).rejects.toMatchObject({
      code: 'ERR_VOCAB_MISMATCH',
    })
  })

  test('a sentence-transformers folder sets the defaults, the model in a subfolder', async () => {
    const folder = join(work, 'sentence')
    mkdirSync(folder)
    cpSync(GOLDEN_MODEL, join(folder, '0_Transformer'), { recursive: true })
    const json = (name: string, value: unknown): void =>
      writeFileSync(join(folder, name), JSON.stringify(value))
    const module = (idx: number, kind: string, path: string): object =>
      ({ idx, name: String(idx), path, type: `sentence_transformers.models.${kind}` })
    json('modules.json', [
      module(0, 'Transformer', '0_Transformer'), module(1, 'Pooling', '1_Pooling'),
      module(2, 'Normalize', '2_Normalize'),
    ])
    mkdirSync(join(folder, '1_Pooling'))
    json('1_Pooling/config.json', { pooling_mode_cls_token: true })
    json('0_Transformer/sentence_bert_config.json', { max_seq_length: 7, do_lower_case: true })
    json('0_Transformer/tokenizer_config.json', { do_lower_case: false })
    const mine = await pipeline('feature-extraction', folder)
    const hidden = await mine(['a b'], { pooling: 'none' })
    const [row] = hidden[0]!.tolist<number[][]>()
    expect(Math.hypot(...row!)).not.toBeCloseTo(1, 2) // normalize is about vectors
    expect(mine.defaults).toEqual({
      pooling: 'cls', normalize: true, max_length: 7, from_sentence_transformers: true,
      embedding_size: mine.hidden_size, prompts: { query: '', document: '' },
      default_prompt_name: null,
    })
    const upper = (await mine('A B C D E F G H')) as Tensor & { usage: { truncated: number } }
    expect(upper.usage.truncated).toBe(1)
    const lower = (await mine('a b c d e f g h')) as Tensor
    expect(upper.data).toEqual(lower.data)
    await mine.dispose()
  })
})

// openCheckpoint on folders: the golden models, whose every tensor is known by its hash, the order
// of formats, shards, and links.
import { createHash } from 'node:crypto'
import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { openCheckpoint } from '../../lib/checkpoint/checkpoint.js'
import {
  DTYPE_BITS,
  type StoredTensor,
  type TensorTable,
} from '../../lib/checkpoint/tensor-table.js'
import { ModelFolder } from '../../lib/hub/folder.js'
import {
  dict,
  floats,
  insideFile,
  ops,
  safetensors,
  tensor,
  torchLegacy,
  torchZip,
} from './build.js'

const GOLDEN = join(import.meta.dirname, '..', 'golden')
const DTYPES: Record<string, string> = {
  float32: 'F32',
  float16: 'F16',
  bfloat16: 'BF16',
  int64: 'I64',
}

let root = ''
beforeAll(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'fusebert-checkpoint-')))
})
afterAll(() => rm(root, { recursive: true, force: true }))

let folders = 0
async function folder(files: Record<string, string | Buffer>): Promise<string> {
  const path = join(root, `model-${(folders += 1)}`)
  await mkdir(path, { recursive: true })
  for (const [name, content] of Object.entries(files)) await writeFile(join(path, name), content)
  return path
}
const openFolder = async (path: string) => openCheckpoint(await ModelFolder.open(path))
const openFiles = async (files: Record<string, string | Buffer>) => openFolder(await folder(files))

/** A tensor's elements in row-major order, as its strides say. */
function gather(bytes: Buffer, { shape, strides, offsetBytes, dtype }: StoredTensor): Buffer {
  const width = DTYPE_BITS[dtype] / 8
  let offsets = [offsetBytes]
  shape.forEach((size, axis) => {
    const steps = Array.from({ length: size }, (_, index) => index * strides[axis]! * width)
    offsets = offsets.flatMap((offset) => steps.map((step) => offset + step))
  })
  return Buffer.concat(offsets.map((offset) => bytes.subarray(offset, offset + width)))
}

async function hashes(table: TensorTable): Promise<Record<string, unknown>> {
  const files = await Promise.all(table.files.map(({ path }) => readFile(path)))
  return Object.fromEntries(
    [...table.tensors].map(([name, stored]) => {
      const bytes = gather(files[stored.fileIndex]!, stored)
      const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 16)
      return [name, [stored.dtype, stored.shape, hash]]
    }),
  )
}

describe('golden models', async () => {
  const manifest = JSON.parse(await readFile(join(GOLDEN, 'manifest.json'), 'utf8')) as {
    models: { name: string; storage: string }[]
  }
  test('cover every storage', () => {
    expect(new Set(manifest.models.map(({ storage }) => storage))).toEqual(
      new Set([
        'safetensors',
        'safetensors-sharded',
        'torch-zip',
        'torch-sharded',
        'torch-legacy',
      ]),
    )
  })

  test.each(manifest.models)('$name: every tensor is where the table says', async ({ name }) => {
    const path = join(GOLDEN, name)
    const table = await openFolder(path)
    const text = await readFile(join(path, 'tensors.json'), 'utf8')
    const wanted = JSON.parse(text) as Record<string, [string, number[], string]>
    const expected = Object.entries(wanted).map(([key, [dtype, shape, hash]]) => [
      key,
      [DTYPES[dtype], shape, hash],
    ])
    expect(await hashes(table)).toEqual(Object.fromEntries(expected))
    for (const stored of table.tensors.values()) {
      expect(insideFile(stored, table.files[stored.fileIndex]!)).toBe(true)
    }
  })

  test('one has a transposed tensor, one inside a larger storage, and tied ones', async () => {
    const { tensors } = await openFolder(join(GOLDEN, 'torch-zip'))
    const at = (name: string) => tensors.get(name)!
    expect(at('encoder.layer.0.attention.self.query.weight').strides).toEqual([1, 32])
    const tied = at('cls.predictions.decoder.weight')
    expect(tied).toEqual(at('embeddings.word_embeddings.weight'))
  })

  test('all together are small', async () => {
    let bytes = 0
    for (const entry of await readdir(GOLDEN, { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) bytes += (await readFile(join(entry.parentPath, entry.name))).length
    }
    expect(bytes).toBeGreaterThan(500_000)
    expect(bytes).toBeLessThan(5_000_000)
  })
})

const SAFE = safetensors({ s: { dtype: 'F32', shape: [1], data_offsets: [0, 4] } }, 4)
const TORCH = torchZip(dict([['t', tensor()]]))
const LEGACY = torchLegacy(dict([['l', tensor({ legacy: true })]]))
const index = (weight_map: unknown): string => JSON.stringify({ metadata: {}, weight_map })

describe('which file', () => {
  const names = async (files: Record<string, string | Buffer>) =>
    [...(await openFiles(files)).tensors.keys()].join()

  test('safetensors, then its shards, then PyTorch, then its shards', async () => {
    const part = { x: { dtype: 'U8', shape: [1], data_offsets: [0, 1] } }
    const candidates: [string, string | Buffer, string][] = [
      ['model.safetensors', SAFE, 's'],
      ['model.safetensors.index.json', index({ x: 'part.safetensors' }), 'x'],
      ['pytorch_model.bin', TORCH, 't'],
      ['pytorch_model.bin.index.json', index({ l: 'part.bin' }), 'l'],
    ]
    for (const [at, [, , wanted]] of candidates.entries()) {
      const files = Object.fromEntries(candidates.slice(at).map(([name, file]) => [name, file]))
      const parts = { 'part.safetensors': safetensors(part, 1), 'part.bin': LEGACY }
      expect(await names({ ...files, ...parts })).toBe(wanted)
    }
  })

  test('none: the message names what was looked for', async () => {
    await expect(openFiles({ 'config.json': '{}', 'tf_model.h5': '' })).rejects.toMatchObject({
      code: 'ERR_FILE_NOT_FOUND',
      message: expect.stringMatching(
        /model\.safetensors, .*pytorch_model\.bin, pytorch_model\.bin\.index\.json/,
      ) as string,
    })
  })

  test('a folder named like a checkpoint is an error, not a reason to take the next', async () => {
    const path = await folder({ 'pytorch_model.bin': TORCH })
    await mkdir(join(path, 'model.safetensors'))
    await expect(openFolder(path)).rejects.toMatchObject({ code: 'ERR_FILE_READ' })
  })

  test('a broken file is an error, not a reason to take the next', async () => {
    const files = { 'model.safetensors': Buffer.alloc(3), 'pytorch_model.bin': TORCH }
    await expect(openFiles(files)).rejects.toMatchObject({ code: 'ERR_CHECKPOINT_FORMAT' })
  })
})

describe('links', () => {
  test('a snapshot of the Hugging Face cache: links to blobs outside the folder', async () => {
    const cache = join(root, 'models--org--name')
    const snapshot = join(cache, 'snapshots', 'abc')
    await mkdir(join(cache, 'blobs'), { recursive: true })
    await mkdir(snapshot, { recursive: true })
    await writeFile(join(cache, 'blobs', 'deadbeef'), SAFE)
    await symlink('../../blobs/deadbeef', join(snapshot, 'model.safetensors'))
    const table = await openFolder(snapshot)
    expect(table.files).toEqual([
      { path: join(cache, 'blobs', 'deadbeef'), sizeBytes: SAFE.length },
    ])
    expect(table.tensors.get('s')).toMatchObject({ fileIndex: 0 })
  })

  test('a link to nothing is an error, not an absent file', async () => {
    const path = await folder({})
    await symlink('nowhere', join(path, 'model.safetensors'))
    await expect(openFolder(path)).rejects.toMatchObject({ code: 'ERR_FILE_READ' })
  })
})

describe('shards', () => {
  const part = (...names: string[]): Buffer =>
    safetensors(
      Object.fromEntries(
        names.map((name, at) => [name, { dtype: 'U8', shape: [1], data_offsets: [at, at + 1] }]),
      ),
      names.length,
    )
  const sharded = (map: unknown, files: Record<string, Buffer> = {}) =>
    openFiles({ 'model.safetensors.index.json': index(map), ...files })

  test('tensors come from the shard that the index names, others do not count', async () => {
    const table = await sharded(
      { a: 'one', b: './two', c: 'one' },
      { one: part('b', 'a', 'c', 'extra'), two: part('a', 'b') },
    )
    expect([...table.tensors.keys()].sort()).toEqual(['a', 'b', 'c'])
    const file = (name: string) => table.files[table.tensors.get(name)!.fileIndex]!.path
    expect(file('a')).toMatch(/one$/)
    expect(file('b')).toMatch(/two$/)
    expect(file('c')).toMatch(/one$/)
  })

  test('two spellings of a shard are one file', async () => {
    const map = { a: 'one', b: './one', c: 'x/../one' }
    const table = await sharded(map, { one: part('a', 'b', 'c') })
    expect(table.files).toHaveLength(1)
    expect(table.tensors.size).toBe(3)
  })

  test.each(['../outside', '/etc/passwd', 'a/../../b', 'a\\b', '', 'a\0b'])(
    'a name that leaves the folder: %j',
    async (name) => {
      await expect(sharded({ a: name })).rejects.toMatchObject({ code: 'ERR_CHECKPOINT_UNSAFE' })
    },
  )

  test('a shard without its tensor', async () => {
    await expect(sharded({ a: 'one', b: 'one' }, { one: part('a') })).rejects.toMatchObject({
      code: 'ERR_CHECKPOINT_FORMAT',
      message: expect.stringContaining("'b' not in one") as string,
    })
  })

  test('a missing shard', async () => {
    await expect(sharded({ a: 'one' })).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' })
  })

  test('a shard that is a folder', async () => {
    const path = await folder({ 'model.safetensors.index.json': index({ a: 'one' }) })
    await mkdir(join(path, 'one'))
    await expect(openFolder(path)).rejects.toMatchObject({ code: 'ERR_FILE_READ' })
  })

  test.each([
    ['not JSON', '{'],
    ['NaN', '{"weight_map": NaN}'],
    ['a list', '[]'],
    ['no weight_map', '{}'],
    ['an empty weight_map', '{"weight_map": {}}'],
    ['a weight_map that is a list', '{"weight_map": ["one"]}'],
    ['a number as file', '{"weight_map": {"a": 1}}'],
    ['null as file', '{"weight_map": {"a": null}}'],
    ['deep nesting', `{"weight_map": ${'['.repeat(100_000)}`],
  ])('an index with %s', async (_, text) => {
    await expect(openFiles({ 'model.safetensors.index.json': text })).rejects.toMatchObject({
      code: 'ERR_CHECKPOINT_FORMAT',
    })
  })

  test('more shards than any model has', async () => {
    const map = Object.fromEntries(Array.from({ length: 1025 }, (_, at) => [`t${at}`, `f${at}`]))
    await expect(sharded(map)).rejects.toMatchObject({ code: 'ERR_CHECKPOINT_FORMAT' })
  })

  test('an unsafe pickle in a shard', async () => {
    const bad = torchZip(ops(Buffer.from('cposix\nsystem\n')), { '0': floats(6) })
    const files = { 'pytorch_model.bin.index.json': index({ a: 'one' }), one: bad }
    await expect(openFiles(files)).rejects.toMatchObject({ code: 'ERR_CHECKPOINT_UNSAFE' })
  })
})

// pytorch_model.bin in both serialisations: tensors where they are, and what is refused.
import { describe, expect, test } from 'vitest'

import { readTorch } from '../../lib/checkpoint/torch.js'
import { FusebertError } from '../../lib/errors.js'
import {
  code,
  dict,
  FALSE,
  floats,
  global,
  insideFile,
  MAGIC,
  NONE,
  ops,
  pickle,
  source,
  storageId,
  tensor,
  torchLegacy,
  torchZip,
  TRUE,
  tuple,
  zip,
  type LegacySpec,
  type TensorSpec,
} from './build.js'

const read = (bytes: Buffer) => readTorch(source(bytes))
const refusal = async (bytes: Buffer): Promise<FusebertError> => {
  const error: unknown = await read(bytes).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(FusebertError)
  return error as FusebertError
}

const orderedDict = ops(global('collections', 'OrderedDict'), code(')R'))

interface Format {
  name: string
  /** A checkpoint of this body, which refers to storage '0' of six floats. */
  file(body: Buffer): Buffer
  tensor(spec?: TensorSpec, rebuild?: string): Buffer
}

const FORMATS: Format[] = [
  { name: 'zip', file: (body) => torchZip(body), tensor: (...args) => tensor(...args) },
  {
    name: 'legacy',
    file: (body) => torchLegacy(body),
    tensor: (spec, rebuild) => tensor({ ...spec, legacy: true }, rebuild),
  },
]

describe.each(FORMATS)('$name', (format) => {
  const one = (spec?: TensorSpec) => format.file(dict([['a', format.tensor(spec)]]))

  test('a tensor, whose bytes are where the table says', async () => {
    const bytes = one({ offset: 1, shape: [2, 2], strides: [1, 2] })
    const found = (await read(bytes)).get('a')!
    expect(found).toMatchObject({ dtype: 'F32', shape: [2, 2], strides: [1, 2] })
    expect(bytes.readFloatLE(found.offsetBytes)).toBe(1)
    expect(bytes.readFloatLE(found.offsetBytes + 3 * 4)).toBe(4)
    expect(insideFile(found, { sizeBytes: bytes.length })).toBe(true)
  })

  test('tied tensors, an OrderedDict with attributes, and what stands beside tensors', async () => {
    const body = ops(
      orderedDict,
      code('('),
      ops('a', format.tensor(), code('q\x09')),
      ops('b', code('h\x09')),
      ops('epoch', 3, 'list', code(']'), 'set', global('builtins', 'set'), code(']\x85R')),
      ops('dtype', global('torch', 'float32')),
      code('u'),
      ops(dict([['_metadata', orderedDict]]), code('b')),
    )
    const tensors = await read(format.file(body))
    expect([...tensors.keys()]).toEqual(['a', 'b'])
    expect(tensors.get('a')).toEqual(tensors.get('b'))
  })

  test('parameters, the oldest function, and Python 2’s OrderedDict', async () => {
    const parameter = ops(
      global('torch._utils', '_rebuild_parameter'),
      tuple(format.tensor(), FALSE, orderedDict),
      code('R'),
    )
    const oldest = ops(
      global('torch._utils', '_rebuild_tensor'),
      tuple(storageId({ legacy: format.name === 'legacy' }), 0, tuple(6), tuple(1)),
      code('R'),
    )
    const pair = (name: string, value: Buffer) => ops(code(']('), name, value, code('e'))
    const pairs = ops(code(']('), pair('a', parameter), pair('b', oldest), code('e'))
    const body = ops(global('collections', 'OrderedDict'), tuple(pairs), code('R'))
    const tensors = await read(format.file(body))
    expect(tensors.get('a')).toMatchObject({ shape: [2, 3] })
    expect(tensors.get('b')).toMatchObject({ shape: [6] })
  })

  test.each(['state_dict', 'model_state_dict', 'model'])('weights inside %s', async (name) => {
    const inner = dict([['a', format.tensor()]])
    const body = dict([['epoch', 1], [name, inner], ['other', dict([['b', format.tensor()]])]])
    expect([...(await read(format.file(body))).keys()]).toEqual(['a'])
  })

  test('tied, transposed and sliced tensors, a scalar, and one without elements', async () => {
    const body = dict([
      ['whole', format.tensor()],
      ['tied', format.tensor()],
      ['transposed', format.tensor({ shape: [3, 2], strides: [1, 3] })],
      ['sliced', format.tensor({ offset: 1, shape: [2, 2], strides: [3, 1] })],
      ['one row, expanded', format.tensor({ shape: [1, 6], strides: [0, 1] })],
      ['scalar', format.tensor({ offset: 5, shape: [], strides: [] })],
      ['empty', format.tensor({ offset: 6, shape: [0, 4], strides: [4, 1] })],
    ])
    const bytes = format.file(body)
    const tensors = await read(bytes)
    expect(tensors.size).toBe(7)
    for (const found of tensors.values()) {
      expect(insideFile(found, { sizeBytes: bytes.length })).toBe(true)
    }
  })

  test.each<[string, TensorSpec]>([
    ['one element too many', { shape: [7], strides: [1] }],
    ['an offset too far', { offset: 1 }],
    ['an offset beyond the storage', { offset: 7, shape: [0], strides: [1] }],
    ['a negative offset', { offset: -1, shape: [1], strides: [1] }],
    ['a stride too large', { strides: [4, 1] }],
    ['a negative stride', { offset: 5, shape: [6], strides: [-1] }],
    ['a negative size', { shape: [-2, -3] }],
    ['a size of 2^52 with stride 0', { shape: [2 ** 52, 2 ** 52], strides: [0, 0] }],
    ['a stride of 2^52', { shape: [2 ** 20], strides: [2 ** 52] }],
    ['an offset of 2^53 - 1', { offset: 2 ** 53 - 1, shape: [0], strides: [1] }],
    ['an expanded row', { shape: [2, 6], strides: [0, 1] }],
    ['an expanded element', { shape: [2 ** 20, 1024], strides: [0, 0] }],
    ['rows that overlap', { shape: [3, 4], strides: [1, 1] }],
  ])('refuses %s, by the tensor’s name', async (_, spec) => {
    const error = await refusal(one(spec))
    expect(error.code).toBe('ERR_TENSOR_SHAPE')
    expect(error.message).toContain("'a'")
  })

  test.each<[string, TensorSpec]>([
    ['a storage that is not there', { key: '1' }],
    ['a storage outside', { key: '../../data.pkl' }],
    ['a storage with another size', { numel: 7 }],
    ['a storage with another dtype', { type: 'DoubleStorage' }],
    ['a storage of 2^53 - 1 elements', { numel: 2 ** 53 - 1 }],
    ['a storage of -1 elements', { numel: -1 }],
    ['more strides than sizes', { shape: [6], strides: [1, 1] }],
    ['a hundred axes', {
      shape: new Array<number>(100).fill(1), strides: new Array<number>(100).fill(1) }],
  ])('refuses %s', async (_, spec) => {
    expect((await refusal(one(spec))).code).toBe('ERR_CHECKPOINT_FORMAT')
  })

  test('refuses a storage with two dtypes', async () => {
    const half = format.tensor({ type: 'HalfStorage' })
    const error = await refusal(format.file(dict([['a', format.tensor()], ['b', half]])))
    expect(error.code).toBe('ERR_CHECKPOINT_FORMAT')
    expect(error.message).toContain("storage '0' in two ways")
  })

  test.each([
    ['_rebuild_sparse_tensor', 'sparse'],
    ['_rebuild_qtensor', 'quantized'],
    ['_rebuild_nested_tensor', 'nested'],
    ['_rebuild_meta_tensor_no_storage', 'without data'],
  ])('refuses what %s makes, by the tensor’s name', async (rebuild, what) => {
    const body = ops(global('torch._utils', rebuild), tuple(format.tensor()), code('R'))
    const error = await refusal(format.file(dict([['a', format.tensor()], ['odd', body]])))
    expect(error.code).toBe('ERR_TENSOR_DTYPE')
    expect(error.message).toContain("'odd'")
    expect(error.message).toContain(what)
  })

  test.each([
    ['posix', 'system'],
    ['nt', 'system'],
    ['os', 'system'],
    ['builtins', 'eval'],
    ['builtins', 'getattr'],
    ['__builtin__', 'eval'],
    ['subprocess', 'Popen'],
    ['torch', 'load'],
    ['torch.hub', 'load'],
    ['torch._utils', '__dict__'],
    ['numpy.core.multiarray', '_reconstruct'],
    ['collections', 'OrderedDict.fromkeys'],
    ['__torch__', 'Model'],
    ['constructor', 'prototype'],
  ])('refuses the global %s.%s by name, before anything is called', async (module, name) => {
    const call = ops(global(module, name), tuple('touch /tmp/never'), code('R'))
    const byStack = ops(module, name, code('\x93'), tuple('touch /tmp/never'), code('R'))
    for (const body of [call, byStack]) {
      const error = await refusal(format.file(dict([['a', format.tensor()], ['b', body]])))
      expect(error.code).toBe('ERR_CHECKPOINT_UNSAFE')
      expect(error.message).toContain(`'${module}.${name}'`)
      expect(error.message).not.toContain('touch')
    }
  })

  test.each([
    ['a module as persistent id', ops(tuple('module', 'torch.nn', 'x.py', 'code'), code('Q'))],
    ['a string as persistent id', ops('storage', code('Q'))],
    ['a NEWOBJ', ops(global('torch', 'Size'), code(')\x81'))],
  ])('refuses %s', async (_, body) => {
    const error = await refusal(format.file(dict([['a', body]])))
    expect(error.code).toBe('ERR_CHECKPOINT_UNSAFE')
  })

  test.each([
    ['a list', ops(code(']('), format.tensor(), code('e'))],
    ['a bare tensor', format.tensor()],
    ['a dict without tensors', dict([['a', 1]])],
    ['a dict with numbers for names', dict([[1, format.tensor()]])],
    ['None', NONE],
    ['a tensor of a string', ops(global('torch._utils', '_rebuild_tensor_v2'), tuple('x'),
      code('R'))],
    ['a storage type that is a function', ops(tuple('storage', global('torch', 'Size'), '0',
      'cpu', 6), code('Q'))],
  ])('refuses %s', async (_, body) => {
    expect((await refusal(format.file(body))).code).toBe('ERR_CHECKPOINT_FORMAT')
  })

  test('refuses calls with one long tuple again and again, soon', async () => {
    const legacy = format.name === 'legacy'
    const zeros = code(`(${'K\0'.repeat(65_000)}tq\x01`)
    const args = ops(code('('), storageId({ legacy }), 0, code('h\x01h\x01tq\x02'))
    const once = ops(global('torch._utils', '_rebuild_tensor'), code('q\0'), zeros, args)
    const body = ops(code('('), once, code(`${'h\0h\x02R0'.repeat(50_000)}1N`))
    const begun = performance.now()
    expect((await refusal(format.file(body))).code).toBe('ERR_CHECKPOINT_FORMAT')
    expect(performance.now() - begun).toBeLessThan(4000) // a tenth of a second, on a quiet machine
  }, 60_000)

  test('cut short at every byte', async () => {
    const bytes = one()
    for (let length = 0; length < bytes.length; length += 1) {
      expect((await refusal(bytes.subarray(0, length))).code).toBe('ERR_CHECKPOINT_FORMAT')
    }
  })
})

describe('zip', () => {
  const body = dict([['a', tensor()]])

  test.each(['archive', 'pytorch_model', 'x.y-z'])('any prefix: %s', async (prefix) => {
    const file = zip([
      { name: `${prefix}/data.pkl`, data: pickle(body) },
      { name: `${prefix}/byteorder`, data: Buffer.from('little') },
      { name: `${prefix}/data/0`, data: floats(6) },
      { name: `${prefix}/version`, data: Buffer.from('3\n') },
    ])
    expect((await read(file)).size).toBe(1)
  })

  test('dtypes that have no storage class of their own', async () => {
    const rebuild = (dtype: Buffer) =>
      ops(
        global('torch._utils', '_rebuild_tensor_v3'),
        tuple(storageId({ type: 'UntypedStorage', numel: 24 }), 1, tuple(11), tuple(1), FALSE,
          orderedDict, dtype),
        code('R'),
      )
    const bytes = torchZip(dict([['a', rebuild(global('torch', 'uint16'))]]))
    expect((await read(bytes)).get('a')).toMatchObject({ dtype: 'U16', shape: [11] })
    const outside = torchZip(dict([['a', rebuild(global('torch', 'uint32'))]]))
    expect((await refusal(outside)).code).toBe('ERR_TENSOR_SHAPE')
    const none = torchZip(dict([['a', rebuild(global('torch', 'Size'))]]))
    expect((await refusal(none)).code).toBe('ERR_CHECKPOINT_FORMAT')
  })

  test('big-endian numbers', async () => {
    const order = { name: 'archive/byteorder', data: Buffer.from('big') }
    const error = await refusal(torchZip(body, undefined, [order]))
    expect(error.code).toBe('ERR_CHECKPOINT_FORMAT')
    expect(error.message).toContain('byte order')
  })

  test('a TorchScript program', async () => {
    const constants = { name: 'archive/constants.pkl', data: pickle(NONE) }
    const error = await refusal(torchZip(body, undefined, [constants]))
    expect(error.code).toBe('ERR_CHECKPOINT_UNSAFE')
    expect(error.message).toContain('TorchScript')
  })

  test('no data.pkl, and two', async () => {
    const storage = { name: 'archive/data/0', data: floats(6) }
    expect((await refusal(zip([storage]))).message).toContain('data.pkl')
    const second = { name: 'other/data.pkl', data: pickle(body) }
    expect((await refusal(torchZip(body, undefined, [second]))).message).toContain('data.pkl')
  })

  test('a storage that is larger or smaller than its elements', async () => {
    for (const count of [5, 7]) {
      const error = await refusal(torchZip(body, { '0': floats(count) }))
      expect(error.message).toContain("storage '0'")
    }
  })

  test('a storage beyond 4 GB, by its zip64 fields, without reading it', async () => {
    const size = 2 ** 33
    const spec = { numel: size / 4, shape: [size / 4], strides: [1] }
    const head = torchZip(dict([['a', tensor(spec)]]))
    const huge = sparseZip(head, size)
    const found = (await readTorch(huge.source)).get('a')!
    expect(found.offsetBytes).toBe(huge.dataStart)
    expect(insideFile(found, huge.source)).toBe(true)
    expect(huge.read.bytes).toBeLessThan(200_000)
  })
})

/** The pickle of `head` and a storage of `size` bytes that exist only as numbers. */
function sparseZip(head: Buffer, size: number) {
  const pickleEnd = head.indexOf('PK\x03\x04', 4)
  const name = Buffer.from('archive/data/0')
  const local = Buffer.alloc(30)
  local.writeUInt32LE(0x04034b50, 0)
  local.writeUInt32LE(0xffffffff, 18)
  local.writeUInt32LE(0xffffffff, 22)
  local.writeUInt16LE(name.length, 26)
  const start = Buffer.concat([head.subarray(0, pickleEnd), local, name])
  const tail = sparseTail(head, name, pickleEnd, start.length + size, size)
  const sizeBytes = start.length + size + tail.length
  const read = { bytes: 0 }
  return {
    dataStart: start.length,
    read,
    source: {
      path: '/models/huge.bin',
      sizeBytes,
      read: async (offset: number, length: number) => {
        read.bytes += length
        const bytes = Buffer.alloc(length)
        start.copy(bytes, 0, Math.min(offset, start.length))
        const tailAt = sizeBytes - tail.length
        if (offset >= tailAt) tail.copy(bytes, 0, offset - tailAt)
        else if (offset + length > tailAt) tail.copy(bytes, tailAt - offset)
        return bytes
      },
    },
  }
}

function sparseTail(head: Buffer, name: Buffer, local: number, at: number, size: number): Buffer {
  const numbers = (...values: number[]): Buffer =>
    Buffer.from(BigUint64Array.from(values.map(BigInt)).buffer)
  const firstCentral = head.indexOf('PK\x01\x02')
  const first = head.subarray(firstCentral, head.indexOf('PK\x01\x02', firstCentral + 4))
  const central = Buffer.alloc(46)
  central.writeUInt32LE(0x02014b50, 0)
  central.writeUInt32LE(0xffffffff, 20)
  central.writeUInt32LE(0xffffffff, 24)
  central.writeUInt16LE(name.length, 28)
  central.writeUInt16LE(28, 30)
  central.writeUInt32LE(0xffffffff, 42)
  const extra = Buffer.concat([Buffer.from([1, 0, 24, 0]), numbers(size, size, local)])
  const directory = Buffer.concat([first, central, name, extra])
  const record = Buffer.concat([Buffer.from('PK\x06\x06'), numbers(44), Buffer.alloc(12),
    numbers(2, 2, directory.length, at)])
  const locator = Buffer.concat([Buffer.from('PK\x06\x07'), Buffer.alloc(4),
    numbers(at + directory.length), Buffer.from([1, 0, 0, 0])])
  const end = Buffer.alloc(22, 0xff)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt32LE(0, 4)
  end.writeUInt16LE(0, 20)
  return Buffer.concat([directory, record, locator, end])
}

describe('legacy', () => {
  const legacyTensor = (spec: TensorSpec = {}) => tensor({ ...spec, legacy: true })
  const body = dict([['a', legacyTensor()]])

  test('several storages, in the order of their keys', async () => {
    const two = dict([
      ['a', legacyTensor({ key: 'x', numel: 2, shape: [2], strides: [1] })],
      ['b', legacyTensor({ key: 'y', type: 'HalfStorage', numel: 3, shape: [3], strides: [1] })],
    ])
    const bytes = torchLegacy(two, {
      keys: ['y', 'x'],
      storages: [[3, Buffer.from('abcdef')], [2, Buffer.from('12345678')]],
    })
    const tensors = await read(bytes)
    const at = (name: string) => tensors.get(name)!.offsetBytes
    expect(bytes.toString('latin1', at('a'), at('a') + 8)).toBe('12345678')
    expect(bytes.toString('latin1', at('b'), at('b') + 6)).toBe('abcdef')
    expect(tensors.get('b')!.dtype).toBe('F16')
  })

  test('a view of a storage', async () => {
    const spec = { view: tuple('view', 2, 3), offset: 1, shape: [2], strides: [1] }
    const bytes = torchLegacy(dict([['a', legacyTensor(spec)]]))
    expect(bytes.readFloatLE((await read(bytes)).get('a')!.offsetBytes)).toBe(3)
  })

  test.each([
    ['outside its storage', tuple('view', 4, 3)],
    ['of -1 elements', tuple('view', 4, -1)],
    ['that is no tuple', ops('view')],
  ])('a view %s', async (_, view) => {
    const error = await refusal(torchLegacy(dict([['a', legacyTensor({ view })]])))
    expect(error.code).toBe('ERR_CHECKPOINT_FORMAT')
  })

  test('a tensor of more elements than its view but no more than the storage', async () => {
    const spec = { view: tuple('view', 2, 3), shape: [2, 2], strides: [1, 1] }
    const error = await refusal(torchLegacy(dict([['a', legacyTensor(spec)]])))
    expect(error.code).toBe('ERR_TENSOR_SHAPE')
    expect(error.message).toContain("'a'")
  })

  test('a tensor outside its view but inside the storage', async () => {
    const spec = { view: tuple('view', 2, 3), shape: [4], strides: [1] }
    const error = await refusal(torchLegacy(dict([['a', legacyTensor(spec)]])))
    expect(error.code).toBe('ERR_TENSOR_SHAPE')
  })

  test('a pickle that is longer than the first read', async () => {
    const entry = (index: number) => [`n${index}`, 'x'.repeat(1000)] as const
    const filler = Array.from({ length: 400 }, (_, index) => entry(index))
    const long = dict([...filler, ['a', legacyTensor()]])
    const tensors = await read(torchLegacy(long))
    expect([...tensors.keys()]).toEqual(['a'])
  })

  test.each<[string, LegacySpec]>([
    ['another magic number', { magic: pickle(7) }],
    ['another protocol', { version: 1002 }],
    ['big-endian numbers', { littleEndian: FALSE }],
    ['a missing storage', { storages: [] }],
    ['a missing key', { keys: [], storages: [] }],
    ['a key that the pickle does not name', { keys: ['0', '1'] }],
    ['a key twice', { keys: ['0', '0'], storages: [[6, floats(6)], [6, floats(6)]] }],
    ['another count of elements', { storages: [[5, floats(6)]] }],
    ['a negative count', { storages: [[2n ** 64n - 6n, floats(6)]] }],
    ['a storage cut short', { storages: [[6, floats(5)]] }],
    ['bytes after the last storage', { tail: Buffer.from('x') }],
  ])('%s', async (_, spec) => {
    expect((await refusal(torchLegacy(body, spec))).code).toBe('ERR_CHECKPOINT_FORMAT')
  })

  test('keys that are not strings', async () => {
    const system = pickle(dict([['little_endian', TRUE]]))
    const keys = pickle(code(']K\x00a'))
    const bytes = Buffer.concat([MAGIC, pickle(1001), system, pickle(body), keys, floats(8)])
    expect((await refusal(bytes)).message).toContain('keys')
  })
})

describe('other files', () => {
  test.each([
    ['nothing', Buffer.alloc(0)],
    ['text', Buffer.from('<!doctype html>')],
    ['a tar archive', Buffer.from('storages\0\0\0\0')],
    ['a pickle of something else', pickle('hello')],
  ])('%s', async (_, bytes) => {
    expect((await refusal(bytes)).code).toBe('ERR_CHECKPOINT_FORMAT')
  })

  test('a Git LFS pointer, with what to do', async () => {
    const pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n'
    expect((await refusal(Buffer.from(pointer))).message).toContain('git lfs pull')
  })
})

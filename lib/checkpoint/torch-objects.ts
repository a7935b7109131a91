// What PyTorch puts in a pickle: storages by persistent id, and the few functions that make tensors
// of them. A global that is not in this table is refused by name; nothing here runs code from a
// file, and a call makes a description, never a tensor.

import { formatError, quote, unsafeError, type ByteSource } from './byte-source.js'
import type { PickleHost } from './pickle.js'
import {
  isDict,
  isList,
  isStructured,
  isTuple,
  type PickleCallable,
  type PickleDict,
  type PickleObject,
  type PickleValue,
} from './pickle-values.js'
import { DTYPE_BITS, type StoredDtype } from './tensor-table.js'

/** PyTorch's own limit. */
const MAX_AXES = 64

/** A storage: a run of elements in the file, of one dtype, known by its key. */
export class StorageRef implements PickleObject {
  readonly kind = 'object'
  readonly type = 'storage'
  constructor(
    readonly key: string,
    /** null: bytes without a dtype; `elements` counts them. */
    readonly dtype: StoredDtype | null,
    /** Of the whole storage, in elements. */
    readonly elements: number,
    /** The part of it that this reference sees, in elements. */
    readonly viewOffset: number,
    readonly viewElements: number,
  ) {}

  get elementBytes(): number {
    return this.dtype === null ? 1 : DTYPE_BITS[this.dtype] / 8
  }
}

/** A tensor as described; ranges are checked once its name is known. */
export class TensorRef implements PickleObject {
  readonly kind = 'object'
  readonly type = 'tensor'
  constructor(
    readonly storage: StorageRef,
    readonly dtype: StoredDtype,
    /** In elements of `dtype`, from the start of what the reference sees. */
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}
}

/** A tensor of a kind that weights cannot have; an error once something is found to need it. */
export class RefusedTensor implements PickleObject {
  readonly kind = 'object'
  readonly type = 'refused'
  constructor(readonly what: string) {}
}

/** A value that is only ever skipped over. */
class Opaque implements PickleObject {
  readonly kind = 'object'
  readonly type = 'opaque'
}

const OPAQUE = new Opaque()

const STORAGE_DTYPES: Readonly<Record<string, StoredDtype | null>> = {
  'torch.FloatStorage': 'F32',
  'torch.HalfStorage': 'F16',
  'torch.BFloat16Storage': 'BF16',
  'torch.DoubleStorage': 'F64',
  'torch.LongStorage': 'I64',
  'torch.IntStorage': 'I32',
  'torch.ShortStorage': 'I16',
  'torch.CharStorage': 'I8',
  'torch.ByteStorage': 'U8',
  'torch.BoolStorage': 'BOOL',
  'torch.ComplexFloatStorage': 'C64',
  'torch.ComplexDoubleStorage': 'C128',
  // Quantized tensors keep integers; _rebuild_qtensor refuses them by name later.
  'torch.QInt8Storage': 'I8',
  'torch.QUInt8Storage': 'U8',
  'torch.QInt32Storage': 'I32',
  'torch.UntypedStorage': null,
  'torch.storage.UntypedStorage': null,
}

const DTYPES: Readonly<Record<string, StoredDtype>> = {
  'torch.float32': 'F32',
  'torch.float16': 'F16',
  'torch.bfloat16': 'BF16',
  'torch.float64': 'F64',
  'torch.int64': 'I64',
  'torch.int32': 'I32',
  'torch.int16': 'I16',
  'torch.int8': 'I8',
  'torch.uint64': 'U64',
  'torch.uint32': 'U32',
  'torch.uint16': 'U16',
  'torch.uint8': 'U8',
  'torch.bool': 'BOOL',
  'torch.complex64': 'C64',
  'torch.complex128': 'C128',
  'torch.float8_e4m3fn': 'F8_E4M3',
  'torch.float8_e4m3fnuz': 'F8_E4M3FNUZ',
  'torch.float8_e5m2': 'F8_E5M2',
  'torch.float8_e5m2fnuz': 'F8_E5M2FNUZ',
  'torch.float8_e8m0fnu': 'F8_E8M0',
}

const REFUSED_TENSORS: Readonly<Record<string, string>> = {
  'torch._utils._rebuild_sparse_tensor': 'a sparse tensor',
  'torch._utils._rebuild_sparse_csr_tensor': 'a sparse tensor',
  'torch._utils._rebuild_qtensor': 'a quantized tensor',
  'torch._utils._rebuild_nested_tensor': 'a nested tensor',
  'torch._utils._rebuild_meta_tensor_no_storage': 'a tensor without data',
}

/** Constants and harmless calls around the tensors above, and in what stands beside weights. */
const SKIPPED: readonly string[] = [
  'torch.device',
  'torch.serialization._get_layout',
  'torch.per_tensor_affine',
  'torch.per_tensor_symmetric',
  'torch.per_channel_affine',
  'torch.per_channel_symmetric',
  'torch.per_channel_affine_float_qparams',
  '_codecs.encode',
  'builtins.set',
  '__builtin__.set',
]

function isSize(value: PickleValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function isInteger(value: PickleValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value)
}

/** The host of one file's pickles; remembers every storage they name. */
export class TorchHost implements PickleHost {
  /** By key; the views of one storage share it. */
  readonly storages = new Map<string, StorageRef>()
  readonly #source: ByteSource
  readonly #globals = new Map<string, PickleCallable>()

  constructor(source: ByteSource) {
    this.#source = source
    const add = (name: string, call?: PickleCallable['call']): void => {
      this.#globals.set(name, { kind: 'global', name, ...(call && { call }) })
    }
    add('collections.OrderedDict', (args) => this.#orderedDict(args))
    add('torch.Size', ([sizes]) => sizes ?? null)
    add('torch._utils._rebuild_tensor', (args) => this.#tensor(args, undefined))
    add('torch._utils._rebuild_tensor_v2', (args) => this.#tensor(args, undefined))
    add('torch._utils._rebuild_tensor_v3', (args) => this.#tensor(args, args[6]))
    add('torch._utils._rebuild_parameter', ([tensor]) => tensor ?? null)
    add('torch._utils._rebuild_parameter_with_state', ([tensor]) => tensor ?? null)
    for (const name of [...Object.keys(STORAGE_DTYPES), ...Object.keys(DTYPES)]) add(name)
    for (const name of SKIPPED) add(name, () => OPAQUE)
    for (const [name, what] of Object.entries(REFUSED_TENSORS)) {
      add(name, () => new RefusedTensor(what))
    }
  }

  findGlobal(module: string, name: string): PickleCallable {
    const known = this.#globals.get(`${module}.${name}`)
    if (known !== undefined) return known
    throw unsafeError(this.#source, `the Python global ${quote(`${module}.${name}`)}`)
  }

  persistentLoad(id: PickleValue): PickleValue {
    const [tag, storageType, key, , elements, view] = isTuple(id) ? id.items : []
    if (tag !== 'storage') throw this.forbidden('a persistent id that is not a storage')
    const named = storageType !== undefined && storageType !== null ? storageType : undefined
    const typeName =
      named !== undefined && isStructured(named) && named.kind === 'global' ? named.name : ''
    const dtype = STORAGE_DTYPES[typeName]
    if (dtype === undefined || typeof key !== 'string' || !isSize(elements)) {
      throw this.malformed('a storage without a type, key or size')
    }
    const bits = elements * (dtype === null ? 8 : DTYPE_BITS[dtype])
    if (!Number.isSafeInteger(bits)) throw this.malformed(`a storage of ${elements} elements`)
    const known = this.storages.get(key)
    if (known !== undefined && (known.dtype !== dtype || known.elements !== elements)) {
      throw this.malformed(`storage ${quote(key)} in two ways`)
    }
    const whole = known ?? new StorageRef(key, dtype, elements, 0, elements)
    this.storages.set(key, whole)
    return view === undefined || view === null ? whole : this.#view(whole, view)
  }

  /** The older format knew storages that are a part of another: (key, offset, size). */
  #view(whole: StorageRef, view: PickleValue): StorageRef {
    const [, offset, size] = isTuple(view) ? view.items : []
    if (!isSize(offset) || !isSize(size) || offset > whole.elements - size) {
      throw this.malformed(`a view outside storage ${quote(whole.key)}`)
    }
    return new StorageRef(whole.key, whole.dtype, whole.elements, offset, size)
  }

  malformed(reason: string): Error {
    return formatError(this.#source, 'a pickle that describes tensors', reason)
  }

  forbidden(what: string): Error {
    return unsafeError(this.#source, what)
  }

  /** _rebuild_tensor(storage, offset, size, stride, …); v3 names the dtype itself. */
  #tensor(args: readonly PickleValue[], dtypeArgument: PickleValue | undefined): TensorRef {
    const [storage, offset, shape, strides] = args
    if (!(storage instanceof StorageRef) || !isInteger(offset)) {
      throw this.malformed('a tensor without a storage')
    }
    if (!isTuple(shape) || !isTuple(strides) || shape.items.length !== strides.items.length) {
      throw this.malformed('a tensor whose shape and strides do not belong together')
    }
    // Before anything walks through them.
    if (shape.items.length > MAX_AXES) {
      throw this.malformed(`a tensor of ${shape.items.length} axes`)
    }
    if (!shape.items.every(isInteger) || !strides.items.every(isInteger)) {
      throw this.malformed('a tensor whose shape or strides are not integers')
    }
    const dtype = dtypeArgument === undefined ? storage.dtype : this.#dtype(dtypeArgument)
    if (dtype === null) throw this.malformed('a tensor without a dtype')
    return new TensorRef(storage, dtype, offset, shape.items, strides.items)
  }

  #dtype(value: PickleValue): StoredDtype | null {
    const name = isStructured(value) && value.kind === 'global' ? value.name : ''
    return DTYPES[name] ?? null
  }

  /** OrderedDict() in Python 3, OrderedDict([[key, value], …]) in Python 2. */
  #orderedDict(args: readonly PickleValue[]): PickleDict {
    const entries = new Map<PickleValue, PickleValue>()
    const [pairs] = args
    if (pairs === undefined) return { kind: 'dict', entries }
    if (!isList(pairs)) throw this.malformed('an OrderedDict of something else than pairs')
    for (const pair of pairs.items) {
      const items = isList(pair) || isTuple(pair) ? pair.items : []
      const [key, value] = items
      if (items.length !== 2 || key === undefined || value === undefined) {
        throw this.malformed('an OrderedDict of something else than pairs')
      }
      entries.set(key, value)
    }
    return { kind: 'dict', entries }
  }
}

function isTensor(value: PickleValue): value is TensorRef | RefusedTensor {
  return value instanceof TensorRef || value instanceof RefusedTensor
}

/** Where training scripts put the weights when they save more than them. */
const NESTED_IN = ['state_dict', 'model_state_dict', 'model'] as const

/**
 * The named tensors of a checkpoint: those of its top level, or else of one of the usual places in
 * it. What stands beside them is skipped.
 */
export function namedTensors(
  value: PickleValue,
): Map<string, TensorRef | RefusedTensor> | undefined {
  if (!isDict(value)) return undefined
  const nested = NESTED_IN.map((name) => value.entries.get(name)).filter(isDict)
  for (const { entries } of [value, ...nested]) {
    const tensors = new Map<string, TensorRef | RefusedTensor>()
    for (const [name, entry] of entries) {
      if (typeof name === 'string' && isTensor(entry)) tensors.set(name, entry)
    }
    if (tensors.size > 0) return tensors
  }
  return undefined
}

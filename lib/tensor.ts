// A dense, row-major array with a shape: what pipelines and models return.

import { FusebertError, invalidArgument } from './errors.js'

interface DataOfType {
  float32: Float32Array
  int32: Int32Array
  int64: BigInt64Array
  int8: Int8Array
  uint8: Uint8Array
  bool: Uint8Array
}

export type TensorType = keyof DataOfType
export type TensorData<Type extends TensorType = TensorType> = DataOfType[Type]
/** Numbers nested as deep as the tensor has dimensions; a number for a tensor without any. */
export type NestedArray = number | bigint | NestedArray[]

const constructors = {
  float32: Float32Array,
  int32: Int32Array,
  int64: BigInt64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const

export class Tensor<Type extends TensorType = TensorType> {
  readonly type: Type
  /** Row-major elements; length is the product of `dims`. May be a view of a larger buffer. */
  readonly data: TensorData<Type>
  readonly dims: readonly number[]

  /**
   * @param type - element type
   * @param data - elements, row-major, not copied
   * @param dims - shape; its product must be data.length (ERR_INVALID_ARGUMENT)
   */
  constructor(type: Type, data: TensorData<Type>, dims: readonly number[]) {
    const expected = Object.hasOwn(constructors, type) ? constructors[type] : undefined
    if (expected === undefined || !(data instanceof expected)) {
      throw new FusebertError(
        'ERR_INVALID_ARGUMENT',
        `Expected ${expected?.name ?? 'a known tensor type'} for the data of a Tensor of type ` +
          `'${String(type)}' but received ${data?.constructor?.name ?? typeof data}.`,
      )
    }
    if (!Array.isArray(dims)) throw invalidArgument('an array of sizes', 'dims', dims)
    const sizes: readonly number[] = dims
    const fits = sizes.every((dim) => Number.isSafeInteger(dim) && dim >= 0)
    if (!fits || sizes.reduce((product, dim) => product * dim, 1) !== data.length) {
      throw new FusebertError(
        'ERR_INVALID_ARGUMENT',
        `Expected dims whose product is ${data.length} for a Tensor ` +
          `but received [${dims.join(', ')}].`,
      )
    }
    this.type = type
    this.data = data
    this.dims = [...dims]
  }

  /** Number of elements. */
  get size(): number {
    return this.data.length
  }

  /**
   * The elements as nested arrays, `dims.length` deep. Who knows how deep may say so:
   * `tensor.tolist<number[][]>()`.
   */
  tolist<Nested = NestedArray>(): Nested {
    const build = (depth: number, offset: number): NestedArray => {
      if (depth === this.dims.length) return this.data[offset] ?? 0
      const length = this.dims[depth] ?? 0
      const stride = this.dims.slice(depth + 1).reduce((product, dim) => product * dim, 1)
      return Array.from({ length }, (_, i) => build(depth + 1, offset + i * stride))
    }
    return build(0, 0) as Nested
  }
}

// What every checkpoint parser produces: a table of tensors, each a name, a dtype, a shape and a
// byte range inside a file. No parser reads weights; native code maps the files and copies them.

/** Dtypes that weights may have. */
export type WeightDtype = 'F32' | 'F16' | 'BF16'

/** Every dtype a parser may meet; those that are not a WeightDtype are refused when needed. */
export type StoredDtype =
  | WeightDtype
  | 'F64'
  | 'I64'
  | 'I32'
  | 'I16'
  | 'I8'
  | 'U64'
  | 'U32'
  | 'U16'
  | 'U8'
  | 'BOOL'
  | 'C64'
  | 'C128'
  | 'F8_E4M3'
  | 'F8_E4M3FNUZ'
  | 'F8_E5M2'
  | 'F8_E5M2FNUZ'
  | 'F8_E8M0'
  | 'F6_E2M3'
  | 'F6_E3M2'
  | 'F4'

/** Bits of one element. */
export const DTYPE_BITS: Readonly<Record<StoredDtype, number>> = {
  F32: 32,
  F16: 16,
  BF16: 16,
  F64: 64,
  I64: 64,
  I32: 32,
  I16: 16,
  I8: 8,
  U64: 64,
  U32: 32,
  U16: 16,
  U8: 8,
  BOOL: 8,
  C64: 64,
  C128: 128,
  F8_E4M3: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2: 8,
  F8_E5M2FNUZ: 8,
  F8_E8M0: 8,
  F6_E2M3: 6,
  F6_E3M2: 6,
  F4: 4,
}

export interface CheckpointFile {
  /** Absolute path with symlinks resolved, so that a later replacement of a link is seen. */
  readonly path: string
  readonly sizeBytes: number
}

/** A tensor inside the one file that a parser was given. */
export interface FileTensor {
  readonly dtype: StoredDtype
  readonly shape: readonly number[]
  /** In elements. Row-major for safetensors; as stored for PyTorch, which may be transposed. */
  readonly strides: readonly number[]
  /** Byte offset of element [0, 0, …] from the start of the file. */
  readonly offsetBytes: number
}

export interface StoredTensor extends FileTensor {
  /** Index into TensorTable.files. */
  readonly fileIndex: number
}

/**
 * Invariants: every tensor's whole byte range (strides included) lies inside its file, which
 * holds at least as many elements as the tensor has; numbers are safe integers; names are unique.
 */
export interface TensorTable {
  readonly files: readonly CheckpointFile[]
  readonly tensors: ReadonlyMap<string, StoredTensor>
}

/** The product of sizes, or undefined when it is not a safe integer. 1 for no sizes. */
export function safeProduct(sizes: readonly number[]): number | undefined {
  // Zeros first: [0, 2^53 - 1, 2^53 - 1] has no elements, whatever the order of its sizes.
  if (sizes.includes(0)) return 0
  let product = 1
  for (const size of sizes) {
    product *= size
    if (!Number.isSafeInteger(product)) return undefined
  }
  return product
}

/** Strides, in elements, of a row-major tensor. */
export function rowMajorStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length).fill(1)
  for (let axis = shape.length - 2; axis >= 0; axis -= 1) {
    // An empty axis counts as one element, so that strides stay positive and in bounds.
    strides[axis] = (strides[axis + 1] ?? 1) * Math.max(1, shape[axis + 1] ?? 1)
  }
  return strides
}

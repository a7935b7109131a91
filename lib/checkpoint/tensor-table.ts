// What every checkpoint parser produces: a table of tensors, each a name, a dtype, a shape and a
// byte range inside a file. No parser reads weights; native code maps the files and copies them.

/** Dtypes that weights may have. */
export type WeightDtype = 'F32' | 'F16' | 'BF16'

/** Every dtype a parser may meet; those that are not a WeightDtype are refused when needed. */
export type StoredDtype =
  | WeightDtype
  | 'F64' | 'I64' | 'I32' | 'I16' | 'I8' | 'U64' | 'U32' | 'U16' | 'U8' | 'BOOL' | 'F8_E4M3' | 'F8_E5M2'

export interface CheckpointFile {
  /** Absolute path with symlinks resolved, so that a later replacement of a link is seen. */
  readonly path: string
  readonly sizeBytes: number
}

export interface StoredTensor {
  readonly dtype: StoredDtype
  readonly shape: readonly number[]
  /** In elements. Row-major for safetensors; as stored for PyTorch, which may be transposed. */
  readonly strides: readonly number[]
  /** Index into TensorTable.files. */
  readonly fileIndex: number
  /** Byte offset of element [0, 0, …] from the start of the file. */
  readonly offsetBytes: number
}

/**
 * Invariants: every tensor's whole byte range (strides included) lies inside its file; numbers are
 * safe integers; names are unique.
 */
export interface TensorTable {
  readonly files: readonly CheckpointFile[]
  readonly tensors: ReadonlyMap<string, StoredTensor>
}

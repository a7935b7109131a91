// What a pickle may hold here: plain data, and whatever the caller's own callables and persistent
// ids make of it (`object`). Nothing is ever looked up in JavaScript by a name from a file.

export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | PickleBytes
  | PickleTuple
  | PickleList
  | PickleDict
  | PickleCallable
  | PickleObject

export interface PickleBytes {
  readonly kind: 'bytes'
  readonly value: Buffer
}

export interface PickleTuple {
  readonly kind: 'tuple'
  readonly items: readonly PickleValue[]
}

export interface PickleList {
  readonly kind: 'list'
  readonly items: PickleValue[]
}

export interface PickleDict {
  readonly kind: 'dict'
  /** Primitive keys as they are; other keys by identity, which is enough to skip over them. */
  readonly entries: Map<PickleValue, PickleValue>
}

/** An allowed global. `call` is what REDUCE does with it; without, it is a constant. */
export interface PickleCallable {
  readonly kind: 'global'
  readonly name: string
  readonly call?: (args: readonly PickleValue[]) => PickleValue
}

/** What a callable or a persistent id became; `type` says what, for its maker. */
export interface PickleObject {
  readonly kind: 'object'
  readonly type: string
}

type Structured = Exclude<PickleValue, null | boolean | number | bigint | string>

export function isStructured(value: PickleValue): value is Structured {
  return typeof value === 'object' && value !== null
}

export function isTuple(value: PickleValue | undefined): value is PickleTuple {
  return value !== undefined && isStructured(value) && value.kind === 'tuple'
}

export function isList(value: PickleValue | undefined): value is PickleList {
  return value !== undefined && isStructured(value) && value.kind === 'list'
}

export function isDict(value: PickleValue | undefined): value is PickleDict {
  return value !== undefined && isStructured(value) && value.kind === 'dict'
}

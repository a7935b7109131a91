// An unpickler for data, not for programs. It knows the opcodes that data needs, gives every global
// to the caller, who knows a handful by name and refuses the rest, and never builds or calls
// anything else. Bounds on opcodes, stack, memo and strings make it end on any input.

import {
  isDict,
  isList,
  isStructured,
  isTuple,
  type PickleCallable,
  type PickleList,
  type PickleValue,
} from './pickle-values.js'

/** A checkpoint of 10,000 tensors has some 500,000. */
const MAX_STEPS = 1 << 22
/** Python's pickler pushes batches of 1,000 pairs. */
const MAX_STACK = 1 << 16
const MAX_MARKS = 1 << 10
const MAX_MEMO = 1 << 20
/** Names of tensors are far shorter. */
const MAX_STRING_BYTES = 1 << 20
const MAX_LINE_BYTES = 1 << 10
/** Python's longest integers in checkpoints are PyTorch's magic number, 10 bytes. */
const MAX_INTEGER_BYTES = 64
const MAX_PROTOCOL = 5

export interface PickleHost {
  /** Throws for a global that is not allowed. */
  findGlobal(module: string, name: string): PickleCallable
  /** Throws for an id that means nothing. */
  persistentLoad(id: PickleValue): PickleValue
  /** An error for a pickle that contradicts itself. */
  malformed(reason: string): Error
  /** An error for an opcode that builds or calls what data never needs. */
  forbidden(what: string): Error
}

export type Unpickled =
  | { readonly complete: true; readonly value: PickleValue; readonly end: number }
  /** The bytes ended before the pickle did. */
  | { readonly complete: false }

/**
 * Reads one pickle from `bytes`, from `start` on. `end` is the index after it.
 * @throws what the host's methods make
 */
export function unpickle(bytes: Buffer, start: number, host: PickleHost): Unpickled {
  const machine = new Machine(bytes, start, host)
  try {
    const value = machine.run()
    return { complete: true, value, end: machine.position }
  } catch (error) {
    if (error instanceof OutOfBytes) return { complete: false }
    throw error
  }
}

class OutOfBytes extends Error {}

/** Opcodes that run or look up code in ways that data never needs. */
const FORBIDDEN: Readonly<Record<number, string>> = {
  0x6f: 'OBJ',
  0x81: 'NEWOBJ',
  0x82: 'EXT1',
  0x83: 'EXT2',
  0x84: 'EXT4',
  0x92: 'NEWOBJ_EX',
}

class Machine {
  position: number
  readonly #bytes: Buffer
  readonly #host: PickleHost
  readonly #stack: PickleValue[] = []
  readonly #marks: number[] = []
  readonly #memo = new Map<number, PickleValue>()
  #steps = 0

  constructor(bytes: Buffer, start: number, host: PickleHost) {
    this.#bytes = bytes
    this.position = start
    this.#host = host
  }

  run(): PickleValue {
    for (;;) {
      this.#charge(1)
      const opcode = this.#byte()
      if (opcode === 0x2e) return this.#stop()
      const known =
        this.#constant(opcode) || this.#text(opcode) || this.#container(opcode) || this.#act(opcode)
      if (!known) {
        const forbidden = FORBIDDEN[opcode]
        if (forbidden !== undefined) throw this.#host.forbidden(`the opcode ${forbidden}`)
        throw this.#host.malformed(`unknown opcode 0x${opcode.toString(16)}`)
      }
    }
  }

  #stop(): PickleValue {
    const value = this.#pop()
    if (this.#stack.length > 0) throw this.#host.malformed('values left over at its end')
    return value
  }

  /** Numbers and other constants. */
  #constant(opcode: number): boolean {
    switch (opcode) {
      case 0x4e: // NONE
        return this.#push(null)
      case 0x88: // NEWTRUE
        return this.#push(true)
      case 0x89: // NEWFALSE
        return this.#push(false)
      case 0x4a: // BININT
        return this.#push(this.#take(4).readInt32LE(0))
      case 0x4b: // BININT1
        return this.#push(this.#byte())
      case 0x4d: // BININT2
        return this.#push(this.#take(2).readUInt16LE(0))
      case 0x8a: // LONG1
        return this.#push(this.#integer(this.#byte()))
      case 0x8b: // LONG4
        return this.#push(this.#integer(this.#take(4).readUInt32LE(0)))
      case 0x47: // BINFLOAT
        return this.#push(this.#take(8).readDoubleBE(0))
      default:
        return false
    }
  }

  /** Strings and bytes. */
  #text(opcode: number): boolean {
    switch (opcode) {
      case 0x58: // BINUNICODE
        return this.#push(this.#string(this.#take(4).readUInt32LE(0)))
      case 0x8c: // SHORT_BINUNICODE
        return this.#push(this.#string(this.#byte()))
      case 0x8d: // BINUNICODE8
        return this.#push(this.#string(this.#length8()))
      case 0x54: // BINSTRING, Python 2's str
        return this.#push(this.#string(this.#take(4).readUInt32LE(0)))
      case 0x55: // SHORT_BINSTRING
        return this.#push(this.#string(this.#byte()))
      case 0x42: // BINBYTES
        return this.#pushBytes(this.#take(4).readUInt32LE(0))
      case 0x43: // SHORT_BINBYTES
        return this.#pushBytes(this.#byte())
      case 0x8e: // BINBYTES8
        return this.#pushBytes(this.#length8())
      default:
        return false
    }
  }

  /** Tuples, lists and dicts. */
  #container(opcode: number): boolean {
    switch (opcode) {
      case 0x29: // EMPTY_TUPLE
        return this.#push({ kind: 'tuple', items: [] })
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        return this.#push({ kind: 'tuple', items: this.#popMany(opcode - 0x84) })
      case 0x74: // TUPLE
        return this.#push({ kind: 'tuple', items: this.#popMark() })
      case 0x5d: // EMPTY_LIST
        return this.#push({ kind: 'list', items: [] })
      case 0x6c: // LIST
        return this.#push({ kind: 'list', items: this.#popMark() })
      case 0x61: // APPEND
        return this.#append([this.#pop()])
      case 0x65: // APPENDS
        return this.#append(this.#popMark())
      case 0x7d: // EMPTY_DICT
        return this.#push({ kind: 'dict', entries: new Map() })
      case 0x64: // DICT
        return this.#push({ kind: 'dict', entries: this.#pairs(this.#popMark(), new Map()) })
      case 0x73: // SETITEM
        return this.#setItems(this.#popMany(2))
      case 0x75: // SETITEMS
        return this.#setItems(this.#popMark())
      case 0x8f: // EMPTY_SET: a set is only ever skipped over, so a list is as good
        return this.#push({ kind: 'list', items: [] })
      case 0x90: // ADDITEMS
        return this.#append(this.#popMark())
      default:
        return false
    }
  }

  /** The stack, the memo, globals and calls. */
  #act(opcode: number): boolean {
    switch (opcode) {
      case 0x80: // PROTO
        return this.#protocol(this.#byte())
      case 0x95: // FRAME: a hint for readers of streams
        this.#take(8)
        return true
      case 0x28: // MARK
        if (this.#marks.length >= MAX_MARKS) throw this.#host.malformed('too deep nesting')
        this.#marks.push(this.#stack.length)
        return true
      case 0x30: // POP
        this.#pop()
        return true
      case 0x31: // POP_MARK
        this.#popMark()
        return true
      case 0x32: // DUP
        return this.#push(this.#top())
      case 0x71: // BINPUT
        return this.#remember(this.#byte())
      case 0x72: // LONG_BINPUT
        return this.#remember(this.#take(4).readUInt32LE(0))
      case 0x94: // MEMOIZE
        return this.#remember(this.#memo.size)
      case 0x68: // BINGET
        return this.#recall(this.#byte())
      case 0x6a: // LONG_BINGET
        return this.#recall(this.#take(4).readUInt32LE(0))
      case 0x63: // GLOBAL
        return this.#push(this.#host.findGlobal(this.#line(), this.#line()))
      case 0x93: // STACK_GLOBAL
        return this.#stackGlobal()
      case 0x69: // INST: refused, by the name of what it would build
        this.#host.findGlobal(this.#line(), this.#line())
        throw this.#host.forbidden('the opcode INST')
      case 0x52: // REDUCE
        return this.#reduce()
      case 0x62: // BUILD
        return this.#build()
      case 0x51: // BINPERSID
        return this.#push(this.#host.persistentLoad(this.#pop()))
      default:
        return false
    }
  }

  #protocol(version: number): boolean {
    if (version <= MAX_PROTOCOL) return true
    throw this.#host.malformed(`pickle protocol ${version}`)
  }

  #stackGlobal(): boolean {
    const [module, name] = this.#popMany(2)
    if (typeof module !== 'string' || typeof name !== 'string') {
      throw this.#host.malformed('a global without a name')
    }
    return this.#push(this.#host.findGlobal(module, name))
  }

  #reduce(): boolean {
    const [callee, args] = this.#popMany(2)
    const callable = callee !== undefined && isStructured(callee) && callee.kind === 'global'
    if (!callable || callee.call === undefined) {
      throw this.#host.forbidden('a call of something that is not an allowed function')
    }
    if (!isTuple(args)) {
      throw this.#host.malformed('a call without a tuple of arguments')
    }
    // What a call may walk through is paid for at each call: the memo repeats it in 2 bytes.
    this.#charge(args.items.length)
    for (const item of args.items) {
      if (isList(item) || isTuple(item)) this.#charge(item.items.length)
    }
    return this.#push(callee.call(args.items))
  }

  /** Attributes of an OrderedDict or a tensor (`_metadata`, say) are read and dropped. */
  #build(): boolean {
    this.#pop()
    const target = this.#top()
    if (isDict(target) || (isStructured(target) && target.kind === 'object')) return true
    throw this.#host.forbidden('attributes for something that is neither a dict nor a tensor')
  }

  #append(items: readonly PickleValue[]): boolean {
    const list: PickleValue | PickleList = this.#top()
    if (!isList(list)) throw this.#host.malformed('items for something that is not a list')
    for (const item of items) list.items.push(item)
    return true
  }

  #setItems(items: readonly PickleValue[]): boolean {
    const dict = this.#top()
    if (!isDict(dict)) throw this.#host.malformed('items for something that is not a dict')
    this.#pairs(items, dict.entries)
    return true
  }

  #pairs(
    items: readonly PickleValue[],
    entries: Map<PickleValue, PickleValue>,
  ): Map<PickleValue, PickleValue> {
    if (items.length % 2 !== 0) throw this.#host.malformed('a key without a value')
    for (let index = 0; index < items.length; index += 2) {
      entries.set(items[index] ?? null, items[index + 1] ?? null)
    }
    return entries
  }

  #push(value: PickleValue): true {
    if (this.#stack.length >= MAX_STACK) throw this.#host.malformed('too many values at once')
    this.#stack.push(value)
    return true
  }

  #pushBytes(length: number): true {
    return this.#push({ kind: 'bytes', value: this.#take(this.#checkLength(length)) })
  }

  /** Values below the last mark belong to what was begun before it. */
  #popMany(count: number): PickleValue[] {
    const floor = this.#marks[this.#marks.length - 1] ?? 0
    if (this.#stack.length - floor < count) throw this.#host.malformed('an empty stack')
    return this.#stack.splice(this.#stack.length - count, count)
  }

  #pop(): PickleValue {
    return this.#popMany(1)[0] ?? null
  }

  #popMark(): PickleValue[] {
    const mark = this.#marks.pop()
    if (mark === undefined) throw this.#host.malformed('a missing mark')
    return this.#stack.splice(mark)
  }

  #top(): PickleValue {
    const floor = this.#marks[this.#marks.length - 1] ?? 0
    const value = this.#stack[this.#stack.length - 1]
    if (value === undefined || this.#stack.length <= floor) {
      throw this.#host.malformed('an empty stack')
    }
    return value
  }

  #remember(index: number): boolean {
    if (index >= MAX_MEMO) throw this.#host.malformed(`memo entry ${index}`)
    this.#memo.set(index, this.#top())
    return true
  }

  #recall(index: number): boolean {
    const value = this.#memo.get(index)
    if (value === undefined) throw this.#host.malformed(`a missing memo entry ${index}`)
    return this.#push(value)
  }

  #integer(length: number): number | bigint {
    if (length > MAX_INTEGER_BYTES) throw this.#host.malformed(`an integer of ${length} bytes`)
    const bytes = this.#take(length)
    let value = 0n
    for (const byte of [...bytes].reverse()) value = (value << 8n) | BigInt(byte)
    const signed = BigInt.asIntN(length * 8, value)
    const number = Number(signed)
    return Number.isSafeInteger(number) ? number : signed
  }

  #string(length: number): string {
    return this.#take(this.#checkLength(length)).toString('utf8')
  }

  #length8(): number {
    const length = this.#take(8).readBigUInt64LE(0)
    return length > BigInt(MAX_STRING_BYTES) ? MAX_STRING_BYTES + 1 : Number(length)
  }

  #checkLength(length: number): number {
    if (length <= MAX_STRING_BYTES) return length
    throw this.#host.malformed(`a string of more than ${MAX_STRING_BYTES} bytes`)
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.position)
    const length = (end < 0 ? this.#bytes.length : end) - this.position
    if (length > MAX_LINE_BYTES) throw this.#host.malformed('a global with too long a name')
    if (end < 0) throw new OutOfBytes()
    const line = this.#bytes.toString('utf8', this.position, end)
    this.position = end + 1
    return line
  }

  #byte(): number {
    const value = this.#bytes[this.position]
    if (value === undefined) throw new OutOfBytes()
    this.position += 1
    return value
  }

  #take(length: number): Buffer {
    if (length > this.#bytes.length - this.position) throw new OutOfBytes()
    const taken = this.#bytes.subarray(this.position, this.position + length)
    this.position += length
    return taken
  }

  #charge(steps: number): void {
    this.#steps += steps
    if (this.#steps > MAX_STEPS) throw this.#host.malformed(`more than ${MAX_STEPS} steps`)
  }
}

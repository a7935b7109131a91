// The unpickler: values of each opcode, and pickles that try to run, loop, or eat memory.
import { describe, expect, test } from 'vitest'

import { unpickle, type PickleHost } from '../../lib/checkpoint/pickle.js'
import type { PickleValue } from '../../lib/checkpoint/pickle-values.js'
import { code, FALSE, global, NONE, ops, pickle, TRUE, tuple } from './build.js'

class Refused extends Error {}

const host: PickleHost = {
  findGlobal: (module, name) => {
    if (module !== 'known') throw new Refused(`global ${module}.${name}`)
    if (name === 'constant') return { kind: 'global', name }
    return { kind: 'global', name, call: (args) => ({ kind: 'list', items: [...args] }) }
  },
  persistentLoad: (id) => ({ kind: 'tuple', items: ['loaded', id] }),
  malformed: (reason) => new Refused(`malformed: ${reason}`),
  forbidden: (what) => new Refused(`forbidden: ${what}`),
}

function load(bytes: Buffer): PickleValue {
  const result = unpickle(bytes, 0, host)
  if (!result.complete) throw new Error('incomplete')
  expect(result.end).toBe(bytes.length)
  return result.value
}

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

describe('values', () => {
  test.each<[string, Buffer, PickleValue]>([
    ['None', NONE, null],
    ['True', TRUE, true],
    ['False', FALSE, false],
    ['BININT', code('J\xfe\xff\xff\xff'), -2],
    ['BININT1', code('K\xff'), 255],
    ['BININT2', code('M\x01\x02'), 513],
    ['LONG1 of no bytes', code('\x8a\x00'), 0],
    ['LONG1 below 0', code('\x8a\x01\xff'), -1],
    ['LONG4', code('\x8b\x02\x00\x00\x00\x00\x01'), 256],
    ['a LONG1 beyond safe integers', code('\x8a\x08\0\0\0\0\0\0\0\x40'), 2n ** 62n],
    ['BINFLOAT', code('G\x3f\xf8\0\0\0\0\0\0'), 1.5],
    ['BINUNICODE', ops('naïve'), 'naïve'],
    ['SHORT_BINUNICODE', code('\x8c\x02ab'), 'ab'],
    ['BINUNICODE8', code('\x8d\x02\0\0\0\0\0\0\0ab'), 'ab'],
    ['BINSTRING', code('T\x02\0\0\0ab'), 'ab'],
    ['SHORT_BINSTRING', code('U\x02ab'), 'ab'],
    ['SHORT_BINBYTES', code('C\x02ab'), { kind: 'bytes', value: Buffer.from('ab') }],
    ['BINBYTES', code('B\x02\0\0\0ab'), { kind: 'bytes', value: Buffer.from('ab') }],
    ['BINBYTES8', code('\x8e\x02\0\0\0\0\0\0\0ab'), { kind: 'bytes', value: Buffer.from('ab') }],
    ['an empty tuple', code(')'), { kind: 'tuple', items: [] }],
    ['TUPLE1', code('K\x01\x85'), { kind: 'tuple', items: [1] }],
    ['TUPLE2', code('K\x01K\x02\x86'), { kind: 'tuple', items: [1, 2] }],
    ['TUPLE3', code('K\x01K\x02K\x03\x87'), { kind: 'tuple', items: [1, 2, 3] }],
    ['TUPLE', tuple(1, 2, 3, 4), { kind: 'tuple', items: [1, 2, 3, 4] }],
    ['a list', code('](K\x01K\x02eK\x03a'), { kind: 'list', items: [1, 2, 3] }],
    ['LIST', code('(K\x01K\x02l'), { kind: 'list', items: [1, 2] }],
    ['DICT', code('(K\x01K\x02d'), { kind: 'dict', entries: new Map([[1, 2]]) }],
    ['a dict', code('}(K\x01K\x02uK\x01K\x03s'), { kind: 'dict', entries: new Map([[1, 3]]) }],
    ['a set', code('\x8f(K\x01\x90'), { kind: 'list', items: [1] }],
    ['a frame', code('\x95\x01\0\0\0\0\0\0\0N'), null],
    [
      'POP, DUP and POP_MARK',
      code('K\x01K\x020(K\x03K\x0412\x86'),
      { kind: 'tuple', items: [1, 1] },
    ],
    ['the memo', code('K\x07q\x05h\x05\x86'), { kind: 'tuple', items: [7, 7] }],
    [
      'a long memo index',
      code('K\x07r\0\0\x01\0j\0\0\x01\0\x86'),
      { kind: 'tuple', items: [7, 7] },
    ],
    ['MEMOIZE', code('K\x07\x94h\x00\x86'), { kind: 'tuple', items: [7, 7] }],
    ['a call', ops(global('known', 'function'), code('K\x01\x85R')), { kind: 'list', items: [1] }],
    [
      'STACK_GLOBAL',
      ops('known', 'function', code('\x93K\x01\x85R')),
      { kind: 'list', items: [1] },
    ],
    ['a persistent id', code('K\x01Q'), { kind: 'tuple', items: ['loaded', 1] }],
    ['attributes of a dict', code('}}b'), { kind: 'dict', entries: new Map() }],
  ])('%s', (_, body, expected) => {
    expect(load(pickle(body))).toEqual(expected)
  })

  test('one after the other in one buffer', () => {
    const bytes = Buffer.concat([pickle(1), pickle('two')])
    const first = unpickle(bytes, 0, host)
    expect(first).toMatchObject({ complete: true, value: 1 })
    const second = unpickle(bytes, first.complete ? first.end : -1, host)
    expect(second).toMatchObject({ complete: true, value: 'two', end: bytes.length })
  })

  test('a list that holds itself', () => {
    const list = load(pickle(code(']q\x00h\x00a')))
    expect(list).toMatchObject({ kind: 'list' })
    expect((list as { items: unknown[] }).items[0]).toBe(list)
  })
})

describe('refusals', () => {
  test('incomplete at every byte but the last', () => {
    const bytes = pickle(global('known', 'function'), tuple('name', 7, 2 ** 40), code('R'))
    for (let length = 0; length < bytes.length; length += 1) {
      expect(unpickle(bytes.subarray(0, length), 0, host)).toEqual({ complete: false })
    }
    expect(unpickle(bytes, 0, host).complete).toBe(true)
  })

  test.each([
    ['os.system', ops(global('posix', 'system'), tuple('touch /tmp/x'), code('R')), 'posix.system'],
    ['eval', ops(global('builtins', 'eval'), tuple('1'), code('R')), 'builtins.eval'],
    ['eval by STACK_GLOBAL', ops('builtins', 'eval', code('\x93')), 'builtins.eval'],
    ['INST', code('(ios\nsystem\n'), 'os.system'],
    ['INST of an allowed global', code('(iknown\nfunction\n'), 'INST'],
    ['OBJ', ops(code('('), global('known', 'function'), code('o')), 'OBJ'],
    ['NEWOBJ', ops(global('known', 'function'), code(')\x81')), 'NEWOBJ'],
    ['NEWOBJ_EX', ops(global('known', 'function'), code(')}\x92')), 'NEWOBJ_EX'],
    ['an extension code', code('\x82\x01'), 'EXT1'],
    ['a call of a constant', ops(global('known', 'constant'), code(')R')), 'allowed function'],
    ['a call of a string', ops('eval', code(')R')), 'allowed function'],
    ['a call of what a call returned', ops(global('known', 'f'), code(')R)R')), 'allowed function'],
    ['attributes of a function', ops(global('known', 'f'), code('}b')), 'attributes'],
  ])('%s is refused and not run', (_, body, named) => {
    expect(() => load(pickle(body))).toThrow(Refused)
    expect(() => load(pickle(body))).toThrow(named)
  })

  test.each([
    ['an unknown opcode', code('\xff')],
    ['text integers of protocol 0', code('I1\n')],
    ['nothing', code('')],
    ['two values', code('NN')],
    ['an empty stack', code('0')],
    ['a missing mark', code('Nt')],
    ['values from before a mark', code('N(\x85')],
    ['an append to what is before a mark', code('](Na1')],
    ['a copy of what is before a mark', code('](21')],
    ['a missing memo entry', code('h\x00')],
    ['a memo entry of nothing', code('q\x00')],
    ['a memo index beyond the limit', ops(NONE, code('r'), u32(2 ** 31))],
    ['a key without a value', code('}(Nu')],
    ['an append to a tuple', code(')Na')],
    ['an item of a list', code(']NNs')],
    ['arguments that are no tuple', ops(global('known', 'f'), code(']R'))],
    ['a global without a name', code('NN\x93')],
    ['a newer protocol', code('\x80\x06N')],
    ['an integer of 255 bytes', ops(code('\x8a\xff'), Buffer.alloc(255))],
    ['an integer of 2 GB', ops(code('\x8b'), u32(2 ** 31))],
    ['a string of 4 GB', ops(code('X'), u32(2 ** 32 - 1))],
    ['a string of 2^63 bytes', code('\x8d\0\0\0\0\0\0\0\x80')],
    ['bytes of 4 GB', ops(code('B'), u32(2 ** 32 - 1))],
    ['a global with an endless name', code(`c${'a'.repeat(5000)}`)],
  ])('%s', (_, body) => {
    expect(() => load(pickle(body))).toThrow(Refused)
  })

  test('a memo bomb: each level holds the one below ten times', () => {
    const level = (index: number): Buffer => {
      const inner = code(`h${String.fromCharCode(index)}`)
      const outer = code(`tq${String.fromCharCode(index + 1)}`)
      return ops(code('0('), ...new Array<Buffer>(10).fill(inner), outer)
    }
    const levels = Array.from({ length: 60 }, (_, index) => level(index))
    let value = load(pickle(code('Nq\x00'), ...levels))
    // Ten references to one tuple at each level: 600 in all, not 10^60.
    for (let depth = 0; depth < 60; depth += 1) {
      const { items } = value as { items: PickleValue[] }
      expect(items).toHaveLength(10)
      expect(new Set(items).size).toBe(1)
      value = items[0]!
    }
    expect(value).toBeNull()
  })

  test('too many marks', () => {
    expect(() => load(pickle(code('('.repeat(100_000))))).toThrow('nesting')
  })

  test('too many values on the stack', () => {
    expect(() => load(pickle(code('N'.repeat(100_000))))).toThrow('too many values')
  })

  test('deep nesting of tuples is fine, as nothing recurses', () => {
    let value = load(pickle(code(`N${'\x85'.repeat(200_000)}`)))
    let depth = 0
    while (value !== null && typeof value === 'object' && value.kind === 'tuple') {
      value = value.items[0]!
      depth += 1
    }
    expect(depth).toBe(200_000)
  })

  test('more steps than any checkpoint has', () => {
    expect(() => load(pickle(code('N0'.repeat(3_000_000))))).toThrow('steps')
  })

  test.each([
    ['list', '](', 'e', '\x85'],
    ['tuple', '(', 't', ''],
    ['tuple in its arguments', '(', 't', '\x85'],
  ])('a call with the same long %s again and again', (_, begin, end, asTuple) => {
    const list = code(`${begin}${'N'.repeat(60_000)}${end}q\x000`)
    const call = ops(global('known', 'f'), code(`h\x00${asTuple}R0`))
    const calls = Buffer.concat(new Array<Buffer>(1000).fill(call))
    expect(() => load(pickle(list, calls, NONE))).toThrow('steps')
  })
})

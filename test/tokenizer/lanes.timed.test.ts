// Calls with much text on Node's thread pool: on how many of its threads, and beside whom.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { availableParallelism } from 'node:os'

import { afterEach, beforeAll, describe, expect, it } from 'vitest'

import { loadAddon } from '../../lib/native/load.js'
import { AutoTokenizer, type Tokenizer } from '../../lib/index.js'
import { nativeOf } from '../../lib/tokenizer/native-of.js'

/** Enough for half a second. */
const BYTES = 30 << 20
const POOL = 4
let tokenizer: Tokenizer
let texts: Buffer[]

beforeAll(async () => {
  tokenizer = await AutoTokenizer.from_pretrained('fusebert-mini')
  // Words that cost more than it costs to bring them to the native side.
  const words = Array.from({ length: 50_000 }, (_, i) => `${((i * 7_919) % 50_021).toString(36)}é`)
  const text = Buffer.alloc(BYTES, words.join(' '))
  texts = Array.from({ length: BYTES >> 19 }, (_, i) => text.subarray(i << 19, (i + 1) << 19))
})

/** Milliseconds that each thread of this process has worked, but the JavaScript thread. */
function workOfThreads(): Map<string, number> {
  const tasks = readdirSync('/proc/self/task').filter((task) => task !== String(process.pid))
  return new Map(tasks.map((task) => {
    const line = readFileSync(`/proc/self/task/${task}/schedstat`, 'utf8')
    return [task, Number(line.split(' ')[0]) / 1e6]
  }))
}

/** How many threads worked at once, on average. */
async function threadsAtOnce(call: () => Promise<unknown>): Promise<number> {
  const before = workOfThreads()
  const begin = performance.now()
  await call()
  const elapsed = performance.now() - begin
  const worked = [...workOfThreads()].map(([task, now]) => now - (before.get(task) ?? 0))
  return worked.reduce((sum, each) => sum + each, 0) / elapsed
}

describe.runIf(existsSync('/proc/self/schedstat'))('threads of one call', () => {
  const TRIES = 20

  /** The first of some tries that is as wanted, or the last. */
  async function firstOf(try_: () => Promise<number>, wanted: (threads: number) => boolean) {
    let threads = await try_()
    for (let i = 1; i < TRIES && !wanted(threads); i += 1) threads = await try_()
    return threads
  }

  it.each(['encodeBatch', 'countTokens'] as const)('of %s', async (method) => {
    const some = texts.slice(0, 20)
    const atOnce = (threads: number) => () =>
      threadsAtOnce(() => tokenizer[method](some, { threads }))
    // The garbage collector has threads too; and what else runs here makes threads wait.
    expect(await firstOf(atOnce(1), (threads) => threads < 1.2)).toBeLessThan(1.2)
    if (availableParallelism() === 1) return
    expect(await firstOf(atOnce(2), (threads) => threads > 1.3)).toBeGreaterThan(1.3)
  })
})

describe('a call that has all threads', () => {
  it('lets others have a turn', async () => {
    let ended = false
    const begin = performance.now()
    const call = tokenizer.encodeBatch(texts, { threads: POOL }).finally(() => { ended = true })
    let longest = 0
    while (!ended) {
      const asked = performance.now()
      await stat('.')
      longest = Math.max(longest, performance.now() - asked)
    }
    await call
    expect(longest).toBeLessThan((performance.now() - begin) / 2)
  })
})

describe('the pool', () => {
  const said = process.env['UV_THREADPOOL_SIZE']
  afterEach(() => {
    if (said === undefined) delete process.env['UV_THREADPOOL_SIZE']
    else process.env['UV_THREADPOOL_SIZE'] = said
  })

  it.each(['0', '1', '2.5', '-3', '0x10', '1e10', 'Infinity', '', 'many'])(
    'is as large as libuv takes %j for',
    async (size) => {
      process.env['UV_THREADPOOL_SIZE'] = size
      const some = texts.slice(0, 3)
      const counts = await tokenizer.countTokens(some, { threads: 4 })
      const { cu_seqlens } = await tokenizer.encodeBatch(some, {
        threads: 4, add_special_tokens: false,
      })
      const specials = 2
      expect(cu_seqlens.at(-1)).toBe(counts.reduce((sum, each) => sum + each - specials, 0))
    },
  )
})

describe('the native side', () => {
  it('refuses numbers that cannot be threads', () => {
    const { createLanes } = loadAddon()
    for (const [most, pool] of [[0, 4], [5, 4], [1.5, 4], [2 ** 31, 2 ** 31]] as const) {
      expect(() => createLanes(most, pool)).toThrow(/threads/)
    }
    expect(() => createLanes('2' as never, 4)).toThrow(/threads/)
  })

  it('refuses calls without lanes', () => {
    const native = nativeOf(tokenizer)
    const options = {
      truncation: null, max_length: 0, add_special_tokens: true, offsets: 'none',
      special_tokens_mask: false, overflowing: false, stride: 0,
    } as const
    const none = undefined as never
    const empty = { bytes: Buffer.alloc(0), offsets: new Int32Array(1) }
    expect(() => native.startBatch(options, null, 0, none)).toThrow(/lanes/)
    expect(() => native.count(empty, null, options, 0, none)).toThrow(/lanes/)
  })
})

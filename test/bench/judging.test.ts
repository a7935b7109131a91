// How benchmarks judge: what counts as met, what is not timed at all, who is no competitor, that a
// first pass is one; and what the plot shows.
import { describe, expect, test } from 'vitest'

interface Target {
  text: string
  met: boolean
}
interface Row {
  ratio: { median: number }
  ours_share?: number
  ours_rate: number
  targets: Target[]
}
interface Pairs {
  pairRow(pair: object, ours: number[], theirs: number[], peaks?: number[]): Row
  comparePair(pair: object, options: { rounds: number; quick: boolean }): Promise<Row>
}
interface Side {
  name: string
  load: () => Promise<object>
  pass: (tokenizer: object) => Promise<void>
  collect?: (tokenizer: object) => Promise<number[][]>
}
interface FirstPasses {
  firstPasses(sides: Side[], options: { rounds: number }): Promise<number[][]>
  checkIds(sides: Side[]): Promise<string>
}

interface Competitor {
  checkCompetitor(row: object, options: { rounds: number; quick: boolean }): void
}
interface Delay {
  longestDelays(
    ticks: number[],
    collections: { startTime: number; duration: number }[],
    timerMs: number,
  ): { longest: number; without_collections: number }
  watchCollections(work: () => Promise<void>): Promise<object[]>
}
interface Plot {
  plotCpu(rows: object[], caption: string): string | undefined
}

// Plain JavaScript without types of its own.
const load = (file: string): Promise<unknown> =>
  import(new URL(`../../bench/${file}`, import.meta.url).href)
const { pairRow, comparePair } = (await load('pairs.mjs')) as Pairs
const { firstPasses, checkIds } = (await load('support/first-passes.mjs')) as FirstPasses
const { checkCompetitor } = (await load('support/competitor.mjs')) as Competitor
const { longestDelays, watchCollections } = (await load(
  'support/event-loop-delay.mjs',
)) as Delay
const { plotCpu } = (await load('support/plot.mjs')) as Plot

const PAIR = { name: 'case', against: 'other', unit: 'tokens', amount: 10, rounds: 3 }
// 1 GFLOP in 10 ms is 100 GFLOP/s.
const FLOP = 1e9
const OURS_MS = [10, 10, 10]
const met = (row: Row): boolean[] => row.targets.map((target) => target.met)

describe('a pair', () => {
  test('has the ratio of the rounds, above 1 where ours is faster', () => {
    const row = pairRow(PAIR, [10, 20, 10], [12, 24, 15])
    expect(row.ratio.median).toBeCloseTo(1.2)
    expect(row.ours_rate).toBeCloseTo(1_000)
    expect(row.targets).toEqual([])
  })

  test('meets its target by the ratio, or by the share of the peak that counts as much', () => {
    const pair = { ...PAIR, flop: FLOP, target: 1.1, share_target: 0.9 }
    expect(met(pairRow(pair, OURS_MS, [12, 12, 12], [200, 200, 200]))).toEqual([true])
    expect(met(pairRow(pair, OURS_MS, [10, 10, 10], [110, 110, 110]))).toEqual([true])
    expect(met(pairRow(pair, OURS_MS, [10, 10, 10], [112, 112, 112]))).toEqual([false])
  })

  test('cannot meet a target by a share of a peak that differs from round to round', () => {
    const pair = { ...PAIR, flop: FLOP, target: 1.1, share_target: 0.9, least_share: 0.8 }
    const times = [10, 10, 10, 10]
    const row = (peaks: number[]): Row => pairRow(pair, times, times, peaks)
    expect(met(row([100, 104, 108, 108]))).toEqual([true, true])
    const unsteady = row([70, 75, 108, 108])
    expect(met(unsteady)).toEqual([false, false])
    expect(unsteady.targets.map(({ text }) => text)).toEqual([
      '≥ 1.1 or 90 % of the peak (unsteady)',
      '≥ 80 % of the peak (unsteady)',
    ])
    expect(met(pairRow(pair, times, [12, 12, 12, 12], [70, 75, 108, 108]))).toEqual([true, false])
    // One round that something else interrupted moves neither median nor quartiles.
    const five = [10, 10, 10, 10, 10]
    expect(met(pairRow(pair, five, five, [60, 105, 105, 105, 105]))).toEqual([true, true])
  })

  test('cannot meet a target by a share that was not measured', () => {
    const pair = { ...PAIR, flop: FLOP, target: 1.1, share_target: 0.9, least_share: 0.5 }
    const row = pairRow(pair, OURS_MS, [10, 10, 10])
    expect(row.ours_share).toBeUndefined()
    expect(row.targets).toEqual([{ text: '≥ 1.1', met: false }])
  })

  test('has targets of its own for the share and the rate', () => {
    const pair = { ...PAIR, flop: FLOP, least_share: 0.88, rate_target: 1_000 }
    const peaks = [120, 120, 120]
    expect(met(pairRow(pair, OURS_MS, OURS_MS, peaks))).toEqual([false, true])
    expect(met(pairRow(pair, [11, 11, 11], OURS_MS, [100, 100, 100]))).toEqual([true, false])
  })

  test('is not timed when its sides differ', async () => {
    let calls = 0
    const side = async (): Promise<void> => void (calls += 1)
    const check = (): string => {
      throw new Error('they differ')
    }
    const pair = { ...PAIR, ours: side, theirs: side, check }
    await expect(comparePair(pair, { rounds: 1, quick: true })).rejects.toThrow('they differ')
    expect(calls).toBe(2)
  })
})

describe('a first pass', () => {
  test('has a tokenizer that no pass had before', async () => {
    const seen = new Set<object>()
    let passes = 0
    const side: Side = {
      name: 'side',
      load: async () => ({}),
      pass: async (tokenizer) => {
        passes += 1
        seen.add(tokenizer)
      },
    }
    const times = await firstPasses([side, side], { rounds: 3 })
    expect(times.map((each) => each.length)).toEqual([3, 3])
    expect(passes).toBe(6)
    expect(seen.size).toBe(6)
  })

  test('comes after a look at every id of every side', async () => {
    const side = (name: string, rows: number[][]): Side => ({
      name,
      load: async () => ({}),
      pass: async () => undefined,
      collect: async () => rows,
    })
    const expected = side('expected', [[1, 2], [3]])
    expect(await checkIds([side('a', [[1, 2], [3]]), expected])).toContain('2 documents')
    for (const rows of [[[1, 2], [4]], [[1, 2], [3, 4]], [[1], [3]]]) {
      await expect(checkIds([side('b', rows), expected])).rejects.toThrow('b: document')
    }
    await expect(checkIds([side('c', [[1, 2]]), expected])).rejects.toThrow('2 documents')
  })
})

describe('the event loop', () => {
  test('is as late as its latest timer, the last moment included', () => {
    const found = longestDelays([0, 1, 3, 4, 10], [], 1)
    expect(found).toEqual({ longest: 5, without_collections: 5 })
  })

  test('is not as late without what collections took of the delay itself', () => {
    const collection = { startTime: 4.5, duration: 4.5 }
    // [5, 9] of it lies where the timer was late; the half millisecond before delayed nothing.
    expect(longestDelays([0, 1, 3, 4, 10], [collection], 1)).toEqual({
      longest: 5,
      without_collections: 1,
    })
    const elsewhere = { startTime: 20, duration: 5 }
    expect(longestDelays([0, 4, 5], [elsewhere], 1).without_collections).toBe(3)
  })

  test("hears of V8's full collections and of no others", async () => {
    const { setFlagsFromString } = await import('node:v8')
    const { runInNewContext } = await import('node:vm')
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as (options?: { type: 'minor' }) => void
    expect(await watchCollections(async () => collect())).toHaveLength(1)
    expect(await watchCollections(async () => collect({ type: 'minor' }))).toHaveLength(0)
  })
})

describe('a competitor', () => {
  const measured = { rounds: 7, quick: false }
  const row = (theirs_share: number): object => ({ name: '8×128', against: 'other', theirs_share })

  test('below 70 % of the peak fails the run', () => {
    expect(() => checkCompetitor(row(0.69), measured)).toThrow('no competitor')
    expect(() => checkCompetitor(row(Number.NaN), measured)).toThrow('no competitor')
  })

  test('is not judged by a run that measures nothing', () => {
    checkCompetitor(row(0.7), measured)
    checkCompetitor(row(0.1), { rounds: 2, quick: false })
    checkCompetitor(row(0.1), { rounds: 7, quick: true })
  })
})

describe('the plot', () => {
  const pair = pairRow({ ...PAIR, flop: FLOP }, OURS_MS, [12, 12, 12], [110, 110, 110])
  const operation = {
    kind: 'operation', name: 'LayerNorm', in_encoder: true, share: 0.02, gflops: 3, intensity: 0.9,
    peak: 110,
  }

  test('shows shares, operations and ratios, with text escaped', () => {
    const rows = [{ ...pair, suite: 'a < b & c' }, operation]
    const svg = plotCpu(rows, 'machine') ?? ''
    expect(svg).toContain('a &lt; b &amp; c')
    expect(svg).toContain('1.20 (1.20 to 1.20)')
    expect(svg).toContain('91 % / 76 %')
    expect(svg).toContain('1 LayerNorm')
    expect(svg).not.toMatch(/NaN|undefined|Infinity/)
  })

  test('is left out where there is nothing to show', () => {
    expect(plotCpu([{ kind: 'skip', reason: 'none' }], 'machine')).toBeUndefined()
  })
})

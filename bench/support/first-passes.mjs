// Times first passes over a corpus: whoever keeps words or texts that it has seen must not profit
// from the pass before, so every pass has a tokenizer that was loaded for it.

import { setTimeout as sleep } from 'node:timers/promises'

// Threads of the side before are asleep by then.
const SETTLE_MS = 50
// What native objects hold is given up some turns after they are collected, and may hold others.
const COLLECTIONS = 3

/** What a pass left behind is not to be cleared away in the time of the next. */
export async function settle() {
  for (let i = 0; i < COLLECTIONS; i += 1) {
    globalThis.gc?.()
    await sleep(SETTLE_MS)
  }
}

/**
 * One pass of each side, in turn, as often as there are rounds.
 * @param sides - { load: async () => tokenizer, pass: async (tokenizer) => … }; `timed: true`
 *   where the pass measures itself and returns milliseconds
 * @returns for each side milliseconds a pass, one number a round
 */
export async function firstPasses(sides, { rounds }) {
  const times = sides.map(() => [])
  for (let round = 0; round < rounds; round += 1) {
    for (const [i, { load, pass, timed = false }] of sides.entries()) {
      const tokenizer = await load()
      await settle()
      const begin = performance.now()
      const own = await pass(tokenizer)
      times[i].push(timed ? own : performance.now() - begin)
    }
  }
  return times
}

/**
 * Every side gives the ids that the last one gives.
 * @param sides - also `collect: async (tokenizer) => rows of ids`
 * @returns what to print
 * @throws at the first document that differs
 */
export async function checkIds(sides) {
  const collect = async ({ load, collect: rows }) => rows(await load())
  const expected = await collect(sides.at(-1))
  for (const side of sides.slice(0, -1)) {
    const rows = await collect(side)
    if (rows.length !== expected.length) {
      throw new Error(`Expected ${expected.length} documents but received ${rows.length}.`)
    }
    rows.forEach((ids, i) => {
      const same = ids.length === expected[i].length && ids.every((id, j) => id === expected[i][j])
      if (!same) throw new Error(`${side.name}: document ${i} has other ids.`)
    })
  }
  return `ids of ${expected.length} documents equal`
}

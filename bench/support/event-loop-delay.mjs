// How late a timer was, from the times at which it came, and what of that V8's full collections of
// its heap took. They stop JavaScript in any process; smaller collections are of what the calls
// themselves left behind, and count.

import { constants, PerformanceObserver } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'

/** Entries of collections reach their observer in a later turn of the event loop. */
const WAIT_MS = 20

/** Milliseconds of [begin, end] that lie inside one of these, which do not overlap. */
function inside(entries, begin, end) {
  const parts = entries.map(({ startTime, duration }) =>
    Math.max(0, Math.min(end, startTime + duration) - Math.max(begin, startTime)),
  )
  return parts.reduce((sum, part) => sum + part, 0)
}

/**
 * @param ticks - when a timer of `timerMs` came, and the first and last moment, in ms
 * @param collections - { startTime, duration } in ms, none overlapping another
 * @returns the longest that it was late, in ms, and the longest without what lies in collections
 */
export function longestDelays(ticks, collections, timerMs) {
  // A collection before a tick is due makes nothing late.
  const late = ticks.slice(1).map((end, i) => [ticks[i] + timerMs, end])
  return {
    longest: Math.max(...late.map(([due, came]) => came - due)),
    without_collections: Math.max(
      ...late.map(([due, came]) => came - due - inside(collections, due, came)),
    ),
  }
}

/** Calls `work` and returns the full collections of V8's heap that began meanwhile. */
export async function watchCollections(work) {
  const entries = []
  const observer = new PerformanceObserver((list) => entries.push(...list.getEntries()))
  observer.observe({ entryTypes: ['gc'] })
  await work()
  await sleep(WAIT_MS)
  observer.disconnect()
  return entries.filter(({ detail }) => detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR)
}

// How late the event loop is while a large batch runs: the most that a timer of 1 ms is overdue, as
// a median of rounds, beside that of an idle process over the same time. V8 stops JavaScript for
// its collections too, in a process that does nothing else as well; the worst round is judged
// without them, and beside it stands what it was with them.

import { join } from 'node:path'
import { PerformanceObserver } from 'node:perf_hooks'
import { clearInterval, setInterval } from 'node:timers'
import { setTimeout as sleep } from 'node:timers/promises'

import { loadPipeline } from '../support/fusebert.mjs'
import { figure } from '../support/figure.mjs'
import { MODELS, selected } from '../support/options.mjs'
import { summarize } from '../support/statistics.mjs'
import { anyOf, atMost } from '../support/targets.mjs'
import { raggedLengths, readWords, textsOfLengths } from '../support/texts.mjs'

export const title = 'event loop'

const NAME = 'longest event-loop delay while a batch of BERT-Base runs'
const TEXTS = 64
const QUICK_TEXTS = 16
const TARGET_MS = 5
const TIMER_MS = 1
const OBSERVER_MS = 20
const WARM_UP_ROUNDS = 2

/** What V8's collections take of [begin, end], in ms. */
function collecting(collections, begin, end) {
  const parts = collections.map(({ startTime, duration }) =>
    Math.max(0, Math.min(end, startTime + duration) - Math.max(begin, startTime)),
  )
  return parts.reduce((sum, part) => sum + part, 0)
}

/** The longest delay while `work` runs, with V8's collections and without, and how long it ran. */
async function longestDelay(work) {
  const collections = []
  const observer = new PerformanceObserver((list) => collections.push(...list.getEntries()))
  observer.observe({ entryTypes: ['gc'] })
  const begin = performance.now()
  const ticks = [begin]
  const timer = setInterval(() => ticks.push(performance.now()), TIMER_MS)
  await work()
  // The delay that the end of the work made counts too.
  ticks.push(performance.now())
  clearInterval(timer)
  // An observer hears of a collection a turn later.
  await sleep(OBSERVER_MS)
  observer.disconnect()
  const gaps = ticks.slice(1).map((end, i) => [ticks[i], end])
  const longest = Math.max(...gaps.map(([from, to]) => to - from - TIMER_MS))
  const own = gaps.map(([from, to]) => to - from - TIMER_MS - collecting(collections, from, to))
  return { longest, own: Math.max(...own), elapsed: ticks.at(-1) - begin }
}

export async function run(options, { report }) {
  if (!selected(options, title, NAME)) return
  const folder = join(MODELS, 'bert-base')
  const embed = await loadPipeline(folder, options.threads)
  const lengths = raggedLengths(options.quick ? QUICK_TEXTS : TEXTS)
  const texts = textsOfLengths(lengths, readWords(join(folder, 'vocab.txt')))
  const list = texts.map(({ text }) => text)
  const work = () => embed(list, { pooling: 'mean', normalize: true })
  // Some seconds after a model was loaded V8 collects what that left behind.
  for (let i = 0; i < WARM_UP_ROUNDS; i += 1) await work()

  const busy = []
  const idle = []
  for (let round = 0; round < options.rounds; round += 1) {
    busy.push(await longestDelay(work))
    idle.push(await longestDelay(() => sleep(busy.at(-1).elapsed)))
  }
  await embed.dispose()
  report(row(busy, idle))
}

function row(busy, idle) {
  const summary = (rounds, key) => summarize(rounds.map((round) => round[key]))
  const delay = summary(busy, 'longest')
  const own = summary(busy, 'own')
  const idleOwn = summary(idle, 'own')
  const range = (of) => `${of.min.toFixed(1)}–${of.max.toFixed(1)}`
  const spread =
    `${range(delay)}, without V8's collections ${range(own)}; ` +
    `idle ${summary(idle, 'longest').median.toFixed(1)} (without: ${range(idleOwn)})`
  const worst = "the worst round's, without V8's collections,"
  const targets = [
    ...atMost(delay.median, TARGET_MS),
    ...anyOf(
      ...atMost(own.max, TARGET_MS, `${worst} ≤ ${TARGET_MS}`),
      ...atMost(own.max, idleOwn.max, '≤ that of an idle process'),
    ),
  ]
  return figure(NAME, delay.median, 'ms', spread, { targets, busy, idle })
}

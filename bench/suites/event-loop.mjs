// How late the event loop is while a large batch runs: the most that a timer of 1 ms is overdue, as
// a median of rounds, beside that of an idle process over the same time. The worst round is judged
// without V8's full collections, and beside it stands what it was with them.

import { join } from 'node:path'
import { clearInterval, setInterval } from 'node:timers'
import { setTimeout as sleep } from 'node:timers/promises'

import { longestDelays, watchCollections } from '../support/event-loop-delay.mjs'
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
const WARM_UP_BATCHES = 2

/** The longest delays while `work` runs, with V8's full collections and without, and its time. */
async function timeTicks(work) {
  const ticks = []
  const tick = () => ticks.push(performance.now())
  const collections = await watchCollections(async () => {
    tick()
    const timer = setInterval(tick, TIMER_MS)
    await work()
    clearInterval(timer)
    // The delay that the end of the work made counts too.
    tick()
  })
  const elapsed = ticks.at(-1) - ticks[0]
  return { ...longestDelays(ticks, collections, TIMER_MS), elapsed }
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
  for (let i = 0; i < WARM_UP_BATCHES; i += 1) await work()

  const busy = []
  const idle = []
  for (let round = 0; round < options.rounds; round += 1) {
    busy.push(await timeTicks(work))
    idle.push(await timeTicks(() => sleep(busy.at(-1).elapsed)))
  }
  await embed.dispose()
  report(row(busy, idle))
}

function row(busy, idle) {
  const summary = (rounds, key) => summarize(rounds.map((round) => round[key]))
  const delay = summary(busy, 'longest')
  const without = summary(busy, 'without_collections')
  const idleWithout = summary(idle, 'without_collections')
  const range = (of) => `${of.min.toFixed(1)}–${of.max.toFixed(1)}`
  const spread =
    `${range(delay)}, without V8's full collections ${range(without)}; ` +
    `idle ${summary(idle, 'longest').median.toFixed(1)} (without: ${range(idleWithout)})`
  const worst = "the worst round's, without V8's full collections,"
  const targets = [
    ...atMost(delay.median, TARGET_MS),
    ...anyOf(
      ...atMost(without.max, TARGET_MS, `${worst} ≤ ${TARGET_MS}`),
      ...atMost(without.max, idleWithout.max, '≤ that of an idle process'),
    ),
  ]
  return figure(NAME, delay.median, 'ms', spread, { targets, busy, idle })
}

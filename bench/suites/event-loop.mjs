// How late the event loop is while a large batch runs: the most that a timer of 1 ms is overdue, as
// a median of rounds, beside that of an idle process over the same time.

import { join } from 'node:path'
import { clearInterval, setInterval } from 'node:timers'
import { setTimeout as sleep } from 'node:timers/promises'

import { loadPipeline } from '../support/fusebert.mjs'
import { figure } from '../support/figure.mjs'
import { MODELS, selected } from '../support/options.mjs'
import { summarize } from '../support/statistics.mjs'
import { atMost } from '../support/targets.mjs'
import { raggedLengths, readWords, textsOfLengths } from '../support/texts.mjs'

export const title = 'event loop'

const NAME = 'longest event-loop delay while a batch of BERT-Base runs'
const TEXTS = 64
const QUICK_TEXTS = 16
const TARGET_MS = 5
const TIMER_MS = 1

/** The longest delay while `work` runs, in ms, and how long that was. */
async function longestDelay(work) {
  const begin = performance.now()
  let last = begin
  let longest = 0
  const tick = () => {
    const now = performance.now()
    longest = Math.max(longest, now - last - TIMER_MS)
    last = now
  }
  const timer = setInterval(tick, TIMER_MS)
  await work()
  // The delay that the end of the work made counts too.
  tick()
  clearInterval(timer)
  return { longest, elapsed: last - begin }
}

export async function run(options, { report }) {
  if (!selected(options, title, NAME)) return
  const folder = join(MODELS, 'bert-base')
  const embed = await loadPipeline(folder, options.threads)
  const lengths = raggedLengths(options.quick ? QUICK_TEXTS : TEXTS)
  const texts = textsOfLengths(lengths, readWords(join(folder, 'vocab.txt')))
  const list = texts.map(({ text }) => text)
  const work = () => embed(list, { pooling: 'mean', normalize: true })
  await work()

  const delays = []
  const idles = []
  for (let round = 0; round < options.rounds; round += 1) {
    const busy = await longestDelay(work)
    const idle = await longestDelay(() => sleep(busy.elapsed))
    delays.push(busy.longest)
    idles.push(idle.longest)
  }
  await embed.dispose()
  const delay = summarize(delays)
  const idle = summarize(idles)
  const range = (of) => `${of.min.toFixed(1)}–${of.max.toFixed(1)}`
  const spread = `${range(delay)}; idle ${idle.median.toFixed(1)} (${range(idle)})`
  const targets = [
    ...atMost(delay.median, TARGET_MS),
    ...atMost(delay.max, TARGET_MS, `the worst round's ≤ ${TARGET_MS}`),
  ]
  report(figure(NAME, delay.median, 'ms', spread, { targets, delays, idles }))
}

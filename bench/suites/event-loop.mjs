// How long the event loop stands still while a large batch runs: the longest gap between two ticks
// of a 1 ms timer, beside the longest gap of an idle process over the same time.

import { join } from 'node:path'
import { clearInterval, setInterval } from 'node:timers'
import { setTimeout as sleep } from 'node:timers/promises'

import { loadPipeline } from '../support/fusebert.mjs'
import { figure } from '../support/figure.mjs'
import { MODELS, selected } from '../support/options.mjs'
import { atMost } from '../support/targets.mjs'
import { raggedLengths, readWords, textsOfLengths } from '../support/texts.mjs'

export const title = 'event loop'

const NAME = 'longest stall while a batch of BERT-Base runs'
const TEXTS = 64
const QUICK_TEXTS = 16
const TARGET_MS = 5

/** The longest gap between ticks while `work` runs, in ms, and how long that was. */
async function longestGap(work) {
  const begin = performance.now()
  let last = begin
  let longest = 0
  const tick = () => {
    const now = performance.now()
    longest = Math.max(longest, now - last)
    last = now
  }
  const timer = setInterval(tick, 1)
  await work()
  // The gap that the end of the work made counts too.
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

  const stalls = []
  const idles = []
  for (let round = 0; round < options.rounds; round += 1) {
    const busy = await longestGap(work)
    const idle = await longestGap(() => sleep(busy.elapsed))
    stalls.push(busy.longest)
    idles.push(idle.longest)
  }
  await embed.dispose()
  const worst = Math.max(...stalls)
  const spread = `idle ${Math.max(...idles).toFixed(1)}`
  const targets = atMost(worst, TARGET_MS)
  report(figure(NAME, worst, 'ms', spread, { targets, stalls, idles }))
}

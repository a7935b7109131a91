// One call on two cores beside the same call on one, the JavaScript thread included, and beside
// Hugging Face's native tokenizer on all threads, which its environment asks for in this suite's
// process.

import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { pairRow } from '../pairs.mjs'
import { processors, sideOn } from '../support/affinity.mjs'
import { hasCorpus, readCorpus } from '../support/corpus.mjs'
import { checkIds, firstPasses } from '../support/first-passes.mjs'
import { selected } from '../support/options.mjs'
import { fusebertSide, nativeSide, takesThreads } from '../support/tokenizers.mjs'

export const title = 'tokenizer, several threads'

const CORES = 2
const NAME = 'WordPiece, English, one Buffer'
const ONE_CORE = 'fusebert, one core'
const ALL_THREADS = 'tokenizers (native), all threads'
// A pass of ours takes a tenth of a second, in which a shared machine may halve a core's speed.
const CASES = [
  { name: NAME, against: ONE_CORE, target: 1.8, passes_a_round: 4 },
  { name: NAME, against: ALL_THREADS, passes_a_round: 1 },
]

export async function run(options, { report, progress, skip }) {
  const cases = CASES.filter(({ name, against }) => selected(options, title, `${name} ${against}`))
  if (cases.length === 0) return
  const folder = options.minilm
  if (!hasCorpus('english')) return skip('corpus/ is not there, make-corpus.mjs writes it')
  if (!existsSync(join(folder, 'tokenizer.json'))) return skip('MiniLM is not there')
  if (!(await takesThreads(folder))) return skip('encodeBatch of this fusebert takes no threads')
  const all = processors()
  if (all.length < CORES) return skip('there are no two processors, or no taskset')
  const cores = all.slice(0, CORES)
  const { texts, range, megabytes } = readCorpus('english', options)
  const ours = sideOn(cores, fusebertSide('fusebert', folder, range, { threads: CORES }))
  const theirs = {
    [ONE_CORE]: () =>
      sideOn(cores.slice(0, 1), fusebertSide(ONE_CORE, folder, range, { threads: 1 })),
    [ALL_THREADS]: () => sideOn(all, nativeSide(ALL_THREADS, folder, texts)),
  }
  for (const each of cases) {
    progress(`two cores against ${each.against}`)
    const sides = [ours, theirs[each.against]()]
    const agreement = await checkIds(sides)
    const rounds = options.rounds * each.passes_a_round
    const times = await firstPasses(sides, { rounds })
    report(pairRow({ ...each, unit: 'MB', amount: megabytes, rounds, agreement }, ...times))
  }
}

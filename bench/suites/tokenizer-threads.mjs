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
const CASES = [
  { name: 'WordPiece, English, one Buffer', against: 'fusebert, one core', target: 1.8 },
  { name: 'WordPiece, English, one Buffer', against: 'tokenizers (native), all threads' },
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
  progress(`two cores against one, and tokenizers (native) on all threads`)
  const { texts, range, megabytes } = readCorpus('english', options)
  const [oneCore, allThreads] = CASES.map(({ against }) => against)
  const sides = [
    sideOn(cores, fusebertSide('fusebert', folder, range, { threads: CORES })),
    sideOn(cores.slice(0, 1), fusebertSide(oneCore, folder, range, { threads: 1 })),
    sideOn(all, nativeSide(allThreads, folder, texts)),
  ]
  const agreement = await checkIds(sides)
  const times = await firstPasses(sides, options)
  for (const each of cases) {
    const more = { unit: 'MB', amount: megabytes, rounds: options.rounds, agreement }
    const theirs = sides.findIndex(({ name }) => name === each.against)
    report(pairRow({ ...each, ...more }, times[0], times[theirs]))
  }
}

// One call on two cores beside the same call on one, the JavaScript thread included; beside two
// processes of one core each, which is what the machine has to give; and beside Hugging Face's
// native tokenizer on all threads, which its environment asks for in this suite's process.

import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { pairRow } from '../pairs.mjs'
import { processors } from '../support/affinity.mjs'
import { hasCorpus, readCorpus } from '../support/corpus.mjs'
import { checkIds, firstPasses } from '../support/first-passes.mjs'
import { selected } from '../support/options.mjs'
import { processSide } from '../support/pass-processes.mjs'
import { digestOf, fusebertSide, nativeSide, takesThreads } from '../support/tokenizers.mjs'

export const title = 'tokenizer, several threads'

const CORES = 2
const CORPUS = 'english'
const NAME = 'WordPiece, English, one Buffer'
const ONE_CORE = 'fusebert, one core'
const SEPARATE = 'fusebert, two processes of one core each'
const ALL_THREADS = 'tokenizers (native), all threads'
// A pass of ours takes a tenth of a second, in which a shared machine may halve a core's speed.
const PASSES_A_ROUND = 4

/** Our sides: a call on two cores, one on one, and one on each of two at once. */
function ourSides(numbers, pass) {
  const alone = { ...pass, threads: 1 }
  return [
    processSide([numbers], { ...pass, threads: CORES }),
    processSide([numbers.slice(0, 1)], alone),
    processSide(numbers.map((number) => [number]), alone),
  ]
}

async function compareCores(numbers, { pair, pass, ids }, options, { report, progress }) {
  progress('two cores against one')
  const sides = ourSides(numbers, pass)
  try {
    for (const side of sides) await side.begin(ids)
    const rounds = options.rounds * PASSES_A_ROUND
    const [ours, one, separate] = await firstPasses(sides, { rounds })
    const row = { ...pair, rounds }
    report(pairRow({ ...row, against: ONE_CORE, target: 1.8 }, ours, one))
    report(pairRow({ ...row, against: SEPARATE }, ours, separate))
    report(pairRow({ ...row, name: `${NAME}, two processes`, against: ONE_CORE }, separate, one))
  } finally {
    sides.forEach((side) => side.end())
  }
}

async function compareNative(numbers, { pair, pass, ids }, native, options, { report, progress }) {
  progress(`two cores against ${ALL_THREADS}`)
  const ours = processSide([numbers], { ...pass, threads: CORES })
  try {
    await ours.begin(ids)
    const times = await firstPasses([ours, native], options)
    report(pairRow({ ...pair, rounds: options.rounds, against: ALL_THREADS }, ...times))
  } finally {
    ours.end()
  }
}

export async function run(options, reporter) {
  const isSelected = (against) => selected(options, title, `${NAME} ${against}`)
  const { skip, progress } = reporter
  if (![ONE_CORE, SEPARATE, ALL_THREADS].some(isSelected)) return
  const folder = options.minilm
  if (!hasCorpus(CORPUS)) return skip('corpus/ is not there, make-corpus.mjs writes it')
  if (!existsSync(join(folder, 'tokenizer.json'))) return skip('MiniLM is not there')
  if (!(await takesThreads(folder))) return skip('encodeBatch of this fusebert takes no threads')
  const numbers = processors().slice(0, CORES)
  if (numbers.length < CORES) return skip('there are no two processors, or no taskset')
  const { texts, range, megabytes } = readCorpus(CORPUS, options)
  const native = nativeSide(ALL_THREADS, folder, texts)
  const here = fusebertSide('fusebert', folder, range, { threads: CORES })
  progress('ids')
  const agreement = await checkIds([here, native])
  const ids = digestOf(await here.pass(await here.load()))

  const pair = { name: NAME, unit: 'MB', amount: megabytes, agreement }
  const made = { pair, ids, pass: { folder, corpus: CORPUS, options } }
  if (isSelected(ONE_CORE) || isSelected(SEPARATE)) {
    await compareCores(numbers, made, options, reporter)
  }
  if (isSelected(ALL_THREADS)) await compareNative(numbers, made, native, options, reporter)
}

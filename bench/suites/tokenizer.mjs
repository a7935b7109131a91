// Text to ids on one core against Hugging Face's native tokenizer on one thread: a first pass over
// the documents of corpus/, all of which are different. The ids of all of them must be the same
// before anything is timed. The other side takes strings only. Where there is taskset, this process
// has one processor for all its threads, JavaScript's and the garbage collector's too.

import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { pairRow } from '../pairs.mjs'
import { processors, runOn } from '../support/affinity.mjs'
import { hasCorpus, readCorpus } from '../support/corpus.mjs'
import { checkIds, firstPasses } from '../support/first-passes.mjs'
import { loadTokenizer } from '../support/fusebert.mjs'
import { MODELS, selected } from '../support/options.mjs'
import { fusebertSide, nativeSide, takesThreads } from '../support/tokenizers.mjs'

export const title = 'tokenizer'

const AGAINST = 'tokenizers (native), one thread'
const BPE = join(MODELS, 'byte-level-bpe')
const BUFFER = 'one Buffer'
const STRINGS = 'strings'

const groups = (minilm) => [
  {
    name: 'WordPiece, English',
    folder: minilm,
    corpus: 'english',
    inputs: [
      { input: BUFFER, target: 35, rate_target: 100 },
      { input: STRINGS, target: 22, rate_target: 60 },
    ],
  },
  {
    name: 'WordPiece, mixed languages',
    folder: minilm,
    corpus: 'mixed',
    inputs: [{ input: BUFFER, rate_target: 30 }, { input: STRINGS, rate_target: 30 }],
  },
  {
    name: 'byte-level BPE, English',
    folder: BPE,
    corpus: 'english',
    inputs: [{ input: BUFFER, rate_target: 60 }, { input: STRINGS }],
  },
]

/** Why a group cannot run, or undefined. */
async function obstacle({ name, folder, corpus }) {
  if (!hasCorpus(corpus)) return `${name}: corpus/ is not there, make-corpus.mjs writes it`
  if (!existsSync(join(folder, 'tokenizer.json'))) return `${name}: its tokenizer.json is not there`
  try {
    await loadTokenizer(folder)
    return undefined
  } catch (error) {
    if (error.code === undefined) throw error
    return `${name}: fusebert refuses the tokenizer with ${error.code}`
  }
}

async function runGroup({ name, folder, corpus, inputs }, options, { report, progress }) {
  progress(`${name} against ${AGAINST}`)
  const { texts, range, megabytes } = readCorpus(corpus, options)
  const one = (await takesThreads(folder)) ? { threads: 1 } : {}
  const ours = inputs.map(({ input }) =>
    fusebertSide(input, folder, input === BUFFER ? range : texts, one),
  )
  const sides = [...ours, nativeSide(AGAINST, folder, texts)]
  const agreement = await checkIds(sides)
  const times = await firstPasses(sides, options)
  inputs.forEach((each, i) => {
    const pair = { ...each, name: `${name}, ${each.input}`, against: AGAINST, agreement }
    const more = { unit: 'MB', amount: megabytes, rounds: options.rounds }
    report(pairRow({ ...pair, ...more }, times[i], times.at(-1)))
  })
}

export async function run(options, reporter) {
  const [core] = processors()
  if (core === undefined) reporter.skip('having one processor: there is no taskset')
  else runOn([core])
  for (const group of groups(options.minilm)) {
    const inputs = group.inputs.filter(({ input }) =>
      selected(options, title, `${group.name}, ${input} ${AGAINST}`),
    )
    if (inputs.length === 0) continue
    const reason = await obstacle(group)
    if (reason === undefined) await runGroup({ ...group, inputs }, options, reporter)
    else reporter.skip(reason)
  }
}

// The same documents, as strings and on one core, against the tokenizers that are written in
// JavaScript: the one inside transformers.js, called directly and through it.

import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { pairRow } from '../pairs.mjs'
import { hasCorpus, readCorpus } from '../support/corpus.mjs'
import { checkIds, firstPasses } from '../support/first-passes.mjs'
import { MODELS, selected } from '../support/options.mjs'
import {
  fusebertSide, javaScriptSide, takesThreads, transformersJsSide,
} from '../support/tokenizers.mjs'

export const title = 'tokenizer, JavaScript'

const NAME = 'WordPiece, English, strings'
const FOLDER = join(MODELS, 'transformers.js', 'minilm')
const SIDES = [
  { against: '@huggingface/tokenizers', make: javaScriptSide },
  { against: 'transformers.js', make: transformersJsSide },
]

export async function run(options, { report, progress, skip }) {
  const others = SIDES.filter(({ against }) => selected(options, title, `${NAME} ${against}`))
  if (others.length === 0) return
  if (!hasCorpus('english')) return skip('corpus/ is not there, make-corpus.mjs writes it')
  const there = existsSync(join(FOLDER, 'tokenizer.json'))
  if (!there) return skip('MiniLM for transformers.js is not there')
  progress(`${NAME} against ${others.map(({ against }) => against).join(' and ')}`)
  const { texts, megabytes } = readCorpus('english', options)
  const one = (await takesThreads(FOLDER)) ? { threads: 1 } : {}
  const sides = [
    fusebertSide('fusebert', FOLDER, texts, one),
    ...others.map(({ against, make }) => make(against, FOLDER, texts)),
  ]
  const agreement = await checkIds(sides)
  const times = await firstPasses(sides, options)
  others.forEach(({ against }, i) => {
    const pair = { name: NAME, against, agreement, unit: 'MB', amount: megabytes }
    report(pairRow({ ...pair, rounds: options.rounds }, times[0], times[i + 1]))
  })
}

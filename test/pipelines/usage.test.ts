// What a call consumed stands beside its answer, the same for every task and shape.
import { deepStrictEqual } from 'node:assert'

import { describe, expect, test } from 'vitest'

import { pipeline, Tensor, type Usage } from '../../dist/index.js'
import { GOLDEN } from '../support/require.js'
import { folderOf, QUESTIONS } from './golden-pipelines.js'

type Answered = object & { usage: Usage }

/** A pipeline that is loaded, asked once, and disposed. */
async function once<Loaded extends AsyncDisposable>(
  loading: Promise<Loaded>,
  ask: (loaded: Loaded) => Promise<Answered>,
): Promise<Answered> {
  const loaded = await loading
  try {
    return await ask(loaded)
  } finally {
    await loaded[Symbol.asyncDispose]()
  }
}

const QUESTION = { question: 'Is it?', context: 'I feel better.' }
const embed = () => pipeline('feature-extraction', QUESTIONS)
const zeroShot = () => pipeline('zero-shot-classification', folderOf('entailment-last'))
const ask = () => pipeline('question-answering', QUESTIONS)

const CALLS: [string, () => Promise<Answered>][] = [
  ['pooled vectors', () => once(embed(), (run) => run('a', { pooling: 'mean' }))],
  ['hidden states', () => once(embed(), (run) => run('a', { pooling: 'none' }))],
  ['a list of hidden states', () => once(embed(), (run) => run(['a'], { pooling: 'none' }))],
  ['fill-mask', () => once(pipeline('fill-mask', folderOf('fill-mask')), (run) => run('[MASK]'))],
  [
    'text-classification',
    () => once(pipeline('text-classification', folderOf('softmax')), (run) => run('a')),
  ],
  [
    'token-classification',
    () => once(pipeline('token-classification', folderOf('entities')), (run) => run('a')),
  ],
  ['zero-shot, an object', () => once(zeroShot(), (run) => run('a', ['b']))],
  ['zero-shot, a list', () => once(zeroShot(), (run) => run(['a'], ['b']))],
  ['question-answering, an object', () => once(ask(), (run) => run(QUESTION))],
  ['question-answering, a list', () => once(ask(), (run) => run(QUESTION, { top_k: 2 }))],
  [
    'rerank',
    () => once(
      pipeline('rerank', `${GOLDEN}/sentence-transformers/cross-encoder`),
      (run) => run('a', ['b']),
    ),
  ],
  ['sentence-similarity', () => once(
    pipeline('sentence-similarity', QUESTIONS), (run) => run('a', ['b']),
  )],
]

describe('usage', () => {
  test.each(CALLS)('of %s is there, and no part of the answer', async (_, call) => {
    const answer = await call()
    expect(answer.usage.texts).toBeGreaterThan(0)
    expect(answer.usage.tokens).toBeGreaterThan(0)
    expect(Object.keys(answer)).not.toContain('usage')
    if (Array.isArray(answer)) deepStrictEqual(answer, Array.from(answer))
    else if (!(answer instanceof Tensor)) deepStrictEqual(answer, { ...answer })
  })
})

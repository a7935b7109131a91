// Every golden model that answers for a task, as pipelines to load and calls to make of them, and
// how near to the golden answers those of fp16 must be.
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'

import { expect } from 'vitest'

import {
  BYTE_LEVEL_QUESTIONS,
  callsOf,
  expectAnswer,
  folderOf,
  inUtf16,
  QUESTIONS,
} from '../pipelines/golden-pipelines.js'
import { GOLDEN } from '../support/require.js'
import { REAL } from './gpu.js'

/** What is allowed beside twice the naive error: golden values are fp32, and their digits few. */
const ROUNDING = 1e-5

/**
 * On the virtual GPU token classifiers are asked each third question, as they have by far the most:
 * for the others, the device would compute the same few texts again, of which the CPU makes other
 * groups.
 */
const FEWER_TOKEN_CALLS = REAL ? 1 : 3

/**
 * Left out: an answer's score is a sum over the spans of tokens among the top_k that make the same
 * words. Here two spans at that edge are told apart by less than fp16 rounds, and either belongs to
 * one of two answers, which then change places.
 */
const UNSTEADY = { name: 'roberta-question-answering-prefixed', top_k: 12 }

export interface Call {
  args: unknown[]
  expected: unknown
  /** One answer an input; else one answer. */
  many: boolean
}

export interface Run {
  name: string
  task: string
  folder: string
  naive_fp16: number
  calls: Call[]
}

interface Entry {
  name: string
  naive_fp16: number
}

interface Scored {
  score: number
}

const SENTENCE = `${GOLDEN}/sentence`
const RANKINGS = `${GOLDEN}/sentence-transformers`

const read = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'))

/** Offsets as Python counts, in the units of JavaScript's strings; of one answer or of many. */
function answersIn(texts: string[], many: boolean, result: unknown): unknown {
  const results = (many ? result : [result]) as unknown[]
  const converted = results.map((each, i) => inUtf16(texts[i] ?? texts[0]!, each))
  return many ? converted : converted[0]
}

function pipelineCalls({ name, task }: { name: string; task: string }): Call[] {
  const every = task === 'token-classification' ? FEWER_TOKEN_CALLS : 1
  const calls = callsOf(name).filter((_, i) => i % every === 0)
  return calls.map(({ inputs, options, result }) => {
    const many = Array.isArray(inputs)
    if (task === 'zero-shot-classification') {
      const { candidate_labels: labels, ...others } = options
      return { args: [inputs, labels, others], expected: result, many }
    }
    if (task !== 'token-classification') return { args: [inputs, options], expected: result, many }
    const texts = (many ? inputs : [inputs]) as string[]
    return { args: [inputs, options], expected: answersIn(texts, many, result), many }
  })
}

function pipelineRuns(): Run[] {
  const manifest = read(`${GOLDEN}/pipelines/manifest.json`)
  const { models } = manifest as { models: (Entry & { task: string })[] }
  return models.map((model) => ({
    ...model,
    folder: folderOf(model.name),
    calls: pipelineCalls(model),
  }))
}

function questionRun(folder: string): Run {
  const { naive_fp16 } = read(`${folder}/manifest.json`) as Entry
  const all = read(`${folder}/expected.json`) as (Record<string, unknown> & {
    options: { top_k?: number }
  })[]
  const name = basename(folder)
  const calls = all.filter(({ options }) => {
    return name !== UNSTEADY.name || options.top_k !== UNSTEADY.top_k
  })
  return {
    name,
    task: 'question-answering',
    folder,
    naive_fp16,
    calls: calls.map(({ question, context, options, result }) => {
      const many = Array.isArray(question)
      const expected = answersIn([context].flat() as string[], many, result)
      return { args: [{ question, context }, options], expected, many }
    }),
  }
}

function rankingRuns(): Run[] {
  const { cross_encoders, bi_encoder } = read(`${RANKINGS}/manifest.json`) as {
    cross_encoders: Entry[]
    bi_encoder: Entry
  }
  const runOf = (task: string, entry: Entry, argsOf: (golden: never) => unknown[]): Run => {
    const folder = `${RANKINGS}/${entry.name}`
    const golden = read(`${folder}/expected.json`) as { result: unknown }
    const call = { args: argsOf(golden as never), expected: golden.result, many: false }
    return { ...entry, task, folder, calls: [call] }
  }
  type Ranking = { query: string; documents: string[] }
  type Cosines = { sources: string[]; sentences: string[] }
  const ranking = ({ query, documents }: Ranking) => [query, documents, { return_documents: true }]
  const cosines = ({ sources, sentences }: Cosines) => [sources, sentences]
  return [
    ...cross_encoders.map((entry) => runOf('rerank', entry, ranking)),
    runOf('sentence-similarity', bi_encoder, cosines),
  ]
}

function sentenceRuns(): Run[] {
  const { models } = read(`${SENTENCE}/manifest.json`) as { models: Entry[] }
  return models.map((entry) => {
    const folder = `${SENTENCE}/${entry.name}`
    const { texts, calls } = read(`${folder}/expected.json`) as {
      texts: string[]
      calls: { options: object; result: string }[]
    }
    const vectors = (base64: string): number[] =>
      Array.from(new Float32Array(new Uint8Array(Buffer.from(base64, 'base64')).buffer))
    return {
      ...entry,
      task: 'feature-extraction',
      folder,
      calls: calls.map(({ options, result }) => ({
        args: [texts, options],
        expected: vectors(result),
        many: false,
      })),
    }
  })
}

export function goldenRuns(): Run[] {
  const questions = [QUESTIONS, ...BYTE_LEVEL_QUESTIONS].map(questionRun)
  return [...pipelineRuns(), ...questions, ...rankingRuns(), ...sentenceRuns()]
}

function expectNumbers(found: unknown, expected: number[], bound: number): void {
  expect(found).toHaveLength(expected.length)
  const errors = expected.map((value, i) => Math.abs(value - (found as number[])[i]!))
  expect(Math.max(...errors)).toBeLessThanOrEqual(bound)
}

/** What an element of a ranked list is told from others by. */
function identity(element: Scored): string {
  return JSON.stringify(Object.entries(element).filter(([key]) => key !== 'score').sort())
}

/** The same elements; their order is another only where scores differ by no more than the bound. */
function expectRanked(found: Scored[], expected: Scored[], bound: number): void {
  const scores = found.map(({ score }) => score)
  expect(scores).toEqual([...scores].sort((a, b) => b - a))
  const places = new Map(found.map((each, i) => [identity(each), i]))
  const order = expected.map((each) => places.get(identity(each)) ?? NaN)
  expectAnswer(order.map((place) => found[place]), expected, bound)
  expect(found).toHaveLength(expected.length)
  const misplaced = expected.flatMap((lower, i) =>
    expected.slice(0, i).filter((higher, j) => {
      return higher.score - lower.score > bound && order[j]! > order[i]!
    }),
  )
  expect(misplaced).toEqual([])
}

/** A text's labels are told in two lists; here in one of pairs. */
function asList(value: unknown): unknown {
  const { labels, scores, ...others } = value as { labels?: string[]; scores: number[] }
  return labels?.map((label, i) => ({ ...others, label, score: scores[i]! })) ?? value
}

function expectOne(found: unknown, expected: unknown, bound: number): void {
  const wanted = asList(expected)
  if (!Array.isArray(wanted)) return expectAnswer(found, wanted, bound)
  const list = asList(found) as unknown[]
  expect(Array.isArray(list)).toBe(true)
  if (typeof wanted[0] === 'number') return expectNumbers(list, wanted, bound)
  if (!Array.isArray(wanted[0])) {
    return expectRanked(list as Scored[], wanted as Scored[], bound)
  }
  expect(list).toHaveLength(wanted.length)
  wanted.forEach((each, i) => expectOne(list[i], each, bound))
}

/** Strings, labels and offsets as they are, scores within twice the naive error. */
export function expectNear(run: Run, { expected, many }: Call, found: unknown): void {
  const bound = 2 * run.naive_fp16 + ROUNDING
  if (run.task === 'token-classification') return expectAnswer(found, expected, bound)
  if (!many) return expectOne(found, expected, bound)
  const wanted = expected as unknown[]
  expect(found).toHaveLength(wanted.length)
  wanted.forEach((each, i) => expectOne((found as unknown[])[i], each, bound))
}

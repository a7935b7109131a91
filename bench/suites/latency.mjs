// What a service that embeds one short text at a time waits for, from JavaScript: text in, vector
// out, one call after the other. onnxruntime-node gets ids from transformers.js's tokenizer and
// pools in JavaScript. Every call is timed, because the slow ones are what a user notices.

import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { checkCosine } from '../support/check.mjs'
import { loadPipeline } from '../support/fusebert.mjs'
import { machineTail } from '../support/machine-tail.mjs'
import { MODELS, selected } from '../support/options.mjs'
import { quantile, summarize } from '../support/statistics.mjs'
import { anyOf, atMost } from '../support/targets.mjs'
import { hasTextModel, loadOnnxTexts, textModels } from '../support/text-models.mjs'
import { readWords, textsOfLengths } from '../support/texts.mjs'

export const title = 'latency'

const AGAINST = 'onnxruntime-node, transformers.js tokenization'
const LENGTHS = [16, 32]
/**
 * Of their median time; and the median round's p99 by its median, for rounds differ in speed. It
 * also counts as met where a loop that computes as long has no smaller one.
 */
const TARGETS = { embedded: 0.7, minilm: 0.8, bert: 0.8 }
const MAX_TAIL = 1.5
const POOLED = { pooling: 'mean', normalize: true }
const MIN_COSINE = 0.99999

/** A round of a side takes so long and has so many calls at least: p99 is one of a hundred. */
const ROUND_MS = 1_000
const MIN_CALLS = 60
const QUICK_CALLS = 5
/** So long onnxruntime's threads watch for a next call, and take a core from the other side. */
const SETTLE_MS = 250
/** Texts that take turns, so that no call sees the one before. */
const TEXTS = 16

/** Times of calls one after the other, in ms; the first is not among them. */
async function timeCalls(call, texts, quick) {
  if (!quick) await sleep(SETTLE_MS)
  await call(texts[0])
  const times = []
  const begin = performance.now()
  const least = quick ? QUICK_CALLS : MIN_CALLS
  const longest = quick ? 0 : ROUND_MS
  while (times.length < least || performance.now() - begin < longest) {
    const start = performance.now()
    await call(texts[times.length % texts.length])
    times.push(performance.now() - start)
  }
  return times
}

const percentiles = (rounds) => {
  const times = rounds.flat()
  return { p50: quantile(times, 0.5), p99: quantile(times, 0.99), calls: times.length, rounds }
}

async function compareCalls(ours, theirs, texts, options) {
  const rounds = { ours: [], theirs: [] }
  const machine = []
  for (const call of [ours, theirs]) await timeCalls(call, texts, options.quick)
  for (let round = 0; round < options.rounds; round += 1) {
    rounds.ours.push(await timeCalls(ours, texts, options.quick))
    rounds.theirs.push(await timeCalls(theirs, texts, options.quick))
    const own = rounds.ours.at(-1)
    // Not beside threads of the other side.
    if (!options.quick) await sleep(SETTLE_MS)
    machine.push(await machineTail(quantile(own, 0.5), own.length, options.threads))
  }
  const medians = (side) => side.map((times) => quantile(times, 0.5))
  const others = medians(rounds.theirs)
  const ratio = summarize(medians(rounds.ours).map((median, i) => median / others[i]))
  const tails = rounds.ours.map((times) => quantile(times, 0.99) / quantile(times, 0.5))
  const sides = { ours: percentiles(rounds.ours), theirs: percentiles(rounds.theirs) }
  return { ...sides, ratio, tail: summarize(tails), machine_tail: summarize(machine) }
}

async function measure(key, model, lengths, options, { report, progress }) {
  const embed = await loadPipeline(model.folder, options.threads)
  const onnx = await loadOnnxTexts(model, 'transformers.js', options)
  const words = readWords(join(MODELS, 'bert-base', 'vocab.txt'))
  const ours = async (text) => (await embed(text, POOLED)).data
  const theirs = async (text) => (await onnx.embed([text], 1))[0]
  for (const length of lengths) {
    progress(`${model.name}, ${length} tokens`)
    const lengthOfEach = Array.from({ length: TEXTS }, () => length)
    const texts = textsOfLengths(lengthOfEach, words).map(({ text }) => text)
    for (const text of texts) checkCosine([await ours(text)], [await theirs(text)], MIN_COSINE)
    const found = await compareCalls(ours, theirs, texts, options)
    report({
      kind: 'latency',
      name: `${model.name}, ${length} tokens`,
      against: AGAINST,
      ...found,
      targets: [
        ...atMost(found.ratio.median, TARGETS[key]),
        ...anyOf(
          ...atMost(found.tail.median, MAX_TAIL, `p99 ≤ ${MAX_TAIL} × p50`),
          ...atMost(found.tail.median, found.machine_tail.median, "≤ a loop's"),
        ),
      ],
    })
  }
  await embed.dispose()
  await onnx.release()
}

export async function run(options, reporter) {
  for (const [key, model] of Object.entries(textModels(options))) {
    const lengths = LENGTHS.filter((length) =>
      selected(options, title, `${model.name}, ${length} tokens`),
    )
    if (lengths.length === 0) continue
    if (hasTextModel(model)) await measure(key, model, lengths, options, reporter)
    else reporter.skip(`${model.name}: its ONNX file or its tokenizer is not there`)
  }
}

// Scenarios of processes and workers that end at awkward moments, each run in a process of its own
// by lifecycle.test.ts. Usage: node scenario.mjs NAME MODEL_FOLDER [ROUNDS]
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'

import { AutoTokenizer, pipeline } from '../../dist/index.js'

const here = fileURLToPath(import.meta.url)
const SHORT = ['I cannot sleep.', 'A quiet morning.', 'It rained all day; we stayed inside.']
/** Keeps the encoder busy for seconds. */
const LONG = Array.from({ length: 200_000 }, (_, i) => `${SHORT[i % 3]} Number ${i}.`)

const delay = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

function startWorker(task, model) {
  const worker = new Worker(here, { workerData: { task, model } })
  const message = new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
    worker.once('exit', (code) => reject(new Error(`the worker left with ${code}`)))
  })
  // A worker that is terminated before its message is no failure of this promise's owner.
  message.catch(() => undefined)
  return { worker, message }
}

async function vectorsOf(model) {
  const embed = await pipeline('feature-extraction', model, { threads: 2 })
  const { data } = await embed(SHORT, { pooling: 'mean', normalize: true })
  await embed.dispose()
  return data
}

const workerTasks = {
  async vectors(model) {
    parentPort.postMessage(await vectorsOf(model))
  },
  async busy(model) {
    const embed = await pipeline('feature-extraction', model)
    const call = embed(LONG, { pooling: 'mean' })
    parentPort.postMessage('busy') // the texts are native by now
    await call
  },
  async loading(model) {
    parentPort.postMessage('busy')
    for (;;) await pipeline('feature-extraction', model)
  },
  async ids(model) {
    parentPort.postMessage(await idsOf(model))
  },
  async tokenizing(model) {
    const tokenizer = await AutoTokenizer.from_pretrained(model)
    for (let first = true; ; first = false) {
      // Of all threads of the pool: lanes end and begin again in the middle of the call.
      const call = tokenizer.encodeBatch(LONG, { threads: 4 })
      if (first) parentPort.postMessage('busy')
      await call
    }
  },
}

/** Stands for the ids of LONG. */
async function idsOf(model, encode = (tokenizer) => tokenizer.encodeBatch(LONG, { threads: 3 })) {
  const { input_ids, cu_seqlens } = await encode(await AutoTokenizer.from_pretrained(model))
  return createHash('sha256').update(input_ids).update(cu_seqlens).digest('hex')
}

async function terminateRounds(task, model, rounds) {
  for (let round = 0; round < rounds; round += 1) {
    const { worker, message } = startWorker(task, model)
    await message
    await delay(round % 10)
    await worker.terminate()
  }
}

const scenarios = {
  /** The main thread and four workers at once, over and over; all get the same bits. */
  async together(model, rounds) {
    const expected = await vectorsOf(model)
    for (let round = 0; round < rounds; round += 1) {
      const workers = Array.from({ length: 4 }, () => startWorker('vectors', model))
      const results = await Promise.all([vectorsOf(model), ...workers.map((w) => w.message)])
      for (const result of results) assert.deepEqual(result, expected)
      await Promise.all(workers.map((w) => w.worker.terminate()))
    }
  },
  /** Texts in many parts, from the main thread and three workers, which share Node's pool. */
  async tokenizeTogether(model, rounds) {
    const expected = await idsOf(model, (tokenizer) => tokenizer.encodeBatchSync(LONG))
    for (let round = 0; round < rounds; round += 1) {
      const workers = Array.from({ length: 3 }, () => startWorker('ids', model))
      const calls = [idsOf(model), idsOf(model), ...workers.map((w) => w.message)]
      for (const ids of await Promise.all(calls)) assert.equal(ids, expected)
      await Promise.all(workers.map((w) => w.worker.terminate()))
    }
  },
  terminate: (model, rounds) => terminateRounds('busy', model, rounds),
  terminateLoading: (model, rounds) => terminateRounds('loading', model, rounds),
  terminateTokenizing: (model, rounds) => terminateRounds('tokenizing', model, rounds),
  /** process.exit() while a call runs. ROUNDS is the delay before it, in ms. */
  async exit(model, wait) {
    const embed = await pipeline('feature-extraction', model)
    embed(LONG, { pooling: 'mean' }).catch(() => undefined)
    await delay(wait)
    process.exit(7)
  },
  /** process.exit() while workers are in the middle of calls too. */
  async exitWithWorkers(model, wait) {
    const workers = Array.from({ length: 2 }, () => startWorker('busy', model))
    await Promise.all(workers.map((w) => w.message))
    await delay(wait)
    process.exit(7)
  },
  /** Nothing is disposed of, nothing is pending: the process ends by itself. */
  async idle(model) {
    const embed = await pipeline('feature-extraction', model)
    await embed(SHORT, { pooling: 'mean' })
  },
  /** A thousand calls at once, then a dispose in the middle of a thousand more. */
  async concurrent(model) {
    const embed = await pipeline('feature-extraction', model)
    const call = (i) => embed(`${SHORT[i % 3]} ${i}`, { pooling: 'mean' })
    const alone = await call(17)
    const all = await Promise.all(Array.from({ length: 1000 }, (_, i) => call(i)))
    assert.deepEqual(all[17].data, alone.data)
    const rest = Array.from({ length: 1000 }, (_, i) => call(i))
    const outcomes = Promise.allSettled(rest)
    await embed.dispose()
    for (const { status, reason } of await outcomes) {
      if (status === 'rejected') assert.equal(reason.code, 'ERR_DISPOSED')
    }
    await assert.rejects(call(0), { code: 'ERR_DISPOSED' })
    await embed.dispose()
  },
  /** Models that nobody disposes of are collected with their threads. */
  async collected(model, rounds) {
    const threads = () => readdirSync('/proc/self/task').length
    const once = async () => {
      const embed = await pipeline('feature-extraction', model)
      await embed(SHORT, { pooling: 'mean' })
    }
    await once()
    const before = threads()
    for (let round = 0; round < rounds; round += 1) await once()
    const deadline = Date.now() + 30_000
    while (threads() > before && Date.now() < deadline) {
      globalThis.gc()
      await delay(20)
    }
    assert.ok(threads() <= before, `${threads()} threads are left of ${before}`)
  },
}

if (isMainThread) {
  const [, , name, model, rounds] = process.argv
  await scenarios[name](model, Number(rounds ?? 1))
  console.log('done')
} else {
  await workerTasks[workerData.task](workerData.model)
}

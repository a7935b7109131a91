// The other end of sentence_side.py: sentence-transformers in a Python process that stays up, so
// that a call's time is that of the texts and of a line through a pipe.

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const SCRIPT = fileURLToPath(new URL('../sentence_side.py', import.meta.url))

export const hasPython = (options) => existsSync(options.python)

/** Starts the process with a model's folder, on as many threads as ours, and hands it the texts. */
export async function startSentenceTransformers(folder, texts, options) {
  const args = [SCRIPT, folder, '--threads', String(options.threads)]
  const child = spawn(options.python, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const ask = async (request) => {
    child.stdin.write(`${JSON.stringify(request)}\n`)
    const { value, done } = await lines.next()
    if (done) throw new Error('sentence-transformers ended. Are requirements.txt installed?')
    return JSON.parse(value)
  }
  child.stdin.on('error', () => undefined)
  const { threads } = await ask({ texts })
  if (threads !== options.threads) {
    throw new Error(`Expected PyTorch on ${options.threads} threads but it runs on ${threads}.`)
  }
  return {
    /** One call with all texts. */
    run: () => ask({ run: true }),
    vectors: async () => (await ask({ run: true, vectors: true })).vectors,
    stop: () => child.stdin.end(),
  }
}

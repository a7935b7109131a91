// No call of the tokenizer that returns a promise holds up the event loop.
import { execFile, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import { expect, test } from 'vitest'

const MOST_MS = 2

/** Where it is allowed, before everything else that runs on the machine. */
function undisturbed(command: string[]): [string, string[]] {
  const first = ['--fifo', '10']
  const allowed = spawnSync('chrt', [...first, 'true'], { stdio: 'ignore' }).status === 0
  const [file, ...args] = allowed ? ['chrt', ...first, ...command] : command
  return [file!, args]
}

test('a turn of the event loop takes 2 ms at most, whatever is tokenized', async () => {
  const script = fileURLToPath(new URL('support/longest-turn.mjs', import.meta.url))
  const command = undisturbed([process.execPath, script, String(MOST_MS)])
  const { stdout } = await promisify(execFile)(...command)
  const { 'busy 10 ms': busy, ...longest } = JSON.parse(stdout) as Record<string, number>
  expect(busy).toBeGreaterThan(9)
  expect(Object.keys(longest).length).toBeGreaterThan(8)
  const tooLong = Object.entries(longest).filter(([, ms]) => ms > MOST_MS)
  expect(tooLong).toEqual([])
})

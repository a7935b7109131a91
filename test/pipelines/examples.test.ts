// The examples of tasks run, and print what the pipelines of the golden models answer.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

import { describe, expect, test } from 'vitest'

import { ROOT } from '../support/require.js'
import { folderOf } from './golden-pipelines.js'

const run = promisify(execFile)

async function example(name: string, ...args: string[]): Promise<string[]> {
  const { stdout } = await run(process.execPath, [`examples/${name}.mjs`, ...args], { cwd: ROOT })
  return stdout.trimEnd().split('\n')
}

describe('examples', () => {
  test('fill-mask', async () => {
    const texts = ['Not a [MASK].', 'The [MASK] is a [MASK].']
    const lines = await example('fill-mask', folderOf('fill-mask'), ...texts)
    expect(lines).toHaveLength(3 + 2 * 3)
    expect(lines[0]).toMatch(/^0\.\d{3} {2}\S+ +not a/)
    expect(lines[3]).toMatch(/\[CLS\] the.*\[MASK\]\. \[SEP\]$/)
  })

  test('text-classification', async () => {
    const lines = await example('text-classification', folderOf('softmax'), 'I sleep.', 'Not I')
    expect(lines).toHaveLength(2 * 6)
    expect(lines[0]).toBe('I sleep.')
    expect(lines[1]).toMatch(/^ {2}0\.\d{3} {2}(joy|sadness|anger|fear|surprise)$/)
  })

  test.each(['fill-mask', 'text-classification'])('%s without a folder says how', async (name) => {
    await expect(example(name)).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`Usage: node examples/${name}.mjs`) as string,
    })
  })
})

// What a load costs in memory: the packed weights, and never a second copy of them all. In a
// process of its own, whose peak is nobody else's.
import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { available, MINILM, ROOT } from '../support/require.js'

const MOST_AFTER = 1.15
const MOST_AT_PEAK = 1.5

const PROGRAM = `
  const [folder, dist] = process.argv.slice(1)
  const { LoadedModel } = await import(dist + '/models/loaded-model.js')
  const { ModelFolder } = await import(dist + '/hub/folder.js')
  // Everything but the model is there before.
  await ModelFolder.open(folder + '/none').then(LoadedModel.load).catch(() => undefined)
  const before = process.memoryUsage().rss
  const model = await LoadedModel.load(await ModelFolder.open(folder), { device: 'cpu' })
  const after = process.memoryUsage().rss
  const peak = process.resourceUsage().maxRSS * 1024
  console.log(JSON.stringify({ after: after - before, peak: peak - before }))
  await model.dispose()
`

test.skipIf(!available('shared'))('a load takes the memory of its tensors once', () => {
  const args = ['--input-type=module', '--eval', PROGRAM, MINILM, join(ROOT, 'dist')]
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  expect(status, stderr).toBe(0)
  const grown = JSON.parse(stdout) as { after: number; peak: number }
  // Nearly all of the file, in fp32 and used.
  const bytes = statSync(join(MINILM, 'model.safetensors')).size
  expect(grown.after / bytes).toBeGreaterThan(0.9)
  expect(grown.after / bytes).toBeLessThan(MOST_AFTER)
  expect(grown.peak / bytes).toBeLessThan(MOST_AT_PEAK)
})

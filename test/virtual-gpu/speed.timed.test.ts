// Is the virtual GPU fast enough to try whole models on it?
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { available, PYTHON, ROOT } from '../support/require.js'
import { buildLibrary, run } from './run.js'

const BERT = join(ROOT, 'test/virtual-gpu/python/bert.py')
const MINUTE_MS = 60_000

test.skipIf(!available('nvcc') || !available('numpy'))(
  'a forward pass the size of BERT-Base takes less than a minute',
  () => {
    const library = buildLibrary()
    const start = performance.now()
    const { status, stdout, stderr } = run(PYTHON, ['-B', BERT, library])
    expect(status, stdout + stderr).toBe(0)
    expect(stdout).toContain('12 layers, 64 tokens')
    expect(performance.now() - start).toBeLessThan(MINUTE_MS)
  },
)

// scripts/default-model from end to end in its small form: interrupted and continued, held-out
// texts kept apart, evaluated, loaded by fusebert with the vectors that PyTorch computes.
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { pipeline } from '../../lib/index.js'
import { available, MINILM, PYTHON, ROOT } from '../support/require.js'

const SCRIPTS = `${ROOT}scripts/default-model`
const SHINGLE_WORDS = 6
const folder = mkdtempSync(join(tmpdir(), 'fusebert-smoke-'))
const work = join(folder, 'work')
const model = join(folder, 'model')
const MAKE = [
  `${SCRIPTS}/make.py`, '--smoke', '--teacher', MINILM, '--work', work, '--output', model,
]

afterAll(() => rmSync(folder, { recursive: true, force: true }))

function python(args: string[]): string {
  const { status, stdout, stderr } = spawnSync(PYTHON, args, { encoding: 'utf8' })
  expect(status, stderr).toBe(0)
  return stdout
}

/** Starts the script and kills it as soon as its output contains `text`. */
function killedAt(text: string): Promise<void> {
  const child = spawn(PYTHON, MAKE, { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    output += piece
    if (output.includes(text)) child.kill('SIGKILL')
  })
  return new Promise((resolve, reject) => {
    child.on('close', (_, signal) => {
      if (signal === 'SIGKILL') resolve()
      else reject(new Error(`ended by itself before "${text}": ${output}`))
    })
  })
}

function texts(part: string): string[] {
  return readFileSync(join(work, `${part}.jsonl`), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { text: string }).text)
}

function shingles(text: string): string[] {
  const words = text.toLowerCase().match(/[a-z0-9]+/g) ?? []
  return words.slice(SHINGLE_WORDS - 1).map((_, i) => words.slice(i, i + SHINGLE_WORDS).join(' '))
}

describe.skipIf(!available('torch') || !available('shared'))('a small training run', () => {
  let second = ''

  beforeAll(async () => {
    await killedAt('student: step')
    second = python(MAKE)
  })

  test('goes on where it was killed', () => {
    expect(second).not.toMatch(/repository:|teacher: shard/)
    expect(second).toMatch(/student: going on at step [1-9]/)
    expect(second).toContain('wrote')
  })

  test('no held-out text has six words in a row in common with training', () => {
    const [train, heldOut] = [texts('train'), texts('heldout')]
    expect(train.length).toBeGreaterThan(500)
    expect(heldOut.length).toBeGreaterThan(100)
    const seen = new Set(train.flatMap(shingles))
    expect(heldOut.flatMap(shingles).filter((words) => seen.has(words))).toEqual([])
    expect(heldOut.filter((text) => train.includes(text))).toEqual([])
  })

  test('a work folder of another run is refused', () => {
    const args = MAKE.filter((arg) => arg !== '--smoke')
    const { status, stderr } = spawnSync(PYTHON, args, { encoding: 'utf8' })
    expect(status).toBe(1)
    expect(stderr).toContain('belongs to a run with other settings')
  })

  test('records seed and checksums', () => {
    const record = JSON.parse(readFileSync(join(work, 'training.json'), 'utf8')) as {
      seed: number
      steps: number
      files: Record<string, string>
    }
    expect(record.seed).toBeGreaterThan(0)
    expect(record.steps).toBeGreaterThan(0)
    expect(record.files['model.safetensors']).toMatch(/^[0-9a-f]{64}$/)
    expect(statSync(join(model, 'model.safetensors')).size).toBeLessThan(16e6)
  })

  test('fusebert computes the vectors that PyTorch computes', async () => {
    const some = texts('heldout').slice(0, 40)
    const code = `
import json, sys
sys.path.insert(0, ${JSON.stringify(SCRIPTS)})
from pathlib import Path
import numpy as np
import corpus, encoder
rows = [e.ids for e in corpus.teacher_tokenizer(Path(${JSON.stringify(MINILM)})).encode_batch(
    json.loads(${JSON.stringify(JSON.stringify(some))}))]
ids, ends = np.concatenate([np.array(row) for row in rows]), np.cumsum([0, *map(len, rows)])
print(json.dumps(encoder.embed(encoder.Encoder.load(Path(${JSON.stringify(model)})), ids,
    ends).tolist()))`
    const expected = (JSON.parse(python(['-c', code])) as number[][]).flat()
    const embed = await pipeline('feature-extraction', model)
    try {
      expect(embed.defaults).toMatchObject({ pooling: 'mean', normalize: true, max_length: 256 })
      const { data, dims } = await embed(some, { pooling: 'mean' })
      expect(dims).toEqual([some.length, 192])
      const worst = Math.max(...expected.map((value, i) => Math.abs(value - data[i]!)))
      expect(worst).toBeLessThan(1e-5)
    } finally {
      await embed.dispose()
    }
  })

  test('evaluate reports every measure with its interval, and fails a model this bad', () => {
    const file = join(folder, 'report.json')
    const args = [`${SCRIPTS}/evaluate.py`, '--model', model, '--teacher', MINILM, '--work', work,
      '--json', file]
    const { status, stdout } = spawnSync(PYTHON, args, { encoding: 'utf8' })
    expect(status).toBe(1)
    expect(stdout).toContain('heldout, ten nearest: at least 0.40 and ahead of the words: NO')
    type Figure = { value: number; interval: [number, number] }
    const report = JSON.parse(readFileSync(file, 'utf8')) as Record<
      string,
      Record<string, Record<'student' | 'word average' | 'ahead', Figure>>
    >
    const measures = Object.values(report['heldout']!)
    expect(measures).toHaveLength(4)
    for (const measure of measures) {
      const { student, ahead, 'word average': words } = measure
      expect(ahead.value).toBeCloseTo(student.value - words.value, 6)
      for (const { value, interval } of [student, words, ahead]) {
        expect(interval[0]).toBeLessThan(value)
        expect(interval[1]).toBeGreaterThan(value)
      }
    }
  })
})

// What kernels do on the virtual GPU, held against the targets that stand in for times of a real
// one: counting launches, predicting their time, and what is wrong with them.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { Gpu, Launch, Prediction } from '../../scripts/virtual-gpu/gpus.mjs'
import { predicted } from '../../scripts/virtual-gpu/gpus.mjs'
import { ROOT } from '../support/require.js'
import { run } from '../virtual-gpu/run.js'
import { environment } from './gpu.js'

const MOST_WAVEFRONTS = 1.1 // times those without bank conflicts
const MOST_SECTORS = 1.05 // times those of the same bytes side by side
const LEAST_TENSOR_SHARE = 0.8 // of a GEMM's predicted time
/** Of a share that is exactly that: 96 tiles for 40 multiprocessors take the time of 120. */
const ROUNDING = 1e-9
/**
 * From here on the published rate of tensor cores is that of wgmma, which reads shared memory once
 * a block; mma.sync, which the kernels use, reads it once a warp and cannot come near. So their
 * share is not asked for, until there are kernels with wgmma.
 */
const FIRST_WITH_WGMMA = 90
const WORST_LINES = 3

const ELEMENT_BYTES = 2
const BIAS_BYTES = 4

export const ROWS = 2048
const HEADS = 12
const HEAD_DIM = 64

/** One kernel's work, of which the bytes are the least: every input once, and the result. */
export interface Work {
  name: string
  isGemm: boolean
  bytes: number
  /** For test/cuda/launch_once.cc; of a GEMM with so many rows, in the tile that all get. */
  command(rows: number): string
}

function gemm(columns: number, depth: number, activation: string, residual: 0 | 1): Work {
  const numbers = ROWS * depth + columns * depth + (1 + residual) * ROWS * columns
  const epilogue = residual === 1 ? ' + residual' : activation === 'none' ? '' : ` ${activation}`
  return {
    name: `${ROWS} × ${columns} × ${depth}${epilogue}`,
    isGemm: true,
    bytes: ELEMENT_BYTES * numbers + BIAS_BYTES * columns,
    command: (rows) => `gemm ${rows} ${columns} ${depth} ${activation} ${residual} ${ROWS}`,
  }
}

function attention(sequences: number, length: number): Work {
  return {
    name: `attention, ${sequences} of S = ${length}`,
    isGemm: false,
    // Queries, keys, values, context.
    bytes: ELEMENT_BYTES * 4 * sequences * length * HEADS * HEAD_DIM,
    command: () => `attention ${sequences} ${length} ${HEADS} ${HEAD_DIM}`,
  }
}

/** Of a layer of BERT-Base: query, key and value in one; attention's output; up; down. */
export const GEMMS = [
  gemm(2304, 768, 'none', 0),
  gemm(768, 768, 'none', 1),
  gemm(3072, 768, 'gelu', 0),
  gemm(768, 3072, 'none', 1),
]
export const ATTENTION = [attention(16, 128), attention(2, 512)]

/** Work on a GPU, as it was counted: all of it, or a part of its rows, `times` of which are all. */
export interface Counted {
  work: Work
  gpu: Gpu
  launch: Launch
  times: number
}

/** Builds the program that launches work: with the host's code that `npm run build` left. */
export function buildLauncher(folder: string): string {
  const program = join(folder, 'launch_once')
  const sources = ['test/cuda/launch_once.cc', 'bench/gpu/kernels.cc', 'build/libfusebert_core.a']
  const options = ['-std=c++20', '-cudart', 'none', `-I${join(ROOT, 'native')}`]
  const { status, stderr } = run('nvcc', [
    ...[...options, `-I${join(ROOT, 'bench')}`, '-o', program],
    ...sources.map((source) => join(ROOT, source)),
  ])
  if (status !== 0) throw new Error(stderr)
  return program
}

/** Launches the works on the virtual GPU, GEMMs with so many of their rows. */
export function count(
  program: string,
  images: string,
  gpu: Gpu,
  works: Work[],
  rows = ROWS,
): Counted[] {
  const folder = mkdtempSync(join(tmpdir(), 'fusebert-counters-'))
  try {
    const report = join(folder, 'report.jsonl')
    const { status, stderr } = run(
      program,
      [images, String(gpu.multiprocessors)],
      { ...environment(`sm_${gpu.architecture}`), VIRTUAL_GPU_REPORT: report },
      works.map((work) => work.command(rows)).join('\n'),
    )
    if (status !== 0) throw new Error(stderr)
    const launches = readFileSync(report, 'utf8').trim().split('\n')
    if (launches.length !== works.length) {
      throw new Error(`Expected ${works.length} launches but counted ${launches.length}.`)
    }
    return works.map((work, i) => {
      const launch = JSON.parse(launches[i]!) as Launch
      return { work, gpu, launch, times: work.isGemm ? ROWS / rows : 1 }
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const predict = ({ work, gpu, launch, times }: Counted): Prediction =>
  predicted(gpu, launch, { bytes: work.bytes, times })

const asksForTensorCores = ({ work, gpu }: Counted): boolean =>
  work.isGemm && gpu.architecture < FIRST_WITH_WGMMA

const tensorShare = ({ bounds, time }: Prediction): number => bounds.tensor / time

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

/** The lines that are furthest above the least. */
function worstLines(lines: { line: number; found: number; least: number }[]): string {
  return lines
    .filter(({ found, least }) => found > least)
    .sort((a, b) => b.found - b.least - (a.found - a.least))
    .slice(0, WORST_LINES)
    .map(({ line, found, least }) => `${found} for ${least} at PTX line ${line}`)
    .join(', ')
}

/** Targets that the work misses. */
export function problems(counted: Counted): string[] {
  const { work, gpu, launch } = counted
  const { shared, global } = launch
  const prediction = predict(counted)
  const share = tensorShare(prediction)
  const rules: [missed: boolean, message: string][] = [
    [
      shared.wavefronts > MOST_WAVEFRONTS * shared.least,
      `${(shared.wavefronts / shared.least).toFixed(2)} × the least wavefronts: ` +
        worstLines(shared.lines.map((each) => ({ ...each, found: each.wavefronts }))),
    ],
    [
      global.sectors > MOST_SECTORS * global.least,
      `${(global.sectors / global.least).toFixed(2)} × the least sectors: ` +
        worstLines(global.lines.map((each) => ({ ...each, found: each.sectors }))),
    ],
    [
      asksForTensorCores(counted) && share < LEAST_TENSOR_SHARE - ROUNDING,
      `tensor cores take ${percent(share)} of the time, limited by ${prediction.limiter}`,
    ],
  ]
  const missed = rules.filter(([misses]) => misses)
  return missed.map(([, message]) => `${work.name} on ${gpu.name}, ${launch.kernel}: ${message}`)
}

/** The share that tensor cores must have, for the table. */
function askedOf(counted: Counted): string {
  if (asksForTensorCores(counted)) return `at least ${100 * LEAST_TENSOR_SHARE} %`
  return counted.work.isGemm ? 'any: the rate is that of wgmma' : 'any'
}

/** Microseconds are predicted; those of a resource alone are without what uneven waves add. */
export function tableOf(all: Counted[]): string {
  const columns: [string, (counted: Counted, prediction: Prediction) => string][] = [
    ['work', ({ work }) => work.name],
    ['kernel', ({ launch }) => launch.kernel],
    ['GPU', ({ gpu }) => `${gpu.name}, sm_${gpu.architecture}`],
    ['counted', ({ work, times }) => (work.isGemm ? `${ROWS / times} rows × ${times}` : 'all')],
    ['wavefronts', ({ launch: { shared } }) => (shared.wavefronts / shared.least).toFixed(3)],
    ['sectors', ({ launch: { global } }) => (global.sectors / global.least).toFixed(3)],
    ['tensor µs', (_, { bounds }) => bounds.tensor.toFixed(2)],
    ['shared µs', (_, { bounds }) => bounds['shared memory'].toFixed(2)],
    ['issue µs', (_, { bounds }) => bounds.issue.toFixed(2)],
    ['memory µs', (_, { bounds }) => bounds.memory.toFixed(2)],
    ['waves', (_, { waves }) => waves.toFixed(3)],
    ['≥ µs', (_, { time }) => time.toFixed(2)],
    ['by', (_, { limiter }) => limiter],
    ['tensor share', (_, prediction) => percent(tensorShare(prediction))],
    ['of', (counted) => askedOf(counted)],
  ]
  const rows = [
    columns.map(([title]) => title),
    ...all.map((each) => columns.map(([, cellOf]) => cellOf(each, predict(each)))),
  ]
  const widths = columns.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)))
  // Words to the left, numbers to the right.
  const padded = (cell: string, width: number): string =>
    /^\d[\d.]*( %)?$/.test(cell) ? cell.padStart(width) : cell.padEnd(width)
  const lines = rows.map((row) => row.map((cell, i) => padded(cell, widths[i]!)).join('  '))
  return lines.map((line) => line.trimEnd()).join('\n')
}

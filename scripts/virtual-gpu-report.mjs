// Prints what kernels did on the virtual GPU and the least time they could take on real ones:
//
//   node scripts/virtual-gpu-report.mjs [FILE]
//
// FILE is what a program wrote that ran with VIRTUAL_GPU_REPORT=FILE; without it the kernels of
// test/virtual-gpu/triton are run first. Registers are ptxas'. Times are predicted, see
// scripts/virtual-gpu/gpus.mjs.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import {
  blocksThatFit,
  GPUS,
  instructionsOf,
  MULTIPROCESSORS,
  predicted,
} from './virtual-gpu/gpus.mjs'

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..')
const FOLDER = join(ROOT, 'build/virtual-gpu/report')
const UNKNOWN_REGISTERS = 64 // without ptxas

function fail(message) {
  console.error(message)
  process.exit(1)
}

/** Runs the Triton kernels with a report; the file it is in. */
function makeReport() {
  rmSync(FOLDER, { recursive: true, force: true })
  mkdirSync(FOLDER, { recursive: true })
  const file = join(FOLDER, 'triton.jsonl')
  const built = spawnSync(process.execPath, [join(ROOT, 'scripts/virtual-gpu.mjs'), 'path'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (built.status !== 0) fail('The virtual GPU could not be built.')
  const venv = join(ROOT, '.venv/bin/python')
  const ran = spawnSync(
    existsSync(venv) ? venv : 'python3',
    ['-B', join(ROOT, 'test/virtual-gpu/python/run.py'), built.stdout.trim(), 'triton'],
    { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, VIRTUAL_GPU_REPORT: file } },
  )
  if (ran.status !== 0) fail('A kernel gave a wrong result.')
  return file
}

/** Registers of a kernel's thread, as ptxas assigns them; undefined without ptxas. */
function registersOf(ptx, kernel, target) {
  const folder = mkdtempSync(join(tmpdir(), 'virtual-gpu-report-'))
  try {
    const { error, status, stderr } = spawnSync(
      'ptxas',
      ['-v', `--gpu-name=${target}`, '--output-file', join(folder, 'cubin'), ptx],
      { encoding: 'utf8' },
    )
    if (error !== undefined) return undefined
    if (status !== 0) fail(`ptxas cannot compile ${ptx}:\n${stderr}`)
    const part = stderr.slice(stderr.indexOf(`'${kernel}'`))
    const match = /Used (\d+) registers/.exec(part)
    if (match === null) fail(`ptxas does not tell the registers of ${kernel}:\n${stderr}`)
    return Number(match[1])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Blocks that a multiprocessor holds at once, what limits them, and their share of its threads. */
function occupancy({ architecture }, launch, registers) {
  const threads = launch.block.reduce((all, each) => all * each)
  const sharedBytes = launch.static_shared_bytes + launch.dynamic_shared_bytes
  const fit = blocksThatFit(architecture, { threads, registers, sharedBytes })
  const limits = Object.entries(fit).filter(([, blocks]) => blocks !== null)
  const [limiter, blocks] = limits.reduce((a, b) => (b[1] < a[1] ? b : a))
  const share = (blocks * threads) / MULTIPROCESSORS[architecture].threads
  return { blocks, limiter: limiter.replace('sharedMemory', 'shared memory'), share }
}

const ratio = (found, least) => (least === 0 ? '-' : (found / least).toFixed(2))

function rowsOf(launch, folder) {
  const registers = registersOf(join(folder, launch.ptx), launch.kernel, launch.target)
  const target = Number.parseInt(launch.target.slice('sm_'.length), 10) // 90 of sm_90a
  const macs = Object.values(launch.tensor_multiply_adds).reduce((sum, each) => sum + each, 0)
  console.log(
    `\n${launch.kernel} (${launch.target})  grid ${launch.grid.join('×')}, block ` +
      `${launch.block.join('×')}, ${registers ?? '?'} registers, ` +
      `${launch.static_shared_bytes + launch.dynamic_shared_bytes} bytes of shared memory`,
  )
  console.log(
    `  ${instructionsOf(launch).toLocaleString('en')} warp instructions, ` +
      `${macs.toLocaleString('en')} tensor multiply-adds; ` +
      `wavefronts ${ratio(launch.shared.wavefronts, launch.shared.least)} and sectors ` +
      `${ratio(launch.global.sectors, launch.global.least)} times the minimum`,
  )
  const count = (kind) => (launch.instructions[kind]?.warps ?? 0).toLocaleString('en')
  console.log(
    `  ${count('barrier')} barriers and ${count('async wait')} asynchronous waits of warps`,
  )
  const worst = launch.shared.lines
    .filter(({ wavefronts, least }) => wavefronts > least)
    .sort((a, b) => b.wavefronts - b.least - (a.wavefronts - a.least))
    .slice(0, 3)
  for (const { line, wavefronts, least } of worst) {
    console.log(`  bank conflicts at PTX line ${line}: ${wavefronts} wavefronts, least ${least}`)
  }
  for (const gpu of GPUS.filter(({ architecture }) => architecture >= target)) {
    const { limiter, time } = predicted(gpu, launch)
    const full = occupancy(gpu, launch, registers ?? UNKNOWN_REGISTERS)
    console.log(
      `  ${gpu.name.padEnd(9)} predicted ≥ ${time.toFixed(2).padStart(8)} µs by ` +
        `${limiter.padEnd(13)} occupancy ${(100 * full.share).toFixed(0).padStart(3)} % ` +
        `(${full.blocks} blocks, by ${full.limiter})`,
    )
  }
}

const file = process.argv[2] ?? makeReport()
const lines = readFileSync(file, 'utf8').split('\n').filter((line) => line !== '')
if (lines.length === 0) fail(`${file} has no launch in it.`)
for (const line of lines) rowsOf(JSON.parse(line), dirname(file))

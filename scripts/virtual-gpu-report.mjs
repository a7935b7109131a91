// Prints what kernels did on the virtual GPU and the least time they could take on real ones:
//
//   node scripts/virtual-gpu-report.mjs [FILE]
//
// FILE is what a program wrote that ran with VIRTUAL_GPU_REPORT=FILE; without it the kernels of
// test/virtual-gpu/triton are run first. Registers and shared memory are ptxas'. Times are
// predicted: the largest of four bounds, each as if nothing else were to wait for.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..')
const FOLDER = join(ROOT, 'build/virtual-gpu/report')
const LANES = 32
const ISSUED_PER_CLOCK = 4 // warp instructions of a multiprocessor, one of each of its schedulers
const SECTOR_BYTES = 32
const REGISTER_UNIT = 256
const REGISTERS = 65536

// Of the vendor's data sheets: multiprocessors, boost clock in GHz, memory in GB/s, dense products
// by type in TFLOP/s or TOP/s (with f32 sums, of integers with s32), limits of a multiprocessor.
const GPUS = [
  { name: 'T4', target: 75, sms: 40, ghz: 1.59, memory: 320, tensor: { f16: 65, s8: 130 },
    threads: 1024, blocks: 16, shared: 64 },
  { name: 'A100', target: 80, sms: 108, ghz: 1.41, memory: 1555,
    tensor: { f16: 312, bf16: 312, tf32: 156, s8: 624, f64: 19.5 },
    threads: 2048, blocks: 32, shared: 164 },
  { name: 'RTX 4090', target: 89, sms: 128, ghz: 2.52, memory: 1008,
    tensor: { f16: 165, bf16: 165, tf32: 82.6, s8: 661, f64: 1.29 },
    threads: 1536, blocks: 24, shared: 100 },
  { name: 'H100', target: 90, sms: 132, ghz: 1.98, memory: 3350,
    tensor: { f16: 989, bf16: 989, tf32: 495, s8: 1979, f64: 66.9 },
    threads: 2048, blocks: 32, shared: 228 },
]

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

const product = ([x, y, z]) => x * y * z

/** Blocks that a multiprocessor holds at once, and what limits them. */
function occupancy(gpu, launch, registers) {
  const warps = Math.ceil(product(launch.block) / LANES)
  const perWarp = Math.ceil((registers * LANES) / REGISTER_UNIT) * REGISTER_UNIT
  const reserved = gpu.target >= 80 ? 1 : 0
  const shared = (launch.static_shared_bytes + launch.dynamic_shared_bytes) / 1024 + reserved
  const limits = {
    threads: Math.floor(gpu.threads / LANES / warps),
    registers: Math.floor(REGISTERS / perWarp / warps),
    shared: shared === 0 ? Infinity : Math.floor(gpu.shared / shared),
    blocks: gpu.blocks,
  }
  const [limiter, blocks] = Object.entries(limits).reduce((a, b) => (b[1] < a[1] ? b : a))
  return { blocks, limiter, share: (blocks * warps * LANES) / gpu.threads }
}

/** Microseconds of the tensor cores of all multiprocessors; each type of operand has its rate. */
function tensorTime(gpu, launch) {
  let time = 0
  for (const [type, macs] of Object.entries(launch.tensor_multiply_adds)) {
    const rate = gpu.tensor[type === 'u8' ? 's8' : type]
    if (rate === undefined) fail(`No rate of ${gpu.name} is known for products of ${type}.`)
    time += (2 * macs) / (rate * 1e6)
  }
  return time
}

/** The least microseconds that each resource needs, and the largest of them. */
function predicted(gpu, launch) {
  const blocks = product(launch.grid)
  // The fullest multiprocessor decides.
  const uneven = (Math.ceil(blocks / gpu.sms) * gpu.sms) / blocks
  const clocks = gpu.sms * gpu.ghz * 1e3 // of all multiprocessors, in a microsecond
  const warps = Object.values(launch.instructions).reduce((sum, each) => sum + each.warps, 0)
  const bounds = {
    issue: (warps / ISSUED_PER_CLOCK / clocks) * uneven,
    'shared memory': (launch.shared.wavefronts / clocks) * uneven,
    tensor: tensorTime(gpu, launch) * uneven,
    // Sectors that hit in a cache do not come from memory, so this may be too high.
    memory: (launch.global.sectors * SECTOR_BYTES) / (gpu.memory * 1e3),
  }
  const [limiter, time] = Object.entries(bounds).reduce((a, b) => (b[1] > a[1] ? b : a))
  return { limiter, time }
}

const ratio = (found, least) => (least === 0 ? '-' : (found / least).toFixed(2))

function rowsOf(launch, folder) {
  const registers = registersOf(join(folder, launch.ptx), launch.kernel, launch.target)
  const target = Number.parseInt(launch.target.slice('sm_'.length), 10) // 90 of sm_90a
  const warps = Object.values(launch.instructions).reduce((sum, each) => sum + each.warps, 0)
  const macs = Object.values(launch.tensor_multiply_adds).reduce((sum, each) => sum + each, 0)
  console.log(
    `\n${launch.kernel} (${launch.target})  grid ${launch.grid.join('×')}, block ` +
      `${launch.block.join('×')}, ${registers ?? '?'} registers, ` +
      `${launch.static_shared_bytes + launch.dynamic_shared_bytes} bytes of shared memory`,
  )
  console.log(
    `  ${warps.toLocaleString('en')} warp instructions, ${macs.toLocaleString('en')} tensor ` +
      `multiply-adds; wavefronts ${ratio(launch.shared.wavefronts, launch.shared.least)} and ` +
      `sectors ${ratio(launch.global.sectors, launch.global.least)} times the minimum`,
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
  for (const gpu of GPUS.filter((each) => each.target >= target)) {
    const { limiter, time } = predicted(gpu, launch)
    const full = occupancy(gpu, launch, registers ?? 64)
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

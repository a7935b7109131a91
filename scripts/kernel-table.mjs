// Prints what ptxas made of the CUDA kernels, and how many blocks of each a multiprocessor holds:
//
//   node scripts/kernel-table.mjs [--json FILE] [PTX...]
//
// A PTX file is named <kernels>.<type>.sm_<architecture>.ptx; without one, those that `npm run
// build` left in build/cuda. FILE gets the same numbers and more (test/cuda/static-checks.ts has
// them as a type). Instructions are counted where nvdisasm is: in PATH, beside nvcc, or the
// package nvidia-cuda-nvdisasm in .venv.
import { execFile, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'

import { blocksThatFit } from './virtual-gpu/gpus.mjs'

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..')
const IMAGES = join(ROOT, 'build/cuda')
const CORE = join(ROOT, 'build/libfusebert_core.a')
const SHARED_BYTES = join(ROOT, 'test/cuda/shared_bytes.cc')
const MOST_WORKERS = 4
const MOST_OUTPUT = 1 << 28

// By architecture of a cubin, those that run it.
const RUN_BY = { 75: [75], 80: [80, 86, 89], 90: [90] }

const PTX_INSTRUCTIONS = {
  mma: /^\s*(?:@%p\d+ )?mma\.sync\b/gm,
  ldmatrix: /^\s*(?:@%p\d+ )?ldmatrix\b/gm,
  cpAsync: /^\s*(?:@%p\d+ )?cp\.async\.c[ag]\b/gm,
}
const SASS_INSTRUCTIONS = ['HMMA', 'LDSM', 'LDGSTS', 'LDL', 'STL']

const execute = promisify(execFile)

/** Standard output and error of a command that has to succeed. */
async function run(command, args) {
  const { stdout, stderr } = await execute(command, args, { maxBuffer: MOST_OUTPUT })
  return { stdout, stderr }
}

/** The folder of the toolkit's programs; the nvcc in PATH may be a script elsewhere. */
function toolkitFolder() {
  const { stderr } = spawnSync('nvcc', ['--dryrun', '-ptx', '-x', 'cu', '/dev/null'], {
    encoding: 'utf8',
  })
  return /^#\$ _HERE_=(.+)$/m.exec(stderr ?? '')?.[1]
}

/** The command that runs nvdisasm; undefined where there is none. */
function findDisassembler() {
  const packages = join(ROOT, '.venv/lib')
  const pythons = existsSync(packages) ? readdirSync(packages) : []
  const wheels = pythons.map((each) => join(packages, each, 'site-packages/nvidia/cu13/bin'))
  const folders = [toolkitFolder(), ...wheels].filter(Boolean)
  const candidates = ['nvdisasm', ...folders.map((folder) => join(folder, 'nvdisasm'))]
  const starts = (command) => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0
  return candidates.find(starts)
}

/**
 * Dynamic shared memory that the host's code asks for: "gemm_large sm_80" → bytes. Kernels that
 * it does not name have none.
 */
async function dynamicSharedBytes(folder) {
  const program = join(folder, 'shared_bytes')
  const options = ['-std=c++20', '-cudart', 'none', `-I${join(ROOT, 'native')}`]
  await run('nvcc', [...options, '-o', program, SHARED_BYTES, CORE])
  const { stdout } = await run(program, Object.keys(RUN_BY))
  const lines = stdout.trim().split('\n').map((line) => line.split(' '))
  return new Map(lines.map(([name, target, bytes]) => [`${name} ${target}`, Number(bytes)]))
}

/** What PTX says of each of its kernels: launch bounds, and instructions that matter. */
function readPtx(text) {
  const dynamic = /^\.extern \.shared .* (\w+)\[\];/m.exec(text)?.[1]
  const kernels = new Map()
  for (const part of text.split(/^\.visible \.entry /m).slice(1)) {
    const [name] = /^\w+/.exec(part)
    const directive = (pattern) => Number(pattern.exec(part)?.[1] ?? 0)
    const counts = Object.entries(PTX_INSTRUCTIONS).map(([key, pattern]) => [
      key,
      part.match(pattern)?.length ?? 0,
    ])
    kernels.set(name, {
      threads: directive(/^\.maxntid (\d+)/m),
      plannedBlocks: directive(/^\.minnctapersm (\d+)/m),
      usesDynamicShared: dynamic !== undefined && part.includes(dynamic),
      ptx: Object.fromEntries(counts),
    })
  }
  return kernels
}

/** What `ptxas -v` says of each kernel and the functions that it calls. */
function readResources(text) {
  const kernels = new Map()
  for (const part of text.split("Compiling entry function '").slice(1)) {
    const [name] = /^\w+/.exec(part)
    const sum = (pattern) => [...part.matchAll(pattern)].reduce((all, m) => all + Number(m[1]), 0)
    kernels.set(name, {
      registers: sum(/Used (\d+) registers/g),
      spillBytes: sum(/(\d+) bytes spill (?:stores|loads)/g),
      stackBytes: sum(/(\d+) bytes stack frame/g),
      staticSharedBytes: sum(/(\d+) bytes smem/g),
    })
  }
  return kernels
}

/** How often each kernel of a disassembly has the instructions that matter. */
function readSass(text) {
  const kernels = new Map()
  for (const part of text.split(/^\.text\.(?=\w+:$)/m).slice(1)) {
    const [name] = /^\w+/.exec(part)
    const counts = Object.fromEntries(SASS_INSTRUCTIONS.map((each) => [each, 0]))
    const instructions = part.matchAll(/^\s+\/\*[0-9a-f]{4,}\*\/\s+(?:@!?U?P\w+ +)?([A-Z0-9_]+)/gm)
    for (const [, mnemonic] of instructions) {
      if (mnemonic in counts) counts[mnemonic] += 1
    }
    kernels.set(name, counts)
  }
  return kernels
}

/** An image's file with what its name says. */
function parseName(file) {
  const named = /^\w+\.(\w+)\.sm_(\d+)\.ptx$/.exec(basename(file))
  if (named === null || !(named[2] in RUN_BY)) {
    throw new Error(
      `Expected <kernels>.<type>.sm_<${Object.keys(RUN_BY).join('|')}>.ptx but received ${file}.`,
    )
  }
  return { file, type: named[1], architecture: named[2] }
}

/** All kernels of an image, with what is known of each. */
async function measure({ file, type, architecture }, { folder, disassembler, dynamicBytes }) {
  const cubin = join(folder, `${basename(file)}.cubin`)
  // As native/cuda/CMakeLists.txt does it.
  const options = [`-arch=sm_${architecture}`, '-cubin', '-Xptxas', '-v']
  const { stderr } = await run('nvcc', [...options, '-o', cubin, file])
  const resources = readResources(stderr)
  // Without analysis of dataflow: the same instructions, sooner.
  const sass = disassembler && (await run(disassembler, ['-c', '-ndf', cubin])).stdout
  const instructions = sass && readSass(sass)
  return [...readPtx(readFileSync(file, 'utf8'))].map(([name, { usesDynamicShared, ...known }]) => {
    const used = resources.get(name)
    if (used === undefined) throw new Error(`ptxas says nothing of ${name} in ${file}:\n${stderr}`)
    const counts = instructions?.get(name)
    if (sass && counts === undefined) throw new Error(`nvdisasm shows no ${name} of ${file}.`)
    const bytes = dynamicBytes.get(`${name} sm_${architecture}`) ?? 0
    if (usesDynamicShared !== bytes > 0) {
      throw new Error(`${name} in ${file} has ${bytes} bytes of dynamic shared memory on the host.`)
    }
    const kernel = { image: basename(file, '.ptx'), name, type, ...known, ...used }
    kernel.architecture = Number(architecture)
    kernel.sharedBytes = used.staticSharedBytes + bytes
    kernel.sass = counts ?? null
    const fits = RUN_BY[architecture].map((each) => [each, blocksThatFit(each, kernel)])
    kernel.fits = Object.fromEntries(fits)
    return kernel
  })
}

/** Calls `work` for each item, some at a time; the results in the items' order. */
async function inParallel(items, work) {
  const results = []
  let next = 0
  const worker = async () => {
    while (next < items.length) {
      const index = next++
      results[index] = await work(items[index])
    }
  }
  const workers = Math.min(availableParallelism(), MOST_WORKERS)
  await Promise.all(Array.from({ length: workers }, worker))
  return results
}

function printTable(kernels) {
  const held = (fit) => Math.min(...Object.values(fit).filter((each) => each !== null))
  const limiterOf = (fit) => Object.keys(fit).find((key) => fit[key] === held(fit))
  const columns = [
    ['kernel', ({ name }) => name],
    ['type', ({ type }) => type],
    ['arch', ({ architecture }) => `sm_${architecture}`],
    ['threads', ({ threads }) => threads],
    ['regs', ({ registers }) => registers],
    ['spilled', ({ spillBytes }) => spillBytes],
    ['stack', ({ stackBytes }) => stackBytes],
    ['shared', ({ sharedBytes }) => sharedBytes],
    ['plan', ({ plannedBlocks }) => plannedBlocks],
    ['held', ({ fits, architecture }) => held(fits[architecture])],
    ['by', ({ fits, architecture }) => limiterOf(fits[architecture])],
    ['sm_86', ({ fits }) => (fits[86] ? held(fits[86]) : '')],
    ['sm_89', ({ fits }) => (fits[89] ? held(fits[89]) : '')],
    ...SASS_INSTRUCTIONS.map((each) => [each, ({ sass }) => sass?.[each] ?? '?']),
  ]
  const rows = [
    columns.map(([title]) => title),
    ...kernels.map((kernel) => columns.map(([, cellOf]) => cellOf(kernel))),
  ]
  const widths = columns.map((_, i) => Math.max(...rows.map((row) => String(row[i]).length)))
  for (const row of rows) {
    // Words to the left, numbers to the right.
    const cells = row.map((cell, i) =>
      typeof cell === 'number' ? String(cell).padStart(widths[i]) : cell.padEnd(widths[i]),
    )
    console.log(cells.join('  ').trimEnd())
  }
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: { type: 'string' } },
  })
  const built = () =>
    readdirSync(IMAGES)
      .filter((file) => file.endsWith('.ptx'))
      .map((file) => join(IMAGES, file))
  const images = (positionals.length > 0 ? positionals : built()).map(parseName)
  const folder = mkdtempSync(join(tmpdir(), 'fusebert-kernel-table-'))
  try {
    const disassembler = findDisassembler()
    const dynamicBytes = await dynamicSharedBytes(folder)
    const measured = await inParallel(images, (image) =>
      measure(image, { folder, disassembler, dynamicBytes }),
    )
    const kernels = measured.flat()
    printTable(kernels)
    if (disassembler === undefined) console.log('Instructions are not counted: no nvdisasm.')
    if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(kernels))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

try {
  await main()
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}

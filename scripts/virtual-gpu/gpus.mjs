// What NVIDIA publishes of its GPUs, and what follows from it: how many blocks a multiprocessor
// holds, and the least time that a launch takes which the virtual GPU counted.
//
// Sources: the CUDA C++ Programming Guide, appendix "Compute Capabilities" (the guide, below); the
// white papers of the Turing, Ampere (GA100), Ada and Hopper architectures with the data sheets of
// T4, A100 (40 GB, SXM), RTX 4090 and H100 (SXM); the toolkit's cuda_occupancy.h.

const KIB = 1024
const WARP = 32

/** Limits by architecture; the guide's table "Technical Specifications per Compute Capability". */
export const MULTIPROCESSORS = {
  75: { threads: 1024, blocks: 16, sharedBytes: 64 * KIB },
  80: { threads: 2048, blocks: 32, sharedBytes: 164 * KIB },
  86: { threads: 1536, blocks: 16, sharedBytes: 100 * KIB },
  89: { threads: 1536, blocks: 24, sharedBytes: 100 * KIB },
  90: { threads: 2048, blocks: 32, sharedBytes: 228 * KIB },
}

// How all of them hand out registers and shared memory (cuda_occupancy.h; what is reserved of a
// block: the guide's sections "Shared Memory" of compute capability 8.x and 9.0).
const REGISTERS = 65536
const SUB_PARTITIONS = 4 // each with its part of the registers and of the warps
const REGISTER_UNIT = 256 // of a warp
const sharedUnit = (architecture) => (architecture >= 80 ? 128 : 256)
const reservedBytes = (architecture) => (architecture >= 80 ? 1 * KIB : 0)

/** Blocks that a multiprocessor holds at once, by what limits them. */
export function blocksThatFit(architecture, { threads, registers, sharedBytes }) {
  const limits = MULTIPROCESSORS[architecture]
  const warps = Math.ceil(threads / WARP)
  const warpRegisters = Math.ceil((registers * WARP) / REGISTER_UNIT) * REGISTER_UNIT
  const warpsOfPartition = Math.floor(REGISTERS / SUB_PARTITIONS / warpRegisters)
  const unit = sharedUnit(architecture)
  const blockBytes = Math.ceil((sharedBytes + reservedBytes(architecture)) / unit) * unit
  return {
    threads: Math.min(limits.blocks, Math.floor(limits.threads / WARP / warps)),
    registers: Math.floor((SUB_PARTITIONS * warpsOfPartition) / warps),
    // null, because JSON has no infinity
    sharedMemory: blockBytes === 0 ? null : Math.floor(limits.sharedBytes / blockBytes),
  }
}

/**
 * Multiprocessors, boost clock in GHz, memory in GB/s, and products of tensor cores by the type of
 * their factors in TFLOP/s or TOP/s: dense, with f32 sums, of integers with s32.
 */
export const GPUS = [
  // Turing white paper, comparison of Tesla P4 and T4.
  { name: 'T4', architecture: 75, multiprocessors: 40, ghz: 1.59, memory: 320,
    tensor: { f16: 65, s8: 130 } },
  // A100 white paper, comparison of data center GPUs.
  { name: 'A100', architecture: 80, multiprocessors: 108, ghz: 1.41, memory: 1555,
    tensor: { f16: 312, bf16: 312, tf32: 156, s8: 624, f64: 19.5 } },
  // Ada white paper, appendix on the RTX 4090; f64, which has no tensor cores, as 1/64 of f32.
  { name: 'RTX 4090', architecture: 89, multiprocessors: 128, ghz: 2.52, memory: 1008,
    tensor: { f16: 165.2, bf16: 165.2, tf32: 82.6, s8: 660.6, f64: 1.29 } },
  // Hopper white paper and data sheet; 1.83 GHz is the clock that its products of 16 bits are
  // stated for (it is 1.98 GHz without tensor cores).
  { name: 'H100', architecture: 90, multiprocessors: 132, ghz: 1.83, memory: 3350,
    tensor: { f16: 989.4, bf16: 989.4, tf32: 494.7, s8: 1978.9, f64: 66.9 } },
]

// In a clock a multiprocessor issues an instruction of a warp from each of its four schedulers (the
// guide's sections "Architecture"), and moves one wavefront: a word of each of shared memory's 32
// banks (its sections "Shared Memory").
const ISSUED_PER_CLOCK = 4
const WAVEFRONTS_PER_CLOCK = 1
const SECTOR_BYTES = 32

const product = ([x, y, z]) => x * y * z
const sum = (numbers) => numbers.reduce((all, each) => all + each, 0)

/** Warp instructions of a launch, of every kind. */
export function instructionsOf(launch) {
  return sum(Object.values(launch.instructions).map(({ warps }) => warps))
}

/** Microseconds of the tensor cores of all multiprocessors; each type of factors has its rate. */
function tensorTime(gpu, launch) {
  const times = Object.entries(launch.tensor_multiply_adds).map(([type, multiplyAdds]) => {
    const rate = gpu.tensor[type === 'u8' ? 's8' : type]
    if (rate === undefined) {
      throw new Error(`No rate of ${gpu.name} is known for products of ${type}.`)
    }
    return (2 * multiplyAdds) / (rate * 1e6)
  })
  return sum(times)
}

/**
 * The least microseconds that a launch takes: the largest of four bounds, each as if there were
 * nothing else to wait for. Those of a multiprocessor's own parts are for work that is spread
 * evenly, times `waves`: blocks are handed out whole, and of b blocks on m multiprocessors the
 * fullest gets ceil(b / m). (Not ceil(b / (m · blocks that fit)) turns of that many: blocks that
 * are there together share what these bounds count, so half as many take half the time.) Memory is
 * everyone's, so its bound stays.
 *
 * Instructions are those of PTX, of which ptxas makes about as many. `bytes` are those that have to
 * come from memory or go there; by default all sectors that warps asked for, which is too many
 * where caches hold them. `times`: how many of the launch to take together, as one.
 */
export function predicted(gpu, launch, { bytes, times = 1 } = {}) {
  const { multiprocessors: m, ghz, memory } = gpu
  const clocks = (m * ghz * 1e3) / times // of all multiprocessors, in a microsecond, for a launch
  const blocks = product(launch.grid) * times
  const waves = (Math.ceil(blocks / m) * m) / blocks
  const moved = bytes ?? launch.global.sectors * SECTOR_BYTES * times
  const bounds = {
    tensor: tensorTime(gpu, launch) * times,
    'shared memory': launch.shared.wavefronts / WAVEFRONTS_PER_CLOCK / clocks,
    issue: instructionsOf(launch) / ISSUED_PER_CLOCK / clocks,
    memory: moved / (memory * 1e3),
  }
  const timeOf = ([name, bound]) => (name === 'memory' ? bound : bound * waves)
  const largest = Object.entries(bounds).reduce((a, b) => (timeOf(b) > timeOf(a) ? b : a))
  return { bounds, waves, limiter: largest[0], time: timeOf(largest) }
}

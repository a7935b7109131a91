// Types of gpus.mjs, for tests.

/** A line of VIRTUAL_GPU_REPORT, which test/virtual-gpu/driver/report.cc writes. */
export interface Launch {
  kernel: string
  /** "sm_80" */
  target: string
  grid: number[]
  block: number[]
  static_shared_bytes: number
  dynamic_shared_bytes: number
  /** By kind. */
  instructions: Record<string, { warps: number; lanes: number }>
  /** By type of the factors. */
  tensor_multiply_adds: Record<string, number>
  /** `lines` are of the PTX and its source; `least`: without conflicts, or side by side. */
  shared: {
    wavefronts: number
    least: number
    lines: { line: number; source: number; wavefronts: number; least: number }[]
  }
  global: {
    sectors: number
    least: number
    lines: { line: number; source: number; sectors: number; least: number }[]
  }
}

export interface Gpu {
  name: string
  architecture: number
  multiprocessors: number
  ghz: number
  memory: number
  tensor: Record<string, number>
}

export type Bound = 'tensor' | 'shared memory' | 'issue' | 'memory'

export interface Prediction {
  /** Microseconds, of work that is spread evenly. */
  bounds: Record<Bound, number>
  /** What blocks that are handed out whole make of it. */
  waves: number
  limiter: Bound
  /** Microseconds. */
  time: number
}

export const GPUS: Gpu[]

export function predicted(
  gpu: Gpu,
  launch: Launch,
  options?: { bytes?: number; times?: number },
): Prediction

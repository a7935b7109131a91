// What this machine can run models on.

import { fromNativeSync, loadAddon } from './native/load.js'

export interface CpuDevice {
  /** What to give as the `device` option. */
  device: 'cpu'
  /** The processor's own name. */
  name: string
  /** The instruction set whose kernels are in use: 'avx512', 'avx2', 'neon', 'scalar'. */
  isa: string
  /** Instruction sets that would run here, best first; FUSEBERT_CPU_ISA forces one. */
  isas: string[]
  /** Threads used unless the `threads` option says otherwise. */
  threads: number
}

export interface CudaDevice {
  /** What to give as the `device` option. */
  device: `cuda:${number}`
  /** The GPU's name, by its maker. */
  name: string
  /** Its architecture: 'sm_90' for compute capability 9.0. */
  isa: string
  /** Its whole memory, free or not. */
  memory_bytes: number
}

/** Told apart by `device`. */
export type Device = CudaDevice | CpuDevice

/**
 * The devices of this machine: NVIDIA GPUs in their driver's order, and last the CPU. There are no
 * GPUs in a build without CUDA, nor where their driver is missing, too old or broken; loading a
 * model with `device: 'cuda'` says which. No GPU is started, but the first call starts the driver,
 * which may take a while.
 * @throws ERR_DEVICE_UNAVAILABLE when FUSEBERT_CPU_ISA names an instruction set that is not there;
 * ERR_ADDON_LOAD
 */
export function devices(): Device[] {
  return fromNativeSync(() => loadAddon().devices())
}

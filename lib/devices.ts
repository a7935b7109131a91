// What this machine can run models on.

import { fromNativeSync, loadAddon } from './native/load.js'

export interface Device {
  /** What to give as the `device` option. */
  device: 'cpu'
  /** The processor's own name. */
  name: string
  /** The instruction set whose kernels are in use: 'avx512', 'avx2', 'scalar'. */
  isa: string
  /** Instruction sets that would run here, best first; FUSEBERT_CPU_ISA forces one. */
  isas: string[]
  /** Threads used unless the `threads` option says otherwise. */
  threads: number
}

/**
 * The devices of this machine, best first.
 * @throws ERR_DEVICE_UNAVAILABLE when FUSEBERT_CPU_ISA names an instruction set that is not there;
 * ERR_ADDON_LOAD
 */
export function devices(): Device[] {
  return fromNativeSync(() => loadAddon().devices())
}

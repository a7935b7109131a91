// What is asked of a kernel before it has ever run: of ptxas' output, and of its instructions.

/** Blocks that a multiprocessor holds at once, by what limits them. */
interface Fit {
  threads: number
  registers: number
  sharedMemory: number | null // null: no limit
}

/** A kernel as `node scripts/kernel-table.mjs --json` has it. */
export interface Kernel {
  /** The file that it is in, without its ending: "gemm.fp16.sm_80". */
  image: string
  name: string
  type: string
  architecture: number
  /** Of its launch bounds: the most threads of a block, and blocks of a multiprocessor; 0: none. */
  threads: number
  plannedBlocks: number
  registers: number
  spillBytes: number
  stackBytes: number
  /** Static and dynamic. */
  sharedBytes: number
  /** By architecture, for all that run the kernel's cubin. */
  fits: Record<number, Fit>
  /** Instructions in the PTX, and what became of them; null without nvdisasm. */
  ptx: { mma: number; ldmatrix: number; cpAsync: number }
  sass: { HMMA: number; LDSM: number; LDGSTS: number; LDL: number; STL: number } | null
}

const FIRST_WITH_ASYNC_COPIES = 80

const usesTensorCores = ({ name }: Kernel): boolean => /^(gemm|attention|logits)_/.test(name)

function problems(kernel: Kernel, rules: [wrong: boolean, message: string][]): string[] {
  const { name, type, architecture } = kernel
  const found = rules.filter(([wrong]) => wrong)
  return found.map(([, message]) => `${name}, ${type}, sm_${architecture}: ${message}`)
}

/** Spills, local memory, and launch bounds that plan more blocks than a resource allows. */
export function resourceProblems(kernel: Kernel): string[] {
  const { threads, plannedBlocks, spillBytes, stackBytes } = kernel
  const fit = kernel.fits[kernel.architecture]!
  const tooFew = (held: number | null): boolean => held !== null && held < plannedBlocks
  return problems(kernel, [
    [threads === 0 || plannedBlocks === 0, 'no launch bounds'],
    [spillBytes > 0, `${spillBytes} bytes spilled`],
    [stackBytes > 0, `${stackBytes} bytes of local memory`],
    [tooFew(fit.threads), `${plannedBlocks} blocks planned, threads allow ${fit.threads}`],
    [tooFew(fit.registers), `${plannedBlocks} blocks planned, registers allow ${fit.registers}`],
    [
      tooFew(fit.sharedMemory),
      `${plannedBlocks} blocks planned, shared memory allows ${fit.sharedMemory}`,
    ],
  ])
}

/** Instructions that the PTX lacks. */
export function ptxProblems(kernel: Kernel): string[] {
  if (!usesTensorCores(kernel)) return []
  const { mma, ldmatrix, cpAsync } = kernel.ptx
  return problems(kernel, [
    [mma === 0, 'no mma'],
    [ldmatrix === 0, 'no ldmatrix'],
    [kernel.architecture >= FIRST_WITH_ASYNC_COPIES && cpAsync === 0, 'no cp.async'],
  ])
}

/** Instructions that the machine code lacks or should not have. */
export function sassProblems(kernel: Kernel): string[] {
  if (kernel.sass === null) throw new Error('Expected machine code, but there is no nvdisasm.')
  const { HMMA, LDSM, LDGSTS, LDL, STL } = kernel.sass
  const tensor = usesTensorCores(kernel)
  return problems(kernel, [
    [LDL > 0, `${LDL} loads from local memory`],
    [STL > 0, `${STL} stores to local memory`],
    [tensor && HMMA === 0, 'no HMMA'],
    [tensor && LDSM === 0, 'no LDSM'],
    [tensor && kernel.architecture >= FIRST_WITH_ASYNC_COPIES && LDGSTS === 0, 'no LDGSTS'],
  ])
}

// How much memory a model needs, reckoned from its geometry: what is loaded, and what a batch of
// the backend's own size takes while it runs.

import type { NativeGeometry, NativeTensor } from '../native/addon.js'

export interface MemoryNeed {
  readonly device: 'cpu' | 'cuda'
  readonly dtype: string
  /** Of the loaded weights; that of panels and rows that are padded is left out. */
  readonly weight_bytes: number
  /** Of a batch under way, at the tokens that the backend takes at once. */
  readonly workspace_bytes: number
  readonly max_batch_tokens: number
}

/** The defaults of the backends: native/cpu/cpu_backend.cc, native/cuda/cuda_backend.cc. */
const CPU_BATCH_TOKENS = 1024
const CUDA_BATCH_TOKENS = 16384

type Sizes = Pick<NativeGeometry, 'hidden_size' | 'intermediate_size'>

/** Of a token: hidden states, queries, keys and values, context, sums, and what is between. */
function activations({ hidden_size, intermediate_size }: Sizes): number {
  return 6 * hidden_size + intermediate_size
}

/**
 * @param tensors - what is loaded without a head
 * @param maxSequenceLength - tokens of the longest text, which a batch has room for at least
 */
export function memoryNeeds(
  tensors: readonly NativeTensor[],
  geometry: Sizes,
  maxSequenceLength: number,
): MemoryNeed[] {
  const bytes = (ofMatrix: number): number =>
    tensors.reduce((total, { shape }) => {
      const elements = shape.reduce((product, size) => product * size, 1)
      // Biases and LayerNorms stay fp32 everywhere.
      return total + elements * (shape.length > 1 ? ofMatrix : 4)
    }, 0)
  const need = (
    device: MemoryNeed['device'],
    dtype: string,
    element: number,
    tokens: number,
  ): MemoryNeed => {
    const max_batch_tokens = Math.max(tokens, maxSequenceLength)
    const workspace_bytes = max_batch_tokens * activations(geometry) * element
    return { device, dtype, weight_bytes: bytes(element), workspace_bytes, max_batch_tokens }
  }
  return [
    need('cpu', 'fp32', 4, CPU_BATCH_TOKENS),
    need('cuda', 'fp16, bf16', 2, CUDA_BATCH_TOKENS),
  ]
}

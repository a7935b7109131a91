// How much memory a model needs, reckoned from its geometry: what is loaded, and what a batch of
// the backend's own size takes while it runs.

import type { NativeGeometry, NativeTensor } from '../native/addon.js'
import type { HeadTask, HeadTensors } from './heads.js'

export interface MemoryNeed {
  readonly device: 'cpu' | 'cuda'
  readonly dtype: string
  /** Of the loaded weights; that of panels and rows that are padded is left out. */
  readonly weight_bytes: number
  /** Of the loaded weights of a model for a task, its head among them. */
  readonly task_weight_bytes: Readonly<Partial<Record<HeadTask, number>>>
  /** Of a batch under way, at the tokens that the backend takes at once. */
  readonly workspace_bytes: number
  readonly max_batch_tokens: number
}

/** What may be loaded of a checkpoint. */
export interface Loadable {
  /** Of the encoder. */
  readonly tensors: readonly NativeTensor[]
  readonly geometry: Sizes
  /** Tokens of the longest text, which a batch has room for at least. */
  readonly maxSequenceLength: number
  readonly heads: Readonly<Partial<Record<HeadTask, HeadTensors>>>
}

type Sizes = Pick<NativeGeometry, 'hidden_size' | 'intermediate_size'>

interface Backend extends Pick<MemoryNeed, 'device' | 'dtype'> {
  /** Bytes of a number in a matrix. Biases and LayerNorms stay fp32 everywhere. */
  readonly element: number
  /** Tokens that it takes at once unless told otherwise. */
  readonly tokens: number
  /** Whether a tied decoder lies in memory apart from the word embeddings. */
  readonly copiesTied: boolean
}

/** native/cpu/cpu_backend.cc, native/cuda/cuda_backend.cc. */
const BACKENDS: readonly Backend[] = [
  { device: 'cpu', dtype: 'fp32', element: 4, tokens: 1024, copiesTied: true },
  { device: 'cuda', dtype: 'fp16, bf16', element: 2, tokens: 16384, copiesTied: false },
]

const WORDS = 'embeddings.word_embeddings.weight'

/** Of a token: hidden states, queries, keys and values, context, sums, and what is between. */
function activations({ hidden_size, intermediate_size }: Sizes): number {
  return 6 * hidden_size + intermediate_size
}

function bytesOf(tensors: readonly NativeTensor[], element: number): number {
  return tensors.reduce((total, { shape }) => {
    const elements = shape.reduce((product, size) => product * size, 1)
    return total + elements * (shape.length > 1 ? element : 4)
  }, 0)
}

function needOf(backend: Backend, loadable: Loadable): MemoryNeed {
  const { device, dtype, element, tokens, copiesTied } = backend
  const max_batch_tokens = Math.max(tokens, loadable.maxSequenceLength)
  // The encoder's own pooler is not loaded where there is a head.
  const bare = loadable.tensors.filter(({ name }) => !name.startsWith('pooler.'))
  const ofTask = ({ head, tensors }: HeadTensors): number => {
    const copied = head.tied && copiesTied ? bare.filter(({ name }) => name === WORDS) : []
    return bytesOf([...bare, ...tensors, ...copied], element)
  }
  return {
    device,
    dtype,
    weight_bytes: bytesOf(loadable.tensors, element),
    task_weight_bytes: Object.fromEntries(
      Object.entries(loadable.heads).map(([task, head]) => [task, ofTask(head)]),
    ),
    workspace_bytes: max_batch_tokens * activations(loadable.geometry) * element,
    max_batch_tokens,
  }
}

/** On each backend. */
export function memoryNeeds(loadable: Loadable): MemoryNeed[] {
  return BACKENDS.map((backend) => needOf(backend, loadable))
}

// Finds the checkpoint of a model folder and makes a table of its tensors, whatever its format.

import { FusebertError } from '../errors.js'
import type { ModelFolder } from '../hub/folder.js'
import { openByteSource, type ByteSource } from './byte-source.js'
import { readSafetensors } from './safetensors.js'
import { missingInShard, readShardIndex } from './sharded.js'
import type { CheckpointFile, FileTensor, StoredTensor, TensorTable } from './tensor-table.js'
import { readTorch } from './torch.js'

type Reader = (source: ByteSource) => Promise<Map<string, FileTensor>>

interface Candidate {
  readonly name: string
  readonly read: Reader
  readonly sharded: boolean
}

/** In the order in which transformers prefers them. */
const CANDIDATES: readonly Candidate[] = [
  { name: 'model.safetensors', read: readSafetensors, sharded: false },
  { name: 'model.safetensors.index.json', read: readSafetensors, sharded: true },
  { name: 'pytorch_model.bin', read: readTorch, sharded: false },
  { name: 'pytorch_model.bin.index.json', read: readTorch, sharded: true },
]

/**
 * The tensors of a folder's checkpoint; weights are not read.
 * @throws ERR_FILE_NOT_FOUND (no checkpoint, or a missing shard), ERR_FILE_READ,
 * ERR_CHECKPOINT_FORMAT, ERR_CHECKPOINT_UNSAFE, ERR_TENSOR_SHAPE and ERR_TENSOR_DTYPE (a tensor
 * that no table can hold)
 */
export async function openCheckpoint(folder: ModelFolder): Promise<TensorTable> {
  for (const candidate of CANDIDATES) {
    if (!(await folder.has(candidate.name))) continue
    return candidate.sharded ? openSharded(folder, candidate) : openSingle(folder, candidate)
  }
  throw new FusebertError(
    'ERR_FILE_NOT_FOUND',
    `Expected a checkpoint in ${folder.path} but there is none of ` +
      `${CANDIDATES.map(({ name }) => name).join(', ')}. Download one of them into this folder.`,
  )
}

async function readFile(
  path: string,
  read: Reader,
): Promise<{ file: CheckpointFile; tensors: Map<string, FileTensor> }> {
  const source = await openByteSource(path)
  try {
    const tensors = await read(source)
    return { file: { path: source.path, sizeBytes: source.sizeBytes }, tensors }
  } finally {
    await source.close()
  }
}

async function openSingle(folder: ModelFolder, candidate: Candidate): Promise<TensorTable> {
  const { file, tensors } = await readFile(folder.resolve(candidate.name), candidate.read)
  return {
    files: [file],
    tensors: new Map([...tensors].map(([name, tensor]) => [name, { ...tensor, fileIndex: 0 }])),
  }
}

async function openSharded(folder: ModelFolder, candidate: Candidate): Promise<TensorTable> {
  const shards = await readShardIndex(folder, candidate.name)
  const files: CheckpointFile[] = []
  const tensors = new Map<string, StoredTensor>()
  for (const [path, names] of shards) {
    const shard = await readFile(path, candidate.read)
    // What a shard holds beyond the index does not count.
    for (const name of names) {
      const tensor = shard.tensors.get(name)
      if (tensor === undefined) throw missingInShard(candidate.name, path, name)
      tensors.set(name, { ...tensor, fileIndex: files.length })
    }
    files.push(shard.file)
  }
  return { files, tensors }
}

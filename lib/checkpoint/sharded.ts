// Checkpoints in several files: <name>.index.json maps each tensor to the file that holds it.

import { basename } from 'node:path'

import { FusebertError } from '../errors.js'
import { isObject, type ModelFolder } from '../hub/folder.js'
import { quote } from './byte-source.js'

/** The largest language models have a few hundred. */
const MAX_SHARDS = 1024

function indexError(indexName: string, expected: string, received: string): FusebertError {
  return new FusebertError(
    'ERR_CHECKPOINT_FORMAT',
    `Expected ${expected} in ${indexName} but received ${received}. Download the file again.`,
  )
}

/**
 * The tensor names of each shard, by the shard's name in the folder.
 * @throws ERR_CHECKPOINT_FORMAT, ERR_CHECKPOINT_UNSAFE for a shard outside the folder
 */
export async function readShardIndex(
  folder: ModelFolder,
  indexName: string,
): Promise<Map<string, string[]>> {
  const index = await folder.readJson(indexName, 'ERR_CHECKPOINT_FORMAT')
  const weightMap = isObject(index) ? index['weight_map'] : undefined
  if (!isObject(weightMap)) throw indexError(indexName, 'an object as weight_map', 'none')
  const shards = new Map<string, string[]>()
  const paths = new Map<string, string>()
  for (const [tensor, shard] of Object.entries(weightMap)) {
    if (typeof shard !== 'string') {
      throw indexError(indexName, `a file name for ${quote(tensor)}`, 'another value')
    }
    // Two spellings of one file are one shard.
    const path = paths.get(shard) ?? folder.resolve(shard)
    paths.set(shard, path)
    const names = shards.get(path)
    if (names === undefined) shards.set(path, [tensor])
    else names.push(tensor)
    if (shards.size > MAX_SHARDS) {
      throw indexError(indexName, `at most ${MAX_SHARDS} files`, 'more')
    }
  }
  if (shards.size === 0) throw indexError(indexName, 'tensors in weight_map', 'none')
  return shards
}

/** @throws ERR_CHECKPOINT_FORMAT when the shard lacks a tensor that the index says it holds */
export function missingInShard(indexName: string, path: string, tensor: string): FusebertError {
  const received = `${quote(tensor)} not in ${basename(path)}`
  return indexError(indexName, 'tensors where they are', received)
}

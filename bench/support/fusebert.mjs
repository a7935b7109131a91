// Our side: the package as built in the parent folder, loaded the way a user loads it.

import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const DIST = new URL('../../dist/index.js', import.meta.url)

async function library() {
  if (!existsSync(fileURLToPath(DIST))) {
    throw new Error('fusebert is not built. Run "npm run build" in the folder above bench/.')
  }
  return import(DIST.href)
}

/** A comparison with another number of threads than asked for would be worthless. */
async function checkThreads(loaded, threads) {
  if (loaded.device.threads === threads) return loaded
  await loaded.dispose()
  throw new Error(
    `Expected fusebert to run on ${threads} threads but it runs on ${loaded.device.threads}.`,
  )
}

export async function loadModel(folder, threads) {
  const { AutoModel } = await library()
  return checkThreads(await AutoModel.from_pretrained(folder, { device: 'cpu', threads }), threads)
}

export async function loadPipeline(folder, threads) {
  const { pipeline } = await library()
  const options = { device: 'cpu', threads }
  return checkThreads(await pipeline('feature-extraction', folder, options), threads)
}

export async function loadTokenizer(folder) {
  const { AutoTokenizer } = await library()
  return AutoTokenizer.from_pretrained(folder)
}

export async function int32Tensor(data, dims) {
  const { Tensor } = await library()
  return new Tensor('int32', data, dims)
}

/** One call for each text → one Float32Array a text. */
export async function embedEach(embed, texts) {
  const vectors = []
  for (const text of texts) vectors.push((await embed(text)).data)
  return vectors
}

/** A pooled Tensor [texts, hidden] as one Float32Array a text. */
export function rowsOf(tensor) {
  const [rows, columns] = tensor.dims
  const row = (_, i) => tensor.data.subarray(i * columns, (i + 1) * columns)
  return Array.from({ length: rows }, row)
}

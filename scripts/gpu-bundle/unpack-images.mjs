// Writes the addon's kernel images to a folder, under the names that the build gives them:
// node unpack-images.mjs FOLDER
import { mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { brotliDecompressSync } from 'node:zlib'

const addon = createRequire(import.meta.url)('../../build/Release/fusebert.node')
const folder = process.argv[2]
mkdirSync(folder, { recursive: true })
addon.cudaImages().forEach(({ file, type, architecture, kind }, index) => {
  const name = `${file}.${type}.sm_${architecture}.${kind}`
  writeFileSync(join(folder, name), brotliDecompressSync(addon.cudaImage(index)))
})

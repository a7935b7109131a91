// How near texts are to another: node examples/sentence-similarity.mjs <folder> <text> <other>…
import { pipeline } from 'fusebert'

const [folder, text, ...others] = process.argv.slice(2)
if (folder === undefined || text === undefined || others.length === 0) {
  console.error('Usage: node examples/sentence-similarity.mjs <folder of a model> <text> <other>…')
  process.exit(2)
}

const compare = await pipeline('sentence-similarity', folder)
const cosines = await compare(text, others)
cosines.forEach((cosine, i) => console.log(`${cosine.toFixed(3).padStart(6)}  ${others[i]}`))
await compare.dispose()

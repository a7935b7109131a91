// The vectors of texts: node examples/feature-extraction.mjs <folder, or fusebert-mini> <text>…
import { pipeline } from 'fusebert'

const [folder, ...texts] = process.argv.slice(2)
if (folder === undefined || texts.length === 0) {
  console.error('Usage: node examples/feature-extraction.mjs <folder of a model> <text>…')
  process.exit(2)
}

const embed = await pipeline('feature-extraction', folder)
const vectors = await embed(texts, { pooling: 'mean', normalize: true })
vectors.tolist().forEach((vector, i) => {
  const first = vector.slice(0, 4).map((value) => value.toFixed(4))
  console.log(`[${first.join(', ')}, … ${vector.length} numbers]  ${texts[i]}`)
})
await embed.dispose()

// Words that fit in the place of [MASK]: node examples/fill-mask.mjs <folder> <text>…
import { pipeline } from 'fusebert'

const [folder, ...texts] = process.argv.slice(2)
if (folder === undefined || texts.length === 0) {
  console.error('Usage: node examples/fill-mask.mjs <folder of a model> <text with [MASK]>…')
  process.exit(2)
}

const fill = await pipeline('fill-mask', folder)
for (const filled of await fill(texts, { top_k: 3 })) {
  // A text with several masks has a list for each of them.
  for (const { score, token_str, sequence } of filled.flat()) {
    console.log(`${score.toFixed(3)}  ${token_str.padEnd(12)}  ${sequence}`)
  }
}
await fill.dispose()

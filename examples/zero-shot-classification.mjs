// Labels of one's own: node examples/zero-shot-classification.mjs <folder> <label,label…> <text>…
import { pipeline } from 'fusebert'

const [folder, labels, ...texts] = process.argv.slice(2)
if (folder === undefined || labels === undefined || texts.length === 0) {
  console.error('Usage: node examples/zero-shot-classification.mjs <folder> <labels> <text>…')
  process.exit(2)
}

const classify = await pipeline('zero-shot-classification', folder)
for (const { sequence, labels: names, scores } of await classify(texts, labels)) {
  console.log(sequence)
  names.forEach((name, i) => console.log(`  ${scores[i].toFixed(3)}  ${name}`))
}
await classify.dispose()

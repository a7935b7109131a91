// Labels of texts: node examples/text-classification.mjs <folder> <text>…
import { pipeline } from 'fusebert'

const [folder, ...texts] = process.argv.slice(2)
if (folder === undefined || texts.length === 0) {
  console.error('Usage: node examples/text-classification.mjs <folder of a model> <text>…')
  process.exit(2)
}

const classify = await pipeline('text-classification', folder)
const answers = await classify(texts, { top_k: null })
answers.forEach((labels, i) => {
  console.log(texts[i])
  for (const { label, score } of labels) console.log(`  ${score.toFixed(3)}  ${label}`)
})
await classify.dispose()

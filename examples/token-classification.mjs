// Names and other entities in texts: node examples/token-classification.mjs <folder> <text>…
import { pipeline } from 'fusebert'

const [folder, ...texts] = process.argv.slice(2)
if (folder === undefined || texts.length === 0) {
  console.error('Usage: node examples/token-classification.mjs <folder of a model> <text>…')
  process.exit(2)
}

const findEntities = await pipeline('token-classification', folder)
const answers = await findEntities(texts, { aggregation_strategy: 'simple', stride: 16 })
answers.forEach((entities, i) => {
  console.log(texts[i])
  for (const { entity_group, score, start, end } of entities) {
    console.log(`  ${score.toFixed(3)}  ${entity_group.padEnd(6)}  ${texts[i].slice(start, end)}`)
  }
})
await findEntities.dispose()

// Documents by how well they fit a query: node examples/rerank.mjs <folder> <query> <text>…
import { pipeline } from 'fusebert'

const [folder, query, ...documents] = process.argv.slice(2)
if (folder === undefined || query === undefined || documents.length === 0) {
  console.error('Usage: node examples/rerank.mjs <folder of a cross-encoder> <query> <text>…')
  process.exit(2)
}

const rerank = await pipeline('rerank', folder)
for (const { score, text } of await rerank(query, documents, { return_documents: true })) {
  console.log(`${score.toFixed(3)}  ${text}`)
}
await rerank.dispose()

// Whether a text may follow another: node examples/next-sentence.mjs <folder> <text> <next>…
import { AutoModelForNextSentencePrediction, AutoTokenizer } from 'fusebert'

const [folder, text, ...others] = process.argv.slice(2)
if (folder === undefined || text === undefined || others.length === 0) {
  console.error('Usage: node examples/next-sentence.mjs <folder of a model> <text> <next>…')
  process.exit(2)
}

const tokenizer = await AutoTokenizer.from_pretrained(folder)
const model = await AutoModelForNextSentencePrediction.from_pretrained(folder)
const inputs = await tokenizer(others.map(() => text), { text_pair: others, padding: true })
const { logits } = await model(inputs)
logits.tolist().forEach(([follows, random], i) => {
  // Softmax of two: the first label is that it follows.
  const probability = 1 / (1 + Math.exp(random - follows))
  console.log(`${probability.toFixed(3)}  ${others[i]}`)
})
await model.dispose()

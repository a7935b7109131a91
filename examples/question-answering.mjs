// Answers from a text: node examples/question-answering.mjs <folder> <context> <question>…
import { pipeline } from 'fusebert'

const [folder, context, ...questions] = process.argv.slice(2)
if (folder === undefined || context === undefined || questions.length === 0) {
  console.error('Usage: node examples/question-answering.mjs <folder> <context> <question>…')
  process.exit(2)
}

const answerFrom = await pipeline('question-answering', folder)
const answers = await answerFrom({ question: questions, context }, { top_k: 3 })
answers.forEach((best, i) => {
  console.log(questions[i])
  for (const { answer, score, start, end } of best) {
    console.log(`  ${score.toFixed(3)}  ${answer}  [${start}, ${end})`)
  }
})
await answerFrom.dispose()

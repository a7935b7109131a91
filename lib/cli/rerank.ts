// fusebert rerank: texts by how well they fit a query, as a cross-encoder sees them.

import type { Command } from 'commander'

import { StandardOutput } from '../batch/standard-output.js'
import type { Context } from './context.js'
import { printableJson, printLines, tableLines, terminalColumns } from './printing.js'
import { commandError } from './refusals.js'
import {
  loadTask,
  notEmpty,
  pipelineOptions,
  positiveInteger,
  warningLines,
} from './shared-options.js'
import {
  addTextOptions,
  checkTexts,
  chunksOf,
  flagsForModel,
  numberedBy,
  type Numbered,
  type TextFlags,
} from './text-command.js'

const DEFAULT_TOP = 10

const HELP = `
Examples:
  $ fusebert rerank --model ./a-cross-encoder "cannot sleep" "I slept well." "Awake again."
  $ fusebert rerank --model ./a-cross-encoder "late delivery" --input reviews.jsonl --json

Output:
  A line a text, best first: the score, the record's id or else its number, and the text. With
  --json {"score", "index", "id", "text"}. Only the best are kept while the input is read.

Exit status: 0 done, 1 failed, 2 wrong usage, 130 and 143 ended by SIGINT and SIGTERM.
`

interface RerankFlags extends TextFlags {
  top: number
}

interface Found {
  score: number
  index: number
  line: number
  /** As JSON; null: none. */
  id: string | null
  text: string
}

function jsonOf({ score, index, id, text }: Found): string {
  const head = `{"score":${score},"index":${index},"id":${id ?? 'null'}`
  return printableJson(`${head},"text":${JSON.stringify(text)}}`)
}

function rowOf({ score, line, id, text }: Found, numbered: Numbered): string[] {
  const name: unknown = id === null ? `${numbered} ${line}` : JSON.parse(id)
  return [score.toFixed(3), typeof name === 'string' ? name : (id ?? ''), text]
}

async function runRerank(
  query: string,
  texts: readonly string[],
  flags: RerankFlags,
  context: Context,
): Promise<void> {
  const options = pipelineOptions(flagsForModel(flags), context)
  const rerank = await loadTask('rerank', flags.model, options)
  const { signal } = context
  const totals = { records: 0, invalid: 0, truncated: 0 }
  let best: Found[] = []
  try {
    for await (const chunk of chunksOf(texts, flags, context)) {
      const limit = flags.maxLength === undefined ? {} : { max_length: flags.maxLength }
      const texts = chunk.records.filter(({ kind }) => kind === 'text')
      const ranked = await rerank(query, chunk.texts, { ...limit, signal })
        .catch((error: unknown) => {
          throw commandError(error, texts, flags.input)
        })
      totals.records += chunk.records.length
      totals.invalid += chunk.records.length - chunk.texts.length
      totals.truncated += ranked.usage.truncated
      const places = chunk.records.flatMap((record, i) =>
        record.kind === 'text' ? [{ ...record, index: chunk.first + i }] : [])
      const found = ranked.flatMap(({ index, score }) => {
        const place = places[index]
        return place === undefined ? [] : [{ ...place, score }]
      })
      best = [...best, ...found].sort((a, b) => b.score - a.score).slice(0, flags.top)
    }
    const columns = terminalColumns(process.stdout)
    const rows = best.map((each) => rowOf(each, numberedBy(flags)))
    await printLines(
      new StandardOutput(process.stdout),
      flags.json === true ? best.map(jsonOf) : tableLines(rows, 1, columns),
    )
    for (const line of warningLines(totals, flags.maxLength ?? rerank.max_length)) {
      context.stderr.write(`fusebert: ${line}\n`)
    }
  } finally {
    await rerank.dispose()
  }
}

/** Adds the command to the program. */
export function addRerank(program: Command, context: Context): void {
  const command = program
    .command('rerank')
    .summary('print texts by how well they fit a query')
    .description('Prints texts by how well they fit a query, as a cross-encoder sees them.')
    .argument('<query>', 'what to look for', notEmpty)
    .argument('[texts...]', 'the texts')
    .option('--top <n>', 'how many texts', positiveInteger, DEFAULT_TOP)
  addTextOptions(command, null)
    .addHelpText('after', HELP)
    .action(async (query: string, texts: string[], flags: RerankFlags, self: Command) => {
      await checkTexts(self, texts, flags, context)
      await runRerank(query, texts, flags, context)
    })
}

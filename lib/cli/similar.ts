// fusebert similar: the texts that mean nearly the same as a query.

import type { Command } from 'commander'
import stringWidth from 'string-width'

import {
  DEFAULT_TOP,
  findSimilar,
  planSimilar,
  type SimilarText,
} from '../batch/find-similar.js'
import { checkStandardOutput, StandardOutput } from '../batch/standard-output.js'
import { VECTOR_POOLINGS } from '../pipelines/poolings.js'
import type { Context } from './context.js'
import { fit, printable, printableJson, printLines, terminalColumns } from './printing.js'
import {
  addInputOptions,
  addRunOptions,
  choice,
  loadPipeline,
  MODEL_HELP,
  notEmpty,
  pipelineOptions,
  positiveInteger,
  sharedJobOptions,
  warningLines,
  warnAssumedPooling,
  type LoadPipeline,
} from './shared-options.js'
import {
  checkSource,
  flagsForModel,
  numberedBy,
  type Numbered,
  type TextFlags,
} from './text-command.js'

interface SimilarFlags extends TextFlags {
  top: number
}

const HELP = `
Examples:
  $ fusebert similar "I cannot sleep" "I lie awake." "The parcel is late."
  $ fusebert similar "I cannot sleep" --input posts.jsonl
  $ fusebert similar "late delivery" --input reviews.csv --column body --top 20 --json | head -3

Output:
  A line per text, nearest first: the cosine of the angle between its vector and the query's, the
  record's id or else its number, and the text, cut to the width of a terminal. 1 is the same
  direction, 0 is unrelated. With --json {"score", "index", "id", "text"}, complete.
`

/** Longer ids would leave no room for texts. */
const MAX_ID_COLUMNS = 24

function nameOf({ id, line }: SimilarText, numbered: Numbered): string {
  if (id === null) return `${numbered} ${line}`
  const value = JSON.parse(id) as unknown
  return fit(printable(typeof value === 'string' ? value : id), MAX_ID_COLUMNS)
}

/** "0.713  p02  Does anyone else feel…", not wider than `columns`. */
export function matchLines(
  nearest: readonly SimilarText[],
  columns: number,
  numbered: Numbered,
): string[] {
  const names = nearest.map((each) => nameOf(each, numbered))
  const width = Math.max(...names.map((name) => stringWidth(name)))
  return nearest.map(({ score, text }, i) => {
    const name = names[i] ?? ''
    const padding = ' '.repeat(width - stringWidth(name))
    return fit(`${score.toFixed(3).padStart(6)}  ${name}${padding}  ${printable(text)}`, columns)
  })
}

/** A JSON object a line, that no terminal obeys; the id keeps the digits it has in the input. */
export function matchJson({ score, index, id, text }: SimilarText): string {
  const head = `{"score":${score},"index":${index},"id":${id ?? 'null'}`
  return printableJson(`${head},"text":${JSON.stringify(text)}}`)
}

async function print(
  nearest: readonly SimilarText[],
  flags: SimilarFlags,
): Promise<void> {
  const columns = terminalColumns(process.stdout)
  const output = new StandardOutput(process.stdout)
  const lines =
    flags.json === true
      ? nearest.map(matchJson)
      : matchLines(nearest, columns, numberedBy(flags))
  await printLines(output, lines)
}

async function runSimilar(
  query: string,
  texts: readonly string[],
  flags: SimilarFlags,
  context: Context,
  load: LoadPipeline,
): Promise<void> {
  const shared = flagsForModel(flags)
  const { input, ...job } = sharedJobOptions(shared, context)
  const source = flags.input === undefined ? { texts } : { input }
  const options = { ...job, ...source, top: flags.top }
  // What is wrong with the arguments or the file should not have to wait for the model.
  await planSimilar(query, options)
  checkStandardOutput()
  const embed = await load(flags.model, pipelineOptions(shared, context))
  try {
    warnAssumedPooling(embed, shared, context)
    const found = await findSimilar(embed, query, options)
    await print(found.nearest, flags)
    if (found.query_truncated) {
      context.stderr.write('fusebert: the query is longer than the model reads and was truncated\n')
    }
    for (const line of warningLines(found, options.max_length ?? embed.defaults.max_length)) {
      context.stderr.write(`fusebert: ${line}\n`)
    }
  } finally {
    await embed.dispose()
  }
}

/** Adds the command to the program. */
export function addSimilar(program: Command, context: Context, load = loadPipeline): void {
  const command = program
    .command('similar')
    .summary('print the texts that are nearest to a query')
    .description('Prints texts, of arguments or a file, that mean nearly the same as a query.')
    .argument('<query>', 'what to look for', notEmpty)
    .argument('[texts...]', 'the texts')
  addInputOptions(command)
    .option('--top <n>', 'how many texts', positiveInteger, DEFAULT_TOP)
    .option('--json', 'JSON objects, one a line')
    .addOption(
      choice(
        '--pooling <how>',
        'from token vectors to one (default: as the model says)',
        VECTOR_POOLINGS,
      ),
    )
  addRunOptions(command)
    .option('--skip-invalid', 'pass over invalid records')
    .addHelpText('after', HELP + MODEL_HELP)
    .action((query: string, texts: string[], flags: SimilarFlags, self: Command) => {
      checkSource(self, texts, flags)
      return runSimilar(query, texts, flags, context, load)
    })
}

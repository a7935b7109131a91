// fusebert fill-mask, classify, ner and qa: what a checkpoint's head says of texts.

import { Option, type Command } from 'commander'

import type { FilledMask, FilledText } from '../pipelines/fill-mask.js'
import type { Answer } from '../pipelines/question-answering.js'
import type { Classification } from '../pipelines/text-classification.js'
import type {
  AggregationStrategy,
  EntityGroup,
  LabelledToken,
} from '../pipelines/token-classification.js'
import type { Context } from './context.js'
import {
  choice,
  loadTask,
  nonNegativeInteger,
  notEmpty,
  positiveInteger,
} from './shared-options.js'
import {
  addTextOptions,
  checkTexts,
  runTextCommand,
  TEXTS_HELP,
  type TextCommand,
  type TextFlags,
} from './text-command.js'

const score = (value: number): string => value.toFixed(3)
const limit = ({ maxLength }: TextFlags) =>
  maxLength === undefined ? {} : { max_length: maxLength }

interface FillFlags extends TextFlags {
  top: number
  targets?: string
}

const FILL: TextCommand<FillFlags, FilledText> = {
  numbers: 1,
  rows: (result) =>
    (result as (FilledMask | FilledMask[])[])
      .flat()
      .map(({ score: value, token_str, sequence }) => [score(value), token_str, sequence]),
  async open(flags, options) {
    const fill = await loadTask('fill-mask', flags.model, options)
    const targets = flags.targets?.split(',').map((word) => word.trim())
    return {
      max_length: flags.maxLength ?? fill.max_length,
      dispose: () => fill.dispose(),
      async answer(texts, signal) {
        const wish = targets === undefined ? { top_k: flags.top } : { targets, top_k: flags.top }
        const results = await fill([...texts], { ...wish, ...limit(flags), signal })
        return { results, truncated: results.usage.truncated }
      },
    }
  },
}

interface ClassifyFlags extends TextFlags {
  top?: number
}

const CLASSIFY: TextCommand<ClassifyFlags, Classification[]> = {
  numbers: 1,
  rows: (result) => result.map(({ score: value, label }) => [score(value), label]),
  async open(flags, options) {
    const classify = await loadTask('text-classification', flags.model, options)
    return {
      max_length: flags.maxLength ?? classify.max_length,
      dispose: () => classify.dispose(),
      async answer(texts, signal) {
        const all = { top_k: null, ...limit(flags), signal }
        const results = await classify([...texts], all)
        return {
          results: results.map((labels) => labels.slice(0, flags.top)),
          truncated: results.usage.truncated,
        }
      },
    }
  },
}

interface NerFlags extends TextFlags {
  strategy: AggregationStrategy
  stride?: number
}

type Entity = LabelledToken | EntityGroup

const NER: TextCommand<NerFlags, Entity[]> = {
  numbers: 1,
  rows: (result) =>
    result.map((entity) => {
      const label = 'entity' in entity ? entity.entity : entity.entity_group
      return [score(entity.score), label, entity.word, `${entity.start}–${entity.end}`]
    }),
  async open(flags, options) {
    const label = await loadTask('token-classification', flags.model, options)
    return {
      max_length: flags.maxLength ?? label.max_length,
      dispose: () => label.dispose(),
      async answer(texts, signal) {
        const { strategy, stride } = flags
        const results = await label([...texts], {
          aggregation_strategy: strategy,
          ...(stride === undefined ? {} : { stride }),
          ...limit(flags),
          signal,
        })
        return { results, truncated: results.usage.truncated }
      },
    }
  },
}

interface QaFlags extends TextFlags {
  top: number
  impossible?: boolean
}

const QA: TextCommand<QaFlags, Answer[]> = {
  numbers: 1,
  rows: (result) =>
    result.map(({ score: value, answer, start, end }) => [
      score(value), answer === '' ? '(no answer)' : answer, `${start}–${end}`,
    ]),
  async open(flags, options, question) {
    const ask = await loadTask('question-answering', flags.model, options)
    return {
      max_length: flags.maxLength ?? ask.max_length,
      dispose: () => ask.dispose(),
      async answer(texts, signal) {
        const inputs = texts.map((context) => ({ question, context }))
        const results = await ask(inputs, {
          top_k: flags.top as number,
          handle_impossible_answer: flags.impossible ?? false,
          ...(flags.maxLength === undefined ? {} : { max_seq_len: flags.maxLength }),
          signal,
        })
        return { results: results.flatMap((each) => [[each].flat()]), truncated: 0 }
      },
    }
  },
}

const FILL_EXAMPLES = `
Examples:
  $ fusebert fill-mask --model ./mental-bert-base-uncased "I feel so [MASK] today."
  $ fusebert fill-mask --model ./mental-bert-base-uncased "I am [MASK]." --targets calm,tired
`
const CLASSIFY_EXAMPLES = `
Examples:
  $ fusebert classify --model ./a-classifier "I slept well." "Not again."
  $ fusebert classify --model ./a-classifier --input posts.jsonl --json --top 1 > labels.jsonl
`
const NER_EXAMPLES = `
Examples:
  $ fusebert ner --model ./a-name-finder "Zoë moved to Łódź."
  $ fusebert ner --model ./a-name-finder --stride 64 --input letters.jsonl --json > names.jsonl
`
const QA_EXAMPLES = `
Examples:
  $ fusebert qa --model ./a-reader "Where does Zoë live?" "Zoë moved to Łódź."
  $ fusebert qa --model ./a-reader "Who is ill?" --input letters.jsonl --json
`

/** Adds the commands to the program. */
export function addTasks(program: Command, context: Context): void {
  const begin = (name: string, what: string): Command =>
    program.command(name).summary(`print ${what}`).description(`Prints ${what}.`)
  const add = <Flags extends TextFlags, Result>(
    command: Command,
    task: TextCommand<Flags, Result>,
    examples: string,
  ): void => {
    command.argument('[texts...]', 'what to read')
    addTextOptions(command, null)
      .addHelpText('after', examples + TEXTS_HELP)
      .action(async (texts: string[], flags: Flags, self: Command) => {
        await checkTexts(self, texts, flags, context)
        await runTextCommand(texts, flags, context, task)
      })
  }
  add(
    begin('fill-mask', 'the words that fit in the place of [MASK]')
      .option('--top <n>', 'words for each mask', positiveInteger, 5)
      .option('--targets <words>', 'only these words, with commas between them', notEmpty),
    FILL,
    FILL_EXAMPLES,
  )
  add(
    begin('classify', 'the labels of texts')
      .option('--top <n>', 'so many labels (default: all)', positiveInteger),
    CLASSIFY,
    CLASSIFY_EXAMPLES,
  )
  const strategies: readonly AggregationStrategy[] = ['none', 'simple', 'first', 'average', 'max']
  add(
    begin('ner', 'the names and other entities in texts')
      .addOption(
        choice('--strategy <how>', 'how tokens become entities', strategies).default('simple'),
      )
      .addOption(
        new Option('--stride <n>', 'read long texts in windows that share n tokens')
          .argParser(nonNegativeInteger),
      ),
    NER,
    NER_EXAMPLES,
  )
  addQuestion(begin('qa', 'what a text answers to a question'), context)
}

function addQuestion(command: Command, context: Context): void {
  command
    .argument('<question>', 'what to ask', notEmpty)
    .argument('[texts...]', 'texts that may have the answer')
    .option('--top <n>', 'answers from each text', positiveInteger, 1)
    .option('--impossible', 'let no answer be one')
  addTextOptions(command, null)
    .addHelpText('after', QA_EXAMPLES + TEXTS_HELP)
    .action(async (question: string, texts: string[], flags: QaFlags, self: Command) => {
      await checkTexts(self, texts, flags, context)
      await runTextCommand(texts, flags, context, QA, question)
    })
}

// fusebert tokenize: the tokens of texts, with their ids and where they are.

import { Option, type Command } from 'commander'

import { DEFAULT_MODEL } from '../hub/embedded-model.js'
import { nativeOf } from '../tokenizer/native-of.js'
import type { Context } from './context.js'
import { addInputOptions } from './shared-options.js'
import {
  checkTexts,
  runTextCommand,
  TEXTS_HELP,
  type TextCommand,
  type TextFlags,
} from './text-command.js'

const HELP = `
Examples:
  $ fusebert tokenize "I cannot sleep."
  $ fusebert tokenize --model ./mental-bert-base-uncased --input posts.jsonl --json > tokens.jsonl
`

interface TokenizeFlags extends TextFlags {
  special: boolean
}

interface Tokens {
  tokens: string[]
  ids: number[]
  /** Where each is in the text, in UTF-16 units. */
  offsets: [number, number][]
}

const TOKENIZE: TextCommand<TokenizeFlags, Tokens> = {
  numbers: 1,
  rows: ({ tokens, ids, offsets }) =>
    tokens.map((token, i) => {
      const [start = 0, end = 0] = offsets[i] ?? []
      return [String(ids[i] ?? 0), token, `${start}–${end}`]
    }),
  async open({ model, special }) {
    const { AutoTokenizer } = await import('../tokenizer/auto-tokenizer.js')
    const tokenizer = await AutoTokenizer.from_pretrained(model)
    return {
      max_length: tokenizer.model_max_length,
      dispose: () => Promise.resolve(),
      async answer(texts) {
        if (texts.length === 0) return { results: [], truncated: 0 }
        const packed = await tokenizer.encodeBatch([...texts], {
          add_special_tokens: special, return_offsets_mapping: true,
        })
        const { input_ids, cu_seqlens, offsets } = packed
        const results = texts.map((_, i) => {
          const begin = cu_seqlens[i] ?? 0
          const ids = Array.from(input_ids.subarray(begin, cu_seqlens[i + 1]))
          return {
            tokens: ids.map((id) => nativeOf(tokenizer).idToToken(id)),
            ids,
            offsets: ids.map((_id, token): [number, number] => [
              offsets?.[2 * (begin + token)] ?? 0, offsets?.[2 * (begin + token) + 1] ?? 0,
            ]),
          }
        })
        return { results, truncated: 0 }
      },
    }
  },
}

/** Adds the command to the program. */
export function addTokenize(program: Command, context: Context): void {
  const command = program
    .command('tokenize')
    .summary('print the tokens of texts')
    .description('Prints the tokens of texts: the id, the token, and where it is in the text.')
    .argument('[texts...]', 'what to read')
    .addOption(new Option('--no-special', 'without [CLS], [SEP] and the like'))
  addInputOptions(command, DEFAULT_MODEL)
    .option('--skip-invalid', 'pass over invalid records (JSON: null)')
    .option('--json', 'JSON objects, one a line')
    .addHelpText('after', HELP + TEXTS_HELP)
    .action(async (texts: string[], flags: TokenizeFlags, self: Command) => {
      await checkTexts(self, texts, flags, context)
      await runTextCommand(texts, flags, context, TOKENIZE)
    })
}

// The command line as a function: arguments in, exit code out.

import { readFileSync } from 'node:fs'

import { Command, CommanderError } from 'commander'

import { EXIT_OK, EXIT_USAGE, report, type Context } from './context.js'
import { addEmbed } from './embed.js'
import { addInspect } from './inspect.js'
import type { LoadPipeline } from './shared-options.js'
import { addSimilar } from './similar.js'
import { addRerank } from './rerank.js'
import { addTasks } from './tasks.js'
import { addTokenize } from './tokenize.js'

function version(): string {
  const file = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(file) as { version: string }).version
}

function buildProgram(context: Context, load: LoadPipeline | undefined): Command {
  const program = new Command('fusebert')
    .description('BERT-family encoders: text in; vectors, words, labels, answers out.')
    .version(version(), '-V, --version')
    .exitOverride()
    .configureOutput({
      writeErr: (text) => context.stderr.write(text),
      outputError: (text, write) => write(text.replace(/^error: /, 'fusebert: ')),
    })
    .showHelpAfterError('(fusebert help <command> lists the options)')
    .addHelpText('after', '\nfusebert embed --help, and so on, show examples.')
  // Commands copy the settings above when they are made.
  addEmbed(program, context, load)
  addSimilar(program, context, load)
  addTasks(program, context)
  addRerank(program, context)
  addTokenize(program, context)
  addInspect(program)
  return program
}

/**
 * @param args - without the program's own name
 * @returns the exit code; what went wrong has been said on stderr
 */
export async function runProgram(
  args: readonly string[],
  context: Context,
  load?: LoadPipeline,
): Promise<number> {
  try {
    await buildProgram(context, load).parseAsync([...args], { from: 'user' })
    return EXIT_OK
  } catch (error) {
    // commander has said it already; its own exit codes tell help and failure apart only.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE
    return report(error, context.stderr)
  }
}

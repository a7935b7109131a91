// What a command is given by the process that runs it, and the failures that are the process's own.

import { FusebertError } from '../errors.js'
import { printable } from './printing.js'

export interface Context {
  /** Aborts on SIGINT, SIGTERM and SIGHUP, with a Stopped. */
  signal: AbortSignal
  stderr: NodeJS.WriteStream
  /** Does something before the process ends in a hurry; returns what takes that back. */
  beforeExit(action: () => void): () => void
}

export const EXIT_OK = 0
export const EXIT_FAILURE = 1
export const EXIT_USAGE = 2

/** 128 and the signal's number, as shells report it. */
export const SIGNAL_EXITS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

export type StopSignal = keyof typeof SIGNAL_EXITS

/** The reason of an abort: somebody wants the process to end. */
export class Stopped extends Error {
  readonly exit_code: number
  readonly signal: StopSignal

  constructor(signal: StopSignal) {
    super(`stopped by ${signal}`)
    this.exit_code = SIGNAL_EXITS[signal]
    this.signal = signal
  }
}

function message(error: unknown): string {
  if (error instanceof Stopped) return error.message
  if (error instanceof FusebertError) return `${error.message} [${error.code}]`
  // An unforeseen message may quote what was being worked on.
  const name = error instanceof Error ? error.name : typeof error
  return `An unexpected ${name}; FUSEBERT_DEBUG=1 shows it whole. [ERR_INTERNAL]`
}

/** Says what went wrong. @returns the exit code */
export function report(error: unknown, stderr: NodeJS.WritableStream): number {
  // Messages name files and what is in them, which may be anybody's.
  stderr.write(`fusebert: ${printable(message(error))}\n`)
  if (process.env['FUSEBERT_DEBUG'] === '1' && error instanceof Error) {
    stderr.write(`${error.stack ?? error.message}\n`)
    if (error.cause instanceof Error) stderr.write(`cause: ${error.cause.stack ?? ''}\n`)
  }
  if (error instanceof Stopped) return error.exit_code
  const usage = error instanceof FusebertError && error.code === 'ERR_INVALID_ARGUMENT'
  return usage ? EXIT_USAGE : EXIT_FAILURE
}

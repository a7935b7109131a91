// Checks of option values that several entry points share. Each throws ERR_INVALID_ARGUMENT.

import { invalidArgument, invalidChoice } from './errors.js'

/** `value` if it is one of the choices. */
export function checkChoice<T extends string>(
  choices: readonly T[],
  subject: string,
  value: unknown,
): T {
  const found = choices.find((choice) => choice === value)
  if (found === undefined) throw invalidChoice(choices, subject, value)
  return found
}

/** `value` if it is an integer in [low, high]. */
export function checkInteger(subject: string, value: unknown, low: number, high: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= low && value <= high) {
    return value
  }
  throw invalidArgument(`an integer from ${low} to ${high}`, subject, value)
}

/** `value` if it is a boolean. */
export function checkBoolean(subject: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value
  throw invalidArgument('true or false', subject, value)
}

/** A copy of `value` if it is an array of strings: what is checked is what is used. */
export function checkTexts(subject: string, value: unknown): string[] {
  if (!Array.isArray(value)) throw invalidArgument('an array of strings', subject, value)
  return Array.from(value, (text: unknown, i) => {
    if (typeof text !== 'string') throw invalidArgument('a string', `${subject}[${i}]`, text)
    return text
  })
}

/** `value` if it is an AbortSignal or undefined. */
export function checkSignal(value: unknown): AbortSignal | undefined {
  if (value === undefined || value instanceof AbortSignal) return value
  throw invalidArgument('an AbortSignal', 'signal', value)
}

/** `value` if it is an object of options with known names only; undefined gives none. */
export function checkOptions<T extends object>(
  subject: string,
  known: readonly (keyof T & string)[],
  value: T | undefined,
): Partial<T> {
  if (value === undefined) return {}
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidArgument('an object of options', subject, value)
  }
  const names: readonly string[] = known
  const unknown = Object.keys(value).find((name) => !names.includes(name))
  if (unknown !== undefined) {
    throw invalidChoice(names, `the name of an option in ${subject}`, unknown)
  }
  return value
}

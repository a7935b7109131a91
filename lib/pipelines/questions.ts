// Questions and their contexts as callers give them, checked.

import { invalidArgument } from '../errors.js'
import { checkTexts } from '../options.js'

export interface QuestionInput {
  question: string
  /** The text that has the answer. */
  context: string
}

export interface QuestionLists {
  question: readonly string[]
  /** As many, or one for all. */
  context: string | readonly string[]
}

export interface Questions {
  /** Whether there is one, not in a list. */
  single: boolean
  questions: string[]
  contexts: string[]
}

function checkText(value: unknown, subject: string): string {
  if (typeof value !== 'string') throw invalidArgument('a string', subject, value)
  if (value === '') throw invalidArgument('a text that is not empty', subject, value)
  return value
}

function checkOne(value: unknown, subject: string): QuestionInput {
  if (typeof value !== 'object' || value === null) {
    throw invalidArgument('{ question, context }', subject, value)
  }
  const { question, context } = value as Partial<Record<keyof QuestionInput, unknown>>
  return {
    question: checkText(question, `${subject}.question`),
    context: checkText(context, `${subject}.context`),
  }
}

function checkLists(question: readonly unknown[], context: unknown): Questions {
  const questions = checkTexts('question', question)
  const contexts =
    typeof context === 'string' ? questions.map(() => context) : checkTexts('context', context)
  if (contexts.length !== questions.length) {
    throw invalidArgument(`as many texts as questions (${questions.length})`, 'context', context)
  }
  questions.forEach((text, i) => checkText(text, `question[${i}]`))
  contexts.forEach((text, i) => checkText(text, `context[${i}]`))
  return { single: false, questions, contexts }
}

/**
 * A copy: what is checked is what is used.
 * @throws ERR_INVALID_ARGUMENT
 */
export function checkQuestions(input: unknown): Questions {
  if (Array.isArray(input)) {
    const list = Array.from(input, (each: unknown, i) => checkOne(each, `inputs[${i}]`))
    return {
      single: false,
      questions: list.map(({ question }) => question),
      contexts: list.map(({ context }) => context),
    }
  }
  const { question, context } = (input ?? {}) as Partial<Record<keyof QuestionInput, unknown>>
  if (Array.isArray(question)) return checkLists(question, context)
  const one = checkOne(input, 'input')
  return { single: true, questions: [one.question], contexts: [one.context] }
}

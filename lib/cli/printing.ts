// Lines for terminals, pipes and files, that no terminal obeys.

import stringWidth from 'string-width'

import { OutputClosed, type StandardOutput } from '../batch/standard-output.js'

/** Control characters, and those that turn the direction of what follows. */
const UNPRINTABLE = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu

/** One line without what a terminal would obey. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, ' ').replace(/\s+/g, ' ').trim()
}

/** JSON in which such characters are escapes. */
export function printableJson(json: string): string {
  return json.replace(
    UNPRINTABLE,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** Cut to the columns that a terminal gives its characters; a wide one takes two. */
export function fit(text: string, columns: number): string {
  if (columns === Infinity || stringWidth(text) <= columns) return text
  let width = 0
  let cut = ''
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    width += stringWidth(segment)
    if (width > columns - 1) break
    cut += segment
  }
  return `${cut}…`
}

/** Columns of text, the first `right` of them to the right, not wider together than `columns`. */
export function tableLines(
  rows: readonly (readonly string[])[],
  right: number,
  columns: number,
): string[] {
  const cells = rows.map((row) => row.map(printable))
  const widths: number[] = []
  for (const row of cells) {
    row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, stringWidth(cell))))
  }
  return cells.map((row) => {
    const padded = row.map((cell, i) => {
      const space = ' '.repeat((widths[i] ?? 0) - stringWidth(cell))
      return i < right ? space + cell : cell + space
    })
    return fit(padded.join('  ').trimEnd(), columns)
  })
}

/** A terminal may not know its width, and say 0. */
export function terminalColumns({ isTTY, columns }: NodeJS.WriteStream): number {
  return isTTY && columns > 0 ? columns : Infinity
}

/**
 * @param output - one for all lines of a command: each listens to the stream
 * @returns false when the reader has gone away, and nothing more is wanted
 */
export async function printLines(
  output: StandardOutput,
  lines: readonly string[],
): Promise<boolean> {
  try {
    await output.write(Buffer.from(lines.map((line) => `${line}\n`).join('')))
    return true
  } catch (error) {
    if (!(error instanceof OutputClosed)) throw error
    return false
  }
}

// The card of a model: the fields of README.md between the two lines of dashes at its beginning.

import type { ModelFolder } from '../hub/folder.js'

export interface ModelCard {
  /** As the card names it, such as 'apache-2.0'; null when it does not say. */
  readonly license: string | null
  readonly license_link: string | null
}

const NAME = 'README.md'
/** Cards are pages; what is far longer is something else. */
const MAX_CARD_BYTES = 4 * 1024 * 1024
const MAX_VALUE_CHARACTERS = 200

/**
 * Fields with a plain value on their own line; no other YAML is read.
 * @throws ERR_FILE_READ
 */
export async function readModelCard(folder: ModelFolder): Promise<ModelCard> {
  if (!(await folder.has(NAME))) return { license: null, license_link: null }
  const text = (await folder.readBytes(NAME, MAX_CARD_BYTES)).toString('utf8')
  const [, front = ''] = /^\uFEFF?---\r?\n([\s\S]*?)\r?\n---\s/.exec(text) ?? []
  const field = (name: string): string | null => {
    const line = front.split(/\r?\n/).find((each) => each.startsWith(`${name}:`))
    const value = line?.slice(name.length + 1).replace(/\s#.*$/, '').trim() ?? ''
    const plain = value.replace(/^(["'])(.*)\1$/, '$2')
    return plain === '' ? null : plain.slice(0, MAX_VALUE_CHARACTERS)
  }
  // A licence that is on no list is called 'other', and has its name in a field of its own.
  return { license: field('license_name') ?? field('license'), license_link: field('license_link') }
}

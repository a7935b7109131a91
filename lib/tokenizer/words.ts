// Where words begin for byte-level tokenizers, whose tokens do not tell: GPT-2's pattern over what
// lies between added tokens. Letters and digits are those of this Node's Unicode version.

/** How a byte-level tokenizer splits texts into words. */
export interface ByteLevelWords {
  /** A space is put before what does not begin with one. */
  readonly add_prefix_space: boolean
  /** By GPT-2's pattern; else what is between added tokens is one word. */
  readonly split_words: boolean
  /** Offsets keep one white space that a sequence begins with. */
  readonly keep_first_space: boolean
  /** Ids of tokens that are found before texts are split. Each is a word. */
  readonly added_ids: ReadonlySet<number>
}

/** [start, end) in UTF-16 units. */
export type TextSpan = readonly [start: number, end: number]

const SPACE = '\\p{White_Space}'
const PATTERN = [
  "'(?:s|t|re|ve|m|ll|d)",
  ' ?\\p{L}+',
  ' ?\\p{N}+',
  ` ?[^${SPACE}\\p{L}\\p{N}]+`,
  `${SPACE}+(?!\\P{White_Space})`,
  `${SPACE}+`,
].join('|')

/** As byte-level tokens have a space. */
const SPACE_CHARACTER = 'Ġ'

/** Ends of words are where the next begin. */
export class WordStarts {
  readonly #starts: number[] = []
  readonly #keepsFirstSpace: boolean

  /** @param added - where added tokens are in the text */
  constructor(text: string, rules: ByteLevelWords, added: readonly TextSpan[]) {
    this.#keepsFirstSpace = rules.keep_first_space
    let begin = 0
    for (const [start, end] of [...added].sort(([a], [b]) => a - b)) {
      // Windows of a text repeat some.
      if (start < begin) continue
      this.#addPart(text.slice(begin, start), begin, rules)
      this.#starts.push(start)
      begin = end
    }
    this.#addPart(text.slice(begin), begin, rules)
  }

  #addPart(part: string, begin: number, { add_prefix_space, split_words }: ByteLevelWords): void {
    if (part === '') return
    if (!split_words) {
      this.#starts.push(begin)
      return
    }
    const prefix = add_prefix_space && !part.startsWith(' ') ? ' ' : ''
    const first = begin - prefix.length
    for (const { index } of (prefix + part).matchAll(new RegExp(PATTERN, 'gu'))) {
      this.#starts.push(Math.max(begin, first + index))
    }
  }

  /**
   * Which word has the token that is there in the text.
   * @param opening - the token itself where a window begins with it: one space is where it begins
   * there, though it has an empty range
   */
  wordOf(start: number, end: number, opening?: string): number {
    const begins = start < end || (this.#keepsFirstSpace && opening === SPACE_CHARACTER)
    // Of spaces alone nothing is left where offsets are trimmed: as a rule they end there.
    const position = begins ? start : start - 1
    let low = 0
    let high = this.#starts.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#starts[middle] ?? Infinity) <= position) low = middle + 1
      else high = middle
    }
    const word = Math.max(0, low - 1)
    // The space before a part may be a word of its own, where another kind of white space follows.
    const hasTwo = word > 0 && this.#starts[word - 1] === this.#starts[word]
    return start < end || !hasTwo ? word : word - 1
  }
}

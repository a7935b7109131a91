// Of labelled tokens: words, entities that go over several words, and one list of those of several
// windows of a text. The rules are those of transformers' TokenClassificationPipeline.

export const AGGREGATION_STRATEGIES = ['none', 'simple', 'first', 'average', 'max'] as const
export type AggregationStrategy = (typeof AGGREGATION_STRATEGIES)[number]

/** A token that the text has itself. */
export interface TextToken {
  readonly word: string
  /** Where it is in the text. */
  readonly start: number
  readonly end: number
  /** Where it is among the tokens of its window, special ones included. */
  readonly index: number
  /** Of its scores. */
  readonly row: number
  /** Whether it goes on the word of the token before. */
  readonly is_subword: boolean
}

export interface Choice {
  readonly label: string
  readonly score: number
}

/** The label of a word, of which the tokens' scores are in these rows; of a token with one row. */
export type ChooseLabel = (rows: readonly number[]) => Choice

/** One token, one word, or an entity of several. */
export interface Labelled {
  readonly label: string
  readonly score: number
  readonly index: number
  readonly start: number
  readonly end: number
  /** The tokens of each word. */
  readonly words: readonly (readonly string[])[]
}

/** Code points of text[start, end), a lone surrogate counted as one. */
function codePoints(text: string, start: number, end: number): number {
  let count = 0
  for (let i = start; i < end; i += (text.codePointAt(i) ?? 0) > 0xffff ? 2 : 1) count += 1
  return count
}

/** How a tokenizer's tokens tell that they go on a word. */
export interface WordRules {
  /** '' where they do not tell. */
  readonly continuing_subword_prefix: string
  readonly unk_token_id: number | undefined
}

/** A token as it lies in the text. An unknown one is what it stands for. */
export function placeToken(
  text: string,
  token: { id: number; word: string; start: number; end: number; index: number; row: number },
  { continuing_subword_prefix, unk_token_id }: WordRules,
): TextToken {
  const { id, word, start, end, index, row } = token
  if (id === unk_token_id) {
    return { word: text.slice(start, end), start, end, index, row, is_subword: false }
  }
  const is_subword =
    continuing_subword_prefix === ''
      ? start > 0 && !text.slice(start - 1, start + 1).includes(' ')
      : // The prefix makes a token longer than what it stands for.
        codePoints(word, 0, word.length) !== codePoints(text, start, end)
  return { word, start, end, index, row, is_subword }
}

function labelWord(tokens: readonly [TextToken, ...TextToken[]], choose: ChooseLabel): Labelled {
  const [first] = tokens
  return {
    ...choose(tokens.map(({ row }) => row)),
    index: first.index,
    start: first.start,
    end: tokens.at(-1)?.end ?? first.end,
    words: [tokens.map(({ word }) => word)],
  }
}

/** Tokens of a text, or its words, each with a label. */
export function labelTokens(
  tokens: readonly TextToken[],
  choose: ChooseLabel,
  strategy: AggregationStrategy,
): Labelled[] {
  const alone = strategy === 'none' || strategy === 'simple'
  const words: [TextToken, ...TextToken[]][] = []
  for (const token of tokens) {
    const word = words.at(-1)
    if (word !== undefined && token.is_subword && !alone) word.push(token)
    else words.push([token])
  }
  return words.map((word) => labelWord(word, choose))
}

/** B-PER: a new entity PER. I-PER, or PER alone: one that goes on. */
function tagOf(label: string): { begins: boolean; tag: string } {
  const tagged = label.startsWith('B-') || label.startsWith('I-')
  return { begins: label.startsWith('B-'), tag: tagged ? label.slice(2) : label }
}

function mergeGroup(parts: readonly [Labelled, ...Labelled[]]): Labelled {
  const [first] = parts
  const dash = first.label.indexOf('-')
  return {
    label: first.label.slice(dash + 1),
    score: parts.reduce((sum, { score }) => sum + score, 0) / parts.length,
    index: first.index,
    start: first.start,
    end: parts.at(-1)?.end ?? first.end,
    words: parts.flatMap(({ words }) => words),
  }
}

/** Neighbours with the same tag become one entity. */
export function groupEntities(list: readonly Labelled[]): Labelled[] {
  const groups: [Labelled, ...Labelled[]][] = []
  for (const each of list) {
    const group = groups.at(-1)
    const before = group?.at(-1)
    const { begins, tag } = tagOf(each.label)
    const goesOn = before !== undefined && !begins && tagOf(before.label).tag === tag
    if (group !== undefined && goesOn) group.push(each)
    else groups.push([each])
  }
  return groups.map(mergeGroup)
}

/**
 * Of entities of several windows that overlap the longest, of equals the likeliest. Python counts
 * code points: in UTF-16 units others would be the longest.
 */
export function mergeWindows(text: string, entities: readonly Labelled[]): Labelled[] {
  const lengthOf = ({ start, end }: Labelled): number => codePoints(text, start, end)
  const [first, ...others] = [...entities].sort((a, b) => a.start - b.start)
  if (first === undefined) return []
  const merged: Labelled[] = []
  let kept = first
  for (const entity of others) {
    if (entity.start >= kept.end) {
      merged.push(kept)
      kept = entity
      continue
    }
    const longer = lengthOf(entity) - lengthOf(kept)
    if (longer > 0 || (longer === 0 && entity.score > kept.score)) kept = entity
  }
  return [...merged, kept]
}

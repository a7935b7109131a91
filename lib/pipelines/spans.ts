// The likeliest answers of windows of a text: spans of tokens by the product of the softmax of
// where they start and of where they end. The rules are those of transformers'
// QuestionAnsweringPipeline.

/** The logits of one window, [tokens, 2]: of an answer that starts there, and that ends there. */
export type SpanLogits = Float32Array

/** The tokens of the context in a window. */
export interface Range {
  readonly begin: number
  /** The token after the last one. */
  readonly end: number
}

export interface Span {
  /** The first token and the last one. */
  readonly first: number
  readonly last: number
  readonly score: number
}

export interface WindowSpans {
  /** By falling score. */
  readonly spans: readonly Span[]
  /** Of no answer: the product at the first token of the window. */
  readonly null_score: number
}

/** So many times the wanted spans are kept before the lower ones are dropped. */
const KEPT_TIMES = 4

/** The softmax over the first token and those of the context; 0 for all others. */
function probabilities(
  logits: SpanLogits,
  column: 0 | 1,
  { begin, end }: Range,
): Float64Array {
  const tokens = logits.length / 2
  const at = (token: number): number => logits[2 * token + column] ?? -Infinity
  let largest = at(0)
  for (let token = begin; token < end; token += 1) largest = Math.max(largest, at(token))
  const powers = new Float64Array(tokens)
  powers[0] = Math.exp(at(0) - largest)
  let sum = powers[0] ?? 0
  for (let token = begin; token < end; token += 1) {
    const power = Math.exp(at(token) - largest)
    powers[token] = power
    sum += power
  }
  return powers.map((power) => power / sum)
}

/** Below all scores: a product of probabilities may underflow to 0 and still be the best. */
const BELOW_ALL = -1

/** The best of many spans. */
class BestSpans {
  readonly #most: number
  #spans: Span[] = []
  #least = BELOW_ALL

  constructor(most: number) {
    this.#most = most
  }

  offer(first: number, last: number, score: number): void {
    if (score <= this.#least) return
    this.#spans.push({ first, last, score })
    if (this.#spans.length < KEPT_TIMES * this.#most) return
    this.#spans = this.sorted()
    this.#least = this.#spans.at(-1)?.score ?? BELOW_ALL
  }

  sorted(): Span[] {
    return [...this.#spans].sort((a, b) => b.score - a.score).slice(0, this.#most)
  }
}

/**
 * @param most_tokens - of an answer
 * @param count - so many spans at most
 */
export function findSpans(
  logits: SpanLogits,
  { begin, end }: Range,
  most_tokens: number,
  count: number,
): WindowSpans {
  const starts = probabilities(logits, 0, { begin, end })
  const ends = probabilities(logits, 1, { begin, end })
  const best = new BestSpans(count)
  for (let first = begin; first < end; first += 1) {
    const start = starts[first] ?? 0
    for (let last = first; last < Math.min(end, first + most_tokens); last += 1) {
      best.offer(first, last, start * (ends[last] ?? 0))
    }
  }
  return { spans: best.sorted(), null_score: (starts[0] ?? 0) * (ends[0] ?? 0) }
}

export interface Answer {
  answer: string
  /**
   * The product of the softmax of where it starts and of where it ends. As in transformers, equal
   * texts, wherever they are in the context, are one answer with the sum of their scores, which may
   * therefore be above 1.
   */
  score: number
  /** context.slice(start, end) is the answer. */
  start: number
  end: number
}

/** Answers of all windows; those that differ in capitals alone are one, with the sum of scores. */
export class Answers {
  readonly #byText = new Map<string, Answer>()
  #nullScore = Infinity

  add(answer: Answer): void {
    const key = answer.answer.toLowerCase()
    const known = this.#byText.get(key)
    if (known === undefined) this.#byText.set(key, answer)
    else known.score += answer.score
  }

  addWindow(null_score: number): void {
    this.#nullScore = Math.min(this.#nullScore, null_score)
  }

  /** @param impossible - that there is no answer is one, with the text '' */
  best(top_k: number, impossible: boolean): Answer[] {
    const none = { answer: '', score: this.#nullScore, start: 0, end: 0 }
    const all = [...this.#byText.values(), ...(impossible ? [none] : [])]
    return all.sort((a, b) => b.score - a.score).slice(0, top_k)
  }
}

// What loaders of tokenizer files share: checked vocabularies, added tokens and templates on their
// way to a NativeTokenizerSpec. The files are untrusted.

import { FusebertError } from '../errors.js'
import type {
  NativeAddedToken,
  NativeTemplatePiece,
  NativeTokenizerSpec,
} from '../native/addon.js'

/** Ids are below this; the native code has the same bound. */
export const MAX_VOCAB_SIZE = 2 ** 24

export function formatError(message: string): FusebertError {
  return new FusebertError('ERR_TOKENIZER_FORMAT', message)
}

export function unsupported(message: string): FusebertError {
  return new FusebertError('ERR_UNSUPPORTED_TOKENIZER', message)
}

/** How a value of a file is shown in messages: itself where it is a short name. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 64))
  if (value === null || ['number', 'boolean'].includes(typeof value)) return String(value)
  return Array.isArray(value) ? 'an array' : typeof value
}

/**
 * A file of UTF-8 as text.
 * @throws ERR_TOKENIZER_FORMAT
 */
export function readText(bytes: Uint8Array, name: string): string {
  try {
    // A byte order mark is part of the first token, as for the reference.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw formatError(
      `Expected UTF-8 in ${name} but received other bytes. Download the file again.`,
    )
  }
}

/** Whether a string can be written as UTF-8 (it has no lone surrogates). */
function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text)
}

/** Tokens and their ids, each id once. */
export class Vocabulary {
  readonly ids = new Map<string, number>()
  readonly #tokens: string[] = []

  /**
   * From a JSON object of tokens and their ids.
   * @throws ERR_TOKENIZER_FORMAT
   */
  static from(tokens: Record<string, unknown>, where: string): Vocabulary {
    const vocabulary = new Vocabulary()
    // Neither entries nor an iterator: either makes an object a token, for V8 to collect later.
    Object.keys(tokens).forEach((token) => vocabulary.add(token, tokens[token]))
    if (vocabulary.count === 0) throw formatError(`Expected tokens in ${where} but it is empty.`)
    return vocabulary
  }

  /** Number of tokens; ids may be higher where some are missing. */
  get count(): number {
    return this.ids.size
  }

  /** @throws ERR_TOKENIZER_FORMAT for an id out of range, taken, or a token that is not Unicode */
  add(token: string, id: unknown): void {
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= MAX_VOCAB_SIZE) {
      throw formatError(
        `Expected ids from 0 to ${MAX_VOCAB_SIZE - 1} in the vocabulary but received ${shown(id)}.`,
      )
    }
    if (!isWellFormed(token)) {
      throw formatError(`Expected Unicode text for the token with id ${id} but it is malformed.`)
    }
    if (this.#tokens[id] !== undefined) {
      throw formatError(`Expected one token for id ${id} in the vocabulary but there are two.`)
    }
    this.#tokens[id] = token
    this.ids.set(token, id)
  }

  /** An id that no token has: its token comes again later. */
  addHole(id: number): void {
    this.#tokens[id] = ''
  }

  /**
   * The bytes of all tokens by id, end to end, and where each begins. No token has a lone
   * surrogate, so their bytes are those of the text that they make together.
   */
  pack(): Pick<NativeTokenizerSpec, 'vocab_bytes' | 'vocab_offsets'> {
    const size = this.#tokens.length
    const vocab_offsets = new Int32Array(size + 1)
    let bytes = 0
    for (let id = 0; id < size; id += 1) {
      // Array slots between high ids may be empty; join takes them for empty strings.
      bytes += Buffer.byteLength(this.#tokens[id] ?? '')
      vocab_offsets[id + 1] = bytes
    }
    return { vocab_bytes: new TextEncoder().encode(this.#tokens.join('')), vocab_offsets }
  }
}

/** Added tokens in the order of a file, which decides the ids of new ones as the reference does. */
export class AddedTokens {
  readonly #vocabulary: Vocabulary
  readonly #byContent = new Map<string, NativeAddedToken>()
  #nextId: number

  constructor(vocabulary: Vocabulary) {
    this.#vocabulary = vocabulary
    this.#nextId = vocabulary.count
  }

  has(content: string): boolean {
    return this.#byContent.has(content)
  }

  idOf(content: string): number | undefined {
    return this.#byContent.get(content)?.id ?? this.#vocabulary.ids.get(content)
  }

  /**
   * Adds a token; the same content again replaces its flags.
   * @param id - the id that the file states, checked; undefined when it states none
   */
  add(token: Omit<NativeAddedToken, 'id'>, id?: number): void {
    if (token.content === '') return
    if (!isWellFormed(token.content)) {
      throw formatError('Expected Unicode text for an added token but it is malformed.')
    }
    const known = this.idOf(token.content)
    const expected = known ?? this.#nextId
    if (id !== undefined && id !== expected) {
      throw formatError(
        `Expected id ${expected} for an added token but received ${id}: ` +
          (known === undefined
            ? 'ids of new tokens follow the vocabulary without a gap.'
            : 'the vocabulary has this token already.'),
      )
    }
    if (known === undefined) this.#nextId += 1
    this.#byContent.set(token.content, { ...token, id: expected })
  }

  list(): NativeAddedToken[] {
    return [...this.#byContent.values()]
  }
}

/** @throws ERR_TOKENIZER_FORMAT for ids that no vocabulary has */
export function specialPiece(id: unknown, type_id: number): NativeTemplatePiece {
  if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= MAX_VOCAB_SIZE) {
    throw formatError(`Expected the id of a token in post_processor but received ${shown(id)}.`)
  }
  return { kind: 'special_token', id, type_id }
}

export function sequencePiece(sequence: 'a' | 'b', type_id: number): NativeTemplatePiece {
  return { kind: `sequence_${sequence}`, id: 0, type_id }
}

/** [CLS] A [SEP] and [CLS] A [SEP] B [SEP] with token types 0 and 1. */
export function bertTemplates(
  cls: number,
  sep: number,
): Pick<NativeTokenizerSpec, 'single_template' | 'pair_template'> {
  const single = [specialPiece(cls, 0), sequencePiece('a', 0), specialPiece(sep, 0)]
  return {
    single_template: single,
    pair_template: [...single, sequencePiece('b', 1), specialPiece(sep, 1)],
  }
}

/** <s> A </s> and <s> A </s></s> B </s>, all of token type 0. */
export function robertaTemplates(
  cls: number,
  sep: number,
): Pick<NativeTokenizerSpec, 'single_template' | 'pair_template'> {
  const single = [specialPiece(cls, 0), sequencePiece('a', 0), specialPiece(sep, 0)]
  const second = [specialPiece(sep, 0), sequencePiece('b', 0), specialPiece(sep, 0)]
  return { single_template: single, pair_template: [...single, ...second] }
}

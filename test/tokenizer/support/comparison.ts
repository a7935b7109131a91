// The native tokenizer and the reference side by side: ids, token types, offsets in both units and
// special-token masks of the same texts.
import { expect } from 'vitest'

import { loadAddon } from '../../../lib/native/load.js'
import type { NativeEncoding, NativeTokenizer } from '../../../lib/native/addon.js'
import { encodeTexts } from '../../../lib/tokenizer/encoder.js'
import { parseTokenizerJson } from '../../../lib/tokenizer/tokenizer-json.js'
import { Oracle, type OracleEncoding, type OracleRequest } from './oracle.js'

type Parts = Omit<OracleEncoding, 'sequences' | 'overflowing'>

/** The i-th sequence of a packed encoding, as the oracle gives it. */
function sequence(packed: NativeEncoding, i: number): Parts {
  const begin = packed.cu_seqlens[i]!
  const end = packed.cu_seqlens[i + 1]!
  return {
    ids: packed.input_ids.subarray(begin, end),
    type_ids: packed.token_type_ids.subarray(begin, end),
    offsets: packed.offsets!.subarray(begin * 2, end * 2),
    special: packed.special_tokens_mask!.subarray(begin, end),
  }
}

function same(a: Parts, b: Parts): boolean {
  const equal = (x: ArrayLike<number>, y: ArrayLike<number>) =>
    x.length === y.length && Array.prototype.every.call(x, (value, i) => value === y[i])
  return (
    equal(a.ids, b.ids) && equal(a.type_ids, b.type_ids) &&
    equal(a.offsets, b.offsets) && equal(a.special, b.special)
  )
}

/** Offsets in UTF-16 units from those in code points; null where no one says of which text. */
function toUtf16(expected: OracleEncoding, text: string, pair: string | undefined): Parts | null {
  const positions = [text, pair ?? ''].map((source) => {
    const starts = [0]
    for (const char of source) starts.push(starts.at(-1)! + char.length)
    return starts
  })
  const unknown = expected.sequences.some((of, i) => of < 0 && expected.special[i] !== 1)
  if (unknown && pair !== undefined) return null
  const offsets = expected.offsets.map((offset, i) => {
    const token = i >> 1
    if (expected.special[token] === 1) return 0
    return positions[Math.max(0, expected.sequences[token]!)]![offset]!
  })
  return { ...expected, offsets }
}

function describeMismatch(request: OracleRequest, i: number, ours: unknown, theirs: unknown) {
  return JSON.stringify({
    text: request.texts[i],
    pair: request.pairs?.[i],
    add: request.add_special_tokens,
    truncation: request.truncation,
    ours,
    theirs,
  }, (_, value: unknown) => (ArrayBuffer.isView(value) ? Array.from(value as Uint8Array) : value))
}

export class Comparison {
  readonly oracle = new Oracle()
  #native: NativeTokenizer | undefined

  get native(): NativeTokenizer {
    return this.#native!
  }

  async load(json: string): Promise<void> {
    await this.oracle.load(json)
    this.#native = await loadAddon().createTokenizer(parseTokenizerJson(JSON.parse(json)))
  }

  close(): void {
    this.oracle.close()
  }

  #encode(request: OracleRequest, offsets: 'code_point' | 'utf16'): Promise<NativeEncoding> {
    return encodeTexts(this.native, request.texts, request.pairs, {
      truncation: request.truncation?.strategy ?? null,
      max_length: request.truncation?.max_length ?? 0,
      add_special_tokens: request.add_special_tokens,
      offsets,
      special_tokens_mask: true,
    })
  }

  /** Compares a batch that nobody refuses. */
  async compare(request: OracleRequest): Promise<void> {
    const [expected, ours, utf16] = await Promise.all([
      this.oracle.encode(request),
      this.#encode(request, 'code_point'),
      this.#encode(request, 'utf16'),
    ])
    expected.forEach((theirs, i) => {
      const mine = sequence(ours, i)
      if (theirs === null || !same(mine, theirs)) {
        expect.fail(describeMismatch(request, i, mine, theirs))
      }
      const wide = toUtf16(theirs, request.texts[i]!, request.pairs?.[i])
      if (wide !== null && !same(sequence(utf16, i), wide)) {
        expect.fail(describeMismatch(request, i, sequence(utf16, i), wide))
      }
    })
  }

  /** Compares texts one by one where some may be refused: then both must refuse. How many were. */
  async compareRefusals(request: OracleRequest): Promise<number> {
    const expected = await this.oracle.encode(request)
    let refused = 0
    for (let i = 0; i < expected.length; i += 1) {
      const one = {
        ...request,
        texts: [request.texts[i]!],
        pairs: request.pairs === null ? null : [request.pairs[i]!],
      }
      const ours = await this.#encode(one, 'code_point').catch(
        (error: { code: string }) => error.code,
      )
      const theirs = expected[i]!
      if (theirs === null) refused += 1
      const agree =
        typeof ours === 'string'
          ? ours === 'ERR_INPUT_TOO_LONG' && theirs === null
          : theirs !== null && same(sequence(ours, 0), theirs)
      if (!agree) expect.fail(describeMismatch(request, i, ours, theirs))
    }
    return refused
  }
}

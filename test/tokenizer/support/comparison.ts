// The native tokenizer and the reference side by side: ids, token types, offsets in both units and
// special-token masks of the same texts.
import { expect } from 'vitest'

import { loadAddon } from '../../../lib/native/load.js'
import type {
  NativeEncodeOptions,
  NativeEncoding,
  NativeTokenizer,
} from '../../../lib/native/addon.js'
import { encodeTexts } from '../../../lib/tokenizer/encoder.js'
import { gatherTexts } from '../../../lib/tokenizer/text-parts.js'
import { listSource } from '../../../lib/tokenizer/text-source.js'
import { parseTokenizerJson } from '../../../lib/tokenizer/tokenizer-json.js'
import { atOnce } from '../../../lib/turns.js'
import {
  Oracle,
  type OracleEncoding,
  type OracleRequest,
  type PackedOracleEncoding,
} from './oracle.js'

type Parts = Omit<OracleEncoding, 'sequences' | 'words' | 'overflowing'>

/** The i-th sequence of a packed encoding, as the oracle gives it. */
function sequence(packed: NativeEncoding, i: number): Parts {
  return sliceParts(
    {
      ids: packed.input_ids,
      type_ids: packed.token_type_ids,
      offsets: packed.offsets!,
      special: packed.special_tokens_mask!,
    },
    packed.cu_seqlens[i]!,
    packed.cu_seqlens[i + 1]!,
  )
}

function sliceParts({ ids, type_ids, offsets, special }: Parts, begin: number, end: number): Parts {
  return {
    ids: ids.subarray(begin, end),
    type_ids: type_ids.subarray(begin, end),
    offsets: offsets.subarray(begin * 2, end * 2),
    special: special.subarray(begin, end),
  }
}

function equal(a: Int32Array | Uint8Array, b: Int32Array | Uint8Array): boolean {
  const bytes = (array: Int32Array | Uint8Array) =>
    Buffer.from(array.buffer, array.byteOffset, array.byteLength)
  return bytes(a).equals(bytes(b))
}

function same(a: Parts, b: Parts): boolean {
  return (
    equal(a.ids, b.ids) && equal(a.type_ids, b.type_ids) &&
    equal(a.offsets, b.offsets) && equal(a.special, b.special)
  )
}

/** Where each code point of a text begins in UTF-16 units; null where that is its index. */
function utf16Starts(text: string): number[] | null {
  if (!/[\ud800-\udfff]/.test(text)) return null
  const starts = [0]
  for (const char of text) starts.push(starts.at(-1)! + char.length)
  return starts
}

/**
 * Makes the offsets of one text, and its pair, those in UTF-16 units; where no one says of which
 * text a token is, those of `ours`.
 */
function toUtf16(
  theirs: PackedOracleEncoding,
  [begin, end]: readonly [number, number],
  starts: readonly (number[] | null)[],
  ours: Int32Array,
): void {
  for (let token = begin; token < end; token += 1) {
    if (theirs.special[token] === 1) continue
    const of = theirs.sequences[token]!
    for (const i of [2 * token, 2 * token + 1]) {
      const offset = theirs.offsets[i]!
      if (of < 0 && starts.length > 1) theirs.offsets[i] = ours[i]!
      else theirs.offsets[i] = starts[Math.max(0, of)]?.[offset] ?? offset
    }
  }
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

function optionsOf(
  { truncation, add_special_tokens }: Omit<OracleRequest, 'texts' | 'pairs'>,
  offsets: 'code_point' | 'utf16',
): NativeEncodeOptions {
  return {
    truncation: truncation?.strategy ?? null,
    max_length: truncation?.max_length ?? 0,
    add_special_tokens,
    offsets,
    special_tokens_mask: true,
  }
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
    const { texts, pairs } = request
    return encodeTexts(this.native, texts, pairs, optionsOf(request, offsets))
  }

  /** The code of the error where it is refused. */
  #encodeSync({ texts, pairs, ...request }: OracleRequest): NativeEncoding | string {
    const gather = (list: readonly string[]) => atOnce(gatherTexts(listSource(list)))
    const options = optionsOf(request, 'code_point')
    try {
      return this.native.encodeSync(gather(texts), pairs && gather(pairs), options)
    } catch (error) {
      return (error as { code: string }).code
    }
  }

  /** Compares a batch that nobody refuses. */
  async compare(request: OracleRequest): Promise<void> {
    const [theirs, ours, utf16] = await Promise.all([
      this.oracle.encodePacked(request),
      this.#encode(request, 'code_point'),
      this.#encode(request, 'utf16'),
    ])
    this.#expectSame(request, theirs, ours)
    request.texts.forEach((text, i) => {
      const pair = request.pairs?.[i]
      const starts = [text, ...(pair === undefined ? [] : [pair])].map(utf16Starts)
      if (starts.every((one) => one === null)) return
      toUtf16(theirs, [theirs.ends[i]!, theirs.ends[i + 1]!], starts, utf16.offsets!)
    })
    this.#expectSame(request, theirs, utf16)
  }

  #expectSame(request: OracleRequest, theirs: PackedOracleEncoding, ours: NativeEncoding): void {
    const all = sliceParts(theirs, 0, theirs.ids.length)
    if (equal(theirs.ends, ours.cu_seqlens) && same(all, {
      ids: ours.input_ids, type_ids: ours.token_type_ids, offsets: ours.offsets!,
      special: ours.special_tokens_mask!,
    })) return
    request.texts.forEach((_, i) => {
      const expected = sliceParts(theirs, theirs.ends[i]!, theirs.ends[i + 1]!)
      const mine = sequence(ours, i)
      if (!same(mine, expected)) expect.fail(describeMismatch(request, i, mine, expected))
    })
    expect.fail('the encodings differ, but no text of them does')
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
      const ours = this.#encodeSync(one)
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

// A tokenizer's calls on the native side: options checked, texts in parts on Node's thread pool, or
// all at once on this thread.

import { availableParallelism } from 'node:os'

import type {
  NativeDecodeOptions,
  NativeEncodeOptions,
  NativeEncoding,
  NativeLanes,
  NativeLayout,
  NativePaddedEncoding,
  NativeTokenizer,
  TruncationStrategy,
} from '../native/addon.js'
import { fromNative, fromNativeSync, loadAddon } from '../native/load.js'
import { checkBoolean, checkChoice, checkInteger, checkOptions } from '../options.js'
import { atOnce, inTurns, type Slices } from '../turns.js'
import { TextParts, forEachPart, gatherTexts } from './text-parts.js'
import { listSource } from './text-source.js'
import type { Inputs, TextInput } from './texts.js'
import { rowParts, type PackedIds } from './token-ids.js'
import type { CountOptions, DecodeOptions, EncodeOptions } from './tokenizer.js'
import type { TokenizerConfig } from './tokenizer-config.js'

const TRUNCATIONS = ['longest_first', 'only_first', 'only_second'] as const
const OFFSET_UNITS = ['utf16', 'code_point'] as const
const DECODE_OPTIONS = ['skip_special_tokens', 'clean_up_tokenization_spaces'] as const
const MAX_LENGTH = 2 ** 31 - 1
/** One that a thread works on, and those that are ready when it is done. */
const PARTS_A_LANE = 3
/** The size of Node's pool unless UV_THREADPOOL_SIZE says otherwise, and how large that can be. */
const POOL_THREADS = 4
const MAX_THREADS = 1_024
/**
 * What a string is made of at once. Long ones lie where the garbage collector does not move them,
 * which takes longer than making them.
 */
const STRING_BYTES = 1 << 18

function checkTruncation(value: unknown): TruncationStrategy | null {
  if (value === undefined || value === false) return null
  return value === true ? 'longest_first' : checkChoice(TRUNCATIONS, 'truncation', value)
}

/** As libuv reads it. */
function poolThreads(): number {
  const said = process.env['UV_THREADPOOL_SIZE']
  if (said === undefined) return POOL_THREADS
  return Math.min(Math.max(Number.parseInt(said, 10) || 1, 1), MAX_THREADS)
}

/** More than the pool has would only wait there, before the files and names of everybody else. */
function threadsOf(given: Pick<EncodeOptions, 'threads'>): number {
  const wanted = given.threads ?? Math.min(availableParallelism(), POOL_THREADS)
  return Math.min(checkInteger('threads', wanted, 1, MAX_THREADS), poolThreads())
}

function createLanes(threads: number): NativeLanes {
  return loadAddon().createLanes(threads, poolThreads())
}

export class Encoder {
  readonly native: NativeTokenizer
  readonly padTokenId: number | undefined
  readonly #config: TokenizerConfig
  /** The text of tokens that were asked for. */
  readonly #tokens: string[] = []

  constructor(native: NativeTokenizer, padTokenId: number | undefined, config: TokenizerConfig) {
    this.native = native
    this.padTokenId = padTokenId
    this.#config = config
  }

  #options(given: Partial<EncodeOptions>, hasPair: boolean): NativeEncodeOptions {
    const truncation = checkTruncation(given.truncation)
    const add_special_tokens = checkBoolean('add_special_tokens', given.add_special_tokens ?? true)
    const offsets = checkBoolean('return_offsets_mapping', given.return_offsets_mapping ?? false)
    const mask = given.return_special_tokens_mask ?? false
    const overflowing = given.return_overflowing_tokens ?? false
    const unit = checkChoice(OFFSET_UNITS, 'offsets_unit', given.offsets_unit ?? 'utf16')
    const shortest = add_special_tokens ? this.native.specialTokenCount(hasPair) : 0
    const max_length = this.maxLength(given, Math.max(1, shortest))
    return {
      truncation,
      max_length: truncation === null ? 0 : (max_length ?? 0),
      add_special_tokens,
      offsets: offsets ? unit : 'none',
      special_tokens_mask: checkBoolean('return_special_tokens_mask', mask),
      overflowing: checkBoolean('return_overflowing_tokens', overflowing),
      stride: checkInteger('stride', given.stride ?? 0, 0, MAX_LENGTH),
    }
  }

  /** undefined: no limit. */
  maxLength(given: Partial<EncodeOptions>, shortest = 1): number | undefined {
    if (given.max_length !== undefined) {
      return checkInteger('max_length', given.max_length, shortest, MAX_LENGTH)
    }
    const { model_max_length } = this.#config
    return Number.isFinite(model_max_length)
      ? Math.max(shortest, Math.min(model_max_length, MAX_LENGTH))
      : undefined
  }

  async encode(inputs: Inputs, given: Partial<EncodeOptions>): Promise<NativeEncoding> {
    return (await this.#encode(inputs, given, null)) as NativeEncoding
  }

  async encodePadded(
    inputs: Inputs,
    given: Partial<EncodeOptions>,
    layout: NativeLayout,
  ): Promise<NativePaddedEncoding> {
    return (await this.#encode(inputs, given, layout)) as NativePaddedEncoding
  }

  async #encode(
    inputs: Inputs,
    given: Partial<EncodeOptions>,
    layout: NativeLayout | null,
  ): Promise<NativeEncoding | NativePaddedEncoding> {
    const options = this.#options(given, inputs.pairs !== null)
    const threads = threadsOf(given)
    const parts = new TextParts(inputs, threads)
    return fromNative(() => encodeParts(this.native, parts, options, layout, threads))
  }

  encodeSync(inputs: Inputs, given: Partial<EncodeOptions>): NativeEncoding {
    const options = this.#options(given, inputs.pairs !== null)
    const { texts, pairs } = gatherInputs(inputs)
    return fromNativeSync(() => this.native.encodeSync(texts, pairs, options))
  }

  async count(inputs: Inputs, given: Partial<CountOptions>): Promise<Int32Array> {
    const options = this.#options(given, inputs.pairs !== null)
    const threads = threadsOf(given)
    const parts = new TextParts(inputs, threads)
    const counts = new Int32Array(inputs.texts.count)
    await fromNative(() => {
      const lanes = createLanes(threads)
      return forEachPart(parts, threads * PARTS_A_LANE, async ({ texts, pairs, first_text }) => {
        const some = await this.native.count(texts, pairs, options, first_text, lanes)
        counts.set(some, first_text)
      })
    })
    return counts
  }

  countSync(inputs: Inputs, given: Partial<CountOptions>): Int32Array {
    const options = this.#options(given, inputs.pairs !== null)
    const { texts, pairs } = gatherInputs(inputs)
    return fromNativeSync(() => this.native.countSync(texts, pairs, options, 0))
  }

  /** The token with an id; '' when there is none. */
  token(id: number): string {
    return (this.#tokens[id] ??= this.native.idToToken(id))
  }

  #decodeOptions(options: DecodeOptions | undefined): NativeDecodeOptions {
    const given = checkOptions<DecodeOptions>('options', DECODE_OPTIONS, options)
    const skip = given.skip_special_tokens ?? false
    const cleanUp =
      given.clean_up_tokenization_spaces ?? this.#config.clean_up_tokenization_spaces
    return {
      skip_special_tokens: checkBoolean('skip_special_tokens', skip),
      clean_up_tokenization_spaces: checkBoolean('clean_up_tokenization_spaces', cleanUp),
    }
  }

  async decode(rows: PackedIds, options?: DecodeOptions): Promise<string[]> {
    const checked = this.#decodeOptions(options)
    const texts: string[] = []
    for (const cu_seqlens of rowParts(rows)) {
      const decoded = await fromNative(() => this.native.decode(rows.ids, cu_seqlens, checked))
      for (const text of decoded) texts.push(await inTurns(decodedText(text)))
    }
    return texts
  }

  decodeSync({ ids, cu_seqlens }: PackedIds, options?: DecodeOptions): string[] {
    const checked = this.#decodeOptions(options)
    const decoded = fromNativeSync(() => this.native.decodeSync(ids, cu_seqlens, checked))
    return decoded.map((text) => atOnce(decodedText(text)))
  }
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80
}

/** The string that a decoded text is, put together from short ones where it came as UTF-8. */
export function* decodedText(utf8: string | Uint8Array): Slices<string> {
  if (typeof utf8 === 'string') return utf8
  const bytes = Buffer.from(utf8.buffer, utf8.byteOffset, utf8.length)
  let text = ''
  for (let from = 0; from < bytes.length; ) {
    if (from > 0) yield
    let to = Math.min(from + STRING_BYTES, bytes.length)
    while (isContinuation(bytes[to] ?? 0)) to -= 1
    text += bytes.toString('utf8', from, to)
    from = to
  }
  return text
}

function gatherInputs({ texts, pairs }: Inputs) {
  return {
    texts: atOnce(gatherTexts(texts)),
    pairs: pairs === null ? null : atOnce(gatherTexts(pairs)),
  }
}

/** One crossing into native code where one part holds all texts. */
async function encodeParts(
  native: NativeTokenizer,
  parts: TextParts,
  options: NativeEncodeOptions,
  layout: NativeLayout | null,
  threads: number,
): Promise<NativeEncoding | NativePaddedEncoding> {
  const only = await parts.nextIfLast()
  if (only !== undefined) return native.encode(only.texts, only.pairs, options, layout)
  const batch = native.startBatch(options, layout, parts.expectedBytes, createLanes(threads))
  await forEachPart(parts, threads * PARTS_A_LANE, ({ texts, pairs }) => batch.add(texts, pairs))
  return batch.finish()
}

/**
 * Packed ids of texts that have been checked.
 * @param pairs - as many as texts, or null
 */
export async function encodeTexts(
  native: NativeTokenizer,
  texts: readonly TextInput[],
  pairs: readonly TextInput[] | null,
  options: NativeEncodeOptions,
): Promise<NativeEncoding> {
  const inputs = {
    texts: listSource(texts), pairs: pairs === null ? null : listSource(pairs), single: false,
  }
  const threads = threadsOf({})
  const encoding = await fromNative(() =>
    encodeParts(native, new TextParts(inputs, threads), options, null, threads),
  )
  return encoding as NativeEncoding
}

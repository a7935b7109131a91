// A model in native memory: loading it from a folder, and the life cycle of its calls (abort,
// dispose). AutoModel and the pipelines are built on this.

import { withSignal } from '../abort.js'
import { openCheckpoint } from '../checkpoint/checkpoint.js'
import { FusebertError } from '../errors.js'
import type { ModelFolder } from '../hub/folder.js'
import type {
  NativeEncodeOptions,
  NativeEncodeResult,
  NativeHeadOutput,
  NativeModel,
  NativeModelInfo,
  NativeOutputOptions,
  NativeRequest,
  NativeTexts,
  NativeTokenizer,
} from '../native/addon.js'
import { fromNative, loadAddon } from '../native/load.js'
import { checkInteger, checkOptions, checkSignal } from '../options.js'
import { bertTensors } from './bert.js'
import { readConfig, type ModelConfig } from './config.js'
import { checkDevice, findDevice } from './device.js'
import { headTensors, type HeadTask } from './heads.js'
import type { OpenedLayers } from './pooled-layers.js'
import { LOAD_OPTIONS, type LoadOptions } from './load-options.js'

const MAX_THREADS = 1024
const MAX_BATCH_TOKENS = 1 << 20

/** Of a head's wishes: the logits of all its rows. */
export const ALL_LOGITS: NativeHeadOutput = { logits: true, token: -1, top: 0 }

/**
 * Opens what follows the pooling.
 * @param config - of the encoder
 * @param firstFile - files that tensors of the encoder are in
 */
export type OpenLayers = (config: ModelConfig, firstFile: number) => Promise<OpenedLayers>

interface PackedIds {
  readonly input_ids: Int32Array
  readonly token_type_ids: Int32Array
  readonly cu_seqlens: Int32Array
}

/** @throws ERR_INVALID_ARGUMENT */
function checkLoadOptions(options: LoadOptions | undefined) {
  const given = checkOptions<LoadOptions>('options', LOAD_OPTIONS, options)
  // Native code takes 0 for what is not given.
  const number = (name: 'threads' | 'max_batch_tokens' | 'max_device_bytes', most: number) =>
    given[name] === undefined ? 0 : checkInteger(name, given[name], 1, most)
  return {
    asked: checkDevice(given),
    threads: number('threads', MAX_THREADS),
    max_batch_tokens: number('max_batch_tokens', MAX_BATCH_TOKENS),
    max_device_bytes: number('max_device_bytes', Number.MAX_SAFE_INTEGER),
    signal: checkSignal(given.signal),
  }
}

export class LoadedModel {
  readonly config: ModelConfig
  readonly hasPooler: boolean
  /** Columns of the head's logits; 0 without a head. */
  readonly headOutputs: number
  /** Numbers of a vector after what follows the pooling; null where nothing was opened. */
  readonly pooledOutputs: number | null
  readonly info: Readonly<NativeModelInfo>
  readonly #native: NativeModel
  #disposal: Promise<void> | undefined

  private constructor(
    native: NativeModel,
    config: ModelConfig,
    hasPooler: boolean,
    headOutputs: number,
    pooledOutputs: number | null,
  ) {
    this.#native = native
    this.config = config
    this.hasPooler = hasPooler
    this.headOutputs = headOutputs
    this.pooledOutputs = pooledOutputs
    this.info = Object.freeze(native.info)
  }

  /**
   * Loads the encoder, and with a task its head; then the pooler is the head's alone. What
   * follows the pooling is loaded with it where `openLayers` is there.
   * @throws FusebertError with the code of what is wrong with the folder or the options
   */
  static async load(
    folder: ModelFolder,
    options?: LoadOptions,
    task?: HeadTask,
    openLayers?: OpenLayers,
  ): Promise<LoadedModel> {
    const { asked, signal, ...numbers } = checkLoadOptions(options)
    signal?.throwIfAborted()

    const config = await readConfig(folder)
    const table = await openCheckpoint(folder)
    const encoder = bertTensors(table, config)
    const onTop = task === undefined ? undefined : headTensors(table, config, task, encoder.prefix)
    const has_pooler = encoder.has_pooler && task === undefined
    const layers = await openLayers?.(config, table.files.length)
    const files = [...table.files, ...(layers?.files ?? [])]
    const device = await findDevice(asked)
    signal?.throwIfAborted()
    const loading = fromNative(() =>
      loadAddon().loadModel({
        geometry: { ...config.geometry, has_pooler, head: onTop?.head ?? null },
        pooled_layers: layers?.layers ?? [],
        files: files.map(({ path, sizeBytes }) => ({ path, size_bytes: sizeBytes })),
        tensors: [...encoder.tensors, ...(onTop?.tensors ?? []), ...(layers?.tensors ?? [])],
        ...device,
        ...numbers,
      }),
    )
    const native = await withSignal(loading, signal, () => {
      // Loading cannot be interrupted; what comes of it is freed.
      loading.then((late) => late.dispose()).catch(() => undefined)
    })
    const pooledOutputs = layers?.outputs ?? null
    return new LoadedModel(native, config, has_pooler, onTop?.head.outputs ?? 0, pooledOutputs)
  }

  /** Tokenizes and encodes texts. Rejects with the signal's reason, or a FusebertError. */
  encodeTexts(
    tokenizer: NativeTokenizer,
    texts: NativeTexts,
    options: NativeEncodeOptions,
    output: NativeOutputOptions,
    signal: AbortSignal | undefined,
  ): Promise<NativeEncodeResult> {
    return this.#run(signal, () => this.#native.encodeTexts(tokenizer, texts, options, output))
  }

  /** Encodes packed ids. Rejects with the signal's reason, or a FusebertError. */
  encodeIds(
    input_ids: Int32Array,
    token_type_ids: Int32Array,
    cu_seqlens: Int32Array,
    output: NativeOutputOptions,
    padded_length: number,
    signal: AbortSignal | undefined,
  ): Promise<NativeEncodeResult> {
    return this.#run(signal, () =>
      this.#native.encodeIds(input_ids, token_type_ids, cu_seqlens, output, padded_length),
    )
  }

  /**
   * What the head makes of packed ids, and nothing else.
   * @param padded_length - as encodeIds has it
   */
  encodeHead(
    { input_ids, token_type_ids, cu_seqlens }: PackedIds,
    head: NativeHeadOutput,
    padded_length: number,
    signal: AbortSignal | undefined,
  ): Promise<NativeEncodeResult> {
    const output: NativeOutputOptions = {
      pooling: 'none', normalize: false, hidden_states: false, pooler_output: false, head,
    }
    return this.encodeIds(
      input_ids, token_type_ids, cu_seqlens, output, padded_length, signal,
    )
  }

  async #run(
    signal: AbortSignal | undefined,
    start: () => NativeRequest,
  ): Promise<NativeEncodeResult> {
    this.#checkInUse()
    signal?.throwIfAborted()
    return fromNative(() => {
      const request = start()
      return withSignal(request.promise, signal, () => this.#native.cancel(request.id))
    })
  }

  #checkInUse(): void {
    if (this.#disposal === undefined) return
    throw new FusebertError(
      'ERR_DISPOSED',
      'Expected a model that is in use but it has been disposed of. Load it again.',
    )
  }

  /** Gives back memory that only running needs; the next call takes it again. */
  async trim(): Promise<void> {
    this.#checkInUse()
    await fromNative(() => this.#native.trim())
  }

  /** Rejects calls under way with ERR_DISPOSED and frees the weights. Idempotent. */
  dispose(): Promise<void> {
    this.#disposal ??= this.#native.dispose()
    return this.#disposal
  }
}

// The feature-extraction task: texts in, one vector per text (or per token) out.

import { callable } from '../callable.js'
import { ModelFolder } from '../hub/folder.js'
import type { LoadOptions } from '../models/load-options.js'
import { LoadedModel } from '../models/loaded-model.js'
import { deviceHandleOf, type DeviceHandle } from '../models/model-handle.js'
import {
  readSentenceTransformers,
  type SentenceTransformersConfig,
} from '../models/sentence-transformers.js'
import type { NativeEncodeResult, Pooling } from '../native/addon.js'
import { checkBoolean, checkChoice, checkOptions, checkTexts } from '../options.js'
import { Tensor } from '../tensor.js'
import { AutoTokenizer, type Tokenizer } from '../tokenizer/auto-tokenizer.js'
import { gatherTexts } from '../tokenizer/text-parts.js'
import { listSource } from '../tokenizer/text-source.js'
import { inTurns } from '../turns.js'
import { checkVocabulary } from './head-pipeline.js'
import {
  checkLimits,
  encodeOptions,
  TEXT_CALL_OPTIONS,
  usageOf,
  type TextCallOptions,
  type Usage,
} from './text-calls.js'

export type { Pooling } from '../native/addon.js'
export type { Usage } from './text-calls.js'

type FloatTensor = Tensor<'float32'>

export interface FeatureExtractionOptions extends TextCallOptions {
  /**
   * How the hidden states of a text become one vector; 'none' returns them all. Default: what a
   * sentence-transformers folder says, else 'none'.
   */
  pooling?: Pooling
  /**
   * Divide each vector by its L2 norm. Default: with pooling, what a sentence-transformers folder
   * says; else false.
   */
  normalize?: boolean
  /**
   * Tokens, special ones included, at most max_position_embeddings. Default: what a
   * sentence-transformers folder or the tokenizer says, else that.
   */
  max_length?: number
}

export interface FeatureExtractionDefaults {
  readonly pooling: Pooling
  readonly normalize: boolean
  /** Tokens, special ones included. */
  readonly max_length: number
  /** Whether pooling and normalize come from a sentence-transformers folder. */
  readonly from_sentence_transformers: boolean
}

export interface FeatureExtractionPipeline extends DeviceHandle {
  /**
   * @returns with pooling: a Tensor [texts, hidden_size], [1, hidden_size] for one string. With
   * pooling 'none': for one string a Tensor [1, S, hidden_size], for an array an array of Tensors
   * [S_i, hidden_size]. All float32, with `usage`.
   * @throws ERR_INVALID_ARGUMENT, ERR_INPUT_TOO_LONG, ERR_DISPOSED, ERR_OUT_OF_MEMORY; the
   * signal's reason when aborted
   */
  (text: string, options?: FeatureExtractionOptions): Promise<FloatTensor & { usage: Usage }>
  (
    texts: readonly string[],
    options: FeatureExtractionOptions & { pooling: 'mean' | 'cls' | 'max' },
  ): Promise<FloatTensor & { usage: Usage }>
  (
    texts: readonly string[],
    options: FeatureExtractionOptions & { pooling: 'none' },
  ): Promise<FloatTensor[] & { usage: Usage }>
  (
    texts: string | readonly string[],
    options?: FeatureExtractionOptions,
  ): Promise<(FloatTensor | FloatTensor[]) & { usage: Usage }>
  readonly task: 'feature-extraction'
  readonly defaults: FeatureExtractionDefaults
  readonly hidden_size: number
  readonly tokenizer: Tokenizer
}

const POOLINGS = ['none', 'mean', 'cls', 'max'] as const
const OPTIONS = ['pooling', 'normalize', ...TEXT_CALL_OPTIONS] as const

interface Parts {
  model: LoadedModel
  tokenizer: Tokenizer
  defaults: FeatureExtractionDefaults
  /** Texts are lowercased before the tokenizer, as an old sentence-transformers option asks. */
  lowercase: boolean
}

/** Splits [total_tokens, hidden] into a Tensor per text. The Tensors share one buffer. */
function splitTokens(result: NativeEncodeResult, hiddenSize: number): FloatTensor[] {
  const hidden = result.hidden_states ?? new Float32Array(0)
  const { cu_seqlens } = result
  return Array.from({ length: cu_seqlens.length - 1 }, (_, i) => {
    const begin = cu_seqlens[i] ?? 0
    const end = cu_seqlens[i + 1] ?? 0
    const data = hidden.subarray(begin * hiddenSize, end * hiddenSize)
    return new Tensor('float32', data, [end - begin, hiddenSize])
  })
}

async function extract(
  { model, tokenizer, defaults, lowercase }: Parts,
  texts: string | readonly string[],
  options: FeatureExtractionOptions | undefined,
): Promise<(FloatTensor | FloatTensor[]) & { usage: Usage }> {
  const given = checkOptions<FeatureExtractionOptions>('options', OPTIONS, options)
  const list = typeof texts === 'string' ? [texts] : checkTexts('texts', texts)
  const pooling = checkChoice(POOLINGS, 'pooling', given.pooling ?? defaults.pooling)
  const normalize = checkBoolean(
    'normalize',
    // What a folder says is about its vectors, not about the hidden states.
    given.normalize ?? (pooling !== 'none' && defaults.normalize),
  )
  const limits = checkLimits(given, false, defaults.max_length, model, tokenizer)
  const source = listSource(lowercase ? list.map((text) => text.toLowerCase()) : list)
  const result = await model.encodeTexts(
    tokenizer.native,
    await inTurns(gatherTexts(source)),
    encodeOptions(limits),
    { pooling, normalize, hidden_states: true, pooler_output: false, head: null },
    limits.signal,
  )
  const usage = usageOf(result.cu_seqlens, result.truncated)
  const hiddenSize = model.config.geometry.hidden_size
  if (pooling !== 'none') {
    const data = result.pooled ?? new Float32Array(0)
    return Object.assign(new Tensor('float32', data, [list.length, hiddenSize]), { usage })
  }
  const tensors = splitTokens(result, hiddenSize)
  const [only] = tensors
  if (typeof texts === 'string' && only !== undefined) {
    return Object.assign(new Tensor('float32', only.data, [1, ...only.dims]), { usage })
  }
  return Object.assign(tensors, { usage })
}

function chooseDefaults(
  model: LoadedModel,
  tokenizer: Tokenizer,
  sentence: SentenceTransformersConfig | null,
): FeatureExtractionDefaults {
  return Object.freeze({
    pooling: sentence?.pooling ?? 'none',
    normalize: sentence?.normalize ?? false,
    max_length: Math.min(
      model.config.max_sequence_length,
      // As sentence-transformers, which gives its own limit to the tokenizer.
      sentence?.max_seq_length ?? tokenizer.model_max_length,
    ),
    from_sentence_transformers: sentence !== null,
  })
}

/** Loads the folder's tokenizer and model. */
export async function loadFeatureExtraction(
  path: string,
  options?: LoadOptions,
): Promise<FeatureExtractionPipeline> {
  const folder = await ModelFolder.open(path)
  const sentence = await readSentenceTransformers(folder)
  const inner = sentence?.transformer_path ?? ''
  const modelFolder = inner === '' ? folder : folder.child(inner)
  const tokenizer = await AutoTokenizer.from_pretrained(modelFolder.path)
  const model = await LoadedModel.load(modelFolder, options)
  await checkVocabulary(model, tokenizer)
  const defaults = chooseDefaults(model, tokenizer, sentence)
  const parts: Parts = {
    model, tokenizer, defaults, lowercase: sentence?.do_lower_case ?? false,
  }
  const call = (texts: string | readonly string[], callOptions?: FeatureExtractionOptions) =>
    extract(parts, texts, callOptions)
  return callable(call, {
    task: 'feature-extraction' as const,
    defaults,
    hidden_size: model.config.geometry.hidden_size,
    tokenizer,
    ...deviceHandleOf(model),
  }) as FeatureExtractionPipeline
}

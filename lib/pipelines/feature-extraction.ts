// The feature-extraction task: texts in, one vector per text (or per token) out.

import { callable } from '../callable.js'
import { invalidArgument } from '../errors.js'
import { ModelFolder } from '../hub/folder.js'
import type { LoadOptions } from '../models/load-options.js'
import { LoadedModel, type OpenLayers } from '../models/loaded-model.js'
import { deviceHandleOf, type DeviceHandle } from '../models/model-handle.js'
import { openPooledLayers } from '../models/pooled-layers.js'
import type { Prompts } from '../models/prompts.js'
import {
  readSentenceTransformers,
  type SentenceTransformersConfig,
} from '../models/sentence-transformers.js'
import type { NativeEncodeResult, Pooling, VectorPooling } from '../native/addon.js'
import { checkBoolean, checkChoice, checkOptions, checkTexts } from '../options.js'
import { Tensor } from '../tensor.js'
import { AutoTokenizer, type Tokenizer } from '../tokenizer/auto-tokenizer.js'
import { encodeTexts } from '../tokenizer/encoder.js'
import { nativeOf } from '../tokenizer/native-of.js'
import { gatherTexts } from '../tokenizer/text-parts.js'
import { listSource } from '../tokenizer/text-source.js'
import { inTurns } from '../turns.js'
import { binaryVectors, checkBits, PRECISIONS, type BinaryPrecision } from './binary-vectors.js'
import { checkVocabulary } from './head-pipeline.js'
import { checkPooling, isOwnPooling, listOf, vectorSize } from './poolings.js'
import { choosePrompt, PROMPT_OPTIONS, type PromptOptions } from './prompt-options.js'
import {
  checkLimits,
  encodeOptions,
  TEXT_CALL_OPTIONS,
  usageOf,
  withUsage,
  type Limits,
  type TextCallOptions,
  type Usage,
} from './text-calls.js'

export type { Pooling, VectorPooling } from '../native/addon.js'
export type { Usage } from './text-calls.js'

type FloatTensor = Tensor<'float32'>
type Pooled = { pooling: VectorPooling | readonly VectorPooling[] }

export interface FeatureExtractionOptions extends TextCallOptions, PromptOptions {
  /**
   * How the hidden states of a text become one vector; 'none' returns them all, and of several
   * poolings the vectors lie end to end. Default: what a sentence-transformers folder says, else
   * 'none'. The layers that follow the pooling in such a folder (Dense, LayerNorm) do so for the
   * folder's own pooling alone.
   */
  pooling?: Pooling
  /**
   * Divide each vector by its L2 norm. Default: with pooling, what a sentence-transformers folder
   * says; else false.
   */
  normalize?: boolean
  /**
   * Keep of each number of a vector whether it is above zero, as a bit: a Tensor [texts, size / 8].
   * Only with a pooling. Default false.
   */
  quantize?: boolean
  /**
   * How quantize gives eight bits, the first of which is the highest: 'ubinary' as uint8, 'binary'
   * (default) as int8, which is 128 less.
   */
  precision?: BinaryPrecision
  /**
   * Tokens, special ones included, at most max_position_embeddings. Default: what a
   * sentence-transformers folder or the tokenizer says, else that.
   */
  max_length?: number
}

type NotQuantized = FeatureExtractionOptions & { quantize?: false }
type Extracted = Tensor<'float32' | 'int8' | 'uint8'> | FloatTensor[]

export interface FeatureExtractionDefaults extends Prompts {
  readonly pooling: Pooling
  /** Numbers of a vector by that pooling, after the layers that follow it; null with 'none'. */
  readonly embedding_size: number | null
  readonly normalize: boolean
  /** Tokens, special ones included. */
  readonly max_length: number
  /** Whether pooling and normalize come from a sentence-transformers folder. */
  readonly from_sentence_transformers: boolean
}

export interface FeatureExtractionPipeline extends DeviceHandle {
  /**
   * @returns with pooling: a Tensor [texts, hidden_size], [1, hidden_size] for one string; wider
   * by several poolings, and as wide as the folder's last layer says. With pooling 'none': for one
   * string a Tensor [1, S, hidden_size], for an array an array of Tensors [S_i, hidden_size]. All
   * float32 but for quantize, with `usage`.
   * @throws ERR_INVALID_ARGUMENT, ERR_INPUT_TOO_LONG, ERR_DISPOSED, ERR_OUT_OF_MEMORY; the
   * signal's reason when aborted
   */
  (
    texts: string | readonly string[],
    options: FeatureExtractionOptions & { quantize: true; precision: 'ubinary' },
  ): Promise<Tensor<'uint8'> & { usage: Usage }>
  (
    texts: string | readonly string[],
    options: FeatureExtractionOptions & { quantize: true; precision?: 'binary' },
  ): Promise<Tensor<'int8'> & { usage: Usage }>
  (text: string, options?: NotQuantized): Promise<FloatTensor & { usage: Usage }>
  (
    texts: readonly string[],
    options: NotQuantized & Pooled,
  ): Promise<FloatTensor & { usage: Usage }>
  (
    texts: readonly string[],
    options: NotQuantized & { pooling: 'none' },
  ): Promise<FloatTensor[] & { usage: Usage }>
  (
    texts: string | readonly string[],
    options?: NotQuantized,
  ): Promise<(FloatTensor | FloatTensor[]) & { usage: Usage }>
  (
    texts: string | readonly string[],
    options?: FeatureExtractionOptions,
  ): Promise<Extracted & { usage: Usage }>
  readonly task: 'feature-extraction'
  readonly defaults: FeatureExtractionDefaults
  readonly hidden_size: number
  readonly tokenizer: Tokenizer
}

const OPTIONS = [
  'pooling', 'normalize', 'quantize', 'precision', ...PROMPT_OPTIONS, ...TEXT_CALL_OPTIONS,
] as const

interface Parts {
  model: LoadedModel
  tokenizer: Tokenizer
  defaults: FeatureExtractionDefaults
  /** Texts are lowercased before the tokenizer, as an old sentence-transformers option asks. */
  lowercase: boolean
  /** Whether the tokens of a prompt are pooled like others. */
  includePrompt: boolean
}

/** Tokens of a prompt that stand before those of a text. */
async function countPrompt(tokenizer: Tokenizer, prompt: string, limits: Limits): Promise<number> {
  const options = { ...encodeOptions(limits), special_tokens_mask: true }
  const encoding = await encodeTexts(nativeOf(tokenizer), [prompt], null, options)
  const { input_ids, special_tokens_mask } = encoding
  // What ends a text does not end the prompt.
  return input_ids.length - (special_tokens_mask?.at(-1) === 1 ? 1 : 0)
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

/**
 * null: floats.
 * @param size - of a vector; null without pooling
 */
function checkPrecision(
  { quantize, precision }: FeatureExtractionOptions,
  size: number | null,
): BinaryPrecision | null {
  const chosen = checkChoice(PRECISIONS, 'precision', precision ?? 'binary')
  if (!checkBoolean('quantize', quantize ?? false)) return null
  if (size === null) throw invalidArgument("false with pooling 'none'", 'quantize', quantize)
  checkBits(size)
  return chosen
}

async function extract(
  { model, tokenizer, defaults, lowercase, includePrompt }: Parts,
  texts: string | readonly string[],
  options: FeatureExtractionOptions | undefined,
): Promise<Extracted & { usage: Usage }> {
  const given = checkOptions<FeatureExtractionOptions>('options', OPTIONS, options)
  const list = typeof texts === 'string' ? [texts] : checkTexts('texts', texts)
  const pooling = checkPooling(given.pooling ?? defaults.pooling)
  const normalize = checkBoolean(
    'normalize',
    // What a folder says is about its vectors, not about the hidden states.
    given.normalize ?? (pooling !== 'none' && defaults.normalize),
  )
  const hidden_size = model.config.geometry.hidden_size
  const size = pooling === 'none' ? null : vectorSize({ defaults, hidden_size }, pooling)
  const precision = checkPrecision(given, size)
  const limits = checkLimits(given, false, defaults.max_length, model, tokenizer)
  const lowered = (text: string): string => (lowercase ? text.toLowerCase() : text)
  const prompt = lowered(choosePrompt(given, defaults))
  const leftOut = prompt !== '' && pooling !== 'none' && !includePrompt
  const whole = prompt === '' && !lowercase ? list : list.map((text) => prompt + lowered(text))
  const result = await model.encodeTexts(
    nativeOf(tokenizer),
    await inTurns(gatherTexts(listSource(whole))),
    encodeOptions(limits),
    {
      pooling,
      skip_tokens: leftOut ? await countPrompt(tokenizer, prompt, limits) : 0,
      pooled_layers: isOwnPooling(pooling, defaults),
      normalize,
      hidden_states: true,
      pooler_output: false,
      head: null,
    },
    limits.signal,
  )
  const usage = usageOf(result.cu_seqlens, result.truncated)
  if (size !== null) {
    const data = result.pooled ?? new Float32Array(0)
    const vectors = new Tensor('float32', data, [list.length, size])
    if (precision === null) return withUsage(vectors, usage)
    return withUsage(await inTurns(binaryVectors(vectors, precision)), usage)
  }
  const tensors = splitTokens(result, hidden_size)
  const [only] = tensors
  if (typeof texts === 'string' && only !== undefined) {
    return withUsage(new Tensor('float32', only.data, [1, ...only.dims]), usage)
  }
  return withUsage(tensors, usage)
}

function chooseDefaults(
  model: LoadedModel,
  tokenizer: Tokenizer,
  sentence: SentenceTransformersConfig | null,
): FeatureExtractionDefaults {
  return Object.freeze({
    pooling: sentence?.pooling ?? 'none',
    embedding_size: model.pooledOutputs,
    prompts: sentence?.prompts ?? Object.freeze({}),
    default_prompt_name: sentence?.default_prompt_name ?? null,
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
  const openLayers: OpenLayers | undefined = sentence
    ? ({ geometry }, firstFile) => {
        const columns = listOf(sentence.pooling).length * geometry.hidden_size
        return openPooledLayers(folder, sentence.layers, columns, firstFile)
      }
    : undefined
  const model = await LoadedModel.load(modelFolder, options, undefined, openLayers)
  await checkVocabulary(model, tokenizer)
  const defaults = chooseDefaults(model, tokenizer, sentence)
  const parts: Parts = {
    model,
    tokenizer,
    defaults,
    lowercase: sentence?.do_lower_case ?? false,
    includePrompt: sentence?.include_prompt ?? true,
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

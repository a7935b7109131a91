// Models with a head, called as those of transformers: padded ids and masks in, logits out.

import { callable } from '../callable.js'
import { FusebertError } from '../errors.js'
import { ModelFolder } from '../hub/folder.js'
import { MAX_TOP_LOGITS, type NativeEncodeResult } from '../native/addon.js'
import { checkInteger, checkOptions, checkSignal } from '../options.js'
import { Tensor } from '../tensor.js'
import type { HeadTask } from './heads.js'
import type { LoadOptions } from './load-options.js'
import { ALL_LOGITS, LoadedModel } from './loaded-model.js'
import { handleOf, type ModelHandle } from './model-handle.js'
import { packInputs, type CallOptions, type ModelInputs } from './model-inputs.js'

export interface LogitsOutput {
  /**
   * Of a text: [batch, labels]. Of its tokens: [batch, S, labels], zeros in the padding. In fp32,
   * before softmax or sigmoid.
   */
  logits: Tensor<'float32'>
}

export interface QuestionAnsweringOutput {
  /** [batch, S]: of an answer that begins there; zeros in the padding. */
  start_logits: Tensor<'float32'>
  /** [batch, S]: of an answer that ends there; zeros in the padding. */
  end_logits: Tensor<'float32'>
}

export interface MaskedRowsOptions extends CallOptions {
  /** Logits of the tokens with this id alone; the others' are neither computed nor copied. */
  mask_token_id: number
}

export interface TopTokensOptions extends MaskedRowsOptions {
  /** Only so many of the largest logits of each of them, 1 to 256. */
  top_k: number
}

export interface MaskedRowsOutput {
  /** [masked, 2]: row and column of each masked token in input_ids, in reading order. */
  positions: Tensor<'int32'>
  /** [masked, vocab_size] */
  logits: Tensor<'float32'>
}

export interface TopTokensOutput {
  /** [masked, 2]: row and column of each masked token in input_ids, in reading order. */
  positions: Tensor<'int32'>
  /** [masked, top_k]: by falling logits, equal ones by rising id. */
  token_ids: Tensor<'int32'>
  /** [masked, top_k]: theirs. */
  logits: Tensor<'float32'>
  /** [masked]: log Σ exp of all logits; exp(logits - log_sum_exp) is the softmax. */
  log_sum_exp: Tensor<'float32'>
}

/**
 * A model with a head. Calls throw ERR_INVALID_ARGUMENT (shapes, a mask with holes or without a
 * token), ERR_INPUT_TOKEN, ERR_INPUT_TOO_LONG, ERR_DISPOSED, and on a GPU ERR_NOT_FINITE; the
 * signal's reason when aborted.
 */
export interface HeadModel<Output> extends ModelHandle {
  (inputs: ModelInputs, options?: CallOptions): Promise<Output>
}

export interface MaskedLMModel extends HeadModel<LogitsOutput> {
  /** logits: [batch, S, vocab_size], zeros in the padding. */
  (inputs: ModelInputs, options?: CallOptions): Promise<LogitsOutput>
  (inputs: ModelInputs, options: TopTokensOptions): Promise<TopTokensOutput>
  (inputs: ModelInputs, options: MaskedRowsOptions): Promise<MaskedRowsOutput>
}

const floats = (data: Float32Array | null, dims: number[]): Tensor<'float32'> =>
  new Tensor('float32', data ?? new Float32Array(0), dims)

/** Row and column of each of the tokens in the padded matrix. */
function positionsOf({ head_tokens, cu_seqlens }: NativeEncodeResult): Tensor<'int32'> {
  const tokens = head_tokens ?? new Int32Array(0)
  const data = new Int32Array(2 * tokens.length)
  let row = 0
  tokens.forEach((token, i) => {
    while (token >= (cu_seqlens[row + 1] ?? Infinity)) row += 1
    data[2 * i] = row
    data[2 * i + 1] = token - (cu_seqlens[row] ?? 0)
  })
  return new Tensor('int32', data, [tokens.length, 2])
}

/** Every other number, from the first or from the second on. */
function column(pairs: Float32Array, first: 0 | 1): Float32Array {
  return Float32Array.from({ length: pairs.length / 2 }, (_, i) => pairs[2 * i + first] ?? 0)
}

type Forward<Output, Options> = (
  model: LoadedModel,
  inputs: ModelInputs,
  options: Options | undefined,
) => Promise<Output>

function plainSignal(options: CallOptions | undefined): AbortSignal | undefined {
  return checkSignal(checkOptions<CallOptions>('options', ['signal'], options).signal)
}

/** Logits of texts. */
const ofTexts: Forward<LogitsOutput, CallOptions> = async (model, inputs, options) => {
  const signal = plainSignal(options)
  const packed = packInputs(inputs)
  const { logits } = await model.encodeHead(packed, ALL_LOGITS, packed.columns, signal)
  return { logits: floats(logits, [packed.rows, model.headOutputs]) }
}

async function tokenLogits(
  model: LoadedModel,
  inputs: ModelInputs,
  signal: AbortSignal | undefined,
): Promise<LogitsOutput> {
  const packed = packInputs(inputs)
  const { logits } = await model.encodeHead(packed, ALL_LOGITS, packed.columns, signal)
  return { logits: floats(logits, [packed.rows, packed.columns, model.headOutputs]) }
}

const ofTokens: Forward<LogitsOutput, CallOptions> = async (model, inputs, options) =>
  tokenLogits(model, inputs, plainSignal(options))

const ofSpans: Forward<QuestionAnsweringOutput, CallOptions> = async (model, inputs, options) => {
  const { logits } = await ofTokens(model, inputs, options)
  const dims = logits.dims.slice(0, 2)
  return {
    start_logits: floats(column(logits.data, 0), dims),
    end_logits: floats(column(logits.data, 1), dims),
  }
}

const ofMasked: Forward<
  LogitsOutput | MaskedRowsOutput | TopTokensOutput,
  Partial<TopTokensOptions>
> = async (model, inputs, options) => {
  const given = checkOptions<Partial<TopTokensOptions>>(
    'options',
    ['signal', 'mask_token_id', 'top_k'],
    options,
  )
  const { mask_token_id, top_k } = given
  if (mask_token_id === undefined) {
    if (top_k === undefined) return tokenLogits(model, inputs, checkSignal(given.signal))
    throw new FusebertError('ERR_INVALID_ARGUMENT', 'Expected mask_token_id where there is top_k.')
  }
  const signal = checkSignal(given.signal)
  const outputs = model.headOutputs
  const token = checkInteger('mask_token_id', mask_token_id, 0, outputs - 1)
  const most = Math.min(MAX_TOP_LOGITS, outputs)
  const top = top_k === undefined ? 0 : checkInteger('top_k', top_k, 1, most)
  const packed = packInputs(inputs)
  const head = { logits: top === 0, token, top }
  const result = await model.encodeHead(packed, head, packed.columns, signal)
  const positions = positionsOf(result)
  const masked = positions.data.length / 2
  if (top === 0) return { positions, logits: floats(result.logits, [masked, outputs]) }
  const ids = result.top_columns ?? new Int32Array(0)
  return {
    positions,
    token_ids: new Tensor('int32', ids, [masked, top]),
    logits: floats(result.top_values, [masked, top]),
    log_sum_exp: floats(result.log_sum_exp, [masked]),
  }
}

interface HeadClass<Model> {
  /**
   * Loads an encoder and its head from a folder with config.json and a checkpoint.
   * @throws FusebertError with the code of what is wrong with the folder or the options;
   * ERR_TENSOR_MISSING when the checkpoint has no such head
   */
  from_pretrained(path: string, options?: LoadOptions): Promise<Model>
}

function headClass<Model extends ModelHandle, Output, Options>(
  task: HeadTask,
  forward: Forward<Output, Options>,
): HeadClass<Model> {
  return {
    async from_pretrained(path, options) {
      const model = await LoadedModel.load(await ModelFolder.open(path), options, task)
      const call = (inputs: ModelInputs, callOptions?: Options) =>
        forward(model, inputs, callOptions)
      return callable(call, handleOf(model)) as unknown as Model
    },
  }
}

/** Words that fit in the place of others. */
export const AutoModelForMaskedLM = headClass<
  MaskedLMModel,
  LogitsOutput | MaskedRowsOutput | TopTokensOutput,
  Partial<TopTokensOptions>
>('masked-lm', ofMasked)

/** logits: [batch, num_labels] */
export const AutoModelForSequenceClassification = headClass<
  HeadModel<LogitsOutput>,
  LogitsOutput,
  CallOptions
>('sequence-classification', ofTexts)

/** logits: [batch, S, num_labels], zeros in the padding. */
export const AutoModelForTokenClassification = headClass<
  HeadModel<LogitsOutput>,
  LogitsOutput,
  CallOptions
>('token-classification', ofTokens)

export const AutoModelForQuestionAnswering = headClass<
  HeadModel<QuestionAnsweringOutput>,
  QuestionAnsweringOutput,
  CallOptions
>('question-answering', ofSpans)

/** logits: [batch, 2], whether the second text follows the first, and whether it does not. */
export const AutoModelForNextSentencePrediction = headClass<
  HeadModel<LogitsOutput>,
  LogitsOutput,
  CallOptions
>('next-sentence', ofTexts)

// What users import.

export { pipeline, type PipelineOptions, type Pipelines, type Task } from './pipelines/index.js'
export type {
  FeatureExtractionDefaults,
  FeatureExtractionOptions,
  FeatureExtractionPipeline,
  Pooling,
  VectorPooling,
} from './pipelines/feature-extraction.js'
export type {
  FilledMask,
  FilledText,
  FillMaskOptions,
  FillMaskPipeline,
} from './pipelines/fill-mask.js'
export type {
  Classification,
  ClassificationFunction,
  Classifications,
  TextClassificationOptions,
  TextClassificationPipeline,
  TextPair,
} from './pipelines/text-classification.js'
export type {
  Answer,
  AnswersOf,
  QuestionAnsweringOptions,
  QuestionAnsweringPipeline,
  QuestionInput,
  QuestionLists,
} from './pipelines/question-answering.js'
export type {
  AggregationStrategy,
  Entities,
  EntityGroup,
  LabelledToken,
  TokenClassificationOptions,
  TokenClassificationPipeline,
} from './pipelines/token-classification.js'
export type {
  ZeroShotClassificationPipeline,
  ZeroShotOptions,
  ZeroShotResult,
} from './pipelines/zero-shot-classification.js'
export type { RankedDocument, RerankOptions, RerankPipeline } from './pipelines/rerank.js'
export type {
  SentenceSimilarityOptions,
  SentenceSimilarityPipeline,
} from './pipelines/sentence-similarity.js'
export type { TextCallOptions, Usage } from './pipelines/text-calls.js'
export { AutoModel, type BertModel, type ModelOutput } from './models/auto-model.js'
export {
  AutoModelForMaskedLM,
  AutoModelForNextSentencePrediction,
  AutoModelForQuestionAnswering,
  AutoModelForSequenceClassification,
  AutoModelForTokenClassification,
  type HeadModel,
  type LogitsOutput,
  type MaskedLMModel,
  type MaskedRowsOptions,
  type MaskedRowsOutput,
  type QuestionAnsweringOutput,
  type TopTokensOptions,
  type TopTokensOutput,
} from './models/auto-model-heads.js'
export type { CallOptions, IntegerMatrix, ModelInputs } from './models/model-inputs.js'
export type { ModelConfig, ProblemType } from './models/config.js'
export type { NativeModelInfo as ModelDevice } from './native/addon.js'
export type { LoadOptions } from './models/load-options.js'
export { AutoTokenizer, type Tokenizer } from './tokenizer/auto-tokenizer.js'
export type {
  CountOptions,
  DecodeOptions,
  EncodeOptions,
  Encoding,
  PackedEncoding,
  TokenizeOptions,
  TokenizerOptions,
} from './tokenizer/tokenizer.js'
export type { TextInput, TextInputs, TextRange } from './tokenizer/texts.js'
export type { TokenIdRows, TokenIds } from './tokenizer/token-ids.js'
export { Tensor, type NestedArray, type TensorData, type TensorType } from './tensor.js'
export { devices, type CpuDevice, type CudaDevice, type Device } from './devices.js'
export { FusebertError, type ErrorCode } from './errors.js'

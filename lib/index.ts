// What users import.

export { pipeline, type PipelineOptions } from './pipelines/index.js'
export type {
  FeatureExtractionDefaults,
  FeatureExtractionOptions,
  FeatureExtractionPipeline,
  Pooling,
  Usage,
} from './pipelines/feature-extraction.js'
export {
  AutoModel,
  type BertModel,
  type CallOptions,
  type IntegerMatrix,
  type ModelInputs,
  type ModelOutput,
} from './models/auto-model.js'
export type { ModelConfig } from './models/config.js'
export type { NativeModelInfo as ModelDevice } from './native/addon.js'
export type { LoadOptions } from './models/load-options.js'
export { AutoTokenizer, type Tokenizer } from './tokenizer/auto-tokenizer.js'
export type {
  EncodeOptions,
  Encoding,
  PackedEncoding,
  TokenizerOptions,
} from './tokenizer/tokenizer.js'
export { Tensor, type NestedArray, type TensorData, type TensorType } from './tensor.js'
export { devices, type CpuDevice, type CudaDevice, type Device } from './devices.js'
export { FusebertError, type ErrorCode } from './errors.js'

// AutoModel: padded ids and masks in, hidden states out, as in transformers. Inside, the padding is
// dropped before the encoder runs and comes back as zeros.

import { callable } from '../callable.js'
import { ModelFolder } from '../hub/folder.js'
import { checkOptions, checkSignal } from '../options.js'
import { Tensor } from '../tensor.js'
import type { LoadOptions } from './load-options.js'
import { LoadedModel } from './loaded-model.js'
import { handleOf, type ModelHandle } from './model-handle.js'
import { packInputs, type CallOptions, type ModelInputs } from './model-inputs.js'

export interface ModelOutput {
  /** [batch, S, hidden_size], the last layer's; zeros in the padding. */
  last_hidden_state: Tensor<'float32'>
  /** [batch, hidden_size]: tanh(W·h + b) of the first token; absent without a pooler. */
  pooler_output?: Tensor<'float32'>
}

export interface BertModel extends ModelHandle {
  /**
   * @throws ERR_INVALID_ARGUMENT (shapes, a mask with holes or without a token), ERR_INPUT_TOKEN,
   * ERR_INPUT_TOO_LONG, ERR_DISPOSED; the signal's reason when aborted
   */
  (inputs: ModelInputs, options?: CallOptions): Promise<ModelOutput>
}

async function forward(
  model: LoadedModel,
  inputs: ModelInputs,
  options: CallOptions | undefined,
): Promise<ModelOutput> {
  const signal = checkSignal(checkOptions<CallOptions>('options', ['signal'], options).signal)
  const packed = packInputs(inputs)
  const hiddenSize = model.config.geometry.hidden_size
  const result = await model.encodeIds(
    packed.input_ids,
    packed.token_type_ids,
    packed.cu_seqlens,
    {
      pooling: 'none',
      normalize: false,
      hidden_states: true,
      pooler_output: model.hasPooler,
      head: null,
    },
    packed.columns,
    signal,
  )
  const hidden = result.hidden_states ?? new Float32Array(0)
  const dims = [packed.rows, packed.columns, hiddenSize]
  const output: ModelOutput = { last_hidden_state: new Tensor('float32', hidden, dims) }
  if (result.pooler_output !== null) {
    output.pooler_output = new Tensor('float32', result.pooler_output, [packed.rows, hiddenSize])
  }
  return output
}

export const AutoModel = {
  /**
   * Loads a BERT encoder from a folder with config.json and a checkpoint.
   * @throws FusebertError with the code of what is wrong with the folder or the options
   */
  async from_pretrained(path: string, options?: LoadOptions): Promise<BertModel> {
    const model = await LoadedModel.load(await ModelFolder.open(path), options)
    const call = (inputs: ModelInputs, callOptions?: CallOptions) =>
      forward(model, inputs, callOptions)
    return callable(call, handleOf(model))
  },
}

// What every loaded model, and every pipeline, has beside the call itself.

import type { NativeModelInfo } from '../native/addon.js'
import type { ModelConfig } from './config.js'
import type { LoadedModel } from './loaded-model.js'

export interface DeviceHandle {
  /** Where the model runs, and why there. */
  readonly device: Readonly<NativeModelInfo>
  /**
   * Gives back the memory that only running needs, for a model that will be idle: a GPU's
   * workspace, buffers and graphs, and the last batch. Waits for the batches under way; the next
   * call takes it again.
   * @throws ERR_DISPOSED
   */
  trim(): Promise<void>
  /** Frees the weights; calls under way reject with ERR_DISPOSED. Idempotent. */
  dispose(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export interface ModelHandle extends DeviceHandle {
  readonly config: ModelConfig
}

export function deviceHandleOf(model: LoadedModel): DeviceHandle {
  return {
    device: model.info,
    trim: () => model.trim(),
    dispose: () => model.dispose(),
    [Symbol.asyncDispose]: () => model.dispose(),
  }
}

export function handleOf(model: LoadedModel): ModelHandle {
  return { config: model.config, ...deviceHandleOf(model) }
}

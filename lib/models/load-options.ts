// What can be said when a model is loaded.

import type { DeviceName, Dtype } from '../device-names.js'

export interface LoadOptions {
  /**
   * Where to run: 'cpu', 'cuda' (the first NVIDIA GPU), or 'cuda:1' and so on. 'auto' (default)
   * takes a GPU if one can run the model, and says why or why not in `device.reason`.
   */
  device?: DeviceName
  /**
   * 'all': the first NVIDIA GPU and all others of its architecture share each batch by its number
   * of tokens; `max_batch_tokens` and `max_device_bytes` are of each. With device 'cuda' or 'auto'.
   * Default: one GPU.
   */
  devices?: 'all'
  /**
   * Arithmetic: 'auto' (default) is 'fp32' on a CPU and 'fp16' on a GPU, where 'bf16' is for models
   * whose activations leave the range of fp16; it needs compute capability 8.0. CPUs run fp32
   * alone, so 'fp16' and 'bf16' never fall back: with device 'auto' too, loading fails where no GPU
   * can run the model.
   */
  dtype?: Dtype
  /**
   * CPU threads; default: the least of physical cores, scheduler affinity and cgroup quota.
   */
  threads?: number
  /**
   * Tokens that go through the encoder at once; default: the backend's choice. Never less than the
   * model's own limit, so that every text fits.
   */
  max_batch_tokens?: number
  /**
   * Bytes of a GPU's memory that the model may take, weights included; default: what is there.
   * Where they are too few for `max_batch_tokens`, half as many tokens are tried; then loading
   * fails with ERR_OUT_OF_MEMORY. The CUDA context, some hundred MB a process, does not count.
   */
  max_device_bytes?: number
  /** Aborts the load. */
  signal?: AbortSignal
}

/** The names, for checks. */
export const LOAD_OPTIONS = [
  'device',
  'devices',
  'dtype',
  'threads',
  'max_batch_tokens',
  'max_device_bytes',
  'signal',
] as const

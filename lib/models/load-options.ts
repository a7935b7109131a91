// What can be said when a model is loaded.

export interface LoadOptions {
  /** Where to run: 'auto' (default) takes the best there is and says why in `device.reason`. */
  device?: 'auto' | 'cpu'
  /** Arithmetic: 'auto' (default) is 'fp32' on a CPU. */
  dtype?: 'auto' | 'fp32'
  /**
   * CPU threads; default: the least of physical cores, scheduler affinity and cgroup quota.
   */
  threads?: number
  /**
   * Tokens that go through the encoder at once; default: the backend's choice. Never less than the
   * model's own limit, so that every text fits.
   */
  max_batch_tokens?: number
  /** Aborts the load. */
  signal?: AbortSignal
}

/** The names, for checks. */
export const LOAD_OPTIONS = ['device', 'dtype', 'threads', 'max_batch_tokens', 'signal'] as const

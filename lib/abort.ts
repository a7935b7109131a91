// Promises that an AbortSignal cuts short.

import { setMaxListeners } from 'node:events'

/**
 * Settles as `promise` does, or rejects with the signal's reason as soon as it aborts; `onAbort`
 * then tells whoever works on the promise to stop. What becomes of the promise afterwards is
 * nobody's concern: a late rejection is swallowed.
 */
export async function withSignal<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
  onAbort: () => void,
): Promise<T> {
  if (signal === undefined) return promise
  // One signal for a thousand calls is no leak: each takes its listener back.
  setMaxListeners(0, signal)
  let listener: (() => void) | undefined
  const aborted = new Promise<never>((_, reject) => {
    listener = () => {
      onAbort()
      reject(signal.reason as Error)
    }
    if (signal.aborted) listener()
    else signal.addEventListener('abort', listener, { once: true })
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    if (listener !== undefined) signal.removeEventListener('abort', listener)
    promise.catch(() => undefined)
    aborted.catch(() => undefined)
  }
}

// The names of a classifier's labels.

import type { ModelConfig } from '../models/config.js'

/** From the config's id2label; LABEL_0 and so on where that has none, as in transformers. */
export function labelOf({ id2label }: ModelConfig, i: number): string {
  return (Object.hasOwn(id2label, i) ? id2label[i] : undefined) ?? `LABEL_${i}`
}

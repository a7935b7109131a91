// A pipeline without a model; the model's name says how it behaves: "quick", "slow" (half a second
// a call) or "stuck" (answers nothing, is never aborted or disposed of).
import { setTimeout as sleep } from 'node:timers/promises'

import { Tensor } from '../../dist/tensor.js'

const HIDDEN = 8

export async function pipeline(task, model) {
  const never = new Promise(() => undefined)
  const embed = async (texts, { signal }) => {
    if (model === 'stuck') await never
    // A real one rejects with the signal's reason.
    if (model === 'slow') {
      await sleep(500, undefined, { signal }).catch(() => signal.throwIfAborted())
    }
    const data = new Float32Array(texts.length * HIDDEN).fill(0.25)
    const usage = { texts: texts.length, tokens: texts.length, truncated: 0 }
    return Object.assign(new Tensor('float32', data, [texts.length, HIDDEN]), { usage })
  }
  return Object.assign(embed, {
    hidden_size: HIDDEN,
    defaults: {
      pooling: 'mean', normalize: true, max_length: 256, from_sentence_transformers: true,
      embedding_size: HIDDEN, prompts: {}, default_prompt_name: null,
    },
    dispose: () => (model === 'stuck' ? never : Promise.resolve()),
  })
}

// The native side of a tokenizer, for this package alone: what native code is given it reads in
// place, so nobody may call it with arrays of their own.

import { invalidArgument } from '../errors.js'
import type { NativeTokenizer } from '../native/addon.js'

const natives = new WeakMap<object, NativeTokenizer>()

export function keepNative<T extends object>(tokenizer: T, native: NativeTokenizer): T {
  natives.set(tokenizer, native)
  return tokenizer
}

/** @throws ERR_INVALID_ARGUMENT for what createTokenizer() has not made */
export function nativeOf(tokenizer: object): NativeTokenizer {
  const native = natives.get(tokenizer)
  if (native === undefined) throw invalidArgument('a tokenizer of fusebert', 'tokenizer', tokenizer)
  return native
}

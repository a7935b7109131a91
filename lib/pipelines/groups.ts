// Long lists of sequences in parts, so that what comes of a part is never more than a bound.

import type { NativeEncoding } from '../native/addon.js'

/** Numbers (logits, ids) in memory at once: 16 MiB. */
const MAX_NUMBERS = 2 ** 22

/** UTF-16 units of texts that are copied at once: so that a long list keeps nobody waiting. */
export const MAX_COPIED_CHARS = 2 ** 19

export interface Group {
  readonly begin: number
  readonly end: number
}

/**
 * Consecutive items, cut where one more would be more numbers than are kept at once. Without items
 * there is one empty group: a model that is asked for nothing still says whether it is in use.
 */
export function groupsOf<Item>(
  items: readonly Item[],
  numbersOf: (item: Item) => number,
  most = MAX_NUMBERS,
): readonly Group[] {
  const groups = [{ begin: 0, end: 0 }]
  let numbers = 0
  items.forEach((item, i) => {
    const more = numbersOf(item)
    const last = groups.at(-1)
    if (last === undefined || (last.end > last.begin && numbers + more > most)) {
      groups.push({ begin: i, end: i + 1 })
      numbers = more
    } else {
      last.end = i + 1
      numbers += more
    }
  })
  return groups
}

/** How many tokens each sequence has. */
export function lengthsOf(cu_seqlens: Int32Array): number[] {
  return Array.from(cu_seqlens.subarray(1), (end, i) => end - (cu_seqlens[i] ?? 0))
}

/** The ids of sequences [begin, end) alone. */
export function sliceSequences(
  encoding: NativeEncoding,
  begin: number,
  end: number,
): NativeEncoding {
  const { input_ids, token_type_ids, cu_seqlens } = encoding
  const first = cu_seqlens[begin] ?? 0
  const last = cu_seqlens[end] ?? 0
  return {
    ...encoding,
    input_ids: input_ids.subarray(first, last),
    token_type_ids: token_type_ids.subarray(first, last),
    cu_seqlens: cu_seqlens.slice(begin, end + 1).map((position) => position - first),
  }
}

// Finds a key that stands twice at the top level of a JSON object. JSON.parse keeps the last one
// silently, other parsers the first: where that matters the file is refused.

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_BRACE = 0x7b
const OPEN_BRACKET = 0x5b
const CLOSE_BRACE = 0x7d
const CLOSE_BRACKET = 0x5d
const COMMA = 0x2c

/** Index after the string that starts at `start`. */
function stringEnd(text: string, start: number): number {
  let at = start + 1
  while (at < text.length && text.charCodeAt(at) !== QUOTE) {
    at += text.charCodeAt(at) === BACKSLASH ? 2 : 1
  }
  return at + 1
}

/** @param text - JSON that JSON.parse accepts, an object at the top level */
export function duplicateKey(text: string): string | undefined {
  const seen = new Set<string>()
  let depth = 0
  let expectsKey = false
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) {
      const end = stringEnd(text, at)
      if (depth === 1 && expectsKey) {
        // Escapes can spell one key in several ways.
        const key = JSON.parse(text.slice(at, end)) as string
        if (seen.has(key)) return key
        seen.add(key)
        expectsKey = false
      }
      at = end - 1
    } else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      depth += 1
      if (depth === 1) expectsKey = true
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      depth -= 1
    } else if (code === COMMA && depth === 1) {
      expectsKey = true
    }
  }
  return undefined
}

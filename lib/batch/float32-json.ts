// Writes float32 numbers as JSON with the fewest digits that give the same float32 back when they
// are read as a double and rounded, as JSON readers do. Straight into bytes: a row has hundreds.

/** Exact powers of ten. */
const POW10 = Array.from({ length: 23 }, (_, i) => Number(`1e${i}`))
const pow10 = (exponent: number): number => POW10[exponent] ?? 1

/** A float32 is given back by 9 significant digits always, by fewer than 6 rarely. */
const MAX_DIGITS = 9
const MIN_DIGITS = 6

/** Decimal notation without an exponent; outside, the slow way. */
const SMALLEST_FIXED = 1e-6
const LARGEST_FIXED = 1e7

/** More than the longest: "-0.00000123456789", "-1.23456789e-38". */
export const MAX_FLOAT_BYTES = 24

const ZERO = 0x30
const MINUS = 0x2d
const POINT = 0x2e

function writeAscii(target: Uint8Array, offset: number, text: string): number {
  for (let i = 0; i < text.length; i += 1) target[offset + i] = text.charCodeAt(i)
  return offset + text.length
}

/** Digits of a non-negative integer, padded with zeros to `width`. */
function writeDigits(target: Uint8Array, offset: number, value: number, width: number): number {
  let rest = value
  for (let i = offset + width - 1; i >= offset; i -= 1) {
    const next = Math.floor(rest / 10)
    target[i] = ZERO + (rest - next * 10)
    rest = next
  }
  return offset + width
}

function digitCount(value: number): number {
  let count = 1
  while (value >= pow10(count)) count += 1
  return count
}

function writeSlow(target: Uint8Array, offset: number, value: number): number {
  if (!Number.isFinite(value)) return writeAscii(target, offset, 'null')
  for (let digits = 1; digits <= MAX_DIGITS; digits += 1) {
    const rounded = Number(value.toPrecision(digits))
    if (Math.fround(rounded) === value) return writeAscii(target, offset, String(rounded))
  }
  return writeAscii(target, offset, String(value))
}

/**
 * @param target - with room for MAX_FLOAT_BYTES at `offset`
 * @param value - a float32; NaN and infinities, which JSON lacks, become null
 * @returns the offset after the number
 */
export function writeFloat32(target: Uint8Array, offset: number, value: number): number {
  const size = Math.abs(value)
  if (value === 0) return writeAscii(target, offset, Object.is(value, -0) ? '-0' : '0')
  if (!(size >= SMALLEST_FIXED && size < LARGEST_FIXED)) return writeSlow(target, offset, value)
  // size < 10^exponent, so `digits` significant digits are digits - exponent decimals.
  let exponent = 0
  if (size >= 1) while (size >= pow10(exponent)) exponent += 1
  else while (size * pow10(1 - exponent) < 1) exponent -= 1
  for (let digits = MIN_DIGITS; digits <= MAX_DIGITS; digits += 1) {
    let decimals = Math.max(0, digits - exponent)
    let scaled = Math.round(size * pow10(decimals))
    // Both operands are exact, so the quotient is what a reader makes of the decimal digits.
    if (Math.fround(scaled / pow10(decimals)) !== size) continue
    while (decimals > 0 && scaled % 10 === 0) {
      scaled /= 10
      decimals -= 1
    }
    let end = offset
    if (value < 0) target[end++] = MINUS
    const whole = Math.floor(scaled / pow10(decimals))
    end = writeDigits(target, end, whole, digitCount(whole))
    if (decimals === 0) return end
    target[end++] = POINT
    return writeDigits(target, end, scaled - whole * pow10(decimals), decimals)
  }
  return writeSlow(target, offset, value)
}

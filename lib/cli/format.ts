// Words for numbers, as people read them.

const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })

/** 12345 → "12,345" */
export function count(value: number): string {
  return grouped.format(value)
}

/** 1 → "1 text", 2 → "2 texts" */
export function counted(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`
}

/** 800 → "0.8 s", 75000 → "1 min 15 s", 7500000 → "2 h 5 min" */
export function duration(ms: number): string {
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
  const minutes = Math.round(seconds / 60)
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** Things a second. */
export function rate(things: number, ms: number): string {
  return count(things / Math.max(ms / 1000, 1e-3))
}

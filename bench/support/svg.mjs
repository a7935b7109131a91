// A small writer of SVG: escaped text, lines, bars and dots, as strings.

const escape = (text) =>
  String(text).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')

const attributes = (values) =>
  Object.entries(values).map(([name, value]) => ` ${name}="${escape(value)}"`).join('')

const shorten = (value) => Number(value.toFixed(2))

export const text = (x, y, content, more = {}) =>
  `<text${attributes({ x: shorten(x), y: shorten(y), ...more })}>${escape(content)}</text>`

export const line = (x1, y1, x2, y2, more = {}) =>
  `<line${attributes({ x1: shorten(x1), y1: shorten(y1), x2: shorten(x2), y2: shorten(y2),
    stroke: INK, ...more })}/>`

export const bar = (x, y, width, height, fill) =>
  `<rect${attributes({ x: shorten(x), y: shorten(y), width: shorten(width),
    height: shorten(height), fill })}/>`

export const dot = (x, y, fill) =>
  `<circle${attributes({ cx: shorten(x), cy: shorten(y), r: 4, fill })}/>`

export const INK = '#24292f'
export const GRID = '#d0d7de'
export const OURS = '#0969da'
export const THEIRS = '#b08800'

export const document = (width, height, content) =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" ` +
  `viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12" fill="${INK}">\n` +
  `<rect width="${width}" height="${height}" fill="#ffffff"/>\n${content.join('\n')}\n</svg>\n`

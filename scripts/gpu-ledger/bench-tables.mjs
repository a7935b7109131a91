// The results of bench/gpu as tables, and what their columns mean.

const MICRO = 1e6
const MILLI = 1e3
const PERCENT = 100
const NONE = '–'

const number = (value, digits) => {
  return Number.isFinite(value) ? value.toFixed(digits) : NONE
}
const whole = (value) => {
  return Number.isFinite(value) ? Math.round(value).toLocaleString('en') : NONE
}
const percent = (value) => (Number.isFinite(value) ? `${whole(PERCENT * value)} %` : NONE)

/** “55.2 (5 %)”: a side's median and spread. `value` makes the number of the side. */
function measured(side, value, digits = 1) {
  if (!Number.isFinite(side?.median)) return side?.error === undefined ? NONE : '**failed**'
  return `${number(value(side), digits)} (${percent(side.spread)})`
}

const tflops = (side) => measured(side, ({ tflops: rate }) => rate)
const gigabytes = (side) => {
  return measured(side, ({ gigabytes_per_second: rate }) => rate, 0)
}
const microseconds = (side) => measured(side, ({ median }) => MICRO * median)
const milliseconds = (side) => measured(side, ({ median }) => MILLI * median, 3)

/** A table of entries, of columns that are a heading and what makes a cell of an entry. */
function table(caption, entries, columns) {
  if (!Array.isArray(entries) || entries.length === 0) return []
  const line = (cells) => `| ${cells.join(' | ')} |`
  const rows = entries.map((entry) => {
    if (entry.sides === undefined) return line([entry.name ?? NONE, '**failed**'])
    return line(columns.map(([, cell]) => cell(entry)))
  })
  const head = [line(columns.map(([heading]) => heading)), line(columns.map(() => '---'))]
  return [caption, [...head, ...rows].join('\n')]
}

function ceilings({ cublas_gemm, copy, bert_gemms }) {
  const rows = [
    ['cuBLAS, fp16, 8192³, TFLOP/s', tflops(cublas_gemm)],
    ["cuBLAS, fp16, BERT-Base's four products, TFLOP/s", number(bert_gemms?.tflops, 1)],
    ['copying memory, GB/s read and written', gigabytes(copy)],
  ]
  const lines = rows.map(([what, rate]) => `| ${what} | ${rate} |`)
  return ['**Ceilings**: what others reach at most.', ['| | |', '|---|---|', ...lines].join('\n')]
}

function gemm(entries) {
  const caption =
    '**gemm**, TFLOP/s. fusebert: with bias, activation and residual, launches queued back to ' +
    'back. cuBLAS: product and bias alone, in a CUDA graph. ratio: fusebert / cuBLAS.'
  return table(caption, entries, [
    ['product', ({ name }) => name],
    ['M', ({ rows }) => whole(rows)],
    ['N × K', ({ columns, depth }) => `${columns} × ${depth}`],
    ['fusebert', ({ sides }) => tflops(sides.ours)],
    ['cuBLAS', ({ sides }) => tflops(sides.cublas)],
    ['ratio', ({ ratio }) => number(ratio, 2)],
  ])
}

function attention(entries) {
  const caption =
    "**attention**, µs, 12 heads of 64. fusebert: packed sequences. flash, cuDNN: torch's, " +
    "padded and without a mask; varlen: torch's flash, packed. fill: real tokens over padded " +
    'ones. TFLOP/s: of fusebert, over real tokens. Ratios above 1: fusebert is faster.'
  return table(caption, entries, [
    ['sequences', ({ name }) => name],
    ['fill', ({ fill }) => number(fill, 2)],
    ['fusebert', ({ sides }) => microseconds(sides.ours)],
    ['flash', ({ sides }) => microseconds(sides.flash)],
    ['cuDNN', ({ sides }) => microseconds(sides.cudnn)],
    ['varlen', ({ sides }) => microseconds(sides.varlen)],
    ['flash / fusebert', ({ ratio }) => number(ratio, 2)],
    ['varlen / fusebert', ({ ratio_to_varlen }) => number(ratio_to_varlen ?? NaN, 2)],
    ['TFLOP/s', ({ sides }) => number(sides.ours?.tflops, 1)],
  ])
}

function layerNorm(entries) {
  const caption =
    '**layer_norm**, GB/s of bytes read and written once. ratio: fusebert / torch.'
  return table(caption, entries, [
    ['rows', ({ rows }) => whole(rows)],
    ['columns', ({ columns }) => whole(columns)],
    ['fusebert', ({ sides }) => gigabytes(sides.ours)],
    ['torch', ({ sides }) => gigabytes(sides.torch)],
    ['ratio', ({ ratio }) => number(ratio, 2)],
  ])
}

/** Rows of the encoder's table: a second one where torch ran packed, too. */
function encoderRows(entries) {
  return entries.flatMap((entry) => {
    const padded = { ...entry, eager: 'eager', compiled: 'compiled' }
    if (!Number.isFinite(entry.ratio_to_packed)) return [padded]
    const name = `${entry.name}, torch packed`
    return [padded, { ...entry, name, eager: 'packed', compiled: 'packed_compiled' }]
  })
}

function encoder(entries) {
  const caption =
    "**encoder**: BERT-Base's geometry, fp16, mean pooling. fusebert in Node, from ids to " +
    'vectors on the host: call: one awaited call, ms; many: 4 calls in flight, ms a call, and ' +
    'tokens a second. torch eager, compiled: ms on the device alone, in a CUDA graph, padded, or ' +
    'packed with varlen attention where it says so. eager ÷ many, compiled ÷ many: these over ' +
    "fusebert's many; compiled ÷ call: both from host to host. Above 1, fusebert is faster. " +
    "Shares: of the ceilings' cuBLAS in 8192³, and in BERT-Base's products, that many reaches."
  const withOnnx = (entries ?? []).some(({ ratio_to_onnx }) => Number.isFinite(ratio_to_onnx))
  const onnx = [
    ['onnxruntime', ({ sides }) => milliseconds(sides.onnx_device)],
    ['onnxruntime ÷ many', ({ ratio_to_onnx }) => number(ratio_to_onnx ?? NaN, 2)],
  ]
  return table(caption, encoderRows(entries), [
    ['sequences', ({ name }) => name],
    ['fill', ({ fill }) => number(fill, 2)],
    ['call', ({ sides }) => milliseconds(sides.ours_call)],
    ['many', ({ sides }) => milliseconds(sides.ours_throughput)],
    ['tokens/s', ({ sides }) => whole(sides.ours_throughput?.tokens_per_second)],
    ['torch eager', ({ sides, eager }) => milliseconds(sides[`${eager}_device`])],
    ['torch compiled', ({ sides, compiled }) => milliseconds(sides[`${compiled}_device`])],
    ...(withOnnx ? onnx : []),
    ['eager ÷ many', (entry) => number(entry[`ratio_to_${entry.eager}`], 2)],
    ['compiled ÷ many', (entry) => number(entry[`ratio_to_${entry.compiled}`], 2)],
    ['compiled ÷ call', (entry) => number(entry[`call_ratio_to_${entry.compiled}`], 2)],
    ['share of 8192³', (entry) => percent(entry.share_of_cublas_ceiling ?? NaN)],
    ["of BERT's", (entry) => percent(entry.share_of_bert_gemms ?? NaN)],
  ])
}

function encoderCheck(check) {
  if (!Array.isArray(check?.cosines)) return []
  const least = (cosines) => number(Math.min(...(cosines ?? [NaN])), 7)
  return [
    "Before that, the vectors' least cosine to torch's in fp32: " +
      `${least(check.cosines)}; of torch's own in fp16: ${least(check.cosines_of_torch_fp16)}.`,
  ]
}

function text(entry) {
  const caption =
    '**text**: generated texts to pooled vectors by the pipeline, seconds; beside it the ' +
    'tokenizer alone, and the model alone on the same ids. share: of the model alone in the ' +
    "pipeline's seconds."
  const seconds = (side) => measured(side, ({ median }) => median, 3)
  return table(caption, entry?.sides === undefined ? [] : [entry], [
    ['texts', ({ texts }) => whole(texts)],
    ['tokens', ({ tokens }) => whole(tokens)],
    ['pipeline', ({ sides }) => seconds(sides.pipeline)],
    ['tokenizer', ({ sides }) => seconds(sides.tokenizer)],
    ['model', ({ sides }) => seconds(sides.model)],
    ['share', ({ share_of_model }) => percent(share_of_model)],
    ['texts/s', ({ texts_per_second }) => whole(texts_per_second)],
    ['tokens/s', ({ tokens_per_second }) => whole(tokens_per_second)],
  ])
}

function leftOut(skipped) {
  const all = skipped ?? []
  return all.length > 0 ? [`Not measured: ${all.join('; ')}.`] : []
}

/** “9.19.0” of 91900, as cuDNN counts since version 9. */
function version(cudnn) {
  const parts = [Math.floor(cudnn / 10_000), Math.floor(cudnn / 100) % 100, cudnn % 100]
  return Number.isFinite(cudnn) ? parts.join('.') : NONE
}

/** The paragraphs and tables of the results of bench/gpu. */
export function benchTables(bench) {
  const { torch, cudnn } = bench.device?.torch ?? {}
  const versions = torch === undefined ? 'no torch' : `torch ${torch}, cuDNN ${version(cudnn)}`
  const rounds = bench.gemm?.[0]?.sides?.ours?.rounds?.length ?? 'the'
  return [
    `**Speed**, by bench/gpu (${versions}; images: ${bench.device?.images ?? NONE}): medians ` +
      `of ${rounds} rounds in which the sides alternate; in parentheses the spread, ` +
      '(greatest − least) / median.',
    ...(bench.ceilings === undefined ? [] : ceilings(bench.ceilings)),
    ...gemm(bench.gemm),
    ...attention(bench.attention),
    ...layerNorm(bench.layer_norm),
    ...encoder(bench.encoder ?? []),
    ...encoderCheck(bench.encoder_check),
    ...text(bench.text),
    ...leftOut(bench.skipped),
  ]
}

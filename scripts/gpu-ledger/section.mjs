// A run's section of the ledger: its tests, kernel by kernel, and its benchmarks.
import { benchTables } from './bench-tables.mjs'
import { hasStep, isLost, OLDER_IMAGES, testsOf } from './results.mjs'

/** The rows of the ledger's table, and the suites of C++ tests that hold each. */
export const KERNEL_TESTS = {
  gemm: { label: '`gemm`', suites: ['Gemm'] },
  attention: { label: '`attention`', suites: ['Attention'] },
  embeddings: { label: '`embeddings`', suites: ['Embeddings'] },
  layer_norm: { label: '`layer_norm`', suites: ['LayerNorm'] },
  pooling: { label: '`pooling`', suites: ['Pooling', 'Rows'] },
  logits: { label: '`logits`', suites: ['Logits'] },
  top_k: { label: '`top_k`', suites: ['TopK'] },
  convert: { label: '`convert`', suites: ['Convert'] },
  encoder: { label: 'the whole encoder', suites: ['CudaBackend', 'CudaHead', 'DeviceEncoder'] },
  typescript: { label: 'encoder, heads and pipelines, from TypeScript', suites: [] },
}
export const KERNELS = Object.keys(KERNEL_TESTS)
const OF_KERNELS = new Set(Object.values(KERNEL_TESTS).flatMap(({ suites }) => suites))
const STATUSES = ['passed', 'failed', 'skipped']
/** Of C++ tests. */
const KINDS = {
  cubin: 'cubins', ptx: 'PTX',
  ...Object.fromEntries(Object.entries(OLDER_IMAGES).map(([kind, of]) => [kind, `sm_${of}'s PTX`])),
}

const suiteOf = (test) => test.split('.')[0]

function statusesOf(tests, wanted) {
  return Object.entries(tests).filter(([name]) => wanted(suiteOf(name))).map(([, status]) => status)
}

/** “7 passed, 1 failed”; failures stand out. */
function count(statuses) {
  const counted = STATUSES.map((status) => {
    const number = statuses.filter((each) => each === status).length
    const text = `${number} ${status}`
    return number === 0 ? [] : [status === 'failed' ? `**${text}**` : text]
  })
  return counted.flat().join(', ')
}

function statusesOfKernel(run, kernel, kind) {
  const tests = testsOf(run, kind)
  if (kernel === 'typescript' || kind === 'typescript') {
    return kernel === kind ? Object.values(tests) : []
  }
  return statusesOf(tests, (suite) => KERNEL_TESTS[kernel].suites.includes(suite))
}

/** What each kernel's tests found with some kinds; kernels of which no test ran are left out. */
function summariesWith(run, kinds) {
  const found = KERNELS.map((kernel) => {
    const own = kinds.filter((kind) => (kernel === 'typescript') === (kind === 'typescript'))
    const parts = own.map((kind) => {
      const statuses = statusesOfKernel(run, kernel, kind).filter((each) => each !== 'skipped')
      const text = isLost(run, kind) ? '**no end**' : count(statuses)
      return text === '' || !(kind in KINDS) ? text : `${text} with ${KINDS[kind]}`
    })
    return [kernel, parts.filter(Boolean).join(', ')]
  })
  return Object.fromEntries(found.filter(([, summary]) => summary !== ''))
}

/** What each kernel's tests found with the images of the GPU's own architecture. */
export function summariesOf(run) {
  return summariesWith(run, ['cubin', 'ptx', 'typescript'])
}

/** The same with images of older architectures, by architecture. */
export function olderSummariesOf(run) {
  const all = Object.entries(OLDER_IMAGES).map(([kind, of]) => [of, summariesWith(run, [kind])])
  return Object.fromEntries(all.filter(([, found]) => Object.keys(found).length > 0))
}

function testTable(run) {
  const kinds = Object.keys(KINDS).filter((kind) => {
    return !(kind in OLDER_IMAGES) || hasStep(run, kind)
  })
  const line = (cells) => `| ${cells.join(' | ')} |`
  const row = (label, statuses) => line([label, ...statuses.map((each) => count(each) || '–')])
  const kernels = KERNELS.filter((kernel) => kernel !== 'typescript').map((kernel) => {
    return row(KERNEL_TESTS[kernel].label, kinds.map((kind) => statusesOfKernel(run, kernel, kind)))
  })
  const other = kinds.map((kind) => {
    return statusesOf(testsOf(run, kind), (suite) => !OF_KERNELS.has(suite))
  })
  const typescript = count(Object.values(testsOf(run, 'typescript'))) || 'none ran'
  return [
    line(['C++ tests', ...kinds.map((kind) => `from ${KINDS[kind]}`)]),
    `|---${'|---'.repeat(kinds.length)}|`,
    ...kernels,
    row('contexts, memory, streams, graphs', other),
    '',
    `Tests from TypeScript: ${typescript}. What needs the virtual GPU's faults is skipped.`,
  ].join('\n')
}

function failures(run) {
  const steps = [...run.steps.values()].flatMap(({ name, status, tests }) => {
    const failed = Object.keys(tests).filter((test) => tests[test] === 'failed')
    if (failed.length > 0) return failed.map((test) => `- ${name}: \`${test}\``)
    return status === 0 ? [] : [`- ${name}: ended with ${status}`]
  })
  const bench = (run.bench?.errors ?? []).map((error) => `- bench/gpu: ${String(error)}`)
  const all = [...steps, ...bench].map((line) => line.replace(/\s+/g, ' ').replaceAll('<!--', '<!'))
  return all.length > 0 ? `**Failed:**\n\n${all.join('\n')}` : 'Nothing failed.'
}

/** The section's text, without a line break at its end. */
export function sectionOf(run) {
  const { gpu, architecture, date, driver, commit, bench } = run
  const speed = bench === undefined ? ['bench/gpu did not run.'] : benchTables(bench)
  return [
    `### ${gpu}`,
    `sm_${architecture}, driver ${driver}; ${date}, commit ${commit}.`,
    failures(run),
    testTable(run),
    ...speed,
  ].join('\n\n')
}

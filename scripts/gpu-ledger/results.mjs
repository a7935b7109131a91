// What scripts/gpu-bundle/run.py wrote, checked: nothing enters the ledger that is not understood.

const STATUSES = {
  passed: 'passed', failed: 'failed', skipped: 'skipped', pending: 'skipped', todo: 'skipped',
  disabled: 'skipped',
}
/** Architectures whose PTX runs on newer GPUs too, by the kinds of steps that run it there. */
export const OLDER_IMAGES = { ptx_80: 80, ptx_75: 75 }
const TEST_STEPS = {
  cubin: 'C++ tests, cubin', ptx: 'C++ tests, ptx', ptx_80: 'C++ tests, ptx of sm_80',
  ptx_75: 'C++ tests, ptx of sm_75', typescript: 'TypeScript tests',
}
const BENCH_STEP = 'bench/gpu'
const BENCH_TABLES = ['gemm', 'attention', 'layer_norm', 'encoder']
// Of what is printed as it is, in a table and in a comment.
const PLAIN = /^(?!.*--)[\w .,()+/-]+$/

function expected(what, value) {
  const shown = value === undefined ? 'nothing' : JSON.stringify(value).slice(0, 80)
  return new Error(`Expected ${what} but received ${shown}.`)
}

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value)

function plain(value, what) {
  if (typeof value !== 'string' || !PLAIN.test(value)) throw expected(what, value)
  return value
}

function parse(text) {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Error(`Expected JSON: ${error.message}`, { cause: error })
  }
}

function readStep(step) {
  if (!isObject(step) || typeof step.name !== 'string') throw expected('a step', step)
  const known = typeof step.status === 'number' || typeof step.status === 'string'
  if (!known) throw expected(`a status of ${step.name}`, step.status)
  const tests = step.tests ?? {}
  if (!isObject(tests)) throw expected(`tests of ${step.name}`, tests)
  for (const [name, status] of Object.entries(tests)) {
    if (!Object.hasOwn(STATUSES, status)) throw expected(`the result of ${name}`, status)
  }
  const entries = Object.entries(tests).map(([name, status]) => [name, STATUSES[status]])
  return { ...step, tests: Object.fromEntries(entries) }
}

function readBench(step) {
  if (step === undefined) return undefined
  const { results } = step
  if (!isObject(results)) throw expected(`results of ${BENCH_STEP}`, results)
  for (const name of BENCH_TABLES) {
    if (!Array.isArray(results[name] ?? [])) throw expected(`a list of ${name}`, results[name])
  }
  return results
}

/** 90 of sm_90: as the benchmark found it, or nvidia-smi's compute capability, “9.0”. */
function architectureOf(bench, capability) {
  const found = bench?.device?.architecture
  if (Number.isInteger(found)) return found
  if (/^\d+\.\d$/.test(capability ?? '')) return Number(capability.replace('.', ''))
  throw expected("the GPU's architecture", found)
}

/**
 * What a run found, of the text of its file: gpu, driver, architecture, date, commit, steps by name
 * with their tests (name to passed, failed or skipped), and the results of bench/gpu if it ran.
 */
export function readResults(text) {
  const found = parse(text)
  if (!isObject(found) || !Array.isArray(found.steps)) throw expected('results of run.py', found)
  if (found.rehearsal !== false) throw new Error('Expected results of a GPU, not of a rehearsal.')
  const steps = new Map(found.steps.map(readStep).map((step) => [step.name, step]))
  const tests = Object.values(TEST_STEPS).map((name) => steps.get(name)?.tests ?? {})
  if (!tests.some((each) => Object.values(each).includes('passed'))) {
    throw new Error('Expected results with a test that passed.')
  }
  if (!/^\d{4}-\d\d-\d\d$/.test(found.date)) throw expected('a date', found.date)
  const described = found.machine?.gpus?.[0]
  if (typeof described !== 'string') throw expected('a GPU', described)
  const [name, version, , , capability] = described.split(', ')
  const gpu = plain(name, "a GPU's name")
  const bench = readBench(steps.get(BENCH_STEP))
  const used = bench?.device?.name ?? gpu
  // FUSEBERT_CUDA_DRIVER may have named another device than nvidia-smi knows.
  if (used !== gpu) throw expected(`results of ${gpu}`, used)
  return {
    gpu,
    driver: plain(version, "a driver's version"),
    architecture: architectureOf(bench, capability),
    date: found.date,
    commit: plain(found.commit, 'a commit'),
    steps,
    bench,
  }
}

/** The tests of one kind of step: cubin, ptx, ptx_80, ptx_75 or typescript. */
export function testsOf(run, kind) {
  return run.steps.get(TEST_STEPS[kind])?.tests ?? {}
}

/** Whether a kind's step ended without saying what its tests found. */
export function isLost(run, kind) {
  const step = run.steps.get(TEST_STEPS[kind])
  return step !== undefined && step.status !== 0 && Object.keys(step.tests).length === 0
}

/** Whether a kind's step is among the run's. */
export function hasStep(run, kind) {
  return run.steps.has(TEST_STEPS[kind])
}

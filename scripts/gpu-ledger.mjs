// Merges what a run on a GPU found into the ledger:
//
//   node scripts/gpu-ledger.mjs RESULTS.json [LEDGER]
//
// RESULTS.json is what scripts/gpu-bundle/run.py wrote; LEDGER, by default docs/gpu-ledger.md, has
// two parts between markers that belong to this script: the table of kernels, and one section for
// each GPU. A GPU's newer run takes the place of its older one; the same run again changes nothing.
// Failures are entered as such. Results of a rehearsal, without a test that passed, older than the
// ledger's, or that cannot be understood change nothing, and the exit status is 1.
import { readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { readResults } from './gpu-ledger/results.mjs'
import {
  KERNELS, KERNEL_TESTS, olderSummariesOf, sectionOf, summariesOf,
} from './gpu-ledger/section.mjs'

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..')
const LEDGER = join(ROOT, 'docs/gpu-ledger.md')
// Of the images, newest first: native/cuda/kernels/common/images.h.
const IMAGES = [90, 80, 75]
const HEADINGS = { 75: 'sm_75', 80: 'sm_80, which sm_86 and sm_89 run too', 90: 'sm_90' }
const VIRTUAL_ONLY = 'virtual only'

const begin = (part) => `<!-- ${part}: by scripts/gpu-ledger.mjs -->`
const end = (part) => `<!-- end of ${part} -->`
const ENTRY = /<!-- gpu (\{.*\}) -->\n([\s\S]*?)\n<!-- end of gpu -->/g

/** What is between a part's markers, and before and after them. */
function split(text, part) {
  const from = text.indexOf(begin(part))
  const to = text.indexOf(end(part))
  if (from < 0 || to < from) {
    throw new Error(`Expected “${begin(part)}” and “${end(part)}” in the ledger.`)
  }
  const inner = from + begin(part).length
  return [text.slice(0, inner), text.slice(inner, to), text.slice(to)]
}

function replace(text, part, content) {
  const [before, , after] = split(text, part)
  return `${before}\n${content}\n${after}`
}

/** The ledger's entries: the facts that the table needs, and a section's text. */
function readEntries(text) {
  return [...split(text, 'runs')[1].matchAll(ENTRY)].map(([, facts, section]) => {
    return { ...JSON.parse(facts), section }
  })
}

function writeEntry({ section, ...facts }) {
  return `<!-- gpu ${JSON.stringify(facts)} -->\n${section}\n<!-- end of gpu -->`
}

function imageOf(architecture) {
  const found = IMAGES.find((image) => image <= architecture)
  if (found === undefined) throw new Error(`Expected sm_75 or newer but received ${architecture}.`)
  return found
}

/** What a run found of a kernel with the images of an architecture; undefined where none ran. */
function summaryOf({ architecture, kernels, older = {} }, kernel, image) {
  return imageOf(architecture) === image ? kernels[kernel] : older[image]?.[kernel]
}

function cell(entries, kernel, image) {
  const ran = entries.filter((entry) => summaryOf(entry, kernel, image) !== undefined)
  const texts = ran.map((entry) => {
    const { gpu, architecture, driver, date } = entry
    const other = architecture === image ? '' : ` (sm_${architecture})`
    return `${gpu}${other}, driver ${driver}, ${date}: ${summaryOf(entry, kernel, image)}`
  })
  return texts.length > 0 ? texts.join('<br>') : VIRTUAL_ONLY
}

function kernelTable(entries) {
  const images = IMAGES.toReversed()
  const rows = KERNELS.map((kernel) => {
    const cells = images.map((image) => cell(entries, kernel, image))
    return `| ${KERNEL_TESTS[kernel].label} | ${cells.join(' | ')} |`
  })
  const head = `| kernels | ${images.map((image) => HEADINGS[image]).join(' | ')} |`
  return [head, '|---|---|---|---|', ...rows].join('\n')
}

/** The ledger with a run in it. */
function merge(text, run) {
  const entries = readEntries(text)
  const known = entries.find(({ gpu }) => gpu === run.gpu)
  if (known !== undefined && known.date > run.date) {
    throw new Error(`Expected results of ${known.date} or later but received ${run.date}.`)
  }
  const { gpu, architecture, driver, date } = run
  const kernels = summariesOf(run)
  const facts = { gpu, architecture, driver, date, kernels, older: olderSummariesOf(run) }
  const merged = [
    ...entries.filter((entry) => entry !== known),
    { ...facts, section: sectionOf(run) },
  ].sort((a, b) => (a.gpu < b.gpu ? -1 : 1))
  imageOf(architecture)
  const table = replace(text, 'kernels', kernelTable(merged))
  return replace(table, 'runs', merged.map(writeEntry).join('\n\n'))
}

function main([file, ledger = LEDGER]) {
  if (file === undefined) throw new Error('Expected the file that run.py wrote.')
  const run = readResults(readFileSync(file, 'utf8'))
  const before = readFileSync(ledger, 'utf8')
  const after = merge(before, run)
  if (after !== before) writeFileSync(ledger, after)
  const did = after === before ? 'has this run already' : `has the run of ${run.date}`
  console.log(`${basename(ledger)}: ${run.gpu} ${did}`)
}

try {
  main(process.argv.slice(2))
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}

// Style as a test: who may include or import whom, lengths of files and lines, napi.h only where it
// belongs, files that say what they are for.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'

import { describe, expect, test } from 'vitest'

import { ROOT } from '../support/require.js'

const MAX_FILE_LINES = 500
const MAX_LINE_COLUMNS = 100

/** Files git knows, and those it would take. */
const known = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: ROOT,
  encoding: 'utf8',
}).split('\n')

/** Of them those that a person wrote. */
const files = known
  .filter((file) => /\.(ts|js|mjs|cc|h|cu|cuh|py)$/.test(file))
  .filter((file) => !/unicode_(tables|data)\.(cc|h)$/.test(file))

const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8')

/** What a folder of lib/ may import, besides itself and the plain files in lib/. */
const TYPESCRIPT_MAY: Record<string, string[]> = {
  cli: ['batch', 'pipelines', 'tokenizer', 'models', 'hub'],
  batch: ['pipelines'],
  pipelines: ['models', 'tokenizer', 'hub', 'native'],
  models: ['checkpoint', 'hub', 'native'],
  tokenizer: ['checkpoint', 'hub', 'native'],
  checkpoint: ['hub'],
  hub: [],
  native: ['checkpoint'],
}

/** What a folder of native/ may include, besides itself. */
const NATIVE_MAY: Record<string, string[]> = {
  napi: ['engine', 'tokenizer', 'model', 'backend', 'core'],
  engine: ['tokenizer', 'model', 'backend', 'core'],
  backend: ['cpu', 'cuda', 'model', 'core'],
  cpu: ['backend', 'model', 'core'],
  cuda: ['backend', 'model', 'core'],
  tokenizer: ['core'],
  model: ['core'],
  core: [],
}

function forbiddenImports(file: string): string[] {
  const folder = file.split('/')[1] ?? ''
  const allowed = TYPESCRIPT_MAY[folder]
  if (allowed === undefined) return []
  const found = read(file).matchAll(/(?:from|import|import\() ?'(\.[^']+)'/g)
  const imports = [...found].map((match) => match[1] ?? '')
  return imports
    .map((path) => normalize(join(dirname(file), path)).split('/'))
    .filter((parts) => parts.length > 2)
    .map((parts) => parts[1] ?? '')
    .filter((target) => target !== folder && !allowed.includes(target))
    .map((target) => `${file} imports ${target}/`)
}

function forbiddenIncludes(file: string): string[] {
  const folder = file.split('/')[1] ?? ''
  const allowed = NATIVE_MAY[folder] ?? []
  const includes = [...read(file).matchAll(/#include "([^"]+)"/g)].map((match) => match[1] ?? '')
  return includes
    .map((path) => path.split('/')[0] ?? '')
    .filter((target) => target in NATIVE_MAY && target !== folder && !allowed.includes(target))
    .map((target) => `${file} includes ${target}/`)
}

describe('tidy', () => {
  test('there is something to look at', () => {
    expect(files.length).toBeGreaterThan(50)
  })

  test('no logs of tools are among the files', () => {
    expect(known.filter((file) => file.endsWith('.log'))).toEqual([])
  })

  test('folders of lib/ import only what lies below them', () => {
    const found = files.filter((file) => file.startsWith('lib/')).flatMap(forbiddenImports)
    expect(found).toEqual([])
  })

  test('folders of native/ include only what lies below them', () => {
    const found = files.filter((file) => file.startsWith('native/')).flatMap(forbiddenIncludes)
    expect(found).toEqual([])
  })

  test('napi.h is included in native/napi only', () => {
    const found = files.filter(
      (file) =>
        !file.startsWith('native/napi/') && /#include <(napi|node_api)\.h>/.test(read(file)),
    )
    expect(found).toEqual([])
  })

  test(`files have at most ${MAX_FILE_LINES} lines of at most ${MAX_LINE_COLUMNS} columns`, () => {
    const found = files.flatMap((file) => {
      const lines = read(file).split('\n')
      const long = lines.findIndex((line) => [...line].length > MAX_LINE_COLUMNS)
      return [
        ...(lines.length - 1 > MAX_FILE_LINES ? [`${file}: ${lines.length - 1} lines`] : []),
        ...(long >= 0 ? [`${file}:${long + 1} is too long`] : []),
      ]
    })
    expect(found).toEqual([])
  })

  test('files open with what they are for', () => {
    const found = files.filter((file) => {
      const lines = read(file).split('\n')
      const first = lines[lines[0]?.startsWith('#!') ? 1 : 0] ?? ''
      return !/^(\/\/|\/\*|#|""")/.test(first)
    })
    expect(found).toEqual([])
  })

  test('no build for the machine at hand, no path of a machine', () => {
    const texts = known
      .filter((file) => /\.(txt|ts|mjs|js|gyp|json|md|py|cc|h)$|run$/.test(file))
      .filter((file) => !file.startsWith('test/tidy/'))
      // A tool of the tests, which runs where it was built and nowhere else.
      .filter((file) => file !== 'test/virtual-gpu/CMakeLists.txt')
    const found = texts.filter((file) =>
      /march=native|\/root\/|\/home\/[a-z]|resolved": "http/.test(read(file)),
    )
    expect(found).toEqual([])
  })
})

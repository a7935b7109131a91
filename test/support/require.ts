// Parts that a machine may lack. A test that needs one is skipped visibly where it is absent, and
// FUSEBERT_REQUIRE (a comma-separated list of parts) makes its absence a failure.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

const require = createRequire(import.meta.url)

/** The repository's root, and the folder with the real model beside it. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
export const SHARED = fileURLToPath(new URL('../../../shared', import.meta.url))
export const MINILM = `${SHARED}/models/all-minilm-l6-v2`

function starts(command: string, ...args: string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0
}

function loads(name: string): boolean {
  try {
    require(name)
    return true
  } catch {
    return false
  }
}

const parts = {
  /** The real checkpoint and its reference values. */
  shared: () => existsSync(MINILM),
  /** The npm package `tokenizers`, the oracle of the tokenizer. */
  tokenizers: () => loads('tokenizers'),
  /** GoogleTest, for the C++ tests. */
  gtest: () => starts('sh', '-c', 'echo "#include <gtest/gtest.h>" | c++ -E -x c++ - '),
  /** qemu-user, for older processors. */
  qemu: () => starts('qemu-x86_64', '--version'),
  /** A network namespace without a network. */
  unshare: () => starts('unshare', '-rn', 'true'),
} as const

export type Part = keyof typeof parts

/**
 * Whether a part is there.
 * @throws when it is not and FUSEBERT_REQUIRE names it
 */
export function available(part: Part): boolean {
  if (parts[part]()) return true
  const required = (process.env['FUSEBERT_REQUIRE'] ?? '').split(',')
  if (required.includes(part)) {
    throw new Error(`FUSEBERT_REQUIRE names '${part}', but it is not available here.`)
  }
  return false
}

/** A tiny model in MentalBERT's layout, in the repository. */
export const GOLDEN = `${ROOT}test/golden`
export const GOLDEN_MODEL = `${GOLDEN}/mental-bert-like`

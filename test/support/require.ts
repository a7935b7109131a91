// Parts that a machine may lack. A test that needs one is skipped visibly where it is absent, and
// FUSEBERT_REQUIRE (a comma-separated list of parts) makes its absence a failure.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const require = createRequire(import.meta.url)

/** The repository's root, and the folder with the real model beside it. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
export const SHARED = fileURLToPath(new URL('../../../shared', import.meta.url))
export const MINILM = `${SHARED}/models/all-minilm-l6-v2`

/** A virtual environment in the checkout is preferred to the machine's Python. */
const VENV_PYTHON = `${ROOT}.venv/bin/python`
export const PYTHON = existsSync(VENV_PYTHON) ? VENV_PYTHON : 'python3'

export const NODE_PREFIX = dirname(dirname(process.execPath))

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
  /** The CUDA toolkit's compiler and headers, for the virtual GPU's driver. */
  nvcc: () => starts('nvcc', '--version'),
  /** NVIDIA's disassembler, of the toolkit or of test/cuda/requirements.txt. */
  nvdisasm: () =>
    starts('nvdisasm', '--version') ||
    starts('sh', '-c', `ls '${ROOT}'.venv/lib/*/site-packages/nvidia/cu13/bin/nvdisasm`),
  /** NumPy, with which the virtual GPU's results are compared. */
  numpy: () => starts(PYTHON, '-c', 'import numpy'),
  /** qemu-user, for older processors. */
  qemu: () => starts('qemu-x86_64', '--version'),
  /** A compiler for 64-bit ARM, an emulator of one, and GoogleTest's sources. */
  aarch64: () =>
    starts('aarch64-linux-gnu-g++', '--version') &&
    starts('qemu-aarch64', '--version') &&
    existsSync('/usr/src/googletest/googletest/CMakeLists.txt'),
  /** Node's own C headers beside its binary; node-gyp would download them. */
  headers: () => existsSync(join(NODE_PREFIX, 'include/node/node.h')),
  /** Python, which node-gyp runs on. */
  python: () => starts('python3', '--version'),
  /** What scripts/default-model needs; scripts/default-model/requirements.txt. */
  torch: () => starts(PYTHON, '-c', 'import torch, tokenizers, safetensors, scipy'),
  /** xz, which packs the bundle for a machine with a GPU. */
  xz: () => starts('xz', '--version'),
  /** A terminal for a command to run on. */
  script: () => starts('script', '--version'),
  /** A network namespace without a network. */
  unshare: () => starts('unshare', '-rn', 'true'),
} as const

export type Part = keyof typeof parts

/**
 * Whether a part is there.
 * @throws when it is not and FUSEBERT_REQUIRE names it
 */
export function available(part: Part): boolean {
  const required = (process.env['FUSEBERT_REQUIRE'] ?? '').split(',').filter(Boolean)
  const unknown = required.filter((name) => !(name in parts))
  if (unknown.length > 0) {
    throw new Error(
      `Expected ${Object.keys(parts).join(', ')} in FUSEBERT_REQUIRE but received ` +
        `${unknown.join(', ')}.`,
    )
  }
  if (parts[part]()) return true
  if (required.includes(part)) {
    throw new Error(`FUSEBERT_REQUIRE names '${part}', but it is not available here.`)
  }
  return false
}

/** A tiny model in MentalBERT's layout, in the repository. */
export const GOLDEN = `${ROOT}test/golden`
export const GOLDEN_MODEL = `${GOLDEN}/mental-bert-like`

// Finds the native addon and loads it: the one built in this package, else the prebuilt one for
// this platform.

import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

import { FusebertError, type ErrorCode } from '../errors.js'
import type { NativeAddon } from './addon.js'

const require = createRequire(import.meta.url)

/** Where the addon may be, in the order of preference; relative to dist/native/ and lib/native/. */
function candidates(): string[] {
  const platform = `${process.platform}-${process.arch}`
  return [
    '../../build/Release/fusebert.node',
    `../../prebuilds/${platform}/fusebert.node`,
  ].map((path) => fileURLToPath(new URL(path, import.meta.url)))
}

let loaded: NativeAddon | undefined

/**
 * The addon, loaded at first use.
 * @throws ERR_ADDON_LOAD when no candidate exists or none loads; the message says what to do
 */
export function loadAddon(): NativeAddon {
  if (loaded !== undefined) return loaded
  const found = candidates().filter((path) => existsSync(path))
  let cause: unknown
  for (const path of found) {
    try {
      loaded = require(path) as NativeAddon
      return loaded
    } catch (error) {
      cause = error
    }
  }
  const reason =
    found.length === 0
      ? 'it has not been built'
      : `it does not load (${cause instanceof Error ? cause.message : String(cause)})`
  throw new FusebertError(
    'ERR_ADDON_LOAD',
    `Expected fusebert's native addon for ${process.platform}-${process.arch} but ${reason}. ` +
      'Run "npm rebuild fusebert --foreground-scripts"; it needs a C++20 compiler and CMake. ' +
      'If npm ran with --ignore-scripts, the addon was never built.',
    { cause },
  )
}

/** Whether an error is the addon's: it carries one of our codes. */
function hasCode(error: unknown): error is Error & { code: ErrorCode } {
  return (
    error instanceof Error &&
    'code' in error &&
    typeof error.code === 'string' &&
    error.code.startsWith('ERR_')
  )
}

function toFusebertError(error: unknown): unknown {
  if (error instanceof FusebertError || !hasCode(error)) return error
  return new FusebertError(error.code, error.message)
}

/** Awaits a call of the addon and makes its errors FusebertErrors. */
export async function fromNative<T>(call: () => Promise<T> | T): Promise<T> {
  try {
    return await call()
  } catch (error) {
    throw toFusebertError(error)
  }
}

/** The same for a call that returns at once. */
export function fromNativeSync<T>(call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw toFusebertError(error)
  }
}

// An output file that appears at once, complete, or not at all: it is written under a temporary
// name in the same folder, then renamed.

import { randomBytes } from 'node:crypto'
import { unlinkSync } from 'node:fs'
import { access, constants, open, readlink, realpath, rename, stat, unlink } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join, sep } from 'node:path'

import { FusebertError } from '../errors.js'
import { errorCode } from './input.js'

/** Writes some of the bytes at a position and says how many. */
export type WriteFunction = (
  handle: FileHandle,
  bytes: Uint8Array,
  position: number,
) => Promise<number>

const write: WriteFunction = async (handle, bytes, position) => {
  const { bytesWritten } = await handle.write(bytes, 0, bytes.length, position)
  return bytesWritten
}

/** Leaves room for the process id and a random number within a name of 255 bytes. */
const MAX_NAME_CHARS = 64

const PERMISSIONS = 0o777

/** Temporary files that exist now. */
const live = new Set<string>()

/** Removes what unfinished outputs have left, for a process that is about to end. */
export function removeTemporaryFiles(): void {
  for (const path of live) {
    try {
      unlinkSync(path)
    } catch {
      // Not there any more, or the folder is gone: nothing is left behind either way.
    }
  }
  live.clear()
}

const advice: Record<string, string> = {
  ENOSPC: 'There is no space left: free some, or write to another disk.',
  EDQUOT: 'The disk quota is used up: free some space, or write to another disk.',
  EFBIG: 'The file system or a limit does not allow files of this size.',
  EACCES: 'Write to a folder where you may create files.',
  EPERM: 'Write to a folder where you may create files.',
  EROFS: 'The file system is read-only: write to another folder.',
  ENOENT: 'Create the folder first.',
  ENOTDIR: 'Create the folder first.',
  ENAMETOOLONG: 'The name is too long: choose a shorter one.',
  ELOOP: 'The link leads back to itself: remove it, or write to another file.',
}

/** ERR_OUTPUT_WRITE with what to do about the system's error. */
export function outputError(name: string, cause: unknown): FusebertError {
  if (cause instanceof FusebertError) return cause
  const code = errorCode(cause)
  return new FusebertError(
    'ERR_OUTPUT_WRITE',
    `Could not write ${name} (${code}). ${advice[code] ?? 'Write to another file.'}`,
    { cause },
  )
}

/** undefined where there is nothing; every other failure is one. */
async function unlessMissing<T>(result: Promise<T>): Promise<T | undefined> {
  return result.catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  })
}

/** The path without links; a link to nothing leads to where its target would be. */
async function followLinks(path: string): Promise<string> {
  const existing = await unlessMissing(realpath(path))
  if (existing !== undefined) return existing
  const parent = await realpath(dirname(path))
  const target = join(parent, basename(path))
  const link = await unlessMissing(readlink(target))
  if (link === undefined) return target
  // A circle of links cannot get here: realpath() fails with ELOOP. Not resolve(): it would drop a
  // folder that is not there before "..".
  return followLinks(isAbsolute(link) ? link : `${parent}${sep}${link}`)
}

/**
 * Where an output of this name really goes: a link stays, its target is created or replaced.
 * @throws ERR_OUTPUT_WRITE when it is something else than a file, or its folder cannot be written
 */
export async function checkOutput(path: string): Promise<string> {
  const fail = (cause: unknown): never => {
    throw outputError(path, cause)
  }
  // What would only be found out at the end must not cost a whole job.
  const target = await followLinks(path).catch(fail)
  const info = await unlessMissing(stat(target)).catch(fail)
  if (info !== undefined && !info.isFile()) {
    throw new FusebertError(
      'ERR_OUTPUT_WRITE',
      `Expected a file or nothing at ${path} but there is ` +
        `${info.isDirectory() ? 'a folder' : 'a device or a pipe'}. Give the path of a file; - ` +
        'writes to standard output.',
    )
  }
  await access(dirname(target), constants.W_OK).catch(fail)
  return target
}

export class TemporaryFile {
  readonly #handle: FileHandle
  readonly #name: string
  readonly #path: string
  readonly #target: string
  readonly #write: WriteFunction
  #position = 0
  #open = true

  private constructor(
    handle: FileHandle,
    name: string,
    path: string,
    target: string,
    writeSome: WriteFunction,
  ) {
    this.#handle = handle
    this.#name = name
    this.#path = path
    this.#target = target
    this.#write = writeSome
  }

  /**
   * @param name - the file to create or replace on commit()
   * @throws ERR_OUTPUT_WRITE
   */
  static async create(name: string, writeSome = write): Promise<TemporaryFile> {
    const target = await checkOutput(name)
    const random = randomBytes(6).toString('hex')
    const short = basename(target).slice(0, MAX_NAME_CHARS)
    const path = join(dirname(target), `.${short}.${process.pid}-${random}.tmp`)
    live.add(path)
    try {
      const handle = await open(path, 'wx')
      return new TemporaryFile(handle, name, path, target, writeSome)
    } catch (cause) {
      live.delete(path)
      throw outputError(name, cause)
    }
  }

  /** Appends all of the bytes. @throws ERR_OUTPUT_WRITE */
  async write(bytes: Uint8Array): Promise<void> {
    await this.writeAt(bytes, this.#position)
    this.#position += bytes.length
  }

  /** Writes all of the bytes at a position; the end of the file stays. @throws ERR_OUTPUT_WRITE */
  async writeAt(bytes: Uint8Array, position: number): Promise<void> {
    try {
      for (let done = 0; done < bytes.length; ) {
        const count = await this.#write(this.#handle, bytes.subarray(done), position + done)
        if (count <= 0) throw Object.assign(new Error('Nothing was written.'), { code: 'ENOSPC' })
        done += count
      }
    } catch (cause) {
      throw outputError(this.#name, cause)
    }
  }

  /** Puts the file in its place. @throws ERR_OUTPUT_WRITE */
  async commit(): Promise<void> {
    try {
      const old = await stat(this.#target).catch(() => undefined)
      if (old !== undefined) await this.#handle.chmod(old.mode & PERMISSIONS)
      await this.#handle.sync()
      await this.#handle.close()
      await rename(this.#path, this.#target)
      live.delete(this.#path)
      this.#open = false
    } catch (cause) {
      throw outputError(this.#name, cause)
    }
    await syncFolder(dirname(this.#target))
  }

  /** Removes the file. Idempotent; does nothing after commit(). Never throws. */
  async discard(): Promise<void> {
    if (!this.#open) return
    this.#open = false
    await this.#handle.close().catch(() => undefined)
    await unlink(this.#path).catch(() => undefined)
    live.delete(this.#path)
  }
}

/** Makes a rename survive a power cut, where the file system can. */
async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r').catch(() => undefined)
  await handle?.sync().catch(() => undefined)
  await handle?.close().catch(() => undefined)
}

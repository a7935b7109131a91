// A folder that holds a model: names inside it, resolved without leaving it, and small files read
// whole. A Hugging Face cache snapshot, whose files are symlinks to blobs elsewhere, is such a
// folder: the folder's own entries may be links, names that files mention may not climb out.

import { constants } from 'node:fs'
import { basename, isAbsolute, join, normalize, resolve, sep } from 'node:path'

import { FusebertError, invalidArgument, type ErrorCode } from '../errors.js'
import { embeddedModelPath } from './embedded-model.js'
import { close, fstat, isMissing, lstat, open, openError, read, stat } from './files.js'

/** No JSON file of a model comes near this. */
const MAX_JSON_BYTES = 256 * 1024 * 1024

/** 'owner/name', as on the Hugging Face hub. */
function looksLikeHubName(path: string): boolean {
  return /^[\w-][\w.-]*\/[\w-][\w.-]*$/.test(path)
}

function adviceFor(path: string): string {
  const advice = 'Give the folder that holds config.json'
  return looksLikeHubName(path)
    ? `${advice}; to get it: hf download ${path} --local-dir model.`
    : `${advice}.`
}

/** A bundler that moves the code leaves the model behind. */
const REINSTALL =
  'It is a part of the package: install fusebert again, and let a bundler treat it as external.'

export class ModelFolder {
  /** Absolute path. */
  readonly path: string

  private constructor(path: string) {
    this.path = path
  }

  /**
   * @param path - a folder on disk, or the name of the model that comes with the package (a folder
   * of that name is './fusebert-mini')
   * @throws ERR_INVALID_ARGUMENT for something that is not a path, ERR_FILE_NOT_FOUND when there is
   * no such folder
   */
  static async open(path: string): Promise<ModelFolder> {
    if (typeof path !== 'string' || path === '' || path.includes('\0')) {
      throw invalidArgument('the path of a model folder', 'model', path)
    }
    const embedded = embeddedModelPath(path)
    const absolute = embedded ?? resolve(path)
    const info = await stat(absolute).catch(() => undefined)
    if (info === undefined || !info.isDirectory()) {
      throw new FusebertError(
        'ERR_FILE_NOT_FOUND',
        `Expected a folder with a model at ${absolute} but there is ` +
          `${info ? 'a file' : 'nothing'}. ${embedded === undefined ? adviceFor(path) : REINSTALL}`,
      )
    }
    return new ModelFolder(absolute)
  }

  /** A folder inside this one, for example '1_Pooling'; existence is not checked. */
  child(name: string): ModelFolder {
    return new ModelFolder(this.resolve(name))
  }

  /**
   * The absolute path of a name inside the folder.
   * @throws ERR_CHECKPOINT_UNSAFE for a name that leaves the folder
   */
  resolve(name: string): string {
    const normal = normalize(name)
    const climbs = normal === '..' || normal.startsWith(`..${sep}`) || isAbsolute(normal)
    if (name === '' || name.includes('\0') || name.includes('\\') || climbs) {
      throw new FusebertError(
        'ERR_CHECKPOINT_UNSAFE',
        `Expected names of files inside ${this.path} but a file there names one outside it. ` +
          'Do not use this checkpoint unless you trust where it is from.',
      )
    }
    return join(this.path, normal)
  }

  /**
   * Whether there is a file of this name (following the entry's own symlink).
   * @throws ERR_FILE_READ when the name is there but no file can be reached through it: a link to
   * nowhere must not count as "not there", and change how the model runs
   */
  async has(name: string): Promise<boolean> {
    const path = this.resolve(name)
    const entry = await lstat(path).catch((error: unknown) => error)
    if (isMissing(entry)) return false
    if (entry instanceof Error) throw openError(path, entry)
    const info = await stat(path).catch(() => undefined)
    if (info?.isFile() === true) return true
    throw new FusebertError(
      'ERR_FILE_READ',
      `Expected a file at ${path} but it is a link to nowhere, or something else than a file. ` +
        'Download the model again.',
    )
  }

  /**
   * A file's bytes.
   * @throws ERR_FILE_NOT_FOUND, ERR_FILE_READ (unreadable, or larger than maxBytes)
   */
  async readBytes(name: string, maxBytes = MAX_JSON_BYTES): Promise<Buffer> {
    const path = this.resolve(name)
    // Not to wait for the other end of a pipe.
    const flags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)
    const fd = await open(path, flags).catch((cause: unknown) => {
      throw openError(path, cause)
    })
    try {
      const info = await fstat(fd)
      if (!info.isFile() || info.size > maxBytes) {
        throw new FusebertError(
          'ERR_FILE_READ',
          `Expected a file of at most ${maxBytes} bytes at ${path} but received ` +
            (info.isFile() ? `${info.size} bytes.` : 'something that is not a file.'),
        )
      }
      return await read(fd, 0, info.size)
    } catch (error) {
      if (error instanceof FusebertError) throw error
      throw new FusebertError('ERR_FILE_READ', `Could not read ${path}.`, { cause: error })
    } finally {
      await close(fd)
    }
  }

  /**
   * A JSON file whose top level is an object or array.
   * @throws what readBytes throws; `code` when it is not JSON
   */
  async readJson(name: string, code: ErrorCode): Promise<unknown> {
    const text = (await this.readBytes(name)).toString('utf8')
    try {
      return JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text) as unknown
    } catch {
      // The parser's own message quotes the file; its name is enough.
      throw new FusebertError(
        code,
        `Expected JSON in ${basename(name)} of ${this.path} but it does not parse. ` +
          'Download the file again.',
      )
    }
  }
}

/** Narrows a parsed JSON value to an object. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

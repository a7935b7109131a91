// The reference tokenizer in a child process. When the child is lost, what waits for it fails.
import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface OracleEncoding {
  ids: Int32Array
  type_ids: Int32Array
  offsets: Int32Array
  special: Uint8Array
  /** Which text each token is of; -1: of none, or not known. */
  sequences: Int8Array
  /** Which word of its text each token is of; -1: of none. */
  words: Int32Array
  overflowing: OracleEncoding[]
}

/** The encodings of many texts, end to end. */
export type PackedOracleEncoding = Omit<OracleEncoding, 'words' | 'overflowing'> & {
  /** [texts + 1] */
  ends: Int32Array
}

export interface OracleTruncation {
  strategy: 'longest_first' | 'only_first' | 'only_second'
  max_length: number
  /** What overflows follows in `overflowing`, repeating that many tokens. */
  stride?: number
}

export interface OracleRequest {
  texts: readonly string[]
  pairs: readonly string[] | null
  add_special_tokens: boolean
  truncation: OracleTruncation | null
}

interface Answer {
  result?: unknown
  error?: string
}

export class Oracle {
  readonly #child: ChildProcess
  #last: Promise<unknown> = Promise.resolve()

  constructor() {
    const path = fileURLToPath(new URL('oracle-process.mjs', import.meta.url))
    // Structured clones keep lone surrogates, which JSON in UTF-8 would not.
    this.#child = fork(path, { serialization: 'advanced', execArgv: [] })
  }

  /** Questions are answered one after the other, whoever has stopped waiting. */
  #ask(message: object): Promise<unknown> {
    const answer = this.#last.then(() => this.#askNow(message))
    this.#last = answer.catch(() => undefined)
    return answer
  }

  #askNow(message: object): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const onExit = (code: number | null, signal: string | null) => {
        reject(new Error(`the oracle ended with ${code ?? signal}`))
      }
      this.#child.once('exit', onExit)
      this.#child.once('message', (answer: Answer) => {
        this.#child.off('exit', onExit)
        if (answer.error === undefined) resolve(answer.result)
        else reject(new Error(answer.error))
      })
      this.#child.send(message)
    })
  }

  async load(json: string): Promise<void> {
    await this.#ask({ json })
  }

  /** null for a text that the reference refuses. */
  async encode(request: OracleRequest): Promise<(OracleEncoding | null)[]> {
    return (await this.#ask(request)) as (OracleEncoding | null)[]
  }

  /** Of texts that nobody refuses, without truncation. */
  async encodePacked(request: OracleRequest): Promise<PackedOracleEncoding> {
    return (await this.#ask({ ...request, packed: true })) as PackedOracleEncoding
  }

  async decode(rows: readonly (readonly number[])[], skip: boolean): Promise<string[]> {
    return (await this.#ask({ rows, skip_special_tokens: skip })) as string[]
  }

  close(): void {
    this.#child.kill()
  }
}

// fusebert's first passes over a corpus in processes of their own, each on processors that it may
// use: the JavaScript thread and the garbage collector have no others either. Several at once show
// what the machine gives where nothing is shared but the machine.

import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const PASS_PROCESS = fileURLToPath(new URL('pass-process.mjs', import.meta.url))

/** One process; calls one after the other. */
class PassProcess {
  #child = fork(PASS_PROCESS, [], { execArgv: ['--expose-gc'] })
  #settle = { resolve() {}, reject() {} }

  constructor() {
    this.#child.on('message', ({ result, error }) => {
      if (error === undefined) this.#settle.resolve(result)
      else this.#settle.reject(new Error(error))
    })
    this.#child.on('error', (error) => this.#settle.reject(error))
    this.#child.on('exit', (code, signal) => {
      this.#settle.reject(new Error(`a process that makes passes ended with ${signal ?? code}`))
    })
  }

  call(call, rest = {}) {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
      this.#child.send({ call, ...rest })
    })
  }

  end() {
    this.#child.kill()
  }
}

/**
 * A side of firstPasses() that makes a pass in each of some processes, at once. Its time is what a
 * corpus takes: the mean of the processes' own times, over their number. end() has to be called,
 * whatever happened: this process does not end before.
 * @param processors - of each process, a list of numbers
 * @param pass - { folder, corpus, threads, options } of each process
 */
export function processSide(processors, pass) {
  const children = processors.map(() => new PassProcess())
  const all = (call, rest = () => ({})) =>
    Promise.all(children.map((child, i) => child.call(call, rest(i))))
  return {
    timed: true,
    /** @throws where a process makes other ids than `expected` stands for */
    async begin(expected) {
      const made = await all('begin', (i) => ({ ...pass, processors: processors[i] }))
      if (made.some((ids) => ids !== expected)) throw new Error('a pinned process has other ids')
    },
    load: () => all('load'),
    async pass() {
      const times = await all('pass')
      return times.reduce((sum, ms) => sum + ms, 0) / times.length ** 2
    },
    end: () => children.forEach((child) => child.end()),
  }
}

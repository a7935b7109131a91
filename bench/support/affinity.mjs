// Which processors this process may run on, all its threads: a side that is to have one core has
// one, for the JavaScript thread and the garbage collector too. By taskset, so on Linux only.

import { spawnSync } from 'node:child_process'

function taskset(...options) {
  const { status, stdout, error } = spawnSync('taskset', [...options, String(process.pid)])
  if (error !== undefined || status !== 0) throw new Error('taskset did not work')
  return stdout.toString()
}

/** Numbers of the processors that this process may run on; none where there is no taskset. */
export function processors() {
  let said
  try {
    said = taskset('--cpu-list', '--pid')
  } catch {
    return []
  }
  return said.slice(said.lastIndexOf(':') + 1).trim().split(',').flatMap((part) => {
    const [first, last = first] = part.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, i) => first + i)
  })
}

/** Moves every thread of this process to these processors. */
export function runOn(numbers) {
  taskset('--all-tasks', '--cpu-list', '--pid', numbers.join(','))
}

// The command as a process: streams, signals, exit codes. Runs on a fake pipeline, so what is
// tested here is the same on every machine; model.test.ts runs a real model.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { describe, expect, test } from 'vitest'

import { readNpy, readRows, scratch } from '../batch/fake.js'
import { ROOT } from '../support/require.js'

const MAIN = `${ROOT}/dist/cli/main.js`
const PRELOAD = fileURLToPath(new URL('./fake-preload.mjs', import.meta.url))
const NODE_ARGS = ['--import', PRELOAD, MAIN]

interface Result {
  code: number | null
  stdout: string
  stderr: string
}

function run(args: string[], input = ''): Result {
  const child = spawnSync(process.execPath, [...NODE_ARGS, ...args], { input, encoding: 'utf8' })
  return { code: child.status, stdout: child.stdout, stderr: child.stderr }
}

/** Runs a shell line in which "$@" is the command. */
function shell(line: string, args: string[]): Result {
  const command = [process.execPath, ...NODE_ARGS, ...args]
  const child = spawnSync('bash', ['-c', `set -o pipefail; ${line}`, 'bash', ...command], {
    encoding: 'utf8',
  })
  return { code: child.status, stdout: child.stdout, stderr: child.stderr }
}

const embed = (model: string, input: string, output: string, ...more: string[]): string[] => {
  return ['embed', '--model', model, '--input', input, '--output', output, ...more]
}

const lines = (count: number): string => 'some words\n'.repeat(count)

describe('words', () => {
  test('the version is the package\'s', () => {
    const json = readFileSync(`${ROOT}/package.json`, 'utf8')
    const { version } = JSON.parse(json) as { version: string }
    expect(run(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })
  })

  test('help goes to standard output and has examples', () => {
    expect(run(['--help']).stdout).toContain('embed')
    const { code, stdout, stderr } = run(['embed', '--help'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toContain('Examples:')
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(100)
  })

  test('the help of every command says what the embedded model is for', () => {
    for (const command of ['embed', 'similar']) {
      const { code, stdout } = run([command, '--help'])
      expect(code).toBe(0)
      expect(stdout).toContain('fusebert-mini')
      expect(stdout).toMatch(/no psychiatric diagnosis/)
      for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(100)
    }
  })

  test('no command, an unknown option', () => {
    expect(run([])).toMatchObject({ code: 2, stdout: '' })
    const wrong = run(embed('quick', '-', '-', '--colour', 'red'))
    expect(wrong).toMatchObject({ code: 2, stdout: '' })
    expect(wrong.stderr).toContain("fusebert: unknown option '--colour'")
  })
})

describe('streams', () => {
  test('standard input to standard output', () => {
    const content = '{"text":"a","id":5}\n{"text":"b"}'
    const { code, stdout, stderr } = run(embed('quick', '-', '-'), content)
    expect(code).toBe(0)
    const embedding = Array.from({ length: 8 }, () => 0.25)
    expect(readRows(stdout)).toEqual([{ index: 0, id: 5, embedding }, { index: 1, embedding }])
    expect(stderr).toMatch(/^fusebert: embedded 2 texts .*\n$/)
  })

  test('a large output through a slow pipe arrives whole', () => {
    const folder = scratch()
    const input = folder.write('in.txt', lines(5000))
    const { code, stdout } = shell('"$@" | (sleep 0.5; wc -l)', embed('quick', input, '-'))
    expect({ code, stdout: stdout.trim() }).toEqual({ code: 0, stdout: '5000' })
  })

  test('a reader that goes away ends it quietly', () => {
    const folder = scratch()
    const input = folder.write('in.txt', lines(50_000))
    const { code, stdout, stderr } = shell('"$@" | head -1', embed('quick', input, '-'))
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(readRows(stdout)).toHaveLength(1)
  })

  test.skipIf(process.platform !== 'linux')('a full device is a failure', () => {
    const folder = scratch()
    const input = folder.write('in.txt', lines(10))
    const { code, stderr } = shell('"$@" > /dev/full', embed('quick', input, '-'))
    expect(code).toBe(1)
    expect(stderr).toMatch(/^fusebert: Could not write standard output .*\[ERR_OUTPUT_WRITE\]\n$/)
  })

  test('a standard output that is closed or cannot be written is a failure', () => {
    const folder = scratch()
    const input = folder.write('in.txt', lines(10))
    for (const redirection of ['>&-', '1< /dev/null']) {
      const { code, stderr } = shell(`"$@" ${redirection}`, embed('quick', input, '-'))
      expect(code).toBe(1)
      expect(stderr).toMatch(/standard output.*\[ERR_OUTPUT_WRITE\]\n$/)
    }
    expect(shell('"$@" > /dev/null', embed('quick', input, '-')).code).toBe(0)
    expect(shell('"$@" >&-', embed('quick', input, folder.path('out.npy'))).code).toBe(0)
  })

  test('a file that may not grow leaves what was there', () => {
    const folder = scratch()
    const input = folder.write('in.txt', lines(10_000))
    const output = folder.write('out.npy', 'old')
    const { code, stderr } = shell('ulimit -f 16; "$@"', embed('quick', input, output))
    expect(code).toBe(1)
    expect(stderr).toMatch(/EFBIG.*\[ERR_OUTPUT_WRITE\]\n$/)
    expect(readFileSync(output, 'utf8')).toBe('old')
    expect(folder.list()).toEqual(['in.txt', 'out.npy'])
  })

  test('a named pipe and a process substitution are inputs', () => {
    const folder = scratch()
    const output = folder.path('out.npy')
    const line = `"$@" --input <(printf 'a\\nb\\nc\\n')`
    const args = ['embed', '--model', 'quick', '--format', 'txt', '--output', output]
    expect(shell(line, args)).toMatchObject({ code: 0 })
    expect(readNpy(output).shape).toEqual([3, 8])
  })

  test('appending to the input is refused', () => {
    const folder = scratch()
    const input = folder.write('in.txt', lines(10))
    const { code, stderr } = shell(`"$@" >> '${input}'`, embed('quick', input, '-'))
    expect(code).toBe(2)
    expect(stderr).toContain('the same file')
    expect(statSync(input).size).toBe(lines(10).length)
  })
})

interface Child {
  child: ChildProcess
  /** Resolves with the exit code, or the signal that killed it, and how long that took. */
  end: Promise<{ code: number | null; signal: string | null; stderr: string }>
}

function start(args: string[]): Child {
  const child = spawn(process.execPath, [...NODE_ARGS, ...args])
  let stderr = ''
  child.stderr.on('data', (bytes: Buffer) => (stderr += bytes.toString()))
  const end = new Promise<Awaited<Child['end']>>((resolve) => {
    child.on('exit', (code, signal) => resolve({ code, signal, stderr }))
  })
  return { child, end }
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !condition(); i += 1) await sleep(10)
  expect(condition()).toBe(true)
}

describe('signals', () => {
  /** What is stuck would stay so for ever; a busy machine is slow. */
  const PROMPT_MS = 8000
  const working = (list: () => string[]) => (): boolean =>
    list().some((name) => name.endsWith('.tmp'))

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('%s in the middle of a call leaves nothing', async (signal, code) => {
    const folder = scratch()
    const input = folder.write('in.txt', lines(50_000))
    const output = folder.write('out.npy', 'old')
    const { child, end } = start(embed('slow', input, output))
    await until(working(folder.list))
    await sleep(100)
    const begin = performance.now()
    child.kill(signal)
    expect(await end).toEqual({ code, signal: null, stderr: `fusebert: stopped by ${signal}\n` })
    expect(performance.now() - begin).toBeLessThan(PROMPT_MS)
    expect(folder.list()).toEqual(['in.txt', 'out.npy'])
    expect(readFileSync(output, 'utf8')).toBe('old')
  })

  test('a model that does not stop is not waited for long', async () => {
    const folder = scratch()
    const { child, end } = start(embed('stuck', folder.write('in.txt', 'a'), folder.path('o.npy')))
    await until(working(folder.list))
    const begin = performance.now()
    child.kill('SIGINT')
    expect((await end).code).toBe(130)
    expect(performance.now() - begin).toBeLessThan(PROMPT_MS)
    expect(folder.list()).toEqual(['in.txt'])
  })

  test('a second signal ends it at once', async () => {
    const folder = scratch()
    const { child, end } = start(embed('stuck', folder.write('in.txt', 'a'), folder.path('o.npy')))
    await until(working(folder.list))
    const begin = performance.now()
    child.kill('SIGINT')
    await sleep(50)
    child.kill('SIGTERM')
    // Had the first one's grace ended it, the code would be 130.
    expect((await end).code).toBe(143)
    expect(performance.now() - begin).toBeLessThan(PROMPT_MS)
    expect(folder.list()).toEqual(['in.txt'])
  })

  test('similar ends at a signal, too', async () => {
    const folder = scratch()
    const input = folder.path('in.txt')
    expect(spawnSync('mkfifo', [input]).status).toBe(0)
    const { child, end } = start(['similar', 'words', '--model', 'slow', '--input', input])
    // It opens its input when it is at work.
    const writer = await open(input, 'w')
    await writer.write(lines(1_000))
    child.kill('SIGINT')
    expect(await end).toEqual({ code: 130, signal: null, stderr: 'fusebert: stopped by SIGINT\n' })
    await writer.close()
  })

  test('waiting for standard input', async () => {
    const folder = scratch()
    const { child, end } = start(embed('quick', '-', folder.path('out.npy'), '--format', 'txt'))
    child.stdin?.write('one line\n')
    await until(working(folder.list))
    child.kill('SIGINT')
    expect((await end).code).toBe(130)
    expect(folder.list()).toEqual([])
  })

  test('waiting for the reader of standard output', async () => {
    const folder = scratch()
    const { child, end } = start(embed('quick', folder.write('in.txt', lines(100_000)), '-'))
    // Nobody reads more than the first bytes.
    await new Promise((resolve) => child.stdout?.once('readable', resolve))
    await sleep(200)
    child.kill('SIGTERM')
    expect((await end).code).toBe(143)
  })

  test('waiting for the writer of a named pipe', async () => {
    const folder = scratch()
    const input = folder.path('in.txt')
    expect(spawnSync('mkfifo', [input]).status).toBe(0)
    const writer = spawn('sh', ['-c', `exec 3> '${input}'; echo a >&3; sleep 60`])
    const { child, end } = start(embed('quick', input, folder.path('out.npy')))
    await until(working(folder.list))
    const begin = performance.now()
    child.kill('SIGINT')
    expect((await end).code).toBe(130)
    expect(performance.now() - begin).toBeLessThan(PROMPT_MS)
    writer.kill()
  })

  test('a named pipe that no writer has opened', async () => {
    const folder = scratch()
    const input = folder.path('in.txt')
    expect(spawnSync('mkfifo', [input]).status).toBe(0)
    const { child, end } = start(embed('quick', input, folder.path('out.npy')))
    await until(working(folder.list))
    const begin = performance.now()
    child.kill('SIGTERM')
    expect((await end).code).toBe(143)
    expect(performance.now() - begin).toBeLessThan(PROMPT_MS)
    expect(folder.list()).toEqual(['in.txt'])
  })

  test('a writer that comes late is waited for', async () => {
    const folder = scratch()
    const input = folder.path('in.txt')
    expect(spawnSync('mkfifo', [input]).status).toBe(0)
    const { end } = start(embed('quick', input, folder.path('out.npy')))
    await until(working(folder.list))
    await sleep(200)
    spawn('sh', ['-c', `exec > '${input}'; echo a; sleep 0.3; echo b`])
    expect((await end).code).toBe(0)
    expect(readNpy(folder.path('out.npy')).shape).toEqual([2, 8])
  })

  // Nobody ever writes to the other side of a new terminal: the read cannot be ended.
  test.skipIf(!existsSync('/dev/ptmx'))('a read that never returns', async () => {
    const folder = scratch()
    const output = folder.path('out.npy')
    const { child, end } = start(embed('quick', '/dev/ptmx', output, '--format', 'txt'))
    await until(working(folder.list))
    await sleep(100)
    child.kill('SIGTERM')
    // Where the abort comes before the read is pending, it ends in the ordinary way.
    const { code, signal } = await end
    expect([143, 'SIGTERM']).toContain(code ?? signal)
    expect(folder.list()).toEqual([])
  })
})

test('ends although standard input stays open', async () => {
  const folder = scratch()
  const { end } = start(embed('quick', folder.write('in.txt', 'a'), folder.path('out.npy')))
  expect((await end).code).toBe(0)
})

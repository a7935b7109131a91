// The package as others get it: packed, installed into an empty project without a network, built
// from source there, used through import and require, and built through binding.gyp.
import { spawnSync } from 'node:child_process'
import {
  cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync,
  symlinkSync, writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { available, NODE_PREFIX, ROOT } from '../support/require.js'

const work = mkdtempSync(join(tmpdir(), 'fusebert-package-'))
const project = join(work, 'project')
const installed = join(project, 'node_modules/fusebert')

interface Run {
  status: number | null
  stdout: string
  stderr: string
}

function run(cwd: string, command: string, args: string[], env: NodeJS.ProcessEnv = {}): Run {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd,
    env: { ...process.env, ...env },
    encoding: 'utf8',
  })
  return { status, stdout, stderr }
}

/** A script that embeds one text and prints the shape and the first number. */
const program = (load: string): string => `
${load}
async function main() {
  const embed = await fusebert.pipeline('feature-extraction')
  const tensor = await embed('Hello, world.')
  console.log(JSON.stringify([tensor.dims, tensor.data.every(Number.isFinite)]))
}
main()
`

beforeAll(() => {
  mkdirSync(project, { recursive: true })
  const packed = run(ROOT, 'npm', ['pack', '--ignore-scripts', '--pack-destination', work])
  expect(packed.status, packed.stderr).toBe(0)
  writeFileSync(join(project, 'package.json'), '{ "private": true }\n')
  const tarball = join(work, packed.stdout.trim().split('\n').at(-1) ?? '')
  // The dependencies come from the registry; our own script runs later, without a network.
  const install = run(project, 'npm', ['install', '--ignore-scripts', '--prefer-offline', tarball])
  expect(install.status, install.stderr).toBe(0)
})

afterAll(() => rmSync(work, { recursive: true, force: true }))

describe('package', () => {
  test('holds what a user needs and nothing of the workshop', () => {
    for (const file of ['dist/index.js', 'dist/index.d.ts', 'dist/cli/main.js', 'LICENSE',
      'README.md', 'CHANGELOG.md', 'CMakeLists.txt', 'binding.gyp', 'scripts/install.mjs',
      'native/napi/addon.cc', 'models/fusebert-mini/model.safetensors',
      'models/fusebert-mini/README.md', 'models/fusebert-mini/1_Pooling/config.json']) {
      expect(existsSync(join(installed, file)), file).toBe(true)
    }
    for (const file of ['test', 'bench', 'lib', 'scripts/default-model', 'docs', 'build', '.ci',
      'node_modules']) {
      expect(existsSync(join(installed, file)), file).toBe(false)
    }
  })

  test.each([
    { there: [], missing: /install a C\+\+20 compiler .* and CMake .* and Ninja or Make/ },
    { there: ['c++', 'make'], missing: /install CMake \([^)]*\), then/ },
    { there: ['cmake', 'ninja'], missing: /install a C\+\+20 compiler \([^)]*\), then/ },
  ])('one message says what to install where only $there are', ({ there, missing }) => {
    const bin = mkdtempSync(join(work, 'bin-'))
    symlinkSync(process.execPath, join(bin, 'node'))
    for (const name of there) symlinkSync('/bin/true', join(bin, name))
    const { status, stdout, stderr } = run(installed, process.execPath, ['scripts/install.mjs'], {
      PATH: bin, CXX: '',
    })
    expect(status).toBe(1)
    expect(stdout).toBe('')
    expect(stderr.trim().split('\n')).toHaveLength(1)
    expect(stderr).toMatch(missing)
  })

  test('its types serve a strict project', () => {
    writeFileSync(join(project, 'main.mts'), `
import { AutoModel, AutoTokenizer, pipeline, type PipelineOptions, type Tensor } from 'fusebert'
const options: PipelineOptions = { threads: 1 }
await using embed = await pipeline('feature-extraction', 'model', options)
const pooled: Float32Array = (await embed(['a'], { pooling: 'mean', normalize: true })).data
const tokens: Tensor<'float32'>[] = await embed(['a'], { pooling: 'none' })
const one: Float32Array = (await embed('a')).data
const tokenizer = await AutoTokenizer.from_pretrained('model')
const model = await AutoModel.from_pretrained('model')
const inputs = await tokenizer(['a', 'b'], { padding: true })
const { last_hidden_state, pooler_output } = await model(inputs)
export const rows: number[][] = last_hidden_state.tolist<number[][]>()
export { one, pooled, pooler_output, tokens }
`)
    const tsc = run(project, process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'),
      '--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022', '--types', 'node',
      '--lib', 'es2022,esnext.disposable', '--typeRoots', join(ROOT, 'node_modules/@types'),
      'main.mts'])
    expect(tsc.stdout).toBe('')
    expect(tsc.status).toBe(0)
  })

  test('says how to build when the addon is not there', () => {
    const { status, stderr } = run(project, process.execPath, ['-e', program(
      "const fusebert = require('fusebert')")])
    expect(status).not.toBe(0)
    expect(stderr).toMatch(/ERR_ADDON_LOAD/)
    expect(stderr).toMatch(/npm rebuild fusebert/)
  })

  describe('built from source', () => {
    const home = join(work, 'home')
    const isolated = available('unshare')

    beforeAll(() => {
      mkdirSync(home)
      const install = [process.execPath, 'node_modules/fusebert/scripts/install.mjs']
      const [command = '', ...args] = isolated ? ['unshare', '-rn', ...install] : install
      const build = run(project, command, args,
        { HOME: home, npm_config_cache: join(home, 'cache'), XDG_CACHE_HOME: join(home, 'xdg'),
          FUSEBERT_BUILD_CUDA: 'off' })
      expect(build.status, build.stdout + build.stderr).toBe(0)
    })

    test.skipIf(!isolated)('needed no network and no cache', () => {
      const without = run(project, 'unshare', ['-rn', process.execPath, '-e',
        "fetch('http://192.0.2.1').then(() => process.exit(1), () => process.exit(0))"])
      expect(without.status).toBe(0)
      expect(readdirSync(home)).toEqual([])
    })

    test('import works', () => {
      writeFileSync(join(project, 'main.mjs'), program("import * as fusebert from 'fusebert'"))
      const { stdout, stderr } = run(project, process.execPath, ['main.mjs'])
      expect(stderr).toBe('')
      expect(JSON.parse(stdout)).toEqual([[1, 192], true])
    })

    test('require works', () => {
      writeFileSync(join(project, 'main.cjs'), program("const fusebert = require('fusebert')"))
      const { stdout, stderr } = run(project, process.execPath, ['main.cjs'])
      expect(stderr).toBe('')
      expect(JSON.parse(stdout)).toEqual([[1, 192], true])
    })

    test('built without CUDA it says so when a GPU is asked for', () => {
      const script = "require('fusebert').pipeline('feature-extraction', undefined, " +
        "{ device: 'cuda' }).catch(({ code, message }) => console.log(`${code} ${message}`))"
      const { stdout } = run(project, process.execPath, ['-e', script])
      expect(stdout).toMatch(/^ERR_DEVICE_UNAVAILABLE .*FUSEBERT_BUILD_CUDA=off/)
    })

    test('the command is there', () => {
      const { stdout } = run(project, join(project, 'node_modules/.bin/fusebert'), ['--version'])
      const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
        version: string
      }
      expect(stdout.trim()).toBe(version)
    })

    test('the command embeds without a model, a token or a network', () => {
      const posts = join(ROOT, 'examples/posts.jsonl')
      const command = [join(project, 'node_modules/.bin/fusebert'), 'embed', '--input', posts,
        '--output', '-']
      const [first = '', ...args] = isolated ? ['unshare', '-rn', ...command] : command
      const { status, stdout, stderr } = run(project, first, args, { HOME: home })
      expect(status, stderr).toBe(0)
      const rows = stdout.trimEnd().split('\n')
      expect(rows).toHaveLength(readFileSync(posts, 'utf8').trimEnd().split('\n').length)
      for (const row of rows) {
        expect((JSON.parse(row) as { embedding: number[] }).embedding).toHaveLength(192)
      }
    })

    test('a second build compiles nothing', () => {
      const addon = join(installed, 'build/Release/fusebert.node')
      const before = statSync(addon).mtimeMs
      const { status, stdout } = run(installed, process.execPath,
        ['scripts/install.mjs', '--from-source'], { FUSEBERT_BUILD_CUDA: 'off' })
      expect(status).toBe(0)
      expect(stdout).not.toMatch(/Building CXX/)
      expect(statSync(addon).mtimeMs).toBe(before)
    })
  })

  // All images take minutes; one of each kernel shows that its sources are there.
  test.skipIf(!available('nvcc'))('holds what kernels are compiled from and packed with', () => {
    const folder = join(work, 'cuda')
    const configured = run(work, 'cmake', ['-S', installed, '-B', folder, '-G', 'Unix Makefiles',
      '-DFUSEBERT_BUILD_ADDON=OFF'], { FUSEBERT_BUILD_CUDA: 'require' })
    expect(configured.status, configured.stderr).toBe(0)
    const kernels = readdirSync(join(installed, 'native/cuda/kernels'), { recursive: true })
    const names = kernels.map((path) => basename(path.toString())).filter((n) => n.endsWith('.cu'))
    const images = names.map((name) => `cuda/${name.replace(/cu$/, 'fp16.sm_75.ptx')}`)
    expect(images.length).toBeGreaterThan(1)
    const built = run(folder, 'make', ['-j', '2', '-f',
      'native/cuda/CMakeFiles/fusebert_cuda_ptx.dir/build.make', ...images])
    expect(built.status, built.stdout + built.stderr).toBe(0)
    const packed = run(folder, process.execPath,
      [join(installed, 'scripts/pack-images.mjs'), 'images', ...images])
    expect(packed.status, packed.stderr).toBe(0)
    expect(statSync(join(folder, 'images.bin')).size).toBeGreaterThan(0)
  })

  const gyp = available('headers') && available('python')

  test.skipIf(!gyp)('binding.gyp builds the same addon, as prebuildify calls it', () => {
    const copy = join(work, 'gyp')
    cpSync(installed, copy, {
      recursive: true,
      filter: (path) => !path.startsWith(join(installed, 'build')),
    })
    symlinkSync(join(project, 'node_modules'), join(copy, 'node_modules'))
    const path = `${join(ROOT, 'node_modules/.bin')}:${process.env['PATH']}`
    const { status, stdout, stderr } = run(copy, process.execPath, [
      join(ROOT, 'node_modules/prebuildify/bin.js'), '--napi', '--no-strip',
      '--target', process.versions.node,
    ], { npm_config_nodedir: NODE_PREFIX, PATH: path, FUSEBERT_BUILD_CUDA: 'off' })
    expect(status, stdout + stderr).toBe(0)
    const folder = join(copy, 'prebuilds', `${process.platform}-${process.arch}`)
    const addon = join(folder, 'fusebert.node')
    expect(existsSync(addon)).toBe(true)
    rmSync(join(copy, 'build'), { recursive: true })
    const load = run(copy, process.execPath, ['-e', 'console.log(require(process.argv[1]).version)',
      addon])
    expect(load.stderr).toBe('')
    // With the prebuilt addon in place, the install script builds nothing.
    const again = run(copy, process.execPath, ['scripts/install.mjs'])
    expect(again.status).toBe(0)
    expect(existsSync(join(copy, 'build'))).toBe(false)
  })
})

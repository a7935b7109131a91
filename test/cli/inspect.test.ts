// fusebert inspect: what it says of folders of every kind, for people and for scripts, against what
// loading them says; and that nothing is loaded.
import { spawnSync } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import {
  AutoModel,
  AutoModelForMaskedLM,
  AutoModelForNextSentencePrediction,
  AutoModelForQuestionAnswering,
  AutoModelForSequenceClassification,
  AutoModelForTokenClassification,
} from '../../dist/index.js'
import { inspectModel, type ModelReport } from '../../lib/models/inspect.js'
import { GOLDEN, ROOT } from '../support/require.js'

const MAIN = `${ROOT}/dist/cli/main.js`

let scratch = ''
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'fusebert-inspect-'))
})
afterAll(() => rm(scratch, { recursive: true, force: true }))

function inspect(...args: string[]) {
  const all = [MAIN, 'inspect', ...args]
  const { status, stdout, stderr } = spawnSync(process.execPath, all, { encoding: 'utf8' })
  return { status, stdout, stderr }
}

function inspectJson(model: string): ModelReport {
  const { status, stdout, stderr } = inspect(model, '--json')
  expect(stderr).toBe('')
  expect(status).toBe(0)
  return JSON.parse(stdout) as ModelReport
}

const golden = (name: string): string => join(GOLDEN, name)

describe('for scripts', () => {
  test('the model inside the package, as loading it says', async () => {
    const report = inspectJson('fusebert-mini')
    expect(report).toMatchObject({
      model_type: 'bert', heads: [], license: 'apache-2.0', max_tokens: 256,
      tokenizer: { model: 'WordPiece', vocab_size: 30522 },
    })
    expect(report.sentence_transformers).toMatchObject({ pooling: 'mean', normalize: true })
    const model = await AutoModel.from_pretrained('fusebert-mini', { device: 'cpu' })
    const [cpu, cuda] = report.memory
    expect(cpu).toMatchObject({ device: 'cpu', max_batch_tokens: model.device.max_batch_tokens })
    // But for rows and panels that are padded.
    expect(model.device.weight_bytes / cpu!.weight_bytes).toBeGreaterThanOrEqual(1)
    expect(model.device.weight_bytes / cpu!.weight_bytes).toBeLessThan(1.02)
    await model.dispose()
    expect(cpu!.weight_bytes).toBe(4 * report.parameters.encoder)
    expect(cuda!.weight_bytes / cpu!.weight_bytes).toBeCloseTo(0.5, 2)
  })

  test.each([
    ['heads/masked-lm', ['masked-lm']],
    ['heads/pretraining', ['masked-lm', 'next-sentence']],
    ['heads/token-classification', ['token-classification']],
    ['heads/question-answering', ['question-answering']],
    ['heads/sequence-classification', ['sequence-classification']],
    ['heads/distilbert-sequence-classification', ['sequence-classification']],
    ['heads/next-sentence', ['next-sentence']],
    ['heads/roberta-masked-lm-untied', ['masked-lm']],
    ['heads/roberta-sequence-classification', ['sequence-classification']],
    ['head16', []],
    ['sentence-transformers/cross-encoder-saved', ['sequence-classification']],
  ])('tasks of %s', (name, heads) => {
    expect(inspectJson(golden(name)).heads).toEqual(heads)
  })

  test.each([
    ['masked-lm', 'masked-lm', AutoModelForMaskedLM],
    ['masked-lm-untied', 'masked-lm', AutoModelForMaskedLM],
    ['roberta-masked-lm', 'masked-lm', AutoModelForMaskedLM],
    ['distilbert-masked-lm', 'masked-lm', AutoModelForMaskedLM],
    ['pretraining', 'next-sentence', AutoModelForNextSentencePrediction],
    ['sequence-classification', 'sequence-classification', AutoModelForSequenceClassification],
    ['token-classification', 'token-classification', AutoModelForTokenClassification],
    ['electra-question-answering', 'question-answering', AutoModelForQuestionAnswering],
  ] as const)('memory of %s for %s, as loading it says', async (name, task, Model) => {
    const folder = golden(`heads/${name}`)
    const report = inspectJson(folder)
    const [cpu, cuda] = report.memory
    const model = await Model.from_pretrained(folder, { device: 'cpu' })
    const needed = cpu!.task_weight_bytes[task]!
    // But for rows and panels that are padded, a larger share of small models.
    expect(model.device.weight_bytes / needed).toBeGreaterThanOrEqual(1)
    expect(model.device.weight_bytes / needed).toBeLessThan(1.1)
    await model.dispose()
    expect(cuda!.task_weight_bytes[task]! / needed).toBeLessThan(0.6)
  })

  test('RoBERTa: its type, its limit, and no tokenizer that is not there', () => {
    const report = inspectJson(golden('roberta'))
    expect(report).toMatchObject({
      model_type: 'roberta', architectures: ['RobertaModel'], max_tokens: 38, tokenizer: null,
      has_pooler: true, license: null, sentence_transformers: null,
    })
    expect(report.geometry).toMatchObject({ padding_idx: 1, max_position_embeddings: 40 })
  })

  test('a tokenizer of vocab.json and merges.txt', async () => {
    const folder = join(scratch, 'byte-pair')
    await cp(golden('roberta'), folder, { recursive: true })
    await writeFile(join(folder, 'vocab.json'), '{"<s>": 0, "<pad>": 1, "a": 2}')
    expect(inspectJson(folder).tokenizer).toBeNull()
    await writeFile(join(folder, 'merges.txt'), '#version: 0.2\n')
    expect(inspectJson(folder).tokenizer).toEqual({
      file: 'vocab.json', model: 'BPE', vocab_size: 3, model_max_length: null,
    })
  })

  test('numbers of parameters, by dtype, and tied ones once', () => {
    const hidden = 32, middle = 45, layers = 2
    const report = inspectJson(golden('torch-zip'))
    const layer =
      4 * (hidden * hidden + hidden) + 2 * hidden * middle + middle + hidden + 4 * hidden
    const embeddings = (200 + 40 + 2) * hidden + 2 * hidden
    const encoder = embeddings + layers * layer + hidden * hidden + hidden
    expect(report.parameters).toEqual({ encoder, checkpoint: encoder })
    expect(report.dtypes).toEqual({ F32: encoder, I64: 40 })
    expect(Object.keys(inspectJson(golden('head64-bf16')).dtypes)).toEqual(['BF16'])
  })

  test('every file of a sharded checkpoint', () => {
    const { files } = inspectJson(golden('sharded-safetensors'))
    expect(files.map(({ name }) => name)).toEqual([1, 2, 3].map((i) =>
      `model-0000${i}-of-00003.safetensors`))
    for (const { bytes } of files) expect(bytes).toBeGreaterThan(0)
  })
})

describe('for people', () => {
  test('lines of names and values', () => {
    const { status, stdout } = inspect(golden('sentence/layer-norm'))
    expect(status).toBe(0)
    const lines = new Map(
      stdout.trimEnd().split('\n').map((line): [string, string] => {
        const [name, value] = line.split(/ {2,}/, 2)
        return [name!, value!]
      }),
    )
    expect(lines.get('architecture')).toBe('bert, BertModel')
    expect(lines.get('tasks')).toBe('feature-extraction')
    expect(lines.get('parameters')).toMatch(/^[\d,]+ in the encoder, [\d,]+ in all$/)
    expect(lines.get('dtypes')).toMatch(/^F32 [\d,]+/)
    expect(lines.get('tokenizer')).toBe('WordPiece, 97 entries (tokenizer.json)')
    expect(lines.get('tokens')).toBe('20 at most')
    expect(lines.get('pooling')).toBe('cls + mean, LayerNorm 64, Dense 19, Normalize, Dense 7')
    expect(lines.get('licence')).toBe('not stated')
    expect(lines.get('memory, cpu')).toMatch(
      /^about [\d.]+ MiB in fp32 for the encoder alone, and .* 1,024 tokens/,
    )
    expect(lines.get('memory, cuda')).toMatch(/16,384 tokens at once$/)
  })

  test('labels of a classifier', () => {
    const { stdout } = inspect(golden('heads/sequence-classification'))
    const labels = [0, 1, 2, 3, 4].map((i) => `label ${i}`).join(', ')
    expect(stdout).toContain(`text-classification (${labels})`)
  })

  test('what is not supported, and no folder', () => {
    const nothing = inspect(join(scratch, 'no such folder'))
    expect(nothing.status).toBe(1)
    expect(nothing.stderr).toContain('ERR_FILE_NOT_FOUND')
    expect(nothing.stdout).toBe('')
  })
})

describe('the output', () => {
  test('no word of a folder steers a terminal', async () => {
    const path = await mkdtemp(join(scratch, 'model \u001b[31m\n'))
    await cp(golden('heads/sequence-classification'), path, { recursive: true })
    const file = join(path, 'config.json')
    const config = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>
    const hostile = 'x\u001b]0;y\u0007\nlicence  mit\u202e\u009b2J'
    const id2label = Object.fromEntries([0, 1, 2, 3, 4].map((i) => [i, `${hostile}${i}`]))
    await writeFile(file, JSON.stringify({ ...config, id2label, architectures: [hostile] }))
    await writeFile(join(path, 'README.md'), '---\nlicense: mit\u001b[2J\n---\n')
    const { status, stdout } = inspect(path)
    expect(status).toBe(0)
    const plain = inspect(golden('heads/sequence-classification')).stdout
    expect(stdout.split('\n')).toHaveLength(plain.split('\n').length)
    expect(stdout.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u202e]/u)
    expect(stdout).toContain('x ]0;y licence mit 2J0')
    const json = inspect(path, '--json').stdout
    expect(json.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u202e]/u)
    const report = JSON.parse(json) as ModelReport
    expect(report).toMatchObject({ path, architectures: [hostile], labels: id2label })
  })

  test('no more does an error', () => {
    const { status, stderr } = inspect(join(scratch, 'no\u001b[31m folder\nfusebert: done'))
    expect(status).toBe(1)
    expect(stderr).toMatch(/^fusebert: .*no \[31m folder fusebert: done.*\[ERR_FILE_NOT_FOUND\]\n$/)
  })

  test.each(['> /dev/full', '>&-'])('that cannot be written is an error: %s', (redirection) => {
    const line = `"$@" ${redirection}`
    const all = ['-c', line, 'bash', process.execPath, MAIN, 'inspect', golden('head16')]
    for (const args of [all, [...all, '--json']]) {
      const { status, stderr } = spawnSync('bash', args, { encoding: 'utf8' })
      expect(status).toBe(1)
      expect(stderr).toContain('[ERR_OUTPUT_WRITE]')
    }
  })
})

describe('the folder', () => {
  async function copyOf(name: string): Promise<string> {
    const path = await mkdtemp(join(scratch, 'model-'))
    await cp(golden(name), path, { recursive: true })
    return path
  }

  test.each([
    ['---\nlicense: mit\n---\n# A\n', 'mit', null],
    ['---\r\nlanguage: en\r\nlicense: "cc-by-4.0" # yes\r\n---\r\n', 'cc-by-4.0', null],
    ['---\nlicense: other\nlicense_name: my-own\nlicense_link: LICENSE\n---\n', 'my-own',
      'LICENSE'],
    ['# A\n---\nlicense: mit\n---\n', null, null],
    ['---\nlicense:\n- mit\n---\n', null, null],
    ['', null, null],
  ])('the card %j', async (card, license, license_link) => {
    const path = await copyOf('head16')
    await writeFile(join(path, 'README.md'), card)
    expect(await inspectModel(path)).toMatchObject({ license, license_link })
  })

  test('weights are not read: zeros in their place change nothing', async () => {
    const path = await copyOf('torch-sharded')
    const before = await inspectModel(path)
    const safetensors = await copyOf('head16')
    const report = await inspectModel(safetensors)
    const file = join(safetensors, 'model.safetensors')
    const { bytes } = report.files[0]!
    const header = 8 + (await import('node:fs')).readFileSync(file).readUInt32LE(0)
    await truncate(file, header)
    await truncate(file, bytes)
    expect(await inspectModel(safetensors)).toEqual(report)
    expect(before.files).toHaveLength(3)
  })

  test('a model that fusebert does not run says why', async () => {
    const path = await copyOf('head16')
    await writeFile(join(path, 'config.json'), '{"model_type": "camembert"}')
    await expect(inspectModel(path)).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED_MODEL',
      message: expect.stringContaining('SentencePiece') as string,
    })
  })
})

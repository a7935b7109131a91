// modules.json and the files it names: what sentence-transformers writes, old and new, and what is
// refused by name.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { ModelFolder } from '../../lib/hub/folder.js'
import { readSentenceTransformers } from '../../lib/models/sentence-transformers.js'

let root = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'fusebert-sentence-'))
})
afterAll(() => rm(root, { recursive: true, force: true }))

let folders = 0
async function read(files: Record<string, unknown>) {
  const path = join(root, String((folders += 1)))
  await mkdir(path)
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(path, name)), { recursive: true })
    const text = typeof content === 'string' ? content : JSON.stringify(content)
    await writeFile(join(path, name), text)
  }
  return readSentenceTransformers(await ModelFolder.open(path))
}

const module = (kind: string, path: string, index = 0) => ({
  idx: index,
  name: String(index),
  path,
  type: kind.includes('.') ? kind : `sentence_transformers.models.${kind}`,
})
const MODULES = [module('Transformer', ''), module('Pooling', '1_Pooling')]
const MEAN = {
  word_embedding_dimension: 384,
  pooling_mode_cls_token: false,
  pooling_mode_mean_tokens: true,
  pooling_mode_max_tokens: false,
  pooling_mode_mean_sqrt_len_tokens: false,
}
const withPooling = (config: unknown) =>
  read({ 'modules.json': MODULES, '1_Pooling/config.json': config })
const withModules = (modules: unknown) =>
  read({ 'modules.json': modules, '1_Pooling/config.json': MEAN })

describe('accepted', () => {
  test('no modules.json', async () => {
    expect(await read({ 'config.json': {} })).toBeNull()
  })

  test('as all-MiniLM-L6-v2 has it', async () => {
    const files = {
      'modules.json': [...MODULES, module('Normalize', '2_Normalize')],
      '1_Pooling/config.json': MEAN,
      'sentence_bert_config.json': { max_seq_length: 256, do_lower_case: false },
    }
    expect(await read(files)).toEqual({
      pooling: 'mean',
      normalize: true,
      max_seq_length: 256,
      do_lower_case: false,
      transformer_path: '',
    })
  })

  test('an old folder with the transformer inside, without Normalize', async () => {
    const files = {
      'modules.json': [module('Transformer', '0_Transformer'), module('Pooling', '1_Pooling')],
      '1_Pooling/config.json': { ...MEAN, pooling_mode_mean_tokens: false,
        pooling_mode_cls_token: true },
      '0_Transformer/sentence_bert_config.json': { max_seq_length: 128, do_lower_case: true },
      'sentence_bert_config.json': { max_seq_length: 1 },
    }
    expect(await read(files)).toEqual({
      pooling: 'cls',
      normalize: false,
      max_seq_length: 128,
      do_lower_case: true,
      transformer_path: '0_Transformer',
    })
  })

  test('class names of newer versions', async () => {
    const modules = [
      module('sentence_transformers.base.modules.transformer.Transformer', './'),
      module('sentence_transformers.sentence_transformer.modules.pooling.Pooling', '1_Pooling/'),
      module('sentence_transformers.base.modules.normalize.Normalize', '2_Normalize'),
    ]
    expect(await withModules(modules)).toMatchObject({
      pooling: 'mean',
      normalize: true,
      transformer_path: '',
    })
  })

  test.each([
    ['mean', MEAN],
    ['cls', { pooling_mode_cls_token: true }],
    ['max', { pooling_mode_max_tokens: true, pooling_mode_mean_tokens: false }],
    ['mean', { embedding_dimension: 384, pooling_mode: 'mean', include_prompt: true }],
    ['cls', { pooling_mode: 'cls' }],
    ['max', { pooling_mode: 'max' }],
    ['cls', { pooling_mode: ['cls'] }],
    // The name decides where both are there.
    ['cls', { pooling_mode: 'cls', pooling_mode_mean_tokens: true }],
    // As the reference: nothing set means the mean.
    ['mean', {}],
    ['mean', { pooling_mode_mean_tokens: false }],
  ])('%s: %j', async (wanted, config) => {
    expect((await withPooling(config))!.pooling).toBe(wanted)
  })

  test.each([{}, { max_seq_length: null }])('no max_seq_length: %j', async (config) => {
    const files = {
      'modules.json': MODULES,
      '1_Pooling/config.json': MEAN,
      'sentence_bert_config.json': config,
    }
    expect((await read(files))!.max_seq_length).toBeNull()
  })
})

describe('refused as unsupported, by name', () => {
  test.each([
    [{ pooling_mode_mean_sqrt_len_tokens: true }, 'mean_sqrt_len_tokens'],
    [{ pooling_mode_weightedmean_tokens: true }, 'weightedmean'],
    [{ pooling_mode_lasttoken: true }, 'lasttoken'],
    [{ pooling_mode_something_new: true }, 'pooling_mode_something_new'],
    [{ ...MEAN, pooling_mode_cls_token: true }, 'cls + mean'],
    [{ pooling_mode: 'lasttoken' }, 'lasttoken'],
    [{ pooling_mode: ['mean', 'max'] }, 'mean + max'],
    [{ pooling_mode: [] }, '""'],
  ])('pooling %j', async (config, named) => {
    await expect(withPooling(config)).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED_MODEL',
      message: expect.stringContaining(named) as string,
    })
  })

  test.each([
    ['a Dense', [...MODULES, module('Dense', '2_Dense')], 'Dense'],
    ['no pooling', [MODULES[0]], 'Transformer'],
    ['no modules', [], 'none'],
    ['another order', [MODULES[1], MODULES[0]], 'Pooling, Transformer'],
    ['Normalize before Pooling', [MODULES[0], module('Normalize', 'n'), MODULES[1]], 'Normalize'],
    ['two Normalizes', [...MODULES, module('Normalize', 'a'), module('Normalize', 'b')],
      'Normalize, Normalize'],
    ['a class from elsewhere', [module('custom_st.Transformer', ''), MODULES[1]], 'custom_st'],
    ['a class without a module', [{ ...MODULES[0], type: 'Transformer' }, MODULES[1]],
      'Transformer'],
    ['a word embedding', [module('WordEmbeddings', ''), MODULES[1]], 'WordEmbeddings'],
  ])('%s', async (_, modules, named) => {
    await expect(withModules(modules)).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED_MODEL',
      message: expect.stringContaining(named) as string,
    })
  })
})

describe('refused as invalid or unsafe', () => {
  test.each([
    [{}],
    ['no JSON'],
    [7],
    [[7]],
    [[{}]],
    [[{ type: 1, path: '' }]],
    [[{ ...MODULES[0], path: null }]],
  ])('modules.json: %j', async (modules) => {
    await expect(withModules(modules)).rejects.toMatchObject({ code: 'ERR_CONFIG' })
  })

  test.each(['../1_Pooling', '/etc', 'a/../../b', 'a\\b', 'a\0b'])('path %j', async (path) => {
    for (const modules of [
      [MODULES[0], module('Pooling', path)],
      [module('Transformer', path), MODULES[1]],
      [...MODULES, module('Normalize', path)],
    ]) {
      await expect(withModules(modules)).rejects.toMatchObject({ code: 'ERR_CHECKPOINT_UNSAFE' })
    }
  })

  test.each([
    [[]],
    [{ pooling_mode: 1 }],
    [{ pooling_mode: [1] }],
    [{ pooling_mode_mean_tokens: 'yes' }],
    [{ pooling_mode_mean_tokens: 1 }],
  ])('1_Pooling/config.json: %j', async (config) => {
    await expect(withPooling(config)).rejects.toMatchObject({ code: 'ERR_CONFIG' })
  })

  test('no 1_Pooling/config.json', async () => {
    await expect(read({ 'modules.json': MODULES })).rejects.toMatchObject({
      code: 'ERR_FILE_NOT_FOUND',
    })
  })

  test.each([
    [[]],
    [{ max_seq_length: 0 }],
    [{ max_seq_length: -1 }],
    [{ max_seq_length: 1.5 }],
    [{ max_seq_length: '256' }],
    [{ max_seq_length: 1e9 }],
    [{ do_lower_case: 'no' }],
  ])('sentence_bert_config.json: %j', async (config) => {
    const files = {
      'modules.json': MODULES,
      '1_Pooling/config.json': MEAN,
      'sentence_bert_config.json': config,
    }
    await expect(read(files)).rejects.toMatchObject({ code: 'ERR_CONFIG' })
  })
})

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
/** What files say that say nothing of it. */
const PLAIN = {
  include_prompt: true,
  layers: [],
  prompts: { query: '', document: '' },
  default_prompt_name: null,
}
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
      ...PLAIN,
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
      ...PLAIN,
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
    ['mean_sqrt_len_tokens', { pooling_mode_mean_sqrt_len_tokens: true }],
    ['weightedmean', { pooling_mode_weightedmean_tokens: true }],
    ['lasttoken', { pooling_mode: 'lasttoken' }],
    // As listed; and in files that list none in an order that does not depend on theirs.
    [['mean', 'max', 'cls'], { pooling_mode: ['mean', 'max', 'cls'] }],
    [['cls', 'max', 'mean', 'lasttoken'], { pooling_mode_lasttoken: true, ...MEAN,
      pooling_mode_max_tokens: true, pooling_mode_cls_token: true }],
  ])('%s: %j', async (wanted, config) => {
    expect((await withPooling(config))!.pooling).toEqual(wanted)
  })

  test('prompts, which poolings may leave out', async () => {
    const pooling = { pooling_mode: 'mean', include_prompt: false }
    const found = await read({
      'modules.json': MODULES,
      '1_Pooling/config.json': pooling,
      'config_sentence_transformers.json': {
        prompts: { query: 'q: ', other: null }, default_prompt_name: 'query',
      },
    })
    expect(found).toMatchObject({ include_prompt: false, default_prompt_name: 'query' })
    expect(found!.prompts).toEqual({ query: 'q: ', document: '', other: '' })
    const none = await read({
      'modules.json': MODULES,
      '1_Pooling/config.json': MEAN,
      'config_sentence_transformers.json': { __version__: {}, prompts: null },
    })
    expect(none).toMatchObject({ prompts: PLAIN.prompts, default_prompt_name: null })
  })

  test('layers after the pooling', async () => {
    const dense = { in_features: 4, out_features: 3 }
    const found = await read({
      'modules.json': [
        ...MODULES, module('Dense', 'a'), module('LayerNorm', 'b'), module('Normalize', 'c'),
        module('Dense', 'd'), module('Normalize', 'e'),
      ],
      '1_Pooling/config.json': MEAN,
      'a/config.json': dense,
      'b/config.json': { dimension: 3 },
      'c/config.json': { module_input_name: 'sentence_embedding' },
      'd/config.json': {
        ...dense, bias: false, activation_function: 'torch.nn.modules.linear.Identity',
        something_newer: 1,
      },
    })
    expect(found!.normalize).toBe(true)
    const plain = { bias: false, activation: 'none' }
    expect(found!.layers).toEqual([
      { module: 'Dense', path: 'a', inputs: 4, outputs: 3, bias: true, activation: 'tanh' },
      { module: 'LayerNorm', path: 'b', inputs: 3, outputs: 3, ...plain },
      { module: 'Normalize', path: 'c', inputs: null, outputs: null, ...plain },
      { module: 'Dense', path: 'd', inputs: 4, outputs: 3, ...plain },
    ])
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
    [{ pooling_mode_something_new: true }, 'pooling_mode_something_new'],
    [{ ...MEAN, pooling_mode_something_new: true }, 'mean + pooling_mode_something_new'],
    [{ pooling_mode: 'median' }, 'median'],
    [{ pooling_mode: ['mean', 'none'] }, 'mean + none'],
    [{ pooling_mode: [] }, '""'],
    [{ pooling_mode: Array(7).fill('mean') }, 'mean + mean'],
  ])('pooling %j', async (config, named) => {
    await expect(withPooling(config)).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED_MODEL',
      message: expect.stringContaining(named) as string,
    })
  })

  test.each([
    ['a CNN', [...MODULES, module('CNN', '2_CNN')], 'CNN'],
    ['a Dropout', [...MODULES, module('Dropout', '2_Dropout')], 'Dropout'],
    ['no pooling', [MODULES[0]], 'Transformer'],
    ['no modules', [], 'none'],
    ['another order', [MODULES[1], MODULES[0]], 'Pooling, Transformer'],
    ['Normalize before Pooling', [MODULES[0], module('Normalize', 'n'), MODULES[1]], 'Normalize'],
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

const withDense = (config: unknown) =>
  read({
    'modules.json': [...MODULES, module('Dense', '2_Dense')],
    '1_Pooling/config.json': MEAN,
    '2_Dense/config.json': config,
  })
const DENSE = { in_features: 4, out_features: 3 }

describe('layers refused', () => {
  test.each([
    [{ ...DENSE, activation_function: 'my_package.Swish' }, 'my_package.Swish'],
    [{ ...DENSE, activation_function: 'torch.nn.modules.activation.Softplus' }, 'Softplus'],
    [{ ...DENSE, use_residual: true }, 'use_residual'],
    [{ ...DENSE, module_input_name: 'token_embeddings' }, 'module_input_name'],
    [{ ...DENSE, module_output_name: 'other' }, 'module_output_name'],
  ])('as unsupported, by name: %j', async (config, named) => {
    await expect(withDense(config)).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED_MODEL',
      message: expect.stringContaining(named) as string,
    })
  })

  test.each([
    [[]], [{}], [{ ...DENSE, in_features: 0 }], [{ ...DENSE, out_features: 2 ** 18 }],
    [{ ...DENSE, bias: 1 }], [{ ...DENSE, activation_function: 7 }],
  ])('as invalid: %j', async (config) => {
    await expect(withDense(config)).rejects.toMatchObject({ code: 'ERR_CONFIG' })
  })

  test.each([
    { prompts: [] }, { prompts: { query: 1 } }, { default_prompt_name: 'no such' },
    { default_prompt_name: 1 },
  ])('prompts %j', async (config) => {
    const files = {
      'modules.json': MODULES,
      '1_Pooling/config.json': MEAN,
      'config_sentence_transformers.json': config,
    }
    await expect(read(files)).rejects.toMatchObject({ code: 'ERR_CONFIG' })
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
    [{ include_prompt: 'no' }],
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

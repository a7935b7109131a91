// config.json → geometry: defaults of BertConfig and RobertaConfig, bounds, and features refused by
// name.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { FusebertError } from '../../lib/errors.js'
import { ModelFolder } from '../../lib/hub/folder.js'
import { parseConfig, readConfig } from '../../lib/models/config.js'

const GOLDEN = join(import.meta.dirname, '..', 'golden')

function refusal(value: unknown): FusebertError {
  try {
    parseConfig(value)
  } catch (error) {
    expect(error).toBeInstanceOf(FusebertError)
    return error as FusebertError
  }
  throw new Error('was accepted')
}

describe('accepted', () => {
  test('an empty object has the defaults of BertConfig', () => {
    expect(parseConfig({})).toEqual({
      geometry: {
        vocab_size: 30522,
        hidden_size: 768,
        num_hidden_layers: 12,
        num_attention_heads: 12,
        intermediate_size: 3072,
        max_position_embeddings: 512,
        type_vocab_size: 2,
        has_token_types: true,
        padding_idx: null,
        layer_norm_eps: 1e-12,
        hidden_act: 'gelu',
      },
      max_sequence_length: 512,
      pad_token_id: 0,
      architectures: [],
      model_type: 'bert',
      num_labels: 2,
      id2label: {},
      label2id: {},
      problem_type: null,
      tie_word_embeddings: true,
    })
  })

  test('every field', () => {
    const config = parseConfig({
      model_type: 'bert',
      architectures: ['BertForMaskedLM'],
      vocab_size: 100,
      hidden_size: 96,
      num_hidden_layers: 3,
      num_attention_heads: 4,
      intermediate_size: 77,
      max_position_embeddings: 33,
      type_vocab_size: 1,
      layer_norm_eps: 1e-5,
      hidden_act: 'relu',
      pad_token_id: 7,
      position_embedding_type: 'absolute',
      is_decoder: false,
      add_cross_attention: false,
      pruned_heads: {},
      something_else: [1, 2],
    })
    expect(config.geometry).toEqual({
      vocab_size: 100,
      hidden_size: 96,
      num_hidden_layers: 3,
      num_attention_heads: 4,
      intermediate_size: 77,
      max_position_embeddings: 33,
      type_vocab_size: 1,
      has_token_types: true,
      padding_idx: null,
      layer_norm_eps: 1e-5,
      hidden_act: 'relu',
    })
    expect(config.pad_token_id).toBe(7)
    expect(config.architectures).toEqual(['BertForMaskedLM'])
  })

  test.each([
    ['gelu', 'gelu'],
    ['gelu_new', 'gelu_tanh'],
    ['gelu_pytorch_tanh', 'gelu_tanh'],
    ['gelu_fast', 'gelu_tanh'],
    ['quick_gelu', 'quick_gelu'],
    ['relu', 'relu'],
    ['silu', 'silu'],
    ['swish', 'silu'],
  ])('hidden_act %s', (name, wanted) => {
    expect(parseConfig({ hidden_act: name }).geometry.hidden_act).toBe(wanted)
  })

  test.each([
    [16, 1],
    [128, 1],
    [34, 2],
    [16384, 128],
  ])('hidden_size %d with %d heads', (hidden_size, num_attention_heads) => {
    expect(parseConfig({ hidden_size, num_attention_heads }).geometry).toMatchObject({
      hidden_size,
      num_attention_heads,
    })
  })

  test('no model_type, as the oldest BERT checkpoints have it', () => {
    expect(parseConfig({ architectures: ['BertForMaskedLM'] }).model_type).toBe('bert')
    expect(parseConfig({ model_type: null }).model_type).toBe('bert')
  })

  test('RoBERTa: its own defaults, and positions after that of padding', () => {
    const config = parseConfig({ model_type: 'roberta', max_position_embeddings: 514 })
    expect(config.model_type).toBe('roberta')
    expect(config.pad_token_id).toBe(1)
    expect(config.max_sequence_length).toBe(512)
    expect(config.geometry).toMatchObject({ vocab_size: 50265, padding_idx: 1 })
    const other = parseConfig({
      model_type: 'roberta', max_position_embeddings: 9, pad_token_id: 7,
    })
    expect(other.max_sequence_length).toBe(1)
    expect(parseConfig({ architectures: ['RobertaModel'] }).model_type).toBe('roberta')
  })

  test('DistilBERT, in its own words', () => {
    const config = parseConfig({
      model_type: 'distilbert', dim: 64, n_layers: 3, n_heads: 4, hidden_dim: 99,
      activation: 'relu', layer_norm_eps: 1e-5, type_vocab_size: 7,
    })
    expect(config.geometry).toMatchObject({
      hidden_size: 64, num_hidden_layers: 3, num_attention_heads: 4, intermediate_size: 99,
      hidden_act: 'relu', layer_norm_eps: 1e-12, type_vocab_size: 1, has_token_types: false,
    })
    const plain = parseConfig({ model_type: 'distilbert' })
    expect(plain.geometry).toMatchObject({ hidden_size: 768, num_hidden_layers: 6 })
  })

  test('ELECTRA, where embeddings are as wide as what follows', () => {
    const config = parseConfig({
      model_type: 'electra', embedding_size: 768, hidden_size: 768, num_attention_heads: 12,
    })
    expect(config.model_type).toBe('electra')
    expect(config.geometry).toMatchObject({ intermediate_size: 1024, padding_idx: null })
    const narrow = parseConfig({ model_type: 'electra', hidden_size: 128 })
    expect(narrow.geometry).toMatchObject({ num_attention_heads: 4, hidden_size: 128 })
  })

  test('no padding token', () => {
    expect(parseConfig({ pad_token_id: null }).pad_token_id).toBeNull()
  })

  test('labels and what a classifier was trained for', () => {
    const id2label = { 0: 'joy', 1: 'fear' }
    const config = parseConfig({ id2label, problem_type: 'regression' })
    expect(config.id2label).toEqual(id2label)
    expect(config.label2id).toEqual({ joy: 0, fear: 1 })
    const label2id = { entailment: 1, other: 'x', contradiction: 0 }
    const { label2id: known } = parseConfig({ id2label, label2id })
    expect(known).toEqual({ entailment: 1, contradiction: 0 })
    expect(config.num_labels).toBe(2)
    expect(config.problem_type).toBe('regression')
    expect(parseConfig({ id2label: { 0: 7, 1: 'fear' } }).id2label).toEqual({ 1: 'fear' })
    expect(parseConfig({ id2label: null, problem_type: null }).problem_type).toBeNull()
  })

  test('a result that nobody can change', () => {
    const config = parseConfig({})
    expect(Object.isFrozen(config)).toBe(true)
    expect(Object.isFrozen(config.geometry)).toBe(true)
  })

  test.each([
    ['head16', { hidden_size: 32, num_attention_heads: 2, num_hidden_layers: 3 }],
    ['head32-f16', { hidden_act: 'gelu_tanh', type_vocab_size: 1 }],
    ['head64-bf16', { hidden_act: 'relu', layer_norm_eps: 1e-5 }],
    ['mental-bert-like', { hidden_size: 32, vocab_size: 200 }],
  ])('the golden model %s', async (name, wanted) => {
    const config = await readConfig(await ModelFolder.open(join(GOLDEN, name)))
    expect(config.geometry).toMatchObject(wanted)
  })
})

describe('refused as unsupported, by name', () => {
  test.each([
    [{ model_type: 'xlm-roberta' }, 'SentencePiece', 'xlm-roberta'],
    [{ model_type: 'camembert' }, 'SentencePiece', 'camembert'],
    [{ model_type: 'albert' }, 'model_type', 'albert'],
    [{ model_type: 'distilbert', activation: 'mish' }, 'hidden_act', 'mish'],
    [{ model_type: 'electra' }, 'embedding_size', '128'],
    [{ model_type: 'electra', hidden_size: 768, embedding_size: 128, num_attention_heads: 12 },
      'embedding_size', '128'],
    [{ model_type: '' }, 'model_type', '""'],
    [{ model_type: 1 }, 'model_type', '1'],
    [{ architectures: ['GPT2LMHeadModel'] }, 'architectures', 'GPT2LMHeadModel'],
    [{ model_type: 'roberta', position_embedding_type: 'relative_key_query' },
      'position_embedding_type', 'relative_key_query'],
    [{ position_embedding_type: 'relative_key' }, 'position_embedding_type', 'relative_key'],
    [{ is_decoder: true }, 'is_decoder', 'true'],
    [{ add_cross_attention: true }, 'add_cross_attention', 'true'],
    [{ quantization_config: { bits: 8 } }, 'quantization_config', 'an object of size 1'],
    [{ pruned_heads: { 0: [1] } }, 'pruned_heads', 'an object of size 1'],
    [{ hidden_act: 'mish' }, 'hidden_act', 'mish'],
    [{ hidden_act: 'toString' }, 'hidden_act', 'toString'],
  ])('%j', (config, field, value) => {
    const error = refusal(config)
    expect(error.code).toBe('ERR_UNSUPPORTED_MODEL')
    expect(error.message).toContain(field)
    expect(error.message).toContain(value)
    expect(error.message).toMatch(/^Expected .* for .* in config\.json but received .*\. .*\.$/s)
  })
})

describe('refused as invalid', () => {
  const SIZES = [
    ['vocab_size', 2 ** 24],
    ['hidden_size', 2 ** 14],
    ['num_hidden_layers', 256],
    ['num_attention_heads', 768],
    ['intermediate_size', 2 ** 16],
    ['max_position_embeddings', 2 ** 16],
    ['type_vocab_size', 1024],
  ] as const
  const WRONG = [0, -1, 1.5, '12', null, true, [12], {}, NaN, Infinity, 2 ** 53]

  test.each(SIZES.flatMap(([field, max]) => [...WRONG, max + 1].map((value) => [field, value])))(
    '%s: %j',
    (field, value) => {
      const error = refusal({ [String(field)]: value })
      expect(error.code).toBe('ERR_CONFIG')
      expect(error.message).toContain(String(field))
    },
  )

  test.each([
    ['heads that do not divide', 768, 7],
    ['a head_dim of 15', 15, 1],
    ['a head_dim of 129', 129, 1],
    ['a head_dim of 8', 64, 8],
  ])('%s', (_, hidden_size, num_attention_heads) => {
    expect(refusal({ hidden_size, num_attention_heads }).code).toBe('ERR_CONFIG')
  })

  test.each([0, -1e-12, 1e-60, 2, NaN, Infinity, '1e-12', null])('layer_norm_eps %j', (value) => {
    expect(refusal({ layer_norm_eps: value }).code).toBe('ERR_CONFIG')
  })

  test.each([-1, 100, 1.5, '0', true])('pad_token_id %j of 100 tokens', (value) => {
    expect(refusal({ vocab_size: 100, pad_token_id: value }).code).toBe('ERR_CONFIG')
  })

  test.each([null, 8, -1, 100])('pad_token_id %j of RoBERTa with 9 positions', (value) => {
    const roberta = { model_type: 'roberta', max_position_embeddings: 9, vocab_size: 100 }
    const error = refusal({ ...roberta, pad_token_id: value })
    expect(error.code).toBe('ERR_CONFIG')
    expect(error.message).toContain('pad_token_id')
  })

  test.each([null, [], 'bert', 7])('a config that is %j', (value) => {
    expect(refusal(value).code).toBe('ERR_CONFIG')
  })

  test.each(['ranking', '', 1, {}])('problem_type %j', (value) => {
    expect(refusal({ problem_type: value }).code).toBe('ERR_CONFIG')
  })

  test.each([['a name'], [[1]], [{}]])('architectures %j', (value) => {
    expect(refusal({ architectures: value }).code).toBe('ERR_CONFIG')
  })

  test.each([
    'model_type',
    'architectures',
    'position_embedding_type',
    'is_decoder',
    'quantization_config',
    'pruned_heads',
    'hidden_size',
    'layer_norm_eps',
    'hidden_act',
    'pad_token_id',
  ])('%s that nests too deep for recursion', (field) => {
    const depth = 200_000
    const array = `${'['.repeat(depth)}${']'.repeat(depth)}`
    const object = `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`
    // What JavaScript itself would ask an object for, were it made a string.
    const trap = `{"constructor":{"name":${array}},"toString":1,"toJSON":${array}}`
    for (const text of [array, object, trap]) {
      const error = refusal(JSON.parse(`{"${field}":${text}}`))
      expect(error.message).toContain(field)
      expect(error.message.length).toBeLessThan(300)
    }
  })

  test('hidden_act that is not a name', () => {
    expect(refusal({ hidden_act: 3 }).code).toBe('ERR_CONFIG')
  })

  test.each([
    ['NaN', '{"layer_norm_eps": NaN}', 'ERR_CONFIG'],
    ['half a file', '{"vocab_size": 30', 'ERR_CONFIG'],
    ['1e999', '{"layer_norm_eps": 1e999}', 'ERR_CONFIG'],
    ['nothing', '', 'ERR_CONFIG'],
  ])('a file with %s', async (_, text, code) => {
    const path = await mkdtemp(join(tmpdir(), 'fusebert-config-'))
    try {
      await writeFile(join(path, 'config.json'), text)
      await expect(readConfig(await ModelFolder.open(path))).rejects.toMatchObject({ code })
    } finally {
      await rm(path, { recursive: true })
    }
  })

  test('no file', async () => {
    const path = await mkdtemp(join(tmpdir(), 'fusebert-config-'))
    try {
      await expect(readConfig(await ModelFolder.open(path))).rejects.toMatchObject({
        code: 'ERR_FILE_NOT_FOUND',
      })
    } finally {
      await rm(path, { recursive: true })
    }
  })
})

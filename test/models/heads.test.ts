// Names of heads in checkpoints → canonical names: BERT's and RoBERTa's, tied decoders, and what is
// said of a head that is not there.
import { describe, expect, test } from 'vitest'

import {
  rowMajorStrides,
  type StoredTensor,
  type TensorTable,
} from '../../lib/checkpoint/tensor-table.js'
import { FusebertError } from '../../lib/errors.js'
import { parseConfig, type ModelConfig } from '../../lib/models/config.js'
import { HEAD_TASKS, headsOf, headTensors, type HeadTask } from '../../lib/models/heads.js'

const numbers = {
  vocab_size: 11,
  hidden_size: 16,
  num_attention_heads: 1,
  num_hidden_layers: 1,
  intermediate_size: 5,
  max_position_embeddings: 7,
}
const config = parseConfig({ ...numbers, num_labels: 3 })
const untied = parseConfig({ ...numbers, num_labels: 3, tie_word_embeddings: false })
const ofRoberta = { ...numbers, model_type: 'roberta', num_labels: 3 }
const roberta = parseConfig(ofRoberta)
const electra = parseConfig({ ...ofRoberta, model_type: 'electra', embedding_size: 16 })
const distilbert = parseConfig({
  ...ofRoberta, model_type: 'distilbert', dim: 16, n_heads: 1, n_layers: 1, hidden_dim: 5,
})
const robertaUntied = parseConfig({ ...ofRoberta, tie_word_embeddings: false })

type Shapes = Record<string, number[]>

const linear = (name: string, rows: number): Shapes => ({
  [`${name}.weight`]: [rows, 16],
  [`${name}.bias`]: [rows],
})
const norm = (name: string, weight = 'weight', bias = 'bias'): Shapes => ({
  [`${name}.${weight}`]: [16],
  [`${name}.${bias}`]: [16],
})

function table(shapes: Shapes): TensorTable {
  const tensors = Object.entries(shapes).map(([name, shape], i): [string, StoredTensor] => [
    name,
    { dtype: 'F32', shape, strides: rowMajorStrides(shape), fileIndex: 0, offsetBytes: 4 * i },
  ])
  return { files: [{ path: '/models/x', sizeBytes: 1e6 }], tensors: new Map(tensors) }
}

interface Case {
  task: HeadTask
  stored: Shapes
  /** Canonical name → stored name. */
  names: Record<string, string>
  prefix?: string
  config?: ModelConfig
}

const both = (name: string, stored: string): Record<string, string> => ({
  [`${name}.weight`]: `${stored}.weight`,
  [`${name}.bias`]: `${stored}.bias`,
})
const transform = 'cls.predictions.transform'
const bertMasked = { ...linear(`${transform}.dense`, 16), ...norm(`${transform}.LayerNorm`) }
const bertMaskedNames = {
  ...both('head.dense', `${transform}.dense`),
  ...both('head.LayerNorm', `${transform}.LayerNorm`),
}
const robertaMasked = { ...linear('lm_head.dense', 16), ...norm('lm_head.layer_norm') }
const robertaMaskedNames = {
  ...both('head.dense', 'lm_head.dense'),
  ...both('head.LayerNorm', 'lm_head.layer_norm'),
}

const CASES: Record<string, Case> = {
  'BERT, masked words': {
    task: 'masked-lm',
    stored: { ...bertMasked, 'cls.predictions.bias': [11] },
    names: { ...bertMaskedNames, 'head.output.bias': 'cls.predictions.bias' },
  },
  'BERT, masked words, a decoder that is tied and stored': {
    task: 'masked-lm',
    stored: { ...bertMasked, ...linear('cls.predictions.decoder', 11) },
    names: { ...bertMaskedNames, 'head.output.bias': 'cls.predictions.decoder.bias' },
  },
  'BERT, masked words, a decoder of its own': {
    task: 'masked-lm',
    config: untied,
    stored: {
      ...bertMasked,
      ...linear('cls.predictions.decoder', 11),
      'cls.predictions.bias': [11],
    },
    names: {
      ...bertMaskedNames,
      ...both('head.output', 'cls.predictions.decoder'),
    },
  },
  'BERT, masked words, a decoder of its own with the tied bias': {
    task: 'masked-lm',
    config: untied,
    stored: {
      ...bertMasked,
      'cls.predictions.decoder.weight': [11, 16],
      'cls.predictions.bias': [11],
    },
    names: {
      ...bertMaskedNames,
      'head.output.weight': 'cls.predictions.decoder.weight',
      'head.output.bias': 'cls.predictions.bias',
    },
  },
  'BERT, masked words, old names': {
    task: 'masked-lm',
    stored: {
      ...linear(`${transform}.dense`, 16),
      ...norm(`${transform}.LayerNorm`, 'gamma', 'beta'),
      'cls.predictions.bias': [11],
    },
    names: {
      ...bertMaskedNames,
      'head.LayerNorm.weight': `${transform}.LayerNorm.gamma`,
      'head.LayerNorm.bias': `${transform}.LayerNorm.beta`,
      'head.output.bias': 'cls.predictions.bias',
    },
  },
  'RoBERTa, masked words': {
    task: 'masked-lm',
    config: roberta,
    stored: { ...robertaMasked, 'lm_head.bias': [11] },
    names: { ...robertaMaskedNames, 'head.output.bias': 'lm_head.bias' },
  },
  'RoBERTa, masked words, a decoder of its own': {
    task: 'masked-lm',
    config: robertaUntied,
    stored: { ...robertaMasked, ...linear('lm_head.decoder', 11) },
    names: { ...robertaMaskedNames, ...both('head.output', 'lm_head.decoder') },
  },
  'BERT, next sentence': {
    task: 'next-sentence',
    stored: { ...linear('bert.pooler.dense', 16), ...linear('cls.seq_relationship', 2) },
    names: {
      ...both('head.dense', 'bert.pooler.dense'),
      ...both('head.output', 'cls.seq_relationship'),
    },
  },
  'BERT, sequence classification': {
    task: 'sequence-classification',
    stored: { ...linear('bert.pooler.dense', 16), ...linear('classifier', 3) },
    names: { ...both('head.dense', 'bert.pooler.dense'), ...both('head.output', 'classifier') },
  },
  'BERT, sequence classification, a trainer’s prefix': {
    task: 'sequence-classification',
    prefix: 'module.bert.',
    stored: {
      ...linear('module.bert.pooler.dense', 16),
      ...linear('module.classifier', 3),
    },
    names: {
      ...both('head.dense', 'module.bert.pooler.dense'),
      ...both('head.output', 'module.classifier'),
    },
  },
  'RoBERTa, sequence classification': {
    task: 'sequence-classification',
    config: roberta,
    stored: { ...linear('classifier.dense', 16), ...linear('classifier.out_proj', 3) },
    names: {
      ...both('head.dense', 'classifier.dense'),
      ...both('head.output', 'classifier.out_proj'),
    },
  },
  'RoBERTa, sequence classification, a trainer’s prefix': {
    task: 'sequence-classification',
    config: roberta,
    prefix: 'module.roberta.',
    stored: {
      ...linear('module.classifier.dense', 16),
      ...linear('module.classifier.out_proj', 3),
    },
    names: {
      ...both('head.dense', 'module.classifier.dense'),
      ...both('head.output', 'module.classifier.out_proj'),
    },
  },
  'RoBERTa, token classification': {
    task: 'token-classification',
    config: roberta,
    stored: linear('classifier', 3),
    names: both('head.output', 'classifier'),
  },
  'RoBERTa, question answering': {
    task: 'question-answering',
    config: roberta,
    stored: linear('qa_outputs', 2),
    names: both('head.output', 'qa_outputs'),
  },
  'ELECTRA, masked words': {
    task: 'masked-lm',
    config: electra,
    stored: {
      ...linear('generator_predictions.dense', 16),
      ...norm('generator_predictions.LayerNorm'),
      'generator_lm_head.bias': [11],
    },
    names: {
      ...both('head.dense', 'generator_predictions.dense'),
      ...both('head.LayerNorm', 'generator_predictions.LayerNorm'),
      'head.output.bias': 'generator_lm_head.bias',
    },
  },
  'ELECTRA, sequence classification': {
    task: 'sequence-classification',
    config: electra,
    stored: { ...linear('classifier.dense', 16), ...linear('classifier.out_proj', 3) },
    names: {
      ...both('head.dense', 'classifier.dense'),
      ...both('head.output', 'classifier.out_proj'),
    },
  },
  'DistilBERT, masked words': {
    task: 'masked-lm',
    config: distilbert,
    stored: {
      ...linear('vocab_transform', 16),
      ...norm('vocab_layer_norm'),
      'vocab_projector.bias': [11],
    },
    names: {
      ...both('head.dense', 'vocab_transform'),
      ...both('head.LayerNorm', 'vocab_layer_norm'),
      'head.output.bias': 'vocab_projector.bias',
    },
  },
  'DistilBERT, sequence classification': {
    task: 'sequence-classification',
    config: distilbert,
    stored: { ...linear('pre_classifier', 16), ...linear('classifier', 3) },
    names: { ...both('head.dense', 'pre_classifier'), ...both('head.output', 'classifier') },
  },
  'token classification': {
    task: 'token-classification',
    stored: linear('classifier', 3),
    names: both('head.output', 'classifier'),
  },
  'question answering': {
    task: 'question-answering',
    stored: linear('qa_outputs', 2),
    names: both('head.output', 'qa_outputs'),
  },
}

const HEADS: Record<HeadTask, object> = {
  'masked-lm': { rows: 'all', layer_norm: true, outputs: 11 },
  'next-sentence': { rows: 'first', dense: 'tanh', layer_norm: false, tied: false, outputs: 2 },
  'sequence-classification': { rows: 'first', layer_norm: false, tied: false, outputs: 3 },
  'token-classification': {
    rows: 'all', dense: 'none', layer_norm: false, tied: false, outputs: 3,
  },
  'question-answering': { rows: 'all', dense: 'none', layer_norm: false, tied: false, outputs: 2 },
}

function refusal(shapes: Shapes, task: HeadTask, settings = config): FusebertError {
  try {
    headTensors(table(shapes), settings, task, `${settings.model_type}.`)
  } catch (error) {
    expect(error).toBeInstanceOf(FusebertError)
    return error as FusebertError
  }
  throw new Error('was accepted')
}

describe('heads', () => {
  test.each(Object.entries(CASES))('%s', (_, each) => {
    const { task, stored, names } = each
    const settings = each.config ?? config
    const { model_type } = settings
    const prefix = each.prefix ?? `${model_type}.`
    const tensors = table(stored)
    const result = headTensors(tensors, settings, task, prefix)
    expect(result.head).toMatchObject(HEADS[task])
    // That of RoBERTa and ELECTRA is gelu, whatever their hidden layers have.
    const words = {
      bert: 'hidden_act', roberta: 'gelu', electra: 'gelu', distilbert: 'hidden_act',
    }
    if (task === 'masked-lm') expect(result.head.dense).toBe(words[model_type])
    const pooled = { bert: 'tanh', roberta: 'tanh', electra: 'gelu', distilbert: 'relu' }
    if (task === 'sequence-classification') expect(result.head.dense).toBe(pooled[model_type])
    expect(result.head.tied).toBe(task === 'masked-lm' && settings.tie_word_embeddings)
    const found = Object.fromEntries(
      result.tensors.map(({ name, offset_bytes }) => [name, offset_bytes]),
    )
    const expected = Object.entries(names).map(([name, storedName]) => [
      name, tensors.tensors.get(storedName)?.offsetBytes,
    ])
    expect(found).toEqual(Object.fromEntries(expected))
    expect(headsOf(tensors, settings, prefix)).toContain(task)
  })

  test.each(Object.entries(CASES))('%s: each tensor is needed', (_, { task, stored, ...rest }) => {
    const settings = rest.config ?? config
    for (const name of Object.keys(stored)) {
      if (settings.tie_word_embeddings && name.endsWith('decoder.weight')) continue
      if (name === 'cls.predictions.decoder.bias' && 'cls.predictions.bias' in stored) continue
      if (name === 'cls.predictions.bias' && 'cls.predictions.decoder.bias' in stored) continue
      const others = Object.fromEntries(Object.entries(stored).filter(([key]) => key !== name))
      const prefix = rest.prefix ?? `${settings.model_type}.`
      expect(headsOf(table(others), settings, prefix)).not.toContain(task)
    }
  })
})

describe('refusals', () => {
  test.each(HEAD_TASKS)('no head for %s: what was looked for', (task) => {
    const error = refusal({}, task)
    expect(error.code).toBe('ERR_TENSOR_MISSING')
    expect(error.message).toContain(task)
    expect(error.message).toContain('no head that fusebert knows')
    const looked: Record<HeadTask, string[]> = {
      'masked-lm': ['cls.predictions.transform.dense.weight', 'cls.predictions.bias'],
      'next-sentence': ['bert.pooler.dense.weight', 'cls.seq_relationship.bias'],
      'sequence-classification': ['bert.pooler.dense.weight', 'classifier.weight'],
      'token-classification': ['classifier.weight', 'classifier.bias'],
      'question-answering': ['qa_outputs.weight', 'qa_outputs.bias'],
    }
    for (const name of looked[task]) expect(error.message).toContain(name)
  })

  test('the heads that there are', () => {
    const error = refusal(linear('qa_outputs', 2), 'masked-lm')
    expect(error.message).toContain('It has those for question-answering.')
  })

  test('a classifier is the one that the class says, whatever else the names allow', () => {
    const shapes = { ...linear('bert.pooler.dense', 16), ...linear('classifier', 3) }
    const said = (architecture: string) => ({ ...config, architectures: [architecture] })
    const ofTokens = said('BertForTokenClassification')
    const ofTexts = said('BertForSequenceClassification')
    expect(headsOf(table(shapes), ofTokens, 'bert.')).toEqual(['token-classification'])
    expect(headsOf(table(shapes), ofTexts, 'bert.')).toEqual(['sequence-classification'])
    expect(headsOf(table(shapes), said('BertModel'), 'bert.')).toEqual([
      'sequence-classification', 'token-classification',
    ])
    const error = refusal(shapes, 'token-classification', ofTexts)
    expect(error.code).toBe('ERR_TENSOR_MISSING')
    expect(error.message).toContain(
      "its classifier.weight is for sequence-classification (task 'text-classification'). It has",
    )
    const other = refusal(shapes, 'sequence-classification', ofTokens)
    expect(other.message).toContain('its classifier.weight is for token-classification. It has')
  })

  test('heads of RoBERTa are called otherwise', () => {
    const masked = refusal({ ...bertMasked, 'cls.predictions.bias': [11] }, 'masked-lm', roberta)
    expect(masked.message).toContain('lacks lm_head.dense.weight')
    expect(masked.message).not.toContain('cls.')
    const whole: Shapes = { ...robertaMasked, 'lm_head.bias': [11] }
    expect(refusal(whole, 'masked-lm').message).toContain('no head that fusebert knows')
    const next = refusal(whole, 'next-sentence', roberta)
    expect(next.code).toBe('ERR_TENSOR_MISSING')
    expect(next.message).toContain(
      "models of type roberta have none. It has those for masked-lm (task 'fill-mask').",
    )
  })

  test('a part of a head is named', () => {
    const whole: Shapes = { ...bertMasked, 'cls.predictions.bias': [11] }
    const part = Object.entries(whole).filter(([name]) => name !== `${transform}.dense.bias`)
    const error = refusal(Object.fromEntries(part), 'masked-lm')
    expect(error.message).toContain(`lacks ${transform}.dense.bias. `)
  })

  test('other labels than the config says', () => {
    const error = refusal(linear('classifier', 5), 'token-classification')
    expect(error.code).toBe('ERR_TENSOR_SHAPE')
    expect(error.message).toContain('[3, 16]')
    expect(error.message).toContain('classifier.weight')
  })
})

describe('labels of a config', () => {
  test.each([
    [{}, 2],
    [{ num_labels: 7 }, 7],
    [{ id2label: { 0: 'a', 1: 'b', 2: 'c' } }, 3],
    [{ id2label: { 0: 'a' }, num_labels: 4 }, 4],
    [{ id2label: {} }, 2],
  ])('%j', (fields, wanted) => {
    expect(parseConfig({ ...numbers, ...fields }).num_labels).toBe(wanted)
  })

  test.each([{ num_labels: 0 }, { num_labels: '3' }])('refuses %j', (fields) => {
    expect(() => parseConfig({ ...numbers, ...fields })).toThrow(/num_labels/)
  })

  test('a decoder is tied, or says that it is not', () => {
    expect(parseConfig(numbers).tie_word_embeddings).toBe(true)
    expect(untied.tie_word_embeddings).toBe(false)
    expect(() => parseConfig({ ...numbers, tie_word_embeddings: 1 })).toThrow(/tie_word_embeddings/)
  })
})

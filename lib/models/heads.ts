// The tensors of what stands on an encoder, under the names that checkpoints give them: those of
// transformers' classes of each family.

import type { TensorTable } from '../checkpoint/tensor-table.js'
import { FusebertError } from '../errors.js'
import type { NativeHead, NativeTensor } from '../native/addon.js'
import { findStored, toNative, type Found } from './bert.js'
import type { Family, ModelConfig } from './config.js'

export const HEAD_TASKS = [
  'masked-lm',
  'next-sentence',
  'sequence-classification',
  'token-classification',
  'question-answering',
] as const
export type HeadTask = (typeof HEAD_TASKS)[number]

/** As pipeline() calls the tasks, where it has other names. */
const PIPELINE_TASKS: Readonly<Partial<Record<HeadTask, string>>> = {
  'masked-lm': 'fill-mask',
  'sequence-classification': 'text-classification',
}

/** The name that pipeline() takes, where it has such a task. */
export function pipelineTask(task: HeadTask): string {
  return PIPELINE_TASKS[task] ?? task
}

function nameBoth(task: HeadTask): string {
  const other = PIPELINE_TASKS[task]
  return other === undefined ? task : `${task} (task '${other}')`
}

export interface HeadTensors {
  head: NativeHead
  /** By canonical name: head.dense, head.LayerNorm and head.output. */
  tensors: NativeTensor[]
}

/** How a family's checkpoints store a head. */
interface Layout {
  readonly rows: NativeHead['rows']
  readonly dense: NativeHead['dense']
  /** Stored names without .weight and .bias; absent when the head has no such layer. */
  readonly denseName?: string
  readonly normName?: string
  /** The last linear layer's weight, and its own bias. */
  readonly weight: string
  readonly bias: string
  /** The bias that a tied layer has in the place of its own. */
  readonly tiedBias?: string
}

const linear = (rows: NativeHead['rows'], name: string): Layout => ({
  rows,
  dense: 'none',
  weight: `${name}.weight`,
  bias: `${name}.bias`,
})
const onFirst = (denseName: string, name: string): Layout => ({
  ...linear('first', name),
  dense: 'tanh',
  denseName,
})

const TOKEN_LAYOUTS = {
  'token-classification': linear('all', 'classifier'),
  'question-answering': linear('all', 'qa_outputs'),
}

/** By family and task. */
const LAYOUTS: Readonly<Record<Family, Partial<Readonly<Record<HeadTask, Layout>>>>> = {
  bert: {
    'masked-lm': {
      rows: 'all',
      dense: 'hidden_act',
      denseName: 'cls.predictions.transform.dense',
      normName: 'cls.predictions.transform.LayerNorm',
      weight: 'cls.predictions.decoder.weight',
      bias: 'cls.predictions.decoder.bias',
      tiedBias: 'cls.predictions.bias',
    },
    'next-sentence': onFirst('pooler.dense', 'cls.seq_relationship'),
    'sequence-classification': onFirst('pooler.dense', 'classifier'),
    ...TOKEN_LAYOUTS,
  },
  roberta: {
    'masked-lm': {
      rows: 'all',
      dense: 'gelu',
      denseName: 'lm_head.dense',
      normName: 'lm_head.layer_norm',
      weight: 'lm_head.decoder.weight',
      bias: 'lm_head.decoder.bias',
      tiedBias: 'lm_head.bias',
    },
    'sequence-classification': onFirst('classifier.dense', 'classifier.out_proj'),
    ...TOKEN_LAYOUTS,
  },
  electra: {
    'masked-lm': {
      rows: 'all',
      dense: 'gelu',
      denseName: 'generator_predictions.dense',
      normName: 'generator_predictions.LayerNorm',
      weight: 'generator_lm_head.weight',
      bias: 'generator_lm_head.bias',
    },
    'sequence-classification': {
      ...onFirst('classifier.dense', 'classifier.out_proj'),
      dense: 'gelu',
    },
    ...TOKEN_LAYOUTS,
  },
  distilbert: {
    'masked-lm': {
      rows: 'all',
      dense: 'hidden_act',
      denseName: 'vocab_transform',
      normName: 'vocab_layer_norm',
      weight: 'vocab_projector.weight',
      bias: 'vocab_projector.bias',
    },
    'sequence-classification': { ...onFirst('pre_classifier', 'classifier'), dense: 'relu' },
    ...TOKEN_LAYOUTS,
  },
}

function outputsOf(task: HeadTask, config: ModelConfig): number {
  if (task === 'masked-lm') return config.geometry.vocab_size
  return task.endsWith('-classification') ? config.num_labels : 2
}

interface Search {
  found: Found[]
  /** Stored names. */
  missing: string[]
}

/** @param prefix - what the checkpoint puts before the encoder's names */
function search(
  table: TensorTable,
  config: ModelConfig,
  task: HeadTask,
  layout: Layout,
  prefix: string,
): Search {
  const { hidden_size: hidden } = config.geometry
  const outputs = outputsOf(task, config)
  // The pooler is inside the encoder; the rest is beside it.
  const outside = prefix.startsWith('module.') ? 'module.' : ''
  const place = (name: string) => (name.startsWith('pooler.') ? prefix : outside) + name
  const result: Search = { found: [], missing: [] }
  const look = (name: string, shape: readonly number[], storedAs: readonly string[]): void => {
    const places = storedAs.map(place)
    const entry = places.map((each) => findStored(table, each, { name, shape })).find(Boolean)
    if (entry === undefined) result.missing.push(places[0] ?? name)
    else result.found.push(entry)
  }
  const { denseName, normName, weight, bias, tiedBias = bias } = layout
  if (denseName !== undefined) {
    look('head.dense.weight', [hidden, hidden], [`${denseName}.weight`])
    look('head.dense.bias', [hidden], [`${denseName}.bias`])
  }
  if (normName !== undefined) {
    look('head.LayerNorm.weight', [hidden], [`${normName}.weight`])
    look('head.LayerNorm.bias', [hidden], [`${normName}.bias`])
  }
  const tied = isTied(task, config)
  if (!tied) look('head.output.weight', [outputs, hidden], [weight])
  // Both may be there, and differ where they are not tied. Old checkpoints have the tied one alone.
  look('head.output.bias', [outputs], tied ? [tiedBias, bias] : [bias, tiedBias])
  return result
}

function isTied(task: HeadTask, config: ModelConfig): boolean {
  return task === 'masked-lm' && config.tie_word_embeddings
}

/** Tasks whose last layers have the same names, and how the classes for them end. */
const CLASSIFIERS = {
  'sequence-classification': 'ForSequenceClassification',
  'token-classification': 'ForTokenClassification',
} as const

/**
 * The classifier that a checkpoint's class says it has, of those that its tensors' names do not
 * tell apart: BERT's `classifier` stands on the pooler or on every token, and checkpoints may have
 * a pooler that nothing uses.
 */
function namedClassifier({ architectures }: ModelConfig): keyof typeof CLASSIFIERS | undefined {
  const tasks = Object.keys(CLASSIFIERS) as (keyof typeof CLASSIFIERS)[]
  const named = tasks.filter((task) => architectures.some((n) => n.endsWith(CLASSIFIERS[task])))
  return named.length === 1 ? named[0] : undefined
}

/** The other task that the checkpoint's classifier is for. */
function classifierOfAnother(task: HeadTask, config: ModelConfig): HeadTask | undefined {
  const named = namedClassifier(config)
  return task in CLASSIFIERS && named !== task ? named : undefined
}

/** The tasks for which the checkpoint has all tensors of a head. */
export function headsOf(table: TensorTable, config: ModelConfig, prefix: string): HeadTask[] {
  const layouts = LAYOUTS[config.model_type]
  return HEAD_TASKS.filter((task) => {
    const layout = layouts[task]
    return (
      layout !== undefined &&
      classifierOfAnother(task, config) === undefined &&
      search(table, config, task, layout, prefix).missing.length === 0
    )
  })
}

/**
 * A task's head and its tensors.
 * @param prefix - what the checkpoint puts before the encoder's names
 * @throws ERR_TENSOR_MISSING, with the names that were looked for and the heads that there are;
 * ERR_TENSOR_SHAPE, ERR_TENSOR_DTYPE
 */
export function headTensors(
  table: TensorTable,
  config: ModelConfig,
  task: HeadTask,
  prefix: string,
): HeadTensors {
  const layout = LAYOUTS[config.model_type][task]
  const result = layout && search(table, config, task, layout, prefix)
  const another = classifierOfAnother(task, config)
  if (layout !== undefined && another === undefined && result?.missing.length === 0) {
    const head: NativeHead = {
      rows: layout.rows,
      dense: layout.dense,
      layer_norm: layout.normName !== undefined,
      tied: isTied(task, config),
      outputs: outputsOf(task, config),
    }
    return { head, tensors: result.found.map(toNative) }
  }
  const present = headsOf(table, config, prefix)
  const others =
    present.length > 0
      ? `It has those for ${present.map(nameBoth).join(', ')}.`
      : 'It has no head that fusebert knows.'
  let problem = `models of type ${config.model_type} have none`
  if (layout !== undefined && result !== undefined) {
    const { missing } = result
    problem =
      missing.length > 0
        ? `it lacks ${missing.join(', ')}`
        : `its ${layout.weight} is for ${nameBoth(another ?? task)}`
  }
  throw new FusebertError(
    'ERR_TENSOR_MISSING',
    `Expected the tensors of a head for ${nameBoth(task)} in the checkpoint but ${problem}. ` +
      others,
  )
}

// What a model folder holds, from its configuration and the headers of its files. No weight is
// read, and no native code runs.

import { basename } from 'node:path'

import { openCheckpoint } from '../checkpoint/checkpoint.js'
import type { StoredDtype, StoredTensor, TensorTable } from '../checkpoint/tensor-table.js'
import { ModelFolder, isObject } from '../hub/folder.js'
import type { NativeGeometry } from '../native/addon.js'
import { bertTensors } from './bert.js'
import { readConfig, type Family } from './config.js'
import { headTensors, headsOf, type HeadTask } from './heads.js'
import { memoryNeeds, type MemoryNeed } from './memory.js'
import { readModelCard } from './model-card.js'
import {
  isCrossEncoder,
  readSentenceTransformers,
  type SentenceTransformersConfig,
} from './sentence-transformers.js'

export interface TokenizerFiles {
  /** That which is read. */
  readonly file: 'tokenizer.json' | 'vocab.txt' | 'vocab.json'
  /** 'WordPiece', 'BPE', …; null when the file does not say. */
  readonly model: string | null
  /** Entries of the vocabulary, without what is added to it; null when the file does not say. */
  readonly vocab_size: number | null
  /** Tokens that tokenizer_config.json allows; null when it does not say. */
  readonly model_max_length: number | null
}

export interface ModelReport {
  readonly path: string
  readonly model_type: Family
  /** Class names in transformers; may be empty. */
  readonly architectures: readonly string[]
  readonly geometry: Readonly<Omit<NativeGeometry, 'has_pooler' | 'head'>>
  /** Numbers in the weights. */
  readonly parameters: {
    /** Of the encoder, with its pooler where there is one. */
    readonly encoder: number
    /** Of everything in the checkpoint that is a weight. */
    readonly checkpoint: number
  }
  /** Numbers of each dtype in the checkpoint. */
  readonly dtypes: Readonly<Partial<Record<StoredDtype, number>>>
  readonly files: readonly { readonly name: string; readonly bytes: number }[]
  readonly has_pooler: boolean
  /** What the checkpoint has heads for: 'masked-lm' is the task fill-mask, and so on. */
  readonly heads: readonly HeadTask[]
  /** Names of a classifier's labels by their number. */
  readonly labels: Readonly<Record<string, string>>
  /** null when there is none that is read: tokenizer.json, vocab.txt, vocab.json and merges.txt. */
  readonly tokenizer: TokenizerFiles | null
  /** Tokens of the longest text, special ones included. */
  readonly max_tokens: number
  /** What modules.json says; null without one, and of a cross-encoder. */
  readonly sentence_transformers: SentenceTransformersConfig | null
  readonly license: string | null
  readonly license_link: string | null
  /** About what a loaded model needs. */
  readonly memory: readonly MemoryNeed[]
}

const INTEGERS: readonly StoredDtype[] = [
  'I64', 'I32', 'I16', 'I8', 'U64', 'U32', 'U16', 'U8', 'BOOL',
]

function elements({ shape }: Pick<StoredTensor, 'shape'>): number {
  return shape.reduce((product, size) => product * size, 1)
}

/** Tied tensors are the same bytes under two names and count once. */
function distinct({ tensors }: TensorTable): StoredTensor[] {
  const seen = new Set<string>()
  return [...tensors.values()].filter(({ fileIndex, offsetBytes, shape }) => {
    const key = `${fileIndex} ${offsetBytes} ${elements({ shape })}`
    return seen.size < seen.add(key).size
  })
}

function dtypesOf(tensors: readonly StoredTensor[]): Partial<Record<StoredDtype, number>> {
  const dtypes: Partial<Record<StoredDtype, number>> = {}
  for (const tensor of tensors) {
    dtypes[tensor.dtype] = (dtypes[tensor.dtype] ?? 0) + elements(tensor)
  }
  return dtypes
}

/** Without a limit Python writes a number past every integer. */
async function readMaxLength(folder: ModelFolder): Promise<number | null> {
  const name = 'tokenizer_config.json'
  if (!(await folder.has(name))) return null
  const config = await folder.readJson(name, 'ERR_TOKENIZER_FORMAT')
  const value = isObject(config) ? config['model_max_length'] : null
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : null
}

async function readVocabJson(
  folder: ModelFolder,
  model_max_length: number | null,
): Promise<TokenizerFiles | null> {
  if (!(await folder.has('vocab.json')) || !(await folder.has('merges.txt'))) return null
  const vocab = await folder.readJson('vocab.json', 'ERR_TOKENIZER_FORMAT')
  const vocab_size = isObject(vocab) ? Object.keys(vocab).length : null
  return { file: 'vocab.json', model: 'BPE', vocab_size, model_max_length }
}

async function readTokenizer(folder: ModelFolder): Promise<TokenizerFiles | null> {
  const model_max_length = await readMaxLength(folder)
  if (await folder.has('tokenizer.json')) {
    const json = await folder.readJson('tokenizer.json', 'ERR_TOKENIZER_FORMAT')
    const model = isObject(json) && isObject(json['model']) ? json['model'] : {}
    const { type, vocab } = model
    return {
      file: 'tokenizer.json',
      // Files of the first versions name no type.
      model: typeof type === 'string' ? type : null,
      vocab_size: isObject(vocab) ? Object.keys(vocab).length : null,
      model_max_length,
    }
  }
  if (!(await folder.has('vocab.txt'))) return readVocabJson(folder, model_max_length)
  const lines = (await folder.readBytes('vocab.txt')).toString('utf8').split('\n')
  const vocab_size = lines.at(-1) === '' ? lines.length - 1 : lines.length
  return { file: 'vocab.txt', model: 'WordPiece', vocab_size, model_max_length }
}

/**
 * Says what a model is and what it needs, without loading it.
 * @throws ERR_INVALID_ARGUMENT, ERR_FILE_NOT_FOUND and the codes of what is wrong with the folder;
 * ERR_UNSUPPORTED_MODEL for one that fusebert does not run
 */
export async function inspectModel(path: string): Promise<ModelReport> {
  const folder = await ModelFolder.open(path)
  const sentence = (await isCrossEncoder(folder)) ? null : await readSentenceTransformers(folder)
  const inner = sentence?.transformer_path ?? ''
  const modelFolder = inner === '' ? folder : folder.child(inner)
  const config = await readConfig(modelFolder)
  const table = await openCheckpoint(modelFolder)
  const encoder = bertTensors(table, config)
  const heads = headsOf(table, config, encoder.prefix)
  const tokenizer = await readTokenizer(modelFolder)
  const stored = distinct(table)
  const weights = stored.filter(({ dtype }) => !INTEGERS.includes(dtype))
  const sum = (total: number, tensor: Pick<StoredTensor, 'shape'>): number =>
    total + elements(tensor)
  return {
    path: folder.path,
    model_type: config.model_type,
    architectures: config.architectures,
    geometry: config.geometry,
    parameters: {
      encoder: encoder.tensors.reduce(sum, 0),
      checkpoint: weights.reduce(sum, 0),
    },
    dtypes: dtypesOf(stored),
    files: table.files.map((file) => ({ name: basename(file.path), bytes: file.sizeBytes })),
    has_pooler: encoder.has_pooler,
    heads,
    labels: config.id2label,
    tokenizer,
    max_tokens: Math.min(
      config.max_sequence_length,
      sentence?.max_seq_length ?? tokenizer?.model_max_length ?? Infinity,
    ),
    sentence_transformers: sentence,
    ...(await readModelCard(folder)),
    memory: memoryNeeds({
      tensors: encoder.tensors,
      geometry: config.geometry,
      maxSequenceLength: config.max_sequence_length,
      heads: Object.fromEntries(
        heads.map((task) => [task, headTensors(table, config, task, encoder.prefix)]),
      ),
    }),
  }
}

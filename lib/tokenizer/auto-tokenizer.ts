// AutoTokenizer: the tokenizer of a model folder, from tokenizer.json, vocab.txt, or vocab.json and
// merges.txt.

import { FusebertError } from '../errors.js'
import { ModelFolder, isObject } from '../hub/folder.js'
import type { NativeTokenizerSpec } from '../native/addon.js'
import { fromNative, loadAddon } from '../native/load.js'
import { shown, unsupported } from './spec.js'
import { createTokenizer, type Tokenizer } from './tokenizer.js'
import { parseTokenizerJson } from './tokenizer-json.js'
import { readTokenizerConfig, type TokenizerConfig } from './tokenizer-config.js'
import { parseVocabJson } from './vocab-json.js'
import { parseVocabTxt } from './vocab-txt.js'

export type { Encoding, PackedEncoding, Tokenizer, TokenizerOptions } from './tokenizer.js'

interface Files {
  spec: NativeTokenizerSpec
  config: TokenizerConfig
}

/** Without a tokenizer_class the model's type says what vocab.json and merges.txt are for. */
async function checkModelType(folder: ModelFolder, config: TokenizerConfig): Promise<void> {
  if (config.tokenizer_class !== null || !(await folder.has('config.json'))) return
  const model = await folder.readJson('config.json', 'ERR_TOKENIZER_FORMAT')
  const type = isObject(model) ? (model['model_type'] ?? null) : null
  if (type === null || type === 'roberta') return
  throw unsupported(
    'Expected a model_type of "roberta" beside vocab.json and merges.txt but received ' +
      `${shown(type)}. If its tokenizer is RoBERTa's, state "RobertaTokenizer" for ` +
      'tokenizer_class in tokenizer_config.json.',
  )
}

async function readFiles(folder: ModelFolder): Promise<Files> {
  const configOf = (family: 'bert' | 'roberta') => readTokenizerConfig(folder, family)
  if (await folder.has('tokenizer.json')) {
    const json = await folder.readJson('tokenizer.json', 'ERR_TOKENIZER_FORMAT')
    const spec = parseTokenizerJson(json)
    return { spec, config: await configOf(spec.model.type === 'BPE' ? 'roberta' : 'bert') }
  }
  if (await folder.has('vocab.txt')) {
    const config = await configOf('bert')
    return { spec: parseVocabTxt(await folder.readBytes('vocab.txt'), config), config }
  }
  if ((await folder.has('vocab.json')) && (await folder.has('merges.txt'))) {
    const config = await configOf('roberta')
    await checkModelType(folder, config)
    const json = await folder.readJson('vocab.json', 'ERR_TOKENIZER_FORMAT')
    return { spec: parseVocabJson(json, await folder.readBytes('merges.txt'), config), config }
  }
  throw new FusebertError(
    'ERR_FILE_NOT_FOUND',
    `Expected tokenizer.json, vocab.txt, or vocab.json and merges.txt in ${folder.path} but none ` +
      'is there.',
  )
}

function wordsOf({
  model,
  added_tokens,
}: NativeTokenizerSpec): Pick<Tokenizer, 'continuing_subword_prefix' | 'byte_level'> {
  if (model.type === 'WordPiece') {
    const { continuing_subword_prefix } = model
    return { continuing_subword_prefix, byte_level: undefined }
  }
  const { add_prefix_space, split_words, keep_first_space } = model
  const added_ids = new Set(added_tokens.map(({ id }) => id))
  const byte_level = { add_prefix_space, split_words, keep_first_space, added_ids }
  return { continuing_subword_prefix: '', byte_level }
}

export const AutoTokenizer = {
  /**
   * Loads the tokenizer of a folder: tokenizer.json, or else vocab.txt (BERT's), or else vocab.json
   * and merges.txt (RoBERTa's) with the settings of tokenizer_config.json and
   * special_tokens_map.json where they are there.
   * @throws ERR_INVALID_ARGUMENT, ERR_FILE_NOT_FOUND, ERR_FILE_READ, ERR_TOKENIZER_FORMAT,
   * ERR_UNSUPPORTED_TOKENIZER, ERR_ADDON_LOAD
   */
  async from_pretrained(path: string): Promise<Tokenizer> {
    const { spec, config } = await readFiles(await ModelFolder.open(path))
    const native = await fromNative(() => loadAddon().createTokenizer(spec))
    return createTokenizer(native, config, wordsOf(spec))
  },
} as const

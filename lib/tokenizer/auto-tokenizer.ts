// AutoTokenizer: the tokenizer of a model folder, from tokenizer.json or else vocab.txt.

import { FusebertError } from '../errors.js'
import { ModelFolder } from '../hub/folder.js'
import { fromNative, loadAddon } from '../native/load.js'
import { createTokenizer, type Tokenizer } from './tokenizer.js'
import { parseTokenizerJson } from './tokenizer-json.js'
import { readTokenizerConfig } from './tokenizer-config.js'
import { parseVocabTxt } from './vocab-txt.js'

export type { Encoding, PackedEncoding, Tokenizer, TokenizerOptions } from './tokenizer.js'

export const AutoTokenizer = {
  /**
   * Loads the tokenizer of a folder: tokenizer.json, or else vocab.txt with the settings of
   * tokenizer_config.json and special_tokens_map.json where they are there.
   * @throws ERR_INVALID_ARGUMENT, ERR_FILE_NOT_FOUND, ERR_FILE_READ, ERR_TOKENIZER_FORMAT,
   * ERR_UNSUPPORTED_TOKENIZER, ERR_ADDON_LOAD
   */
  async from_pretrained(path: string): Promise<Tokenizer> {
    const folder = await ModelFolder.open(path)
    const config = await readTokenizerConfig(folder)
    let spec
    if (await folder.has('tokenizer.json')) {
      spec = parseTokenizerJson(await folder.readJson('tokenizer.json', 'ERR_TOKENIZER_FORMAT'))
    } else if (await folder.has('vocab.txt')) {
      spec = parseVocabTxt(await folder.readBytes('vocab.txt'), config)
    } else {
      throw new FusebertError(
        'ERR_FILE_NOT_FOUND',
        `Expected tokenizer.json or vocab.txt in ${folder.path} but neither is there.`,
      )
    }
    const native = await fromNative(() => loadAddon().createTokenizer(spec))
    return createTokenizer(native, config)
  },
} as const

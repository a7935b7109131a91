// RoBERTa's files: tokenizer.json with BPE, vocab.json with merges.txt; what they become, as
// transformers reads them, and which code answers what they must not say.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { AutoTokenizer } from '../../lib/tokenizer/auto-tokenizer.js'
import { parseTokenizerJson } from '../../lib/tokenizer/tokenizer-json.js'
import {
  BYTE_CHARACTERS,
  bytePairTokenizerJson,
  robertaProcessing,
  type MergePair,
} from './support/byte-pair-tokenizer.js'

const MERGES: MergePair[] = [['h', 'e'], ['Ġ', 'h'], ['l', 'l'], ['he', 'll'], ['Ġ', 'he']]
/** The bytes, then what merges make, then the mask. */
const TOKENS = ['<s>', '<pad>', '</s>', '<unk>', ...BYTE_CHARACTERS, 'he', 'Ġh', 'll', 'hell',
  'Ġhe', '<mask>']
const VOCAB = Object.fromEntries(TOKENS.map((token, id) => [token, id]))
const MERGES_TXT = `#version: 0.2\n${MERGES.map((pair) => pair.join(' ')).join('\n')}\n`
const id = (token: string) => TOKENS.indexOf(token)
const MASK = id('<mask>')

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fusebert-tokenizer-'))
})
afterEach(() => rm(folder, { recursive: true }))

async function write(files: Record<string, string | Uint8Array | object>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const raw = typeof content === 'string' || content instanceof Uint8Array
    await writeFile(join(folder, name), raw ? content : JSON.stringify(content))
  }
}

async function ids(text: string): Promise<number[]> {
  const tokenizer = await AutoTokenizer.from_pretrained(folder)
  return tokenizer.encode(text, { add_special_tokens: false })
}

async function code(): Promise<unknown> {
  return AutoTokenizer.from_pretrained(folder).then(
    () => 'loaded',
    (error: { code?: unknown }) => error.code,
  )
}

describe('vocab.json and merges.txt', () => {
  beforeEach(() => write({ 'vocab.json': VOCAB, 'merges.txt': MERGES_TXT }))

  it("have RobertaTokenizer's defaults", async () => {
    const tokenizer = await AutoTokenizer.from_pretrained(folder)
    expect(await tokenizer.tokenize('hello hello')).toEqual(['hell', 'o', 'Ġ', 'hell', 'o'])
    const { input_ids, token_type_ids } = await tokenizer('hell', { text_pair: ' he' })
    const expected = [0, id('hell'), 2, 2, id('Ġhe'), 2]
    expect(input_ids.tolist()).toEqual([expected.map(BigInt)])
    expect(token_type_ids?.tolist()).toEqual([expected.map(() => 0n)])
    const { cls_token_id, sep_token_id, pad_token_id, unk_token_id, mask_token_id } = tokenizer
    expect([cls_token_id, sep_token_id, pad_token_id, unk_token_id, mask_token_id]).toEqual([
      0, 2, 1, 3, MASK,
    ])
    expect(await tokenizer.decode(await tokenizer.encode('hé 😀'))).toBe('<s>hé 😀</s>')
    // The mask takes the space before it, and no other one.
    expect(await ids('he <mask> he')).toEqual([id('he'), MASK, id('Ġhe')])
    const { offsets } = await tokenizer.encodeBatch(['he hell'], { return_offsets_mapping: true })
    expect(offsets).toEqual(Int32Array.of(0, 0, 0, 2, 3, 3, 3, 7, 0, 0))
  })

  it('follow tokenizer_config.json', async () => {
    const config = {
      tokenizer_class: 'RobertaTokenizerFast', add_prefix_space: true, trim_offsets: false,
      model_max_length: 512, cls_token: '<q>', mask_token: '<m>',
      additional_special_tokens: ['<x>'],
    }
    await write({ 'tokenizer_config.json': config })
    const tokenizer = await AutoTokenizer.from_pretrained(folder)
    expect(tokenizer.model_max_length).toBe(512)
    // What the vocabulary lacks follows it, in the order of transformers.
    const size = TOKENS.length
    expect([tokenizer.cls_token_id, tokenizer.mask_token_id]).toEqual([size, size + 1])
    expect(await tokenizer.encode('he <m>he<x>')).toEqual([
      size, id('Ġhe'), size + 1, id('Ġhe'), size + 2, 2,
    ])
    const { offsets } = await tokenizer.encodeBatch(['he he'], { return_offsets_mapping: true })
    expect(offsets).toEqual(Int32Array.of(0, 0, 0, 2, 2, 5, 0, 0))
  })

  it('read flags from special_tokens_map.json', async () => {
    const flags = { single_word: false, rstrip: false, normalized: true }
    const mask_token = { content: '<mask>', lstrip: false, ...flags }
    await write({ 'special_tokens_map.json': { mask_token } })
    expect(await ids('he <mask>')).toEqual([id('he'), id('Ġ'), MASK])
    await write({ 'special_tokens_map.json': { mask_token: { ...mask_token, lstrip: true } } })
    expect(await ids('he <mask>')).toEqual([id('he'), MASK])
  })

  it('take lines that end with \\r\\n, and the last line without an end', async () => {
    await write({ 'merges.txt': MERGES_TXT.trimEnd().replaceAll('\n', '\r\n') })
    expect(await ids('hell')).toEqual([id('hell')])
    await write({ 'merges.txt': MERGES_TXT.replace('#version: 0.2\n', '') })
    expect(await ids('hell')).toEqual([id('hell')])
  })

  it.each([
    ['a blank line', { 'merges.txt': `${MERGES_TXT}\n` }],
    ['one token', { 'merges.txt': 'h\n' }],
    ['three tokens', { 'merges.txt': 'h e l\n' }],
    ['a token that is not there', { 'merges.txt': 'h xyz\n' }],
    ['what two tokens become that is not there', { 'merges.txt': 'e h\n' }],
    ['an empty token', { 'merges.txt': ' he\n' }],
    ['other bytes', { 'merges.txt': new Uint8Array([0xff, 0x20, 0x41]) }],
    ['a vocabulary that is none', { 'vocab.json': [] }],
    ['an empty vocabulary', { 'vocab.json': {} }],
    ['ids that are none', { 'vocab.json': { ...VOCAB, x: -1 } }],
    ['an id twice', { 'vocab.json': { ...VOCAB, x: 0 } }],
    ['a flag that is none', { 'tokenizer_config.json': { add_prefix_space: 'yes' } }],
  ])('refuse %s', async (_, files) => {
    await write(files)
    expect(await code()).toBe('ERR_TOKENIZER_FORMAT')
  })

  it.each([
    ['another class', { 'tokenizer_config.json': { tokenizer_class: 'GPT2Tokenizer' } }],
    ['another model', { 'config.json': { model_type: 'gpt2' } }],
  ])('are not taken for RoBERTa\'s with %s', async (_, files) => {
    await write(files)
    expect(await code()).toBe('ERR_UNSUPPORTED_TOKENIZER')
  })

  it('are what a model of type roberta has', async () => {
    await write({ 'config.json': { model_type: 'roberta' } })
    expect(await code()).toBe('loaded')
    const config = { tokenizer_class: 'RobertaTokenizer' }
    await write({ 'config.json': { model_type: 'other' }, 'tokenizer_config.json': config })
    expect(await code()).toBe('loaded')
  })

  it('need each other', async () => {
    await rm(join(folder, 'merges.txt'))
    expect(await code()).toBe('ERR_FILE_NOT_FOUND')
  })
})

describe('tokenizer.json with BPE', () => {
  const whole = JSON.parse(bytePairTokenizerJson({ merges: MERGES })) as Record<string, unknown>

  /** The file with the value at a path replaced; undefined removes it. */
  function changed(path: string, value: unknown): object {
    const json = structuredClone(whole)
    const keys = path.split('.')
    const last = keys.pop() ?? ''
    let target = json
    for (const key of keys) target = target[key] as Record<string, unknown>
    target[last] = value
    return JSON.parse(JSON.stringify(json)) as object
  }

  it("names RoBERTa's special tokens", async () => {
    await write({ 'tokenizer.json': whole })
    const tokenizer = await AutoTokenizer.from_pretrained(folder)
    expect(tokenizer.mask_token_id).toBe(tokenizer.convertTokensToIds('<mask>'))
    expect([tokenizer.cls_token_id, tokenizer.sep_token_id]).toEqual([0, 2])
  })

  it('may have merges in either form, and older files no type of model', () => {
    const lines = ['#version: 0.2', ...MERGES.map((pair) => pair.join(' '))]
    const newer = parseTokenizerJson(whole)
    expect(parseTokenizerJson(changed('model.merges', lines))).toEqual(newer)
    expect(parseTokenizerJson(changed('model.type', undefined))).toEqual(newer)
    expect(parseTokenizerJson(changed('model.dropout', 0))).toEqual(newer)
    expect(parseTokenizerJson(changed('pre_tokenizer.use_regex', undefined))).toEqual(newer)
  })

  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true }
  it.each([
    ['another model', 'model.type', 'Unigram'],
    ['dropout', 'model.dropout', 0.1],
    ['a prefix', 'model.continuing_subword_prefix', '##'],
    ['a suffix', 'model.end_of_word_suffix', '</w>'],
    ['bytes as tokens of their own', 'model.byte_fallback', true],
    ['an unknown token with a space', 'model.unk_token', 'Ġ'],
    ['a normalizer', 'normalizer', { type: 'NFC' }],
    ["BERT's normalizer", 'normalizer', { type: 'BertNormalizer' }],
    ['no pre-tokenizer', 'pre_tokenizer', null],
    ["BERT's pre-tokenizer", 'pre_tokenizer', { type: 'BertPreTokenizer' }],
    ['several pre-tokenizers', 'pre_tokenizer', { type: 'Sequence', pretokenizers: [byteLevel] }],
    ['another post-processor', 'post_processor', { type: 'Other' }],
    ['an empty Sequence', 'post_processor', { type: 'Sequence', processors: [] }],
    ['a Sequence in another order', 'post_processor', {
      type: 'Sequence', processors: [robertaProcessing(true, false), byteLevel],
    }],
    ['another decoder', 'decoder', { type: 'BPEDecoder' }],
  ])('does not support %s', async (_, path, value) => {
    await write({ 'tokenizer.json': changed(path, value) })
    expect(await code()).toBe('ERR_UNSUPPORTED_TOKENIZER')
  })

  it.each([
    ['no merges', 'model.merges', undefined],
    ['merges that are none', 'model.merges', {}],
    ['a merge that is none', 'model.merges', [7]],
    ['a merge of three', 'model.merges', [['h', 'e', 'l']]],
    ['a merge of one', 'model.merges', ['he']],
    ['a merge of numbers', 'model.merges', [[1, 2]]],
    ['a merge of unknown tokens', 'model.merges', [['h', 'xyz']]],
    ['a merge into an unknown token', 'model.merges', [['e', 'h']]],
    ['an unknown token that is not there', 'model.unk_token', '<none>'],
    ['an unknown token that is none', 'model.unk_token', 7],
    ['a flag of the model that is none', 'model.fuse_unk', 'no'],
    ['a flag of the pre-tokenizer that is none', 'pre_tokenizer.add_prefix_space', undefined],
    ['a flag of the post-processor that is none', 'post_processor.trim_offsets', undefined],
    ['no separator', 'post_processor.sep', undefined],
    ['a separator outside', 'post_processor.sep', ['</s>', 5000]],
  ])('refuses %s', async (_, path, value) => {
    await write({ 'tokenizer.json': changed(path, value) })
    expect(await code()).toBe('ERR_TOKENIZER_FORMAT')
  })
})

// tokenizer.json and vocab.txt: what they become, and which code answers what they must not say.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { AutoTokenizer } from '../../lib/tokenizer/auto-tokenizer.js'
import { ModelFolder } from '../../lib/hub/folder.js'
import type { NativeTokenizerSpec } from '../../lib/native/addon.js'
import { Vocabulary } from '../../lib/tokenizer/spec.js'
import { readTokenizerConfig } from '../../lib/tokenizer/tokenizer-config.js'
import { parseTokenizerJson } from '../../lib/tokenizer/tokenizer-json.js'
import { parseVocabTxt } from '../../lib/tokenizer/vocab-txt.js'
import { available, MINILM } from '../support/require.js'
import { smallTokenizerJson } from './support/small-tokenizer.js'

const options = {
  clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true,
}
const VOCAB = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'a', 'A', 'é', 'e', '##a', '中']

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

/** The small tokenizer.json with the value at a path replaced; undefined removes it. */
function changed(path: string, value: unknown): object {
  const json = JSON.parse(smallTokenizerJson(options)) as Record<string, unknown>
  const keys = path.split('.')
  const last = keys.pop() ?? ''
  let target = json
  for (const key of keys) target = target[key] as Record<string, unknown>
  target[last] = value
  // Writing it as text and reading it again drops what is undefined.
  return JSON.parse(JSON.stringify(json)) as object
}

describe('vocab.txt', () => {
  const vocab = `${VOCAB.join('\n')}\n`

  it('has BertTokenizerFast\'s defaults', async () => {
    await write({ 'vocab.txt': vocab })
    const tokenizer = await AutoTokenizer.from_pretrained(folder)
    expect(await tokenizer.encode('A é 中[MASK]z')).toEqual([2, 5, 8, 10, 4, 1, 3])
    expect(tokenizer.vocab_size).toBe(VOCAB.length)
    expect(tokenizer.model_max_length).toBe(Infinity)
  })

  it('follows tokenizer_config.json', async () => {
    const config = { do_lower_case: false, model_max_length: 512, mask_token: '<m>', x: 1 }
    await write({ 'vocab.txt': vocab, 'tokenizer_config.json': config })
    const tokenizer = await AutoTokenizer.from_pretrained(folder)
    expect(await ids('A é')).toEqual([6, 7])
    expect(tokenizer.model_max_length).toBe(512)
    // A special token that the vocabulary lacks is added behind it.
    expect(tokenizer.mask_token_id).toBe(VOCAB.length)
    expect(await ids('a<m>')).toEqual([5, VOCAB.length])
    const kept = { strip_accents: false, tokenize_chinese_chars: false }
    await write({ 'tokenizer_config.json': kept })
    expect(await ids('É 中中')).toEqual([7, 1])
    await write({ 'tokenizer_config.json': { model_max_length: 1e30 } })
    expect((await AutoTokenizer.from_pretrained(folder)).model_max_length).toBe(Infinity)
  })

  it('reads names from special_tokens_map.json', async () => {
    const map = { mask_token: { content: '<m>', lstrip: true }, additional_special_tokens: ['<x>'] }
    await write({ 'vocab.txt': vocab, 'special_tokens_map.json': map })
    expect(await ids('a  <m><x>')).toEqual([5, VOCAB.length, VOCAB.length + 1])
  })

  it('adds tokens of added_tokens_decoder and added_tokens.json', async () => {
    const decoder = { 11: { content: '<new>', special: false, normalized: true } }
    await write({
      'vocab.txt': vocab,
      'tokenizer_config.json': { added_tokens_decoder: decoder },
    })
    expect(await ids('a<NEW>')).toEqual([5, 11])
    await write({ 'tokenizer_config.json': {}, 'added_tokens.json': { '<old>': 11 } })
    expect(await ids('a<old>')).toEqual([5, 11])
    await write({ 'added_tokens.json': { '<old>': 12 } })
    expect(await code()).toBe('ERR_TOKENIZER_FORMAT')
  })

  it('packs tokens of any length by id, where ids are missing too', () => {
    const vocabulary = new Vocabulary()
    vocabulary.add('😀', 4)
    vocabulary.add('é', 0)
    vocabulary.addHole(2)
    vocabulary.add('a', 1)
    const { vocab_bytes, vocab_offsets } = vocabulary.pack()
    const expected = [0xc3, 0xa9, 0x61, 0xf0, 0x9f, 0x98, 0x80]
    expect([...vocab_bytes]).toEqual(expected)
    expect([...vocab_offsets]).toEqual([0, 2, 3, 3, 3, 7])
  })

  it.each(['\n', '\r\n', '\r'])('accepts lines that end with %j', async (end) => {
    await write({ 'vocab.txt': VOCAB.join(end) })
    expect(await ids('a')).toEqual([5])
    await write({ 'vocab.txt': VOCAB.join(end) + end })
    expect((await AutoTokenizer.from_pretrained(folder)).vocab_size).toBe(VOCAB.length)
  })

  it('counts blank lines, and the last of equal lines wins', async () => {
    await write({ 'vocab.txt': [...VOCAB, '', 'a', ''].join('\n') + '\n' })
    expect(await ids('a')).toEqual([12])
    expect((await AutoTokenizer.from_pretrained(folder)).vocab_size).toBe(14)
  })

  it.each([
    ['no lines', '', {}, 'ERR_TOKENIZER_FORMAT'],
    ['other bytes', new Uint8Array([0xff, 0xfe, 0x41]), {}, 'ERR_TOKENIZER_FORMAT'],
    ['no [UNK]', '[CLS]\n[SEP]\n', {}, 'ERR_TOKENIZER_FORMAT'],
    ['no [SEP]', '[UNK]\n[CLS]\n', {}, 'ERR_TOKENIZER_FORMAT'],
    ['another class', vocab, { tokenizer_class: 'RobertaTokenizer' }, 'ERR_UNSUPPORTED_TOKENIZER'],
    ['no basic tokens', vocab, { do_basic_tokenize: false }, 'ERR_UNSUPPORTED_TOKENIZER'],
    ['cuts on the left', vocab, { truncation_side: 'left' }, 'ERR_UNSUPPORTED_TOKENIZER'],
    ['padding on the left', vocab, { padding_side: 'left' }, 'ERR_UNSUPPORTED_TOKENIZER'],
    ['a flag that is none', vocab, { do_lower_case: 'yes' }, 'ERR_TOKENIZER_FORMAT'],
    ['a length that is none', vocab, { model_max_length: -1 }, 'ERR_TOKENIZER_FORMAT'],
    ['a token that is none', vocab, { pad_token: 7 }, 'ERR_TOKENIZER_FORMAT'],
    ['an array', vocab, [], 'ERR_TOKENIZER_FORMAT'],
    ['not JSON', vocab, '{', 'ERR_TOKENIZER_FORMAT'],
  ])('refuses %s', async (_, text, config, expected) => {
    await write({ 'vocab.txt': text, 'tokenizer_config.json': config })
    expect(await code()).toBe(expected)
  })
})

describe('tokenizer.json', () => {
  it('is preferred to vocab.txt', async () => {
    await write({ 'vocab.txt': 'nothing', 'tokenizer.json': smallTokenizerJson(options) })
    expect(await code()).toBe('loaded')
  })

  it('ignores its truncation, and the normalizer may be absent', async () => {
    await write({ 'tokenizer.json': changed('normalizer', null) })
    expect(await ids('a a a a a a a a a a a a')).toHaveLength(12)
    const spec = parseTokenizerJson(changed('normalizer', null))
    const model = { clean_text: false, lowercase: false, strip_accents: null }
    expect(spec).toMatchObject({ model })
  })

  it('reads BertProcessing and no post-processor as templates', () => {
    const processing = { type: 'BertProcessing', sep: ['[SEP]', 3], cls: ['[CLS]', 2] }
    const bert = parseTokenizerJson(changed('post_processor', processing))
    const template = parseTokenizerJson(changed('padding', null))
    expect(bert.single_template).toEqual(template.single_template)
    expect(bert.pair_template).toEqual(template.pair_template)
    const none = parseTokenizerJson(changed('post_processor', null))
    expect(none.pair_template.map((piece) => piece.kind)).toEqual(['sequence_a', 'sequence_b'])
  })

  it('takes names of Object.prototype for tokens, and for nothing else', async () => {
    const text = smallTokenizerJson(options).replace('"vocab":{', '"vocab":{"__proto__":9999,')
      .replace('"vocab":{', '"vocab":{"constructor":10000,')
    await write({ 'tokenizer.json': text })
    const tokenizer = await AutoTokenizer.from_pretrained(folder)
    expect(tokenizer.convert_tokens_to_ids('__proto__')).toBe(9999)
    expect(tokenizer.convert_tokens_to_ids(['constructor', 'toString'])).toEqual([10000, undefined])
    const special = changed('post_processor.single.0.SpecialToken.id', 'constructor')
    await write({ 'tokenizer.json': special })
    expect(await code()).toBe('ERR_TOKENIZER_FORMAT')
  })

  it.each([
    ['another model', 'model.type', 'Unigram'],
    ['words of one family and a model of the other', 'model.type', 'BPE'],
    ['another normalizer', 'normalizer.type', 'Sequence'],
    ['another pre-tokenizer', 'pre_tokenizer.type', 'Whitespace'],
    ['no pre-tokenizer', 'pre_tokenizer', null],
    ['another post-processor', 'post_processor.type', 'RobertaProcessing'],
    ['another decoder', 'decoder.type', 'Metaspace'],
    ['another version', 'version', '2.0'],
  ])('does not support %s', async (_, path, value) => {
    await write({ 'tokenizer.json': changed(path, value) })
    expect(await code()).toBe('ERR_UNSUPPORTED_TOKENIZER')
  })

  const flags = {
    special: false, single_word: false, lstrip: false, rstrip: false, normalized: false,
  }
  it.each([
    ['no model', 'model', undefined],
    ['no vocabulary', 'model.vocab', undefined],
    ['an empty vocabulary', 'model.vocab', {}],
    ['a vocabulary that is a list', 'model.vocab', ['a']],
    ['a negative id', 'model.vocab.x', -1],
    ['a huge id', 'model.vocab.x', 2 ** 31],
    ['a fractional id', 'model.vocab.x', 0.5],
    ['an id that is text', 'model.vocab.x', '7'],
    ['an id twice', 'model.vocab.x', 0],
    ['half a surrogate pair', 'model.vocab.\ud800', 9999],
    ['a token without end', `model.vocab.${'x'.repeat(5000)}`, 9999],
    ['no unknown token', 'model.unk_token', '<unk>'],
    ['a limit below 0', 'model.max_input_chars_per_word', -1],
    ['a flag that is none', 'normalizer.lowercase', 'yes'],
    ['added tokens that are none', 'added_tokens', {}],
    ['an added token that is none', 'added_tokens.0', '[PAD]'],
    ['an added token that is no text', 'added_tokens.0.content', 7],
    ['an added token without flags', 'added_tokens.0.lstrip', undefined],
    ['an added token with another id', 'added_tokens.0.id', 3],
    ['an added id that leaves a gap', 'added_tokens.5', { ...flags, content: '<x>', id: 5000 }],
    ['a special token that nothing defines', 'post_processor.special_tokens', {}],
    ['a special token outside', 'post_processor.special_tokens.[CLS].ids', [5000]],
    ['a special token id too large', 'post_processor.special_tokens.[CLS].ids', [2 ** 40]],
    ['a special token id that is text', 'post_processor.special_tokens.[CLS].ids', ['2']],
    ['a second text in the template of one', 'post_processor.single.1.Sequence.id', 'B'],
    ['a third text', 'post_processor.pair.1.Sequence.id', 'C'],
    ['a decoder without a prefix', 'decoder.prefix', undefined],
    ['a piece that is none', 'post_processor.pair.5', 'A'],
    ['a token type below 0', 'post_processor.pair.1.Sequence.type_id', -1],
    ['a token type too large', 'post_processor.pair.1.Sequence.type_id', 2 ** 32],
  ])('refuses %s', async (_, path, value) => {
    await write({ 'tokenizer.json': changed(path, value) })
    expect(await code()).toBe('ERR_TOKENIZER_FORMAT')
  })

  it.each(['', '[]', '7', 'null', '{"model":', '"text"'])('refuses %j', async (text) => {
    await write({ 'tokenizer.json': text })
    expect(await code()).toBe('ERR_TOKENIZER_FORMAT')
  })
})

it.skipIf(!available('shared'))('both files of a real model say the same', async () => {
  const model = await ModelFolder.open(MINILM)
  const config = await readTokenizerConfig(model, 'bert')
  const fromJson = parseTokenizerJson(await model.readJson('tokenizer.json', 'ERR_INTERNAL'))
  const fromText = parseVocabTxt(await model.readBytes('vocab.txt'), config)
  const sorted = (spec: NativeTokenizerSpec) => ({
    ...spec,
    added_tokens: spec.added_tokens.toSorted((a, b) => a.id - b.id),
  })
  expect(sorted(fromText)).toEqual(sorted(fromJson))
})

it('needs one of the files', async () => {
  expect(await code()).toBe('ERR_FILE_NOT_FOUND')
})

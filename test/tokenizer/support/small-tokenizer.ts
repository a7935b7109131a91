// A small tokenizer.json, made here: a few hundred tokens in many scripts, so that words are cut,
// continued and unknown everywhere.

const SPECIAL = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']

const WORDS = [
  'the', 'The', 'a', 'hello', 'Hello', 'world', 'cafe', 'café', 'naive', 'un', 'aff', 'able',
  'straße', 'strasse', 'istanbul', 'i̇stanbul', 'привет', 'мир', 'мйр', 'γεια', 'σου', 'σ', 'ς',
  '你', '好', '世', '界', '日', '本', 'こんにちは', 'が', 'か', 'ハロー', '안녕', '안녕', '하', '각',
  'नमस्ते', 'क', 'สวัสดี', 'ก', 'שלום', 'مرحبا', '👩', '👨', '💻', '🏽', '❤', '️', '‍', '豈', '更',
  'ﬁ', 'å', 'Å', 'ộ', 'ộ', 'ǆ', 'ß', 'aa', 'aaaa', 'aaaaaaaaaaaaaaaa', 'don', 't', 's', '2024',
]

const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'
const PUNCTUATION = '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~«»¿¡、。—“”…€£'
/** Marks and jamo, as they come out of decomposition, some of which survive accent stripping. */
const PARTS =
  '\u0300\u0301\u0307\u0323\u0327\u0345\u3099\u302e\u0bbe\u0903ᄀᄂ하ᅧᆨᆫᆼ\u{1d165}\u{16ff0}'

export interface SmallOptions {
  clean_text: boolean
  handle_chinese_chars: boolean
  strip_accents: boolean | null
  lowercase: boolean
}

export interface ExtraToken {
  content: string
  single_word?: boolean
  lstrip?: boolean
  rstrip?: boolean
  normalized?: boolean
}

/** One of each kind of added token, and combinations. */
export const EXTRA_TOKENS: readonly ExtraToken[] = [
  { content: '<plain>' },
  { content: '<pl' },
  { content: 'solo', single_word: true },
  { content: '<left>', lstrip: true },
  { content: '<right>', rstrip: true },
  { content: '<both>', lstrip: true, rstrip: true },
  { content: '<one>', lstrip: true, rstrip: true, single_word: true },
  { content: ' gap' },
  { content: 'İÉ', normalized: true },
  { content: 'Ünïcode', normalized: true, single_word: true },
  { content: 'Norm Left', normalized: true, lstrip: true },
  { content: 'NORM你', normalized: true, rstrip: true },
]

export function smallVocabulary(): string[] {
  const single = [...LETTERS, ...PUNCTUATION, ...PARTS]
  const continued = [...LETTERS, ...PARTS, ...WORDS, 'ing', 'ed', 'ly', 'é', 'ü', 'ß']
  return [...new Set([...SPECIAL, ...single, ...WORDS, ...continued.map((w) => `##${w}`)])]
}

/** The text of a tokenizer.json. */
export function smallTokenizerJson(
  options: SmallOptions,
  extra: readonly ExtraToken[] = [],
): string {
  const vocab = smallVocabulary()
  const plain = { single_word: false, lstrip: false, rstrip: false, normalized: false }
  const special = (name: string, type_id: number) => ({ SpecialToken: { id: name, type_id } })
  const single = [special('[CLS]', 0), { Sequence: { id: 'A', type_id: 0 } }, special('[SEP]', 0)]
  const named = (name: string) => ({ id: name, ids: [vocab.indexOf(name)], tokens: [name] })
  return JSON.stringify({
    version: '1.0',
    truncation: { direction: 'Right', max_length: 7, strategy: 'LongestFirst', stride: 0 },
    padding: null,
    added_tokens: [
      ...SPECIAL.map((content, id) => ({ id, content, ...plain, special: true })),
      ...extra.map((token, i) => ({ id: vocab.length + i, ...plain, special: false, ...token })),
    ],
    normalizer: { type: 'BertNormalizer', ...options },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single,
      pair: [...single, { Sequence: { id: 'B', type_id: 1 } }, special('[SEP]', 1)],
      special_tokens: { '[CLS]': named('[CLS]'), '[SEP]': named('[SEP]') },
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(vocab.map((token, id) => [token, id])),
    },
  })
}

// Post-processors of tokenizer.json: templates, and white space that is left out of offsets.

import { isObject } from '../../hub/folder.js'
import type {
  NativeBytePair,
  NativeTemplatePiece,
  NativeTokenizerSpec,
} from '../../native/addon.js'
import {
  bertTemplates,
  formatError,
  robertaTemplates,
  sequencePiece,
  shown,
  specialPiece,
} from '../spec.js'
import {
  arrayField,
  booleanField,
  countField,
  field,
  objectField,
  sectionType,
  stringField,
  wrongType,
  type Json,
} from './fields.js'

export type Templates = Pick<NativeTokenizerSpec, 'single_template' | 'pair_template'>
export type Trimming = Pick<NativeBytePair, 'trim_offsets' | 'keep_first_space'>

export interface PostProcessor {
  templates: Templates
  /** Of byte-level tokens. */
  trimming: Trimming
}

const NO_TRIMMING: Trimming = { trim_offsets: false, keep_first_space: false }

/** The pieces of one special token: a template may name one that stands for several ids. */
function specialPieces(piece: Json, specials: Json): NativeTemplatePiece[] {
  const where = 'post_processor'
  const name = stringField(piece, 'id', where)
  const type_id = countField(piece, 'type_id', where)
  const special = field(specials, name)
  if (!isObject(special)) {
    throw formatError(`Expected ${shown(name)} in ${where}.special_tokens but it is not there.`)
  }
  return arrayField(special, 'ids', `${where}.special_tokens`).map((id) =>
    specialPiece(id, type_id),
  )
}

function readTemplate(
  section: Json,
  key: 'single' | 'pair',
  specials: Json,
): NativeTemplatePiece[] {
  const where = `post_processor.${key}`
  return arrayField(section, key, 'post_processor').flatMap((piece) => {
    if (!isObject(piece)) {
      throw formatError(`Expected objects in ${where} but received ${shown(piece)}.`)
    }
    if (Object.hasOwn(piece, 'SpecialToken')) {
      return specialPieces(objectField(piece, 'SpecialToken', where), specials)
    }
    const sequence = objectField(piece, 'Sequence', where)
    const id = stringField(sequence, 'id', where)
    if (id !== 'A' && id !== 'B') {
      throw formatError(`Expected "A" or "B" in ${where} but received ${shown(id)}.`)
    }
    return [sequencePiece(id === 'A' ? 'a' : 'b', countField(sequence, 'type_id', where))]
  })
}

/** The id in a [token, id] of BertProcessing and RobertaProcessing. */
function processingId(section: Json, key: 'cls' | 'sep'): number {
  const [, id] = arrayField(section, key, 'post_processor')
  return specialPiece(id, 0).id
}

function readTrimming(section: Json): Trimming {
  return {
    trim_offsets: booleanField(section, 'trim_offsets', 'post_processor'),
    keep_first_space: booleanField(section, 'add_prefix_space', 'post_processor'),
  }
}

function readTemplates(section: Json): Templates {
  const specials = objectField(section, 'special_tokens', 'post_processor')
  return {
    single_template: readTemplate(section, 'single', specials),
    pair_template: readTemplate(section, 'pair', specials),
  }
}

function noTemplates(): Templates {
  const single = [sequencePiece('a', 0)]
  return { single_template: single, pair_template: [...single, sequencePiece('b', 1)] }
}

/** What either family may have; null for another type. */
function readAny(section: Json, type: unknown): Templates | null {
  if (type === 'TemplateProcessing') return readTemplates(section)
  if (type !== 'BertProcessing') return null
  return bertTemplates(processingId(section, 'cls'), processingId(section, 'sep'))
}

/** A ByteLevel and a template behind it. */
function readSequence(section: Json): PostProcessor {
  const [first, second, ...others] = arrayField(section, 'processors', 'post_processor').map(
    (processor) => sectionType(processor, 'post_processor'),
  )
  const templates = second ? readAny(second.section, second.type) : null
  if (first?.type !== 'ByteLevel' || templates === null || others.length > 0) {
    const expected = '"ByteLevel" and "TemplateProcessing"'
    const wrong = first?.type !== 'ByteLevel' ? first : templates === null ? second : others[0]
    throw wrongType(expected, 'the Sequence in post_processor', wrong?.type ?? null)
  }
  return { templates, trimming: readTrimming(first.section) }
}

/** Of BERT's family. */
export function readWordPieceTemplates(root: Json): Templates {
  const found = sectionType(field(root, 'post_processor'), 'post_processor')
  if (found === null) return noTemplates()
  const templates = readAny(found.section, found.type)
  if (templates !== null) return templates
  const expected = '"TemplateProcessing", "BertProcessing" or null'
  throw wrongType(expected, 'post_processor', found.type)
}

/** Of RoBERTa's family. */
export function readBytePairPostProcessor(root: Json): PostProcessor {
  const found = sectionType(field(root, 'post_processor'), 'post_processor')
  if (found === null) return { templates: noTemplates(), trimming: NO_TRIMMING }
  const { section, type } = found
  if (type === 'Sequence') return readSequence(section)
  if (type === 'ByteLevel') return { templates: noTemplates(), trimming: readTrimming(section) }
  if (type === 'RobertaProcessing') {
    const templates = robertaTemplates(processingId(section, 'cls'), processingId(section, 'sep'))
    return { templates, trimming: readTrimming(section) }
  }
  const templates = readAny(section, type)
  if (templates !== null) return { templates, trimming: NO_TRIMMING }
  const expected =
    '"RobertaProcessing", "TemplateProcessing", "BertProcessing", "ByteLevel", a Sequence or null'
  throw wrongType(expected, 'post_processor', type)
}

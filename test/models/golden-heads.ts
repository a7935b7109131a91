// The golden models with heads, for the tests of each device: what is in their folders, and logits
// as padded rows.
import { readFileSync } from 'node:fs'

import type { LogitsOutput, QuestionAnsweringOutput } from '../../dist/index.js'
import { GOLDEN } from '../support/require.js'

export type Task =
  | 'masked-lm'
  | 'next-sentence'
  | 'sequence-classification'
  | 'token-classification'
  | 'question-answering'

export interface GoldenHead {
  name: string
  class: string
  task: Task
  /** One row a sequence; else one a token. */
  pooled: boolean
}

export interface Expected {
  outputs: number
  cu_seqlens: number[]
  input_ids: number[]
  token_type_ids: number[]
  logits: string
  /** Errors of the naive way in fp16. */
  naive_fp16: { max: number; rms: number }
}

export function goldenHeads(): GoldenHead[] {
  const text = readFileSync(`${GOLDEN}/heads/manifest.json`, 'utf8')
  return (JSON.parse(text) as { models: GoldenHead[] }).models
}

export function readExpected(name: string): Expected {
  const text = readFileSync(`${GOLDEN}/heads/${name}/expected.json`, 'utf8')
  return JSON.parse(text) as Expected
}

export function logitsOf({ logits }: Expected): Float32Array {
  const bytes = Buffer.from(logits, 'base64')
  return new Float32Array(new Uint8Array(bytes).buffer)
}

export interface Inputs {
  input_ids: number[][]
  token_type_ids: number[][]
  attention_mask: number[][]
}

/** Sequences as padded rows. */
export function inputsOf({ cu_seqlens, input_ids, token_type_ids }: Expected): Inputs {
  const lengths = cu_seqlens.slice(1).map((end, i) => end - cu_seqlens[i]!)
  const width = Math.max(...lengths)
  const rows = (values: number[]): number[][] =>
    lengths.map((length, i) => [
      ...values.slice(cu_seqlens[i]!, cu_seqlens[i + 1]!),
      ...new Array<number>(width - length).fill(0),
    ])
  return {
    input_ids: rows(input_ids),
    token_type_ids: rows(token_type_ids),
    attention_mask: rows(new Array<number>(input_ids.length).fill(1)),
  }
}

/** The numbers of padded rows without those of the padding, which must be zeros. */
export function packedRows(rows: number[][][], cu_seqlens: number[]): number[] {
  return rows.flatMap((row, i) => {
    const length = cu_seqlens[i + 1]! - cu_seqlens[i]!
    const padding = row.slice(length).flat()
    if (!padding.every((value) => value === 0)) throw new Error('Expected zeros in the padding.')
    return row.slice(0, length).flat()
  })
}

/** What a model with a head gives for inputsOf(), as `logits` has it. */
export function rowsOfLogits(
  output: LogitsOutput | QuestionAnsweringOutput,
  { cu_seqlens }: Expected,
): number[] {
  if ('start_logits' in output) {
    const ends = output.end_logits.tolist<number[][]>()
    const starts = output.start_logits.tolist<number[][]>()
    const pairs = starts.map((row, i) => row.map((start, j) => [start, ends[i]![j]!]))
    return packedRows(pairs, cu_seqlens)
  }
  const { logits } = output
  return logits.dims.length === 2
    ? Array.from(logits.data as Float32Array)
    : packedRows(logits.tolist<number[][][]>(), cu_seqlens)
}

// JSON Lines: a row per record, {"index", "id", "embedding", "text"}; id where the record has one,
// text on request, embedding null for an invalid record. Without pooling an embedding is the matrix
// [S, hidden].

import { FusebertError } from '../../errors.js'
import type { Tensor } from '../../tensor.js'
import { MAX_FLOAT_BYTES, writeFloat32 } from '../float32-json.js'
import type { Chunk, Sink, SourceRecord, Vectors } from '../records.js'

/** Rows are handed on in pieces of about this size. */
const FLUSH_BYTES = 1 << 20

/** Where rows go: a TemporaryFile or a StandardOutput. */
export interface ByteOutput {
  write(bytes: Uint8Array): Promise<void>
  commit(): Promise<void>
  discard(): Promise<void>
}

/** A buffer that grows; its bytes are handed on while nothing else writes to it. */
class RowBuffer {
  #bytes = Buffer.allocUnsafe(2 * FLUSH_BYTES)
  length = 0

  #reserve(count: number): void {
    if (this.length + count <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(2 * (this.length + count))
    this.#bytes.copy(larger, 0, 0, this.length)
    this.#bytes = larger
  }

  text(text: string): void {
    this.#reserve(text.length * 3) // a UTF-16 unit is at most 3 bytes
    this.length += this.#bytes.write(text, this.length, 'utf8')
  }

  /** [f, f, …] */
  floats(values: Float32Array): void {
    this.#reserve(values.length * MAX_FLOAT_BYTES + 2)
    const bytes = this.#bytes
    let end = this.length
    bytes[end++] = 0x5b // [
    for (let i = 0; i < values.length; i += 1) {
      if (i > 0) bytes[end++] = 0x2c // ,
      end = writeFloat32(bytes, end, values[i] ?? 0)
    }
    bytes[end++] = 0x5d // ]
    this.length = end
  }

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.length)
  }
}

function float32(tensor: Tensor | undefined): Float32Array {
  if (tensor?.data instanceof Float32Array) return tensor.data
  throw new FusebertError('ERR_INTERNAL', 'Expected a float32 Tensor for every text.')
}

export interface JsonlSinkOptions {
  hidden_size: number
  with_text: boolean
}

export class JsonlSink implements Sink {
  readonly #output: ByteOutput
  readonly #hidden: number
  readonly #withText: boolean
  readonly #rows = new RowBuffer()

  constructor(output: ByteOutput, { hidden_size, with_text }: JsonlSinkOptions) {
    this.#output = output
    this.#hidden = hidden_size
    this.#withText = with_text
  }

  async write(chunk: Chunk, vectors: Vectors): Promise<void> {
    let text = 0
    for (const [row, record] of chunk.records.entries()) {
      this.#append(chunk.first + row, record, vectors, text)
      if (record.kind === 'text') text += 1
      if (this.#rows.length >= FLUSH_BYTES) await this.#flush()
    }
    await this.#flush()
  }

  #append(index: number, record: SourceRecord, vectors: Vectors, text: number): void {
    const rows = this.#rows
    rows.text(`{"index":${index}${record.id === null ? '' : `,"id":${record.id}`},"embedding":`)
    if (record.kind === 'invalid') rows.text('null')
    else if (vectors.kind === 'pooled') {
      rows.floats(vectors.data.subarray(text * this.#hidden, (text + 1) * this.#hidden))
    } else this.#matrix(float32(vectors.tensors[text]))
    if (this.#withText) {
      rows.text(`,"text":${record.kind === 'text' ? JSON.stringify(record.text) : 'null'}`)
    }
    rows.text('}\n')
  }

  #matrix(data: Float32Array): void {
    this.#rows.text('[')
    for (let begin = 0; begin < data.length; begin += this.#hidden) {
      if (begin > 0) this.#rows.text(',')
      this.#rows.floats(data.subarray(begin, begin + this.#hidden))
    }
    this.#rows.text(']')
  }

  async #flush(): Promise<void> {
    if (this.#rows.length === 0) return
    await this.#output.write(this.#rows.bytes)
    this.#rows.length = 0
  }

  commit(): Promise<void> {
    return this.#output.commit()
  }

  discard(): Promise<void> {
    return this.#output.discard()
  }
}

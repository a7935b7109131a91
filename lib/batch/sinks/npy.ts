// NumPy's .npy, version 1.0: a header that gives dtype and shape, then rows of float32, little
// endian, in C order (numpy.lib.format). The header is written again at the end, when the number of
// rows is known; its place is reserved.

import { endianness } from 'node:os'

import { FusebertError } from '../../errors.js'
import type { TemporaryFile } from '../temporary-file.js'
import type { Chunk, Sink, Vectors } from '../records.js'

/** Magic, version, length and a dictionary: 128 bytes, so that data begins aligned to 64. */
const HEADER_BYTES = 128
/** "\x93NUMPY", version 1.0, then the dictionary's length in two bytes. */
const PREFIX_BYTES = 10

/** @returns HEADER_BYTES bytes; every shape of safe integers fits */
export function npyHeader(rows: number, columns: number): Uint8Array {
  const header = Buffer.alloc(HEADER_BYTES, ' ')
  header.write('\x93NUMPY\x01\x00', 0, 'latin1')
  header.writeUInt16LE(HEADER_BYTES - PREFIX_BYTES, PREFIX_BYTES - 2)
  const dict = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${columns}), }`
  header.write(dict, PREFIX_BYTES, 'latin1')
  header.write('\n', HEADER_BYTES - 1, 'latin1')
  return header
}

/** The rows of a chunk, with NaN in those of invalid records. [records, hidden] */
function rowsOf({ records, texts }: Chunk, data: Float32Array, hidden: number): Float32Array {
  if (texts.length === records.length) return data
  const rows = new Float32Array(records.length * hidden).fill(NaN)
  let text = 0
  records.forEach((record, row) => {
    if (record.kind !== 'text') return
    rows.set(data.subarray(text * hidden, (text + 1) * hidden), row * hidden)
    text += 1
  })
  return rows
}

export class NpySink implements Sink {
  readonly #file: TemporaryFile
  readonly #hidden: number
  #rows = 0

  private constructor(file: TemporaryFile, hidden: number) {
    this.#file = file
    this.#hidden = hidden
  }

  static async create(file: TemporaryFile, hidden: number): Promise<NpySink> {
    await file.write(npyHeader(0, hidden))
    return new NpySink(file, hidden)
  }

  async write(chunk: Chunk, vectors: Vectors): Promise<void> {
    if (vectors.kind !== 'pooled') {
      throw new FusebertError('ERR_INTERNAL', 'Expected one vector per text for .npy.')
    }
    const rows = rowsOf(chunk, vectors.data, this.#hidden)
    const bytes = Buffer.from(rows.buffer, rows.byteOffset, rows.byteLength)
    this.#rows += chunk.records.length
    await this.#file.write(endianness() === 'LE' ? bytes : Buffer.from(bytes).swap32())
  }

  async commit(): Promise<void> {
    await this.#file.writeAt(npyHeader(this.#rows, this.#hidden), 0)
    await this.#file.commit()
  }

  discard(): Promise<void> {
    return this.#file.discard()
  }
}

// Every failure that a caller can act on is a FusebertError with a stable `code`. Messages have the
// form "Expected X for Y but received Z" and say what to do next. They never contain the texts that
// a caller encodes: those may be private.

/** Stable codes; new ones may be added, none changes its meaning. */
export type ErrorCode =
  | 'ERR_INVALID_ARGUMENT' // an option or argument of the wrong type or out of range
  | 'ERR_FILE_NOT_FOUND' // a file or folder is not there
  | 'ERR_FILE_READ' // a file may not be opened, cannot be read, changed, or was truncated
  | 'ERR_CHECKPOINT_FORMAT' // a checkpoint file that contradicts its own format
  | 'ERR_CHECKPOINT_UNSAFE' // a checkpoint that asks for more than tensors (code, paths outside)
  | 'ERR_CONFIG' // a config.json that is invalid or describes a geometry that cannot run
  | 'ERR_UNSUPPORTED_MODEL' // a model of an architecture or with a feature that is not supported
  | 'ERR_TENSOR_MISSING' // a tensor that the geometry needs is not in the checkpoint
  | 'ERR_TENSOR_SHAPE' // a tensor's shape, strides or byte range does not fit
  | 'ERR_TENSOR_DTYPE' // a tensor has a dtype that weights cannot have
  | 'ERR_TENSOR_VALUE' // a weight is NaN or infinite
  | 'ERR_TOKENIZER_FORMAT' // tokenizer files that are invalid or contradict each other
  | 'ERR_UNSUPPORTED_TOKENIZER' // a tokenizer that works neither as BERT's nor as RoBERTa's
  | 'ERR_VOCAB_MISMATCH' // a vocabulary that does not belong to the model
  | 'ERR_INPUT_EMPTY' // nothing to encode
  | 'ERR_INPUT_TOO_LONG' // a text longer than the limit, with truncation off
  | 'ERR_INPUT_TOKEN' // a token id or token type outside the model's tables
  | 'ERR_INPUT_RECORD' // a record of an input file that cannot be used
  | 'ERR_OUTPUT_WRITE' // an output file that could not be written
  | 'ERR_DEVICE_UNAVAILABLE' // the asked-for device or instruction set is not there
  | 'ERR_DEVICE_FAILED' // a device reported an error, or cannot be used any more after one
  | 'ERR_NOT_FINITE' // activations became NaN or infinite: they left the range of their type
  | 'ERR_ADDON_LOAD' // the native addon is missing or does not load
  | 'ERR_OUT_OF_MEMORY'
  | 'ERR_ABORTED' // cancelled (an AbortSignal rejects with its own reason instead)
  | 'ERR_DISPOSED' // used after dispose()
  | 'ERR_QUEUE_FULL' // more requests are waiting than the queue's bound
  | 'ERR_INTERNAL' // a bug in fusebert

export class FusebertError extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'FusebertError'
    this.code = code
  }
}

/** What a value is, for messages: its type, and itself where that is short and not text. */
export function describe(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return `an array of length ${value.length}`
  switch (typeof value) {
    case 'number':
    case 'boolean':
    case 'undefined':
      return String(value)
    case 'bigint':
      return 'a bigint'
    case 'string':
      return `a string of length ${value.length}`
    case 'object': {
      // Of parsed JSON, which may have a `constructor` of its own.
      const name: unknown = value.constructor?.name
      return `an object of type ${typeof name === 'string' ? name.slice(0, 64) : 'Object'}`
    }
    default:
      return `a ${typeof value}`
  }
}

/** ERR_INVALID_ARGUMENT in the house form. `received` is described, never printed whole. */
export function invalidArgument(
  expected: string,
  subject: string,
  received: unknown,
): FusebertError {
  return new FusebertError(
    'ERR_INVALID_ARGUMENT',
    `Expected ${expected} for ${subject} but received ${describe(received)}.`,
  )
}

/** The same with the value itself, for option names and enumerations, which are not private. */
export function invalidChoice(
  choices: readonly string[],
  subject: string,
  received: unknown,
): FusebertError {
  const shown =
    typeof received === 'string' ? JSON.stringify(received.slice(0, 64)) : describe(received)
  return new FusebertError(
    'ERR_INVALID_ARGUMENT',
    `Expected one of ${choices.map((choice) => `'${choice}'`).join(', ')} for ${subject} ` +
      `but received ${shown}.`,
  )
}

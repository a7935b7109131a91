// What is said of a field in a model folder's file: that it is wrong, or that it asks for something
// that fusebert does not compute.

import { FusebertError } from '../errors.js'
import type { ModelFolder } from '../hub/folder.js'

export function invalidField(
  folder: ModelFolder,
  name: string,
  expected: string,
  field: string,
): FusebertError {
  return new FusebertError(
    'ERR_CONFIG',
    `Expected ${expected} for ${field} in ${name} of ${folder.path} but received another value. ` +
      'Download the file again.',
  )
}

export function unsupportedField(
  folder: ModelFolder,
  expected: string,
  subject: string,
  received: string,
): FusebertError {
  return new FusebertError(
    'ERR_UNSUPPORTED_MODEL',
    `Expected ${expected} for ${subject} of ${folder.path} but received ${received}. ` +
      'Choose a model that needs nothing else.',
  )
}

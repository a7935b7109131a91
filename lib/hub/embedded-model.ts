// The model that comes inside the package, so that nothing has to be downloaded to begin.

import { fileURLToPath } from 'node:url'

/** What pipeline() and the command line use when no model is named. A name, not a path. */
export const DEFAULT_MODEL = 'fusebert-mini'

/** From lib/hub and from dist/hub alike, models/ lies in the package's root. */
const FOLDER = new URL('../../models/fusebert-mini', import.meta.url)

/** The absolute path of the embedded model's folder; undefined for what is not its name. */
export function embeddedModelPath(model: string): string | undefined {
  return model === DEFAULT_MODEL ? fileURLToPath(FOLDER) : undefined
}

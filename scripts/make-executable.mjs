// Sets the executable bits of the files named on the command line; tsc does not.
import { chmodSync } from 'node:fs'

for (const file of process.argv.slice(2)) chmodSync(file, 0o755)

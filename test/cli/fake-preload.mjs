// Loaded before the command line: lets it run without a model, on fake-pipeline.mjs.
import { register } from 'node:module'

register('./fake-hooks.mjs', import.meta.url)

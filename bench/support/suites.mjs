// Which suites belong to which command; each is a file of suites/.

/** What `npm run bench:cpu` runs. */
export const CPU_SUITES = [
  'fixed-shapes', 'ragged', 'operations', 'minilm', 'embedded-model', 'latency', 'event-loop',
]

/** What `npm run bench` runs. */
export const ALL_SUITES = [
  ...CPU_SUITES, 'tokenizer', 'tokenizer-threads', 'tokenizer-javascript', 'load', 'memory',
]

// A progress bar on a terminal: how far, how fast, how long still. Anywhere else it is silent.

import cliProgress from 'cli-progress'

import type { EmbedFileProgress } from '../batch/embed-file.js'
import { count, counted, duration, rate } from './format.js'

export interface Progress {
  update(progress: EmbedFileProgress): void
  /** Removes the bar. Idempotent. */
  stop(): void
}

const silent: Progress = { update: () => undefined, stop: () => undefined }

const BAR_CHARS = 24

/** The line after the bar. */
export function progressLine(
  { records, tokens, bytes_done, size_bytes }: EmbedFileProgress,
  elapsed_ms: number,
): string {
  const speed =
    `${counted(records, 'text')} | ${rate(records, elapsed_ms)} texts/s | ` +
    `${rate(tokens, elapsed_ms)} tokens/s`
  if (size_bytes === null || bytes_done === 0) return speed
  const left_ms = (elapsed_ms * Math.max(0, size_bytes - bytes_done)) / bytes_done
  return `${speed} | ${duration(left_ms)} left`
}

/** @param shown - whether there is a terminal that may be drawn on */
export function startProgress(stream: NodeJS.WritableStream, shown: boolean): Progress {
  if (!shown) return silent
  let latest: EmbedFileProgress = { records: 0, tokens: 0, bytes_done: 0, size_bytes: null }
  // Taken with the counts: rates must not sink while nothing new is known.
  let elapsed_ms = 0
  const begin = performance.now()
  const bar = new cliProgress.SingleBar({
    stream,
    clearOnComplete: true,
    gracefulExit: false,
    barsize: BAR_CHARS,
    barCompleteChar: '=',
    barIncompleteChar: '-',
    format: (options, params) => {
      const line = progressLine(latest, elapsed_ms)
      if (latest.size_bytes === null) return line
      const percent = count(Math.floor(params.progress * 100))
      return `[${cliProgress.Format.BarFormat(params.progress, options)}] ${percent}% | ${line}`
    },
  })
  bar.start(1, 0)
  return {
    update: (progress) => {
      latest = progress
      elapsed_ms = performance.now() - begin
      if (progress.size_bytes !== null) bar.setTotal(Math.max(1, progress.size_bytes))
      bar.update(progress.size_bytes === null ? 0 : progress.bytes_done)
    },
    stop: () => bar.stop(),
  }
}

// Test projects: `unit` is fast and is what `npm run check` runs; `slow` builds, installs, fuzzes
// and kills processes; `timed` measures times, or builds where others build, so it runs when
// nothing else does. All print a summary that names every skipped test.
import { defineConfig } from 'vitest/config'

const TIMED = ['test/**/*.timed.test.ts', 'test/cuda/bundle.test.ts']
const SLOW = [
  'test/native/**/*.test.ts',
  'test/package/**/*.test.ts',
  'test/lifecycle/**/*.test.ts',
  'test/default-model/**/*.test.ts',
  'test/virtual-gpu/**/*.test.ts',
  'test/cuda/**/*.test.ts',
  'test/**/oracle.test.ts',
  'test/**/oracle-byte-pair.test.ts',
]

export default defineConfig({
  test: {
    reporters: ['default', './test/support/summary-reporter.ts'],
    // Two projects of processes on two cores: a test that times out must be really stuck.
    testTimeout: 30_000,
    hookTimeout: 120_000,
    pool: 'forks',
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: ['test/**/*.test.ts'], exclude: [...SLOW, ...TIMED] },
      },
      {
        extends: true,
        test: {
          name: 'slow',
          include: SLOW,
          exclude: TIMED,
          testTimeout: 900_000,
          hookTimeout: 900_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'timed',
          include: TIMED,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
          testTimeout: 900_000,
          hookTimeout: 900_000,
        },
      },
    ],
  },
})

// Ends a run with a line that counts passed, failed and skipped tests, names what was skipped, and
// writes the counts to build/test-summary.json for scripts.
import { mkdirSync, writeFileSync } from 'node:fs'

import type { Reporter, TestCase, TestModule } from 'vitest/node'

export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0 }
    const skipped: string[] = []
    for (const module of modules) {
      // A file that does not load fails without a test of its own.
      if (module.state() === 'failed' && [...module.children.allTests('failed')].length === 0) {
        counts.failed += 1
      }
      for (const test of module.children.allTests() as Iterable<TestCase>) {
        const { state } = test.result()
        if (state === 'passed') counts.passed += 1
        else if (state === 'failed') counts.failed += 1
        else {
          counts.skipped += 1
          skipped.push(`${module.relativeModuleId}: ${test.fullName}`)
        }
      }
    }
    counts.failed += errors.length
    for (const name of skipped) console.log(`skipped: ${name}`)
    console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
    mkdirSync('build', { recursive: true })
    writeFileSync('build/test-summary.json', `${JSON.stringify({ ...counts, names: skipped })}\n`)
  }
}

// devices(): what this machine can run models on.
import { describe, expect, test } from 'vitest'

import { devices, FusebertError } from '../dist/index.js'

describe('devices', () => {
  test('names the processor, its instruction sets and the threads', () => {
    const [cpu, ...others] = devices()
    expect(others).toEqual([])
    expect(cpu).toMatchObject({ device: 'cpu', name: expect.stringMatching(/\S/) as string })
    expect(cpu!.isas.at(-1)).toBe('scalar')
    expect(cpu!.isas).toContain(cpu!.isa)
    expect(cpu!.threads).toBeGreaterThanOrEqual(1)
  })

  test('an unknown instruction set is a FusebertError', () => {
    process.env['FUSEBERT_CPU_ISA'] = 'x'.repeat(100_000)
    try {
      expect(() => devices()).toThrow(FusebertError)
      expect(() => devices()).toThrow(expect.objectContaining({ code: 'ERR_DEVICE_UNAVAILABLE' }))
      expect(() => devices()).toThrow(/^.{1,400}$/)
    } finally {
      delete process.env['FUSEBERT_CPU_ISA']
    }
  })

  test('an instruction set can be forced', () => {
    process.env['FUSEBERT_CPU_ISA'] = 'scalar'
    try {
      expect(devices()[0]!.isa).toBe('scalar')
    } finally {
      delete process.env['FUSEBERT_CPU_ISA']
    }
  })
})

// devices(): what this machine can run models on. test/cuda/devices.test.ts has the GPUs.
import { describe, expect, test } from 'vitest'

import { devices, FusebertError, type CpuDevice } from '../dist/index.js'

/** The last one, whatever GPUs there are. */
function lastDevice(): CpuDevice {
  const last = devices().at(-1)!
  if (last.device !== 'cpu') throw new Error(`Expected the CPU but received ${last.device}.`)
  return last
}

describe('devices', () => {
  test('names the processor, its instruction sets and the threads', () => {
    const cpu = lastDevice()
    expect(cpu).toMatchObject({ device: 'cpu', name: expect.stringMatching(/\S/) as string })
    expect(cpu.isas.at(-1)).toBe('scalar')
    expect(cpu.isas).toContain(cpu.isa)
    expect(cpu.threads).toBeGreaterThanOrEqual(1)
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
      expect(lastDevice().isa).toBe('scalar')
    } finally {
      delete process.env['FUSEBERT_CPU_ISA']
    }
  })
})

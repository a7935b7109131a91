// Where a model is to run: what the options `device` and `dtype` mean together.

import { DTYPES, NUMBERED_DEVICE, type Dtype } from '../device-names.js'
import { FusebertError, invalidChoice, type ErrorCode } from '../errors.js'
import type { NativeModelSpec } from '../native/addon.js'
import { checkChoice } from '../options.js'
import { openAllCuda, openCuda } from './cuda.js'
import type { LoadOptions } from './load-options.js'

const DTYPES_OF: Record<AskedDevice['kind'], readonly Dtype[]> = {
  auto: DTYPES,
  cpu: ['auto', 'fp32'],
  cuda: ['auto', 'fp16', 'bf16'],
}

/** What keeps a model from a GPU but not from a CPU. */
const FALLS_BACK: readonly ErrorCode[] = [
  'ERR_DEVICE_UNAVAILABLE',
  'ERR_DEVICE_FAILED',
  'ERR_OUT_OF_MEMORY',
]

export type DeviceSpec = Pick<NativeModelSpec, 'device' | 'cuda' | 'no_cuda_reason'>

export interface AskedDevice {
  kind: 'auto' | 'cpu' | 'cuda'
  ordinal: number
  /** Whether GPUs like the first share the work. */
  all: boolean
  dtype: Dtype
}

/** 'cuda:1' → the kind and the number. */
function parseDevice(device: unknown): Pick<AskedDevice, 'kind' | 'ordinal'> {
  const numbered = typeof device === 'string' ? NUMBERED_DEVICE.exec(device) : null
  if (numbered !== null) return { kind: 'cuda', ordinal: Number(numbered[1]) }
  if (device === 'auto' || device === 'cpu' || device === 'cuda') {
    return { kind: device, ordinal: 0 }
  }
  throw invalidChoice(['auto', 'cpu', 'cuda', 'cuda:N'], 'device', device)
}

/** Checks the options, before anything is read. */
export function checkDevice({
  device,
  devices,
  dtype,
}: Pick<LoadOptions, 'device' | 'devices' | 'dtype'>): AskedDevice {
  const { kind, ordinal } = parseDevice(device ?? 'auto')
  if (devices !== undefined) checkChoice(['all'], 'devices', devices)
  const all = devices !== undefined
  if (all && (kind === 'cpu' || (device ?? 'auto') !== kind)) {
    throw invalidChoice(['auto', 'cuda'], "device with devices 'all'", device)
  }
  const checked = checkChoice(DTYPES, 'dtype', dtype ?? 'auto')
  const possible = DTYPES_OF[kind]
  if (!possible.includes(checked)) {
    throw invalidChoice(possible, `dtype on device '${kind}'`, checked)
  }
  return { kind, ordinal, all, dtype: checked }
}

/**
 * What the native side needs to choose. With 'auto' a GPU that cannot be used is a reason, unless
 * the dtype leaves no choice.
 * @throws ERR_DEVICE_UNAVAILABLE, ERR_DEVICE_FAILED or ERR_OUT_OF_MEMORY when what was asked for is
 * not there or does not work
 */
export async function findDevice(asked: AskedDevice): Promise<DeviceSpec> {
  const { kind, ordinal, all, dtype } = asked
  if (kind === 'cpu') return { device: 'cpu', cuda: null, no_cuda_reason: '' }
  if (dtype === 'fp32') {
    return { device: 'auto', cuda: null, no_cuda_reason: 'GPUs run fp16 and bf16, not fp32' }
  }
  // A type that only GPUs have leaves no choice.
  const device = kind === 'auto' && dtype === 'auto' ? 'auto' : 'cuda'
  try {
    const type = dtype === 'auto' ? 'fp16' : dtype
    const cuda = await (all ? openAllCuda(type) : openCuda(ordinal, type))
    return { device, cuda, no_cuda_reason: '' }
  } catch (error) {
    const fallsBack = error instanceof FusebertError && FALLS_BACK.includes(error.code)
    if (device !== 'auto' || !fallsBack) throw error
    return { device, cuda: null, no_cuda_reason: error.message }
  }
}

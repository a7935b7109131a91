// What a model needs to run on a CUDA device: the device, and images of kernels for it.

import { promisify } from 'node:util'
import { brotliDecompress } from 'node:zlib'

import { FusebertError } from '../errors.js'
import type {
  CudaImageKind,
  CudaType,
  NativeCudaDevice,
  NativeCudaImage,
  NativeCudaSpec,
} from '../native/addon.js'
import { fromNative, loadAddon } from '../native/load.js'
import { checkChoice } from '../options.js'

const decompress = promisify(brotliDecompress)

const FIRST_WITH_BF16 = 80
const KINDS = ['cubin', 'ptx'] as const
/** Names the only kind of image that may be used: for tests, and for drivers that misbehave. */
const IMAGE_VARIABLE = 'FUSEBERT_CUDA_IMAGE'

/** 80 → '8.0' */
function capability(architecture: number): string {
  return `${Math.floor(architecture / 10)}.${architecture % 10}`
}

/**
 * Whether a device runs an image: a cubin those of the same generation and no older, PTX all that
 * are no older (CUDA C++ Programming Guide, "Binary Compatibility" and "PTX Compatibility").
 */
function runs(image: NativeCudaImage, architecture: number): boolean {
  const generation = (of: number) => Math.floor(of / 10)
  if (image.architecture > architecture) return false
  return image.kind === 'ptx' || generation(image.architecture) === generation(architecture)
}

type IndexedImage = NativeCudaImage & { index: number }

/** The newest image of each file and kind that the device runs, by kind in the order of trial. */
function choose(type: CudaType, architecture: number): IndexedImage[] {
  const chosen = new Map<string, IndexedImage>()
  const all = loadAddon().cudaImages().map((image, index) => ({ ...image, index }))
  for (const kind of allowedKinds()) {
    for (const image of all) {
      if (image.kind !== kind || image.type !== type || !runs(image, architecture)) continue
      const key = `${kind} ${image.file}`
      if ((chosen.get(key)?.architecture ?? 0) < image.architecture) chosen.set(key, image)
    }
  }
  return [...chosen.values()]
}

function allowedKinds(): readonly CudaImageKind[] {
  const forced = process.env[IMAGE_VARIABLE]
  return forced === undefined || forced === ''
    ? KINDS
    : [checkChoice(KINDS, IMAGE_VARIABLE, forced)]
}

async function specFor(device: NativeCudaDevice, type: CudaType): Promise<NativeCudaSpec> {
  if (type === 'bf16' && device.architecture < FIRST_WITH_BF16) {
    throw new FusebertError(
      'ERR_DEVICE_UNAVAILABLE',
      `Expected a GPU of compute capability ${capability(FIRST_WITH_BF16)} or newer for dtype ` +
        `'bf16' but ${device.name} has ${capability(device.architecture)}. Use 'fp16'.`,
    )
  }
  const chosen = choose(type, device.architecture)
  if (chosen.length === 0) {
    throw new FusebertError(
      'ERR_DEVICE_UNAVAILABLE',
      `Expected a GPU that this build has kernels for but ${device.name} has compute capability ` +
        `${capability(device.architecture)}.`,
    )
  }
  const unpacked = chosen.map(async ({ file, kind, index }) => ({
    file,
    kind,
    data: await decompress(loadAddon().cudaImage(index)),
  }))
  return { ordinal: device.ordinal, type, images: await Promise.all(unpacked) }
}

/**
 * The device with this number and its images.
 * @throws ERR_DEVICE_UNAVAILABLE with the reason why it cannot be used
 */
export async function openCuda(ordinal: number, type: CudaType): Promise<NativeCudaSpec> {
  const device = await fromNative(() => loadAddon().findCudaDevice(ordinal))
  return specFor(device, type)
}

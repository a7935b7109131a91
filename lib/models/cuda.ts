// What a model needs to run on a CUDA device: the device, and images of kernels for it.

import { promisify } from 'node:util'
import { brotliDecompress } from 'node:zlib'

import { NUMBERED_DEVICE } from '../device-names.js'
import { FusebertError } from '../errors.js'
import type {
  CudaImageKind,
  CudaType,
  NativeCudaDevice,
  NativeCudaImage,
  NativeCudaSpec,
} from '../native/addon.js'
import { fromNative, fromNativeSync, loadAddon } from '../native/load.js'
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
function choose(
  type: CudaType,
  architecture: number,
  kinds: readonly CudaImageKind[],
): IndexedImage[] {
  const chosen = new Map<string, IndexedImage>()
  const all = loadAddon().cudaImages().map((image, index) => ({ ...image, index }))
  for (const kind of kinds) {
    for (const image of all) {
      if (image.kind !== kind || image.type !== type || !runs(image, architecture)) continue
      const key = `${kind} ${image.file}`
      if ((chosen.get(key)?.architecture ?? 0) < image.architecture) chosen.set(key, image)
    }
  }
  return [...chosen.values()]
}

/** @throws ERR_INVALID_ARGUMENT when the variable names no kind */
function forcedKind(): CudaImageKind | undefined {
  const forced = process.env[IMAGE_VARIABLE] ?? ''
  return forced === '' ? undefined : checkChoice(KINDS, IMAGE_VARIABLE, forced)
}

async function specFor(device: NativeCudaDevice, type: CudaType): Promise<NativeCudaSpec> {
  if (type === 'bf16' && device.architecture < FIRST_WITH_BF16) {
    throw new FusebertError(
      'ERR_DEVICE_UNAVAILABLE',
      `Expected a GPU of compute capability ${capability(FIRST_WITH_BF16)} or newer for dtype ` +
        `'bf16' but ${device.name} has ${capability(device.architecture)}. Use 'fp16'.`,
    )
  }
  const forced = forcedKind()
  const limitedBy = forced === undefined ? '' : `${IMAGE_VARIABLE}=${forced}`
  const chosen = choose(type, device.architecture, forced === undefined ? KINDS : [forced])
  if (chosen.length === 0) {
    throw new FusebertError(
      'ERR_DEVICE_UNAVAILABLE',
      `Expected a GPU that this build has kernels for but ${device.name} has compute capability ` +
        `${capability(device.architecture)}.` +
        (limitedBy === '' ? '' : ` Some may have been left out because of ${limitedBy}.`),
    )
  }
  const unpacked = chosen.map(async ({ file, kind, architecture, index }) => ({
    file,
    kind,
    architecture,
    data: await decompress(fromNativeSync(() => loadAddon().cudaImage(index))),
  }))
  const images = await Promise.all(unpacked)
  return { ordinals: Int32Array.of(device.ordinal), type, images, images_limited_by: limitedBy }
}

/**
 * The device with this number and its images.
 * @throws ERR_DEVICE_UNAVAILABLE with the reason why it cannot be used; ERR_DEVICE_FAILED,
 * ERR_OUT_OF_MEMORY
 */
export async function openCuda(ordinal: number, type: CudaType): Promise<NativeCudaSpec> {
  const device = await fromNative(() => loadAddon().findCudaDevice(ordinal))
  return specFor(device, type)
}

/**
 * The first device and all others of its architecture: on another, a text might get other bits,
 * and on which it runs depends on its batch.
 * @throws as openCuda
 */
export async function openAllCuda(type: CudaType): Promise<NativeCudaSpec> {
  const first = await openCuda(0, type)
  const gpus = fromNativeSync(() => loadAddon().devices()).filter((each) => each.device !== 'cpu')
  const alike = gpus.filter(({ isa }) => isa === gpus[0]?.isa)
  const ordinal = ({ device }: { device: string }) => Number(NUMBERED_DEVICE.exec(device)?.[1])
  return { ...first, ordinals: Int32Array.from(alike, ordinal) }
}

// The images of kernels in the addon: each kernel for each type and architecture, and nothing in
// them of the machine on which they were built.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { brotliDecompressSync } from 'node:zlib'

import { describe, expect, test } from 'vitest'

import type { NativeAddon } from '../../lib/native/addon.js'
import { available, ROOT } from '../support/require.js'

const VARIANTS = ['fp16.sm_75', 'fp16.sm_80', 'fp16.sm_90', 'bf16.sm_80', 'bf16.sm_90']

describe.skipIf(!available('nvcc'))('the images in the addon', () => {
  const addon = () =>
    createRequire(import.meta.url)(join(ROOT, 'build/Release/fusebert.node')) as NativeAddon

  test('are there for each type and architecture, as cubin and as PTX', () => {
    const images = addon().cudaImages()
    const files = [...new Set(images.map(({ file }) => file))]
    expect(files).toContain('gemm')
    const expected = files.flatMap((file) =>
      VARIANTS.flatMap((variant) => [`${file}.${variant}.cubin`, `${file}.${variant}.ptx`]),
    )
    const found = images.map(
      ({ file, type, architecture, kind }) => `${file}.${type}.sm_${architecture}.${kind}`,
    )
    expect(found.sort()).toEqual(expected.sort())
  })

  test('name no path of this machine', () => {
    const own = addon()
    const named = own.cudaImages().filter((_, index) => {
      const image = Buffer.from(brotliDecompressSync(own.cudaImage(index)))
      return image.includes(ROOT)
    })
    expect(named).toEqual([])
  })
})

// Packs kernel images for the addon: node pack-images.mjs OUTPUT IMAGE…
//
// Each image is called <file>.<type>.sm_<architecture>.ptx or .cubin and is compressed with Brotli.
// OUTPUT.bin holds them end to end; OUTPUT.cc embeds it and lists them for
// native/napi/cuda_images.h.
import { readFileSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { brotliCompressSync, constants } from 'node:zlib'

// 11, the best, takes ten times longer and saves a tenth.
const QUALITY = 9
const NAME = /^(\w+)\.(\w+)\.sm_(\d+)\.(ptx|cubin)$/

const [output, ...images] = process.argv.slice(2)
const parts = []
let offset = 0
const entries = images.map((path) => {
  const name = NAME.exec(basename(path))
  if (name === null) throw new Error(`Expected a name like gemm.fp16.sm_80.ptx for ${path}.`)
  const bytes = readFileSync(path)
  const packed = brotliCompressSync(bytes, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: QUALITY,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
    },
  })
  parts.push(packed)
  const [, file, type, architecture, kind] = name
  const begin = offset
  offset += packed.length
  return `    {"${file}", "${type}", ${architecture}, "${kind}", ${begin}, ${packed.length}},`
})
writeFileSync(`${output}.bin`, Buffer.concat(parts))
writeFileSync(
  `${output}.cc`,
  `// Written by scripts/pack-images.mjs.
#include "napi/cuda_images.h"

asm(".pushsection .rodata\\n"
    ".hidden fusebert_cuda_images\\n"
    ".globl fusebert_cuda_images\\n"
    "fusebert_cuda_images:\\n"
    ".incbin ${JSON.stringify(`${output}.bin`).replaceAll('"', '\\"')}\\n"
    ".popsection");
extern "C" const unsigned char fusebert_cuda_images[];

namespace fusebert::node {

std::span<const CudaImage> cuda_images() {
  static constexpr CudaImage kImages[] = {
${entries.join('\n')}
  };
  return kImages;
}
const unsigned char* cuda_image_bytes() { return fusebert_cuda_images; }

}  // namespace fusebert::node
`,
)

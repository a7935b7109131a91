// Sixteen bytes of text in what the processor family always has; nothing is decided at run time.
#pragma once

#include "tokenizer/simd/block_portable.h"
#if defined(__SSE2__)
#include "tokenizer/simd/block_sse2.h"
#elif defined(__aarch64__) && defined(__ARM_NEON)
#include "tokenizer/simd/block_neon.h"
#endif

namespace fusebert::simd {

#if defined(__SSE2__)
using Block = Sse2Block;
#elif defined(__aarch64__) && defined(__ARM_NEON)
using Block = NeonBlock;
#else
using Block = PortableBlock;
#endif

}  // namespace fusebert::simd

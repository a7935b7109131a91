// Where the 16-byte chunks of a row-major tile lie in shared memory.
//
// Shared memory has 32 banks of 4 bytes, so eight chunks are what it moves at once. ldmatrix reads
// one chunk of each of eight rows, a copy writes neighbouring chunks of a row; exchanging chunks by
// the row's number lets both touch every bank once.
#pragma once

#include <cstdint>

namespace fusebert::cuda {

struct Swizzled {
  // The chunk's position in units of 16 bytes. kChunks, of a row, is a power of two from 4 on.
  template <int kChunks>
  __device__ static int position(int row, int chunk) {
    static_assert(kChunks >= 4 && (kChunks & (kChunks - 1)) == 0);
    // Rows of four chunks share a pass through the banks with their neighbour.
    const int turn = kChunks == 4 ? row >> 1 & 3 : row & 7;
    return row * kChunks + (chunk ^ turn);
  }

  // The address of the chunk that is `chunks` after that at `address`, both of one row, whose
  // first is at a multiple of the row's length; `chunks` shares no bit with the number of the chunk
  // there.
  __device__ static std::uint32_t after(std::uint32_t address, int chunks) {
    return address ^ static_cast<std::uint32_t>(16 * chunks);
  }
};

}  // namespace fusebert::cuda

// The devices that the virtual GPU can be: limits as the CUDA programming guide states them per
// compute capability, and the figures of one well-known product of each.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace virtual_gpu {

struct Profile {
  std::string_view name;              // "sm_80", by which VIRTUAL_GPU_PROFILE chooses
  std::string_view product;
  int major = 0;
  int minor = 0;
  int multiprocessors = 0;
  int threads_per_multiprocessor = 0;
  int blocks_per_multiprocessor = 0;
  int shared_per_block_optin = 0;     // bytes
  int shared_per_multiprocessor = 0;  // bytes
  int l2_bytes = 0;
  int clock_khz = 0;
  int memory_clock_khz = 0;
  int memory_bus_bits = 0;
  int single_to_double_ratio = 0;     // of the rates of FP32 and FP64
  std::uint64_t memory_bytes = 0;

  int architecture() const { return 10 * major + minor; }
  /// Bytes of shared memory that the driver takes of each block.
  int reserved_shared() const { return major >= 8 ? 1 << 10 : 0; }
};

// The same in every profile.
constexpr int kSharedPerBlock = 48 << 10;
constexpr int kRegistersPerMultiprocessor = 64 << 10;
constexpr int kMaxRegistersPerThread = 255;
constexpr int kMaxThreadsPerBlock = 1024;
constexpr int kMaxBlockZ = 64;
constexpr std::uint32_t kMaxGridX = 0x7FFFFFFF;
constexpr std::uint32_t kMaxGridYZ = 65535;

std::span<const Profile> profiles();
/// The profile of that name; null where there is none.
const Profile* profile_named(std::string_view name);

}  // namespace virtual_gpu

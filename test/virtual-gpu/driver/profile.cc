#include "driver/profile.h"

namespace virtual_gpu {
namespace {

constexpr int kKiB = 1 << 10;
constexpr int kMiB = 1 << 20;
constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

constexpr Profile kProfiles[] = {
    {.name = "sm_75", .product = "Virtual T4", .major = 7, .minor = 5, .multiprocessors = 40,
     .threads_per_multiprocessor = 1024, .blocks_per_multiprocessor = 16,
     .shared_per_block_optin = 64 * kKiB, .shared_per_multiprocessor = 64 * kKiB,
     .l2_bytes = 4 * kMiB, .clock_khz = 1'590'000, .memory_clock_khz = 5'001'000,
     .memory_bus_bits = 256, .single_to_double_ratio = 32, .memory_bytes = 16 * kGiB},
    {.name = "sm_80", .product = "Virtual A100", .major = 8, .minor = 0, .multiprocessors = 108,
     .threads_per_multiprocessor = 2048, .blocks_per_multiprocessor = 32,
     .shared_per_block_optin = 163 * kKiB, .shared_per_multiprocessor = 164 * kKiB,
     .l2_bytes = 40 * kMiB, .clock_khz = 1'410'000, .memory_clock_khz = 1'215'000,
     .memory_bus_bits = 5120, .single_to_double_ratio = 2, .memory_bytes = 40 * kGiB},
    {.name = "sm_86", .product = "Virtual RTX 3090", .major = 8, .minor = 6, .multiprocessors = 82,
     .threads_per_multiprocessor = 1536, .blocks_per_multiprocessor = 16,
     .shared_per_block_optin = 99 * kKiB, .shared_per_multiprocessor = 100 * kKiB,
     .l2_bytes = 6 * kMiB, .clock_khz = 1'695'000, .memory_clock_khz = 9'751'000,
     .memory_bus_bits = 384, .single_to_double_ratio = 64, .memory_bytes = 24 * kGiB},
    {.name = "sm_89", .product = "Virtual RTX 4090", .major = 8, .minor = 9, .multiprocessors = 128,
     .threads_per_multiprocessor = 1536, .blocks_per_multiprocessor = 24,
     .shared_per_block_optin = 99 * kKiB, .shared_per_multiprocessor = 100 * kKiB,
     .l2_bytes = 72 * kMiB, .clock_khz = 2'520'000, .memory_clock_khz = 10'501'000,
     .memory_bus_bits = 384, .single_to_double_ratio = 64, .memory_bytes = 24 * kGiB},
    {.name = "sm_90", .product = "Virtual H100", .major = 9, .minor = 0, .multiprocessors = 132,
     .threads_per_multiprocessor = 2048, .blocks_per_multiprocessor = 32,
     .shared_per_block_optin = 227 * kKiB, .shared_per_multiprocessor = 228 * kKiB,
     .l2_bytes = 50 * kMiB, .clock_khz = 1'980'000, .memory_clock_khz = 2'619'000,
     .memory_bus_bits = 5120, .single_to_double_ratio = 2, .memory_bytes = 80 * kGiB},
};

}  // namespace

std::span<const Profile> profiles() { return kProfiles; }

const Profile* profile_named(std::string_view name) {
  for (const Profile& profile : kProfiles) {
    if (profile.name == name) return &profile;
  }
  return nullptr;
}

}  // namespace virtual_gpu

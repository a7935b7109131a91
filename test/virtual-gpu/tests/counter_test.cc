// What a launch counts: sectors of global memory and wavefronts of shared memory, beside the fewest
// that the same bytes could take.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "tests/harness.h"
#include "tests/kernels.h"

namespace virtual_gpu::testing {
namespace {

constexpr std::uint32_t kLaneCount = 32;
constexpr std::size_t kWords = 1024;

/// The counter of the only instruction that has any of `member`, in a launch of one warp.
OpCounter count(const std::string& body, std::uint64_t OpCounter::*member) {
  Device device(1);
  const std::uint64_t in = device.upload(std::vector<std::uint32_t>(kWords, 7));
  const std::uint64_t out = device.upload(std::vector<std::uint32_t>(kWords, 0));
  const auto counters =
      device.launch(kernel_of(body, ".shared .align 16 .b8 buffer[4096];"), "k",
                    {.block = {kLaneCount, 1, 1}}, in, out);
  const auto has = [&](const OpCounter& each) { return each.*member != 0; };
  EXPECT_EQ(std::count_if(counters.begin(), counters.end(), has), 1) << body;
  return *std::find_if(counters.begin(), counters.end(), has);
}

/// Every lane reads `bytes` of global memory, `stride` bytes apart.
OpCounter global_read(std::uint32_t stride, const std::string& read) {
  const std::string body = "mul.wide.u32 %at, %tid, " + std::to_string(stride) +
                           ";\nadd.u64 %at, %in, %at;\n" + read;
  return count(body, &OpCounter::sectors);
}

/// Every lane writes to shared memory, `stride` bytes apart.
OpCounter shared_write(std::uint32_t stride, const std::string& write) {
  const std::string body = "mov.u32 %r1, buffer;\nmad.lo.u32 %r1, %tid, " +
                           std::to_string(stride) + ", %r1;\n" + write;
  return count(body, &OpCounter::wavefronts);
}

const char* const kReadWord = "ld.global.u32 %r0, [%at];";
const char* const kReadFour = "ld.global.v4.u32 {%r0, %r1, %r2, %r3}, [%at];";
const char* const kWriteWord = "st.shared.u32 [%r1], %tid;";
const char* const kWriteFour = "st.shared.v4.u32 [%r1], {%tid, %tid, %tid, %tid};";

TEST(Counters, CountSectorsOfNeighbours) {
  const OpCounter counter = global_read(4, kReadWord);
  EXPECT_EQ(counter.warps, 1u);
  EXPECT_EQ(counter.lanes, kLaneCount);
  EXPECT_EQ(counter.bytes, 128u);
  EXPECT_EQ(counter.sectors, 4u);
  EXPECT_EQ(counter.least_sectors, 4u);
  EXPECT_EQ(global_read(16, kReadFour).sectors, 16u);
  EXPECT_EQ(global_read(16, kReadFour).least_sectors, 16u);
}

TEST(Counters, CountSectorsThatAreHalfUsed) {
  EXPECT_EQ(global_read(32, kReadWord).sectors, 32u);
  EXPECT_EQ(global_read(32, kReadWord).least_sectors, 4u);
  EXPECT_EQ(global_read(64, kReadFour).sectors, 32u);
  EXPECT_EQ(global_read(64, kReadFour).least_sectors, 16u);
}

TEST(Counters, CountSharedBytesOfGlobalMemoryOnce) {
  const OpCounter counter = global_read(0, kReadFour);
  EXPECT_EQ(counter.bytes, 512u);
  EXPECT_EQ(counter.sectors, 1u);
  EXPECT_EQ(counter.least_sectors, 1u);
}

TEST(Counters, CountWavefrontsOfConflicts) {
  EXPECT_EQ(shared_write(4, kWriteWord).wavefronts, 1u);
  EXPECT_EQ(shared_write(4, kWriteWord).least_wavefronts, 1u);
  EXPECT_EQ(shared_write(8, kWriteWord).wavefronts, 2u);
  EXPECT_EQ(shared_write(8, kWriteWord).least_wavefronts, 1u);
  EXPECT_EQ(shared_write(128, kWriteWord).wavefronts, 32u);
  EXPECT_EQ(shared_write(16, kWriteFour).wavefronts, 4u);
  EXPECT_EQ(shared_write(16, kWriteFour).least_wavefronts, 4u);
  EXPECT_EQ(shared_write(64, kWriteFour).wavefronts, 16u);
}

TEST(Counters, CountOneWavefrontForABroadcast) {
  const std::string body = "mov.u32 %r1, buffer;\nst.shared.u32 [%r1], 5;\nbar.warp.sync -1;\n"
                           "ld.shared.u32 %r0, [%r1];";
  Device device(1);
  const std::uint64_t in = device.upload(std::vector<std::uint32_t>(1, 0));
  const auto counters = device.launch(kernel_of(body, ".shared .align 16 .b8 buffer[64];"), "k",
                                      {.block = {kLaneCount, 1, 1}}, in, in);
  for (const OpCounter& each : counters) {
    EXPECT_LE(each.wavefronts, 1u);
    EXPECT_EQ(each.least_wavefronts, each.wavefronts);
  }
}

TEST(Counters, CountWaits) {
  Device device(1);
  const std::uint64_t in = device.upload(std::vector<std::uint32_t>(kLaneCount, 0));
  const auto counters = device.launch(
      kernel_of("mov.u32 %r1, buffer;\ncp.async.ca.shared.global [%r1], [%in], 4;\n"
                "cp.async.commit_group;\ncp.async.wait_group 0;\nbar.sync 0;\nbar.sync 0;",
                ".shared .align 16 .b8 buffer[64];"),
      "k", {.block = {1, 1, 1}}, in, in);
  std::map<OpClass, std::uint64_t> warps;
  for (std::size_t i = 0; i < counters.size(); ++i) {
    warps[device.program().ops[i].op_class] += counters[i].warps;
  }
  EXPECT_EQ(warps[OpClass::kAsyncCopy], 2u);
  EXPECT_EQ(warps[OpClass::kAsyncWait], 1u);
  EXPECT_EQ(warps[OpClass::kBarrier], 2u);
}

}  // namespace
}  // namespace virtual_gpu::testing

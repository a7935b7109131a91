// Races in global memory and what orders accesses: barriers, fences with flags, release, acquire.
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "tests/harness.h"
#include "tests/kernels.h"

namespace virtual_gpu::testing {
namespace {

constexpr std::uint32_t kThreads = 64;
constexpr std::uint32_t kBlocks = 3;
constexpr std::uint64_t kSeeds = 5;

/// The hazard of a kernel of three blocks whose `in` and `out` have 64 words, all zero.
std::optional<Hazard> hazard_of(const std::string& body, std::uint64_t seed,
                                const std::string& variables = "") {
  Device device(seed);
  const std::uint64_t in = device.upload(std::vector<std::uint32_t>(kThreads, 0));
  const std::uint64_t out = device.upload(std::vector<std::uint32_t>(kThreads, 0));
  try {
    device.launch(kernel_of("mov.u32 %r9, %ctaid.x;\n" + body, variables), "k",
                  {.grid = {kBlocks, 1, 1}, .block = {kThreads, 1, 1}}, in, out);
  } catch (const DeviceFault& fault) {
    return fault.hazard();
  }
  return std::nullopt;
}

void expect_race(const std::string& body, const std::string& variables = "",
                 HazardKind kind = HazardKind::kGlobalRace) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const auto found = hazard_of(body, seed, variables);
    ASSERT_TRUE(found) << "seed " << seed << ": " << body;
    EXPECT_EQ(found->kind, kind) << found->report();
  }
}

void expect_silence(const std::string& body, const std::string& variables = "") {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const auto found = hazard_of(body, seed, variables);
    EXPECT_FALSE(found) << found->report();
  }
}

TEST(GlobalRace, WritesOfSeveralBlocks) {
  expect_race("st.global.u32 [%out], %r9;");
  expect_silence("st.global.u32 [%out], 5;");
  // Halves of a word belong to different blocks.
  expect_silence("mul.wide.u32 %d0, %r9, 2;\nadd.u64 %d0, %d0, %out;\nmov.u16 %h0, 1;\n"
                 "st.global.u16 [%d0], %h0;");
  const auto found = hazard_of("st.global.u32 [%out], %r9;", 1);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->line, kBodyLine + 1);
  EXPECT_NE(found->what.find("a write of thread ("), std::string::npos) << found->what;
  EXPECT_NE(found->what.find("at PTX line " + std::to_string(kBodyLine + 1) + " of block ("),
            std::string::npos)
      << found->what;
}

TEST(GlobalRace, ReadsAndWritesOfOneBlock) {
  const std::string places =
      "mul.wide.u32 %d0, %r9, 64;\nadd.u64 %d0, %d0, %out;\n"  // a block's own 16 words
      "and.b32 %r1, %tid, 31;\nshr.u32 %r2, %tid, 5;\nsetp.eq.u32 %p0, %r1, 0;\n"
      "mul.wide.u32 %d1, %r2, 4;\nadd.u64 %d1, %d1, %d0;\n"    // a word of each of its two warps
      "xor.b32 %r2, %r2, 1;\nmul.wide.u32 %d2, %r2, 4;\nadd.u64 %d2, %d2, %d0;\n";
  const std::string write = "@%p0 st.global.u32 [%d1], %tid;\n";
  const std::string read = "@%p0 ld.global.u32 %r3, [%d2];\n";
  expect_race(places + write + read);
  expect_race(places + read + write);
  expect_race(places + write + "membar.gl;\n" + read);
  expect_silence(places + write + "bar.sync 0;\n" + read);
}

/// Thread 0 of block 0 writes a word and then a flag; those of the others wait for it and read.
std::string message(const std::string& before, const std::string& set, const std::string& look,
                    const std::string& after) {
  return "setp.ne.u32 %p0, %tid, 0;\n@%p0 bra END;\nsetp.ne.u32 %p1, %r9, 0;\n@%p1 bra WAIT;\n"
         "mov.u32 %r1, 9;\nmov.u32 %r2, 1;\nst.global.u32 [%out], %r1;\n" +
         before + set + " [%out+128], %r2;\nbra END;\nWAIT:\n" + look +
         " %r3, [%out+128];\nsetp.eq.u32 %p2, %r3, 0;\n@%p2 bra WAIT;\n" + after +
         "ld.global.u32 %r4, [%out];\nEND:";
}

TEST(GlobalRace, FlagsNeedFencesOnBothSides) {
  const std::string set = "st.relaxed.gpu.global.u32";
  const std::string look = "ld.relaxed.gpu.global.u32";
  const std::string fence = "fence.acq_rel.gpu;\n";
  expect_silence(message(fence, set, look, fence));
  expect_silence(message("membar.gl;\n", "st.volatile.global.u32", "ld.volatile.global.u32",
                         "membar.gl;\n"));
  expect_race(message("", set, look, fence));
  expect_race(message(fence, set, look, ""));
  expect_race(message("fence.acq_rel.cta;\n", set, look, fence));
  expect_race(message(fence, set, look, "membar.cta;\n"));
  expect_race(message(fence, "st.global.u32", look, fence));
}

TEST(GlobalRace, ReleaseAndAcquireNeedNone) {
  const std::string set = "st.release.gpu.global.u32";
  const std::string look = "ld.acquire.gpu.global.u32";
  expect_silence(message("", set, look, ""));
  expect_race(message("", set, "ld.relaxed.gpu.global.u32", ""));
  expect_race(message("", "st.relaxed.gpu.global.u32", look, ""));
  expect_race(message("", "st.release.cta.global.u32", look, ""));
}

/// Every block writes its word and counts itself; the one that comes last reads all words.
std::string last_block(const std::string& before, const std::string& count,
                       const std::string& after) {
  return "setp.ne.u32 %p0, %tid, 0;\n@%p0 bra END;\nmul.wide.u32 %d0, %r9, 4;\n"
         "add.u64 %d0, %d0, %out;\nst.global.u32 [%d0], %r9;\n" +
         before + count + " %r1, [%out+128], 1;\nsetp.ne.u32 %p1, %r1, 2;\n@%p1 bra END;\n" +
         after + "ld.global.u32 %r2, [%out];\nld.global.u32 %r3, [%out+4];\n"
                 "ld.global.u32 %r4, [%out+8];\nEND:";
}

TEST(GlobalRace, AtomicOperationsPassOnWhatOthersReleased) {
  const std::string fence = "membar.gl;\n";
  expect_silence(last_block(fence, "atom.global.add.u32", fence));
  expect_silence(last_block("", "atom.acq_rel.gpu.global.add.u32", ""));
  expect_race(last_block("", "atom.global.add.u32", fence));
  expect_race(last_block(fence, "atom.global.add.u32", ""));
  expect_race(last_block("", "atom.release.gpu.global.add.u32", ""));
  expect_race(last_block(fence, "atom.relaxed.cta.global.add.u32", fence));
}

TEST(GlobalRace, BarriersPassOnWhatOneThreadLearned) {
  // A barrier of the grid as cooperative groups make it: the second warp reads what it never asked
  // for.
  const auto barrier = [](const std::string& first, const std::string& second) {
    return "mul.wide.u32 %d0, %r9, 4;\nadd.u64 %d0, %d0, %out;\nsetp.ne.u32 %p0, %tid, 33;\n"
           "@!%p0 st.global.u32 [%d0], %r9;\nbar.sync 0;\nsetp.ne.u32 %p1, %tid, 0;\n"
           "@%p1 bra JOIN;\n" + first +
           "red.global.add.u32 [%out+128], 1;\nWAIT:\nld.volatile.global.u32 %r1, [%out+128];\n"
           "setp.ne.u32 %p2, %r1, 3;\n@%p2 bra WAIT;\n" + second +
           "JOIN:\nbar.sync 0;\n@!%p0 ld.global.u32 %r2, [%out];\n"
           "@!%p0 ld.global.u32 %r3, [%out+8];";
  };
  expect_silence(barrier("membar.gl;\n", "membar.gl;\n"));
  expect_race(barrier("", "membar.gl;\n"));
  expect_race(barrier("membar.gl;\n", ""));
}

TEST(SharedRace, FlagsOrderPlainAccesses) {
  const char* const variables = ".shared .align 16 .b8 buffer[64];";
  const auto flag = [](const std::string& first, const std::string& second) {
    return "mov.u32 %r1, buffer;\nsetp.eq.u32 %p0, %tid, 0;\nsetp.eq.u32 %p1, %tid, 32;\n"
           "mov.u32 %r2, 0;\nmov.u32 %r3, 1;\n@%p0 st.shared.u32 [%r1+32], %r2;\nbar.sync 0;\n"
           "@%p1 bra WAIT;\n@!%p0 bra END;\nst.shared.u32 [%r1], %r3;\n" + first +
           "st.volatile.shared.u32 [%r1+32], %r3;\nbra END;\nWAIT:\n"
           "ld.volatile.shared.u32 %r4, [%r1+32];\nsetp.eq.u32 %p2, %r4, 0;\n@%p2 bra WAIT;\n" +
           second + "ld.shared.u32 %r5, [%r1];\nEND:";
  };
  expect_silence(flag("membar.cta;\n", "membar.cta;\n"), variables);
  expect_race(flag("", "membar.cta;\n"), variables, HazardKind::kSharedRace);
  expect_race(flag("membar.cta;\n", ""), variables, HazardKind::kSharedRace);
}

}  // namespace
}  // namespace virtual_gpu::testing

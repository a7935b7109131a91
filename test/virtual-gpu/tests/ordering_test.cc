// What orders the accesses of threads, and what does not although it is near: each case beside the
// one that differs by the detail in question.
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "tests/harness.h"
#include "tests/kernels.h"

namespace virtual_gpu::testing {
namespace {

constexpr std::uint64_t kSeeds = 10;
constexpr std::size_t kWords = 64;
const char* const kVariables = ".shared .align 16 .b8 buffer[256];";

/// Who does what: block 0's and block 1's first threads, or those of warps 0 and 1 of one block.
enum class Apart { kBlocks, kWarps };

/// The hazard of a kernel of one block; `out` is zero.
std::optional<Hazard> hazard_of(const std::string& body, std::uint32_t threads) {
  Device device(1);
  const std::uint64_t out = device.upload(std::vector<std::uint32_t>(kWords, 0));
  try {
    device.launch(kernel_of(body, kVariables), "k", {.block = {threads, 1, 1}}, out, out);
  } catch (const DeviceFault& fault) {
    return fault.hazard();
  }
  return std::nullopt;
}

struct Outcome {
  std::optional<Hazard> hazard;
  std::vector<std::uint32_t> out;
};

/// %r1: the buffer, all zero; %r2, %r3: 1, 2. `out` is zero. Two threads run `first` and `second`.
Outcome run(Apart apart, const std::string& first, const std::string& second,
            std::uint64_t seed) {
  Device device(seed);
  const std::uint64_t in = device.upload(std::vector<std::uint32_t>(kWords, 0));
  const std::uint64_t out = device.upload(std::vector<std::uint32_t>(kWords, 0));
  const bool blocks = apart == Apart::kBlocks;
  const std::string body =
      "mov.u32 %r1, buffer;\nmov.u32 %r2, 1;\nmov.u32 %r3, 2;\nmov.u32 %r5, 0;\n"
      "mov.u32 %r9, %ctaid.x;\nshl.b32 %r8, %tid, 2;\nadd.u32 %r8, %r8, %r1;\n"
      "st.shared.u32 [%r8], %r5;\nbar.sync 0;\n"
      "setp.ne.u32 %p0, %tid, 0;\nsetp.eq.u32 %p1, %tid, 32;\n" +
      std::string(blocks ? "@%p0 bra END;\nsetp.ne.u32 %p1, %r9, 0;\n@%p1 bra SECOND;\n"
                         : "@%p1 bra SECOND;\n@%p0 bra END;\n") +
      first + "bra END;\nSECOND:\n" + second + "END:";
  Outcome outcome;
  try {
    const LaunchShape shape = blocks
                                  ? LaunchShape{.grid = {2, 1, 1}, .block = {32, 1, 1}}
                                  : LaunchShape{.grid = {1, 1, 1}, .block = {kWords, 1, 1}};
    device.launch(kernel_of(body, kVariables), "k", shape, in, out);
  } catch (const DeviceFault& fault) {
    outcome.hazard = fault.hazard();
  }
  outcome.out = device.download<std::uint32_t>(out, kWords);
  return outcome;
}

void expect_race(Apart apart, const std::string& first, const std::string& second) {
  const HazardKind kind =
      apart == Apart::kBlocks ? HazardKind::kGlobalRace : HazardKind::kSharedRace;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const auto found = run(apart, first, second, seed).hazard;
    ASSERT_TRUE(found) << "seed " << seed << ":\n" << first << "and\n" << second;
    EXPECT_EQ(found->kind, kind) << found->report();
  }
}

void expect_silence(Apart apart, const std::string& first, const std::string& second) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const auto found = run(apart, first, second, seed).hazard;
    EXPECT_FALSE(found) << found->report();
  }
}

const std::string kFence = "membar.gl;\n";
const std::string kWrite = "st.global.u32 [%out], %r3;\n";
const std::string kRead = "ld.global.u32 %r7, [%out];\n";
/// Tells through the word at out + 128; waits for it.
const std::string kTell = "st.relaxed.gpu.global.u32 [%out+128], %r2;\n";
const std::string kWait = "LOOK:\nld.relaxed.gpu.global.u32 %r6, [%out+128];\n"
                          "setp.eq.u32 %p2, %r6, 0;\n@%p2 bra LOOK;\n";

TEST(Ordering, BlocksDoNotMeetInTheirOwnSharedMemory) {
  const std::string exchange = "atom.shared.exch.b32 %r4, [%r1], %r2;\n";
  expect_race(Apart::kBlocks, kWrite + kFence + exchange, exchange + kFence + kRead);
  const std::string global = "atom.global.exch.b32 %r4, [%out+128], %r2;\n";
  const std::string until_told = "LOOK:\natom.global.exch.b32 %r4, [%out+128], %r5;\n"
                                 "setp.eq.u32 %p2, %r4, 0;\n@%p2 bra LOOK;\n";
  expect_silence(Apart::kBlocks, kWrite + kFence + global, until_told + kFence + kRead);
}

TEST(Ordering, VectorsAreTheirElements) {
  const std::string vector_wait =
      "LOOK:\nld.relaxed.gpu.global.v2.u32 {%r6, %r7}, [%out+120];\n"
      "setp.eq.u32 %p2, %r7, 0;\n@%p2 bra LOOK;\n";
  const std::string tell_second = "st.relaxed.gpu.global.u32 [%out+124], %r2;\n";
  expect_silence(Apart::kBlocks, kWrite + kFence + tell_second, vector_wait + kFence + kRead);
  const std::string vector_tell = "st.relaxed.gpu.global.v2.u32 [%out+120], {%r2, %r2};\n";
  const std::string wait_second = "LOOK:\nld.relaxed.gpu.global.u32 %r6, [%out+124];\n"
                                  "setp.eq.u32 %p2, %r6, 0;\n@%p2 bra LOOK;\n";
  expect_silence(Apart::kBlocks, kWrite + kFence + vector_tell, wait_second + kFence + kRead);
  // The neighbour of the word that was told through tells nothing.
  const std::string neighbour = "ld.relaxed.gpu.global.u32 %r6, [%out+124];\n";
  expect_race(Apart::kBlocks, kWrite + kFence + kTell, neighbour + kFence + kRead);
}

TEST(Ordering, VectorsAreNotTorn) {
  constexpr std::uint32_t kRounds = 20'000;
  const std::string rounds = std::to_string(kRounds);
  const std::string write = "mov.u64 %d1, 0;\nROUND:\nadd.u64 %d1, %d1, 1;\n"
                            "st.relaxed.gpu.global.v2.u64 [%out+128], {%d1, %d1};\n"
                            "setp.lt.u64 %p2, %d1, " + rounds + ";\n@%p2 bra ROUND;\n";
  const std::string read = "mov.u32 %r4, 0;\nLOOK:\n"
                           "ld.relaxed.gpu.global.v2.u64 {%d2, %d3}, [%out+128];\n"
                           "setp.ne.u64 %p3, %d2, %d3;\n@%p3 add.u32 %r4, %r4, 1;\n"
                           "setp.lt.u64 %p2, %d2, " + rounds + ";\n@%p2 bra LOOK;\n"
                           "st.global.u32 [%out], %r4;\n";
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    const Outcome outcome = run(Apart::kBlocks, write, read, seed);
    EXPECT_FALSE(outcome.hazard) << outcome.hazard->report();
    EXPECT_EQ(outcome.out[0], 0u) << "unequal halves, seed " << seed;
    EXPECT_EQ(outcome.out[32], kRounds);
  }
}

TEST(Ordering, AReleaseIsKnownItself) {
  // The flag is taken back by a weak write, which the acquire orders after the release.
  const std::string acquire = "LOOK:\nld.acquire.gpu.global.u32 %r6, [%out+128];\n"
                              "setp.eq.u32 %p2, %r6, 0;\n@%p2 bra LOOK;\n";
  const std::string take_back = "st.global.u32 [%out+128], %r5;\n";
  expect_silence(Apart::kBlocks, "st.release.gpu.global.u32 [%out+128], %r2;\n",
                 acquire + take_back);
  // A relaxed write after a fence is not covered by that fence.
  expect_race(Apart::kBlocks, kFence + kTell, kWait + kFence + take_back);
}

TEST(Ordering, AnExchangeThatFailsWritesNothing) {
  const std::string fails = "atom.global.cas.b32 %r4, [%out+128], %r3, %r2;\n";  // it is zero
  const std::string look = "ld.relaxed.gpu.global.u32 %r6, [%out+128];\n";
  expect_race(Apart::kBlocks, kWrite + kFence + fails, look + kFence + kRead);
  // So it does not race with a weak read either; one that succeeds does.
  const std::string weak = "ld.global.u32 %r6, [%out+128];\n";
  expect_silence(Apart::kBlocks, fails, weak);
  expect_race(Apart::kBlocks, "atom.global.cas.b32 %r4, [%out+128], %r5, %r2;\n", weak);
}

TEST(Ordering, FencesBetweenProxiesOrderNoThreads) {
  expect_silence(Apart::kBlocks, kWrite + kFence + kTell, kWait + kFence + kRead);
  expect_race(Apart::kBlocks, kWrite + "fence.proxy.alias;\n" + kTell, kWait + kFence + kRead);
}

TEST(Ordering, TheReadOnlyPathSeesNoWrites) {
  const std::string read_only = "ld.global.nc.u32 %r7, [%out];\n";
  expect_race(Apart::kBlocks, kWrite + kFence + kTell, kWait + kFence + read_only);
  expect_race(Apart::kBlocks, kWrite + read_only, "");
  expect_silence(Apart::kBlocks, "ld.global.nc.u32 %r7, [%in];\n", "");
}

TEST(Ordering, ArrivingOrdersNoNeighbours) {
  // Threads 20 and 0 of one warp; the second warp waits for both.
  const auto hazard = [](const std::string& meet) {
    return hazard_of(
        "mov.u32 %r1, buffer;\nmov.u32 %r2, 1;\nsetp.eq.u32 %p0, %tid, 20;\n"
        "setp.eq.u32 %p1, %tid, 0;\nsetp.ge.u32 %p2, %tid, 32;\n@%p2 bra OTHER;\n"
        "@%p0 st.shared.u32 [%r1], %r2;\n" + meet +
            "@%p1 ld.shared.u32 %r3, [%r1];\nbra END;\nOTHER:\nbar.sync 1, 64;\nEND:",
        kWords);
  };
  EXPECT_FALSE(hazard("bar.sync 1, 64;\n"));
  EXPECT_FALSE(hazard("bar.arrive 1, 64;\nbar.warp.sync -1;\n"));
  const auto found = hazard("bar.arrive 1, 64;\n");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->kind, HazardKind::kSharedRace) << found->report();
}

TEST(Ordering, EveryReaderOfAWarpIsRemembered) {
  // Thread 1 reads, then thread 0 does, and writes: the later read must not hide the first.
  const auto hazard = [](const std::string& between) {
    return hazard_of(
        "mov.u32 %r1, buffer;\nmov.u32 %r2, 1;\nsetp.eq.u32 %p0, %tid, 0;\n"
        "setp.eq.u32 %p1, %tid, 1;\n@%p0 st.shared.u32 [%r1], %r2;\nbar.sync 0;\n"
        "@%p1 ld.shared.u32 %r3, [%r1];\nmembar.cta;\n@%p0 ld.shared.u32 %r3, [%r1];\n" +
            between + "@%p0 st.shared.u32 [%r1], %tid;",
        32);
  };
  EXPECT_FALSE(hazard("bar.warp.sync -1;\n"));
  const auto found = hazard("");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->kind, HazardKind::kSharedRace) << found->report();
}

TEST(Ordering, BarriersOfAllThreadsMayBeWrittenInTwoWays) {
  expect_silence(Apart::kWarps, "bar.sync 1;\n", "bar.sync 1;\n");
  const auto hazard = [](const std::string& second) {
    return hazard_of("setp.ge.u32 %p0, %tid, 32;\n@%p0 bra OTHER;\nbar.sync 0;\nbra END;\n"
                     "OTHER:\n" + second + "END:",
                     kWords);
  };
  EXPECT_FALSE(hazard("bar.sync 0, 64;\n"));
  const auto found = hazard("bar.sync 0, 96;\n");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->kind, HazardKind::kBarrierDivergence);
}

TEST(Hang, ComputingForLongIsNone) {
  const std::string long_loop = "mov.u32 %r4, 0;\nROUND:\nadd.u32 %r4, %r4, 1;\n"
                                "xor.b32 %r6, %r4, %r3;\nsetp.lt.u32 %p2, %r4, 400000;\n"
                                "@%p2 bra ROUND;\n" + kTell;
  // One computes, the other waits for the result.
  expect_silence(Apart::kBlocks, long_loop, kWait);
  const auto found = run(Apart::kBlocks, "", kWait, 1).hazard;
  ASSERT_TRUE(found);
  EXPECT_EQ(found->kind, HazardKind::kHang) << found->report();
}

}  // namespace
}  // namespace virtual_gpu::testing

// What is wrong with a kernel is found, with its kind and the place it happened at; what is right
// stays silent.
#include <gtest/gtest.h>

#include <functional>
#include <optional>

#include "tests/harness.h"
#include "tests/kernels.h"

namespace virtual_gpu::testing {
namespace {

constexpr std::uint32_t kThreads = 64;
const char* const kShared = ".shared .align 16 .b8 buffer[1024];";

/// The hazard of a kernel whose `in` has 64 defined and `out` 64 undefined words.
std::optional<Hazard> hazard_of(const std::string& body, const std::string& variables = "",
                                std::uint64_t seed = 1, std::uint32_t threads = kThreads) {
  Device device(seed);
  const std::uint64_t in = device.upload(std::vector<std::uint32_t>(kThreads, 7));
  const std::uint64_t out = device.allocate<std::uint32_t>(kThreads);
  try {
    device.launch(kernel_of(body, variables), "k", {.block = {threads, 1, 1}}, in, out);
  } catch (const DeviceFault& fault) {
    return fault.hazard();
  }
  return std::nullopt;
}

void expect_hazard(HazardKind kind, const std::string& body, unsigned line,
                   const std::string& variables = "") {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const auto found = hazard_of(body, variables, seed);
    ASSERT_TRUE(found) << "seed " << seed << ": " << body;
    EXPECT_EQ(found->kind, kind) << found->report();
    EXPECT_EQ(found->line, kBodyLine + line) << found->report();
    EXPECT_EQ(found->kernel, "k");
  }
}

void expect_silence(const std::string& body, const std::string& variables = "") {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const auto found = hazard_of(body, variables, seed);
    EXPECT_FALSE(found) << found->report();
  }
}

/// %d0: the address of the thread's word in `in`, %d1: in `out`; %r1: in the shared buffer.
const std::string kPlaces =
    "mul.wide.u32 %at, %tid, 4;\nadd.u64 %d0, %in, %at;\nadd.u64 %d1, %out, %at;\n";
const std::string kSharedPlaces =
    "mov.u32 %r1, buffer;\nshl.b32 %r2, %tid, 2;\nadd.u32 %r1, %r1, %r2;\nmov.u32 %r3, buffer;\n";

TEST(Hazard, OutOfBounds) {
  expect_hazard(HazardKind::kOutOfBounds, kPlaces + "ld.global.u32 %r0, [%d0+4];", 3);
  expect_hazard(HazardKind::kOutOfBounds, kPlaces + "st.global.u32 [%d0+-4], %tid;", 3);
  expect_hazard(HazardKind::kOutOfBounds, "mov.u64 %d0, 0;\nld.global.u32 %r0, [%d0];", 1);
  expect_hazard(HazardKind::kOutOfBounds, kSharedPlaces + "ld.shared.u32 %r0, [%r1+1024];", 4,
                kShared);
  expect_hazard(HazardKind::kOutOfBounds, "mov.u32 %r1, 0;\nst.shared.u32 [%r1], %tid;", 1,
                kShared);
  const auto found = hazard_of(kPlaces + "ld.global.u32 %r0, [%d0+4];");
  EXPECT_EQ(found->thread[0], kThreads - 1) << "the last thread's word is the one that is too far";
  EXPECT_NE(found->what.find("256 bytes after the beginning of a test's array"), std::string::npos)
      << found->what;
}

TEST(Hazard, UseAfterFree) {
  Device device;
  const std::uint64_t in = device.upload(std::vector<std::uint32_t>(kThreads, 7));
  const std::uint64_t out = device.allocate<std::uint32_t>(kThreads);
  device.memory().free(in);
  try {
    device.launch(kernel_of("ld.global.u32 %r0, [%in];"), "k", {}, in, out);
    FAIL();
  } catch (const DeviceFault& fault) {
    EXPECT_EQ(fault.hazard().kind, HazardKind::kUseAfterFree);
    EXPECT_EQ(fault.hazard().address, in);
  }
}

TEST(Hazard, Misaligned) {
  expect_hazard(HazardKind::kMisaligned, "ld.global.u32 %r0, [%in+2];", 0);
  expect_hazard(HazardKind::kMisaligned, "ld.global.v2.u32 {%r0, %r1}, [%in+4];", 0);
  expect_hazard(HazardKind::kMisaligned, "ld.shared.u64 %d0, [buffer+4];", 0, kShared);
}

TEST(Hazard, UndefinedValuesInUse) {
  expect_hazard(HazardKind::kUndefined, "ld.global.u32 %r0, [%d5];", 0);
  expect_hazard(HazardKind::kUndefined, "setp.eq.u32 %p0, %r5, 0;\n@%p0 bra END;\nEND:", 1);
  expect_hazard(HazardKind::kUndefined, kPlaces + "@%p3 st.global.u32 [%d1], %tid;", 3);
  expect_hazard(HazardKind::kUndefined,
                kPlaces + "ld.global.u32 %r0, [%d1];\nand.b32 %r0, %r0, 1;\n"
                          "setp.eq.u32 %p0, %r0, 0;\n@%p0 bra END;\nEND:", 6);
  expect_hazard(HazardKind::kUndefined, "bar.red.popc.u32 %r0, 0, %p4;", 0);
  expect_hazard(HazardKind::kUndefined,
                kSharedPlaces + "ld.shared.u32 %r0, [%r1];\ncvt.u64.u32 %d3, %r0;\n"
                                "add.u64 %d3, %d3, %in;\nld.global.u32 %r4, [%d3];", 7, kShared);
  const auto found = hazard_of("add.u32 %r0, %r5, 1;\nsetp.eq.u32 %p0, %r0, 0;\n"
                               "@%p0 bra END;\nEND:");
  EXPECT_NE(found->what.find("%r5"), std::string::npos) << found->what;
}

TEST(Hazard, UndefinedValuesThatNobodyUses) {
  // Copying, shuffling, selecting and combining are silent.
  expect_silence(kPlaces + "mov.u32 %r0, %r5;\nadd.u32 %r0, %r0, 1;\n"
                           "shfl.sync.bfly.b32 %r0, %r0, 1, 31, -1;\n"
                           "setp.lt.u32 %p0, %tid, 3;\nselp.b32 %r0, %r0, %tid, %p0;\n"
                           "st.global.u32 [%d1], %r0;\nld.global.u32 %r7, [%d1];");
  // An undefined predicate that guards a move makes its result undefined, no more.
  expect_silence("@%p3 mov.u32 %r0, 1;");
  // The bits that are looked at are defined.
  expect_silence("mov.b32 %r0, {%h1, %h2};\nmov.u16 %h3, 5;\nmov.b32 %r0, {%h3, %h2};\n"
                 "and.b32 %r0, %r0, 0xFFFF;\nsetp.eq.u32 %p0, %r0, 5;\n@%p0 bra END;\nEND:");
}

TEST(Hazard, SharedMemoryRaces) {
  const std::string write = "st.shared.u32 [%r1], %tid;\n";
  const std::string other = "xor.b32 %r4, %r2, 0x80;\nadd.u32 %r4, %r3, %r4;\n";
  const std::string neighbour = "xor.b32 %r4, %r2, 4;\nadd.u32 %r4, %r3, %r4;\n";
  const std::string read = "ld.shared.u32 %r0, [%r4];\n";
  // Either side may come first, so either line may be the one that is told.
  const auto races = [&](const std::string& body) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      const auto found = hazard_of(body, kShared, seed);
      ASSERT_TRUE(found) << body;
      EXPECT_EQ(found->kind, HazardKind::kSharedRace) << found->report();
    }
  };
  races(kSharedPlaces + write + other + read);
  races(kSharedPlaces + write + neighbour + read);
  races(kSharedPlaces + write + other + "bar.sync 0;\n" + read + write);
  races(kSharedPlaces + "st.shared.u32 [%r3], %tid;\n");
  expect_silence(kSharedPlaces + write + "bar.sync 0;\n" + other + read, kShared);
  expect_silence(kSharedPlaces + write + "bar.warp.sync -1;\n" + neighbour + read, kShared);
  races(kSharedPlaces + write + "bar.warp.sync -1;\n" + other + read);
  expect_silence(kSharedPlaces + write + other + "bar.sync 0;\n" + read + "bar.sync 0;\n" + write,
                 kShared);
  // Threads that write the same do not disturb each other.
  expect_silence(kSharedPlaces + "st.shared.u32 [%r3], 5;", kShared);
  // Halves of a word belong to different threads.
  expect_silence("mov.u32 %r1, buffer;\nshl.b32 %r2, %tid, 1;\nadd.u32 %r1, %r1, %r2;\n"
                 "mov.u16 %h0, 1;\nst.shared.u16 [%r1], %h0;", kShared);
  expect_silence(kSharedPlaces + "mov.u32 %r5, 0;\nsetp.eq.u32 %p0, %tid, 0;\n"
                                 "@%p0 st.shared.u32 [%r3], %r5;\nbar.sync 0;\n"
                                 "red.shared.add.u32 [%r3], 1;", kShared);
}

TEST(Hazard, BarrierDivergence) {
  expect_hazard(HazardKind::kBarrierDivergence,
                "setp.lt.u32 %p0, %tid, 16;\n@%p0 bra LOW;\nbar.sync 0;\nbra END;\n"
                "LOW:\nbar.sync 1;\nEND:", 5);
  expect_silence("setp.lt.u32 %p0, %tid, 32;\n@%p0 bra END;\nbar.sync 0;\nEND:");
  const auto found = hazard_of("setp.lt.u32 %p0, %tid, 32;\n@%p0 bar.sync 1;\n@!%p0 bar.sync 2;");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->kind, HazardKind::kBarrierDivergence);
  EXPECT_NE(found->what.find("barrier 2, where 32 threads of 64 are"), std::string::npos)
      << found->what;
}

TEST(Hazard, Hangs) {
  const auto found = hazard_of("WAIT:\nld.volatile.global.u32 %r0, [%in];\n"
                               "setp.eq.u32 %p0, %r0, 7;\n@%p0 bra WAIT;");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->kind, HazardKind::kHang);
  EXPECT_GE(found->line, kBodyLine + 1);
  EXPECT_LE(found->line, kBodyLine + 3);
  EXPECT_NE(found->what.find("32 threads from 32 on, at line"), std::string::npos) << found->what;
}

const std::string kCopy =
    kPlaces + kSharedPlaces + "cp.async.ca.shared.global [%r1], [%d0], 4;\n";

TEST(Hazard, MissingWaits) {
  const std::string variables = kShared;
  expect_hazard(HazardKind::kMissingWait, kCopy + "ld.shared.u32 %r0, [%r1];", 8, variables);
  expect_hazard(HazardKind::kMissingWait,
                kCopy + "cp.async.commit_group;\nld.shared.u32 %r0, [%r1];", 9, variables);
  expect_hazard(HazardKind::kMissingWait,
                kCopy + "cp.async.commit_group;\ncp.async.wait_group 1;\n"
                        "ld.shared.u32 %r0, [%r1];", 10, variables);
  expect_silence(kCopy + "cp.async.commit_group;\ncp.async.wait_group 0;\n"
                         "ld.shared.u32 %r0, [%r1];", variables);
  expect_silence(kCopy + "cp.async.wait_all;\nld.shared.u32 %r0, [%r1];", variables);
  // Waiting is for one's own copies: others' need a barrier.
  const std::string others = "xor.b32 %r4, %r2, 4;\nadd.u32 %r4, %r3, %r4;\n"
                             "ld.shared.u32 %r0, [%r4];";
  expect_hazard(HazardKind::kSharedRace, kCopy + "cp.async.wait_all;\n" + others, 11, variables);
  expect_silence(kCopy + "cp.async.wait_all;\nbar.sync 0;\n" + others, variables);
}

TEST(Hazard, SourcesOfCopiesMustNotChange) {
  expect_hazard(HazardKind::kMissingWait,
                kCopy + "st.global.u32 [%d0], %tid;\ncp.async.wait_all;", 7, kShared);
}

TEST(AsyncCopy, FillsWithZerosAndKeepsGroupsApart) {
  Device device;
  const std::uint64_t in = device.upload(std::vector<std::uint32_t>(kThreads, 7));
  const std::uint64_t out = device.allocate<std::uint32_t>(kThreads);
  device.launch(kernel_of(kPlaces + kSharedPlaces + R"(
    and.b32 %r5, %tid, 1;
    shl.b32 %r5, %r5, 2;
    cp.async.ca.shared.global [%r1], [%d0], 4, %r5;
    cp.async.commit_group;
    cp.async.ca.shared.global [%r1+256], [%d0], 4;
    cp.async.commit_group;
    cp.async.wait_group 1;
    ld.shared.u32 %r6, [%r1];
    st.global.u32 [%d1], %r6;
    cp.async.wait_all;)",
                          kShared),
                "k", {.block = {kThreads, 1, 1}}, in, out);
  const auto found = device.download<std::uint32_t>(out, kThreads);
  for (std::uint32_t i = 0; i < kThreads; ++i) EXPECT_EQ(found[i], i % 2 == 1 ? 7u : 0u);
}

TEST(Hazard, StoresToConstantMemory) {
  expect_hazard(HazardKind::kReadOnly, "mov.u64 %d0, table;\nst.global.u32 [%d0], %tid;", 1,
                ".const .u32 table[64];");
}

TEST(Hazard, MemberMasks) {
  expect_hazard(HazardKind::kInvalidInstruction, "shfl.sync.bfly.b32 %r0, %tid, 1, 31, 0xFF;", 0);
  const auto found =
      hazard_of("setp.eq.u32 %p0, %tid, 0;\n@%p0 bra SPIN;\n"
                "shfl.sync.bfly.b32 %r0, %tid, 1, 31, -1;\nbra END;\nSPIN:\nbra SPIN;\nEND:");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->kind, HazardKind::kHang);
  EXPECT_EQ(found->line, kBodyLine + 2) << "where the others wait for the one that spins";
}

}  // namespace
}  // namespace virtual_gpu::testing

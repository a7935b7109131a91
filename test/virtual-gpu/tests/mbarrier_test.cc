// mbarriers: phases, what they order, and copies that report to them.
#include <gtest/gtest.h>

#include "tests/harness.h"
#include "tests/kernels.h"

namespace virtual_gpu::testing {
namespace {

constexpr std::uint32_t kThreads = 64;
const char* const kVariables =
    ".shared .align 8 .b64 barrier;\n.shared .align 16 .b8 buffer[512];";

/// Thread 0 initializes the barrier for `count` arrivals; %r1 is the thread's place in the buffer,
/// %r4 that of the thread 32 away, %d0 and %d1 its words in `in` and `out`.
std::string prologue(std::uint32_t count) {
  return "setp.eq.u32 %p0, %tid, 0;\n@!%p0 bra READY;\n"
         "mbarrier.init.shared.b64 [barrier], " + std::to_string(count) + ";\nREADY:\nbar.sync 0;\n"
         "mov.u32 %r3, buffer;\nshl.b32 %r2, %tid, 2;\nadd.u32 %r1, %r3, %r2;\n"
         "xor.b32 %r4, %r2, 128;\nadd.u32 %r4, %r3, %r4;\nmul.wide.u32 %at, %tid, 4;\n"
         "add.u64 %d0, %in, %at;\nadd.u64 %d1, %out, %at;\n";
}

const std::string kWait =
    "WAIT:\nmbarrier.test_wait.shared.b64 %p1, [barrier], %d2;\n@!%p1 bra WAIT;\n";
const std::string kWaitByParity =
    "WAIT:\nmbarrier.try_wait.parity.shared.b64 %p1, [barrier], 0;\n@!%p1 bra WAIT;\n";
const std::string kExchange =
    "ld.shared.u32 %r0, [%r4];\nst.global.u32 [%d1], %r0;\n";

std::vector<std::uint32_t> run(const std::string& body, std::uint64_t seed) {
  Device device(seed);
  std::vector<std::uint32_t> input(kThreads);
  for (std::uint32_t i = 0; i < kThreads; ++i) input[i] = 100 + i;
  const std::uint64_t in = device.upload(input);
  const std::uint64_t out = device.upload(std::vector<std::uint32_t>(kThreads, 0));
  device.launch(kernel_of(body, kVariables), "k", {.block = {kThreads, 1, 1}}, in, out);
  return device.download<std::uint32_t>(out, kThreads);
}

void expect_exchange(const std::string& body, std::uint32_t base) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const auto found = run(body, seed);
    for (std::uint32_t i = 0; i < kThreads; ++i) EXPECT_EQ(found[i], base + (i ^ 32));
  }
}

void expect_hazard(const std::string& body, HazardKind kind) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    try {
      run(body, seed);
      ADD_FAILURE() << body;
    } catch (const DeviceFault& fault) {
      EXPECT_EQ(fault.hazard().kind, kind) << fault.what();
    }
  }
}

TEST(Mbarrier, OrdersWhatCameBeforeTheArrivals) {
  const std::string write = "st.shared.u32 [%r1], %tid;\n";
  const std::string arrive = "mbarrier.arrive.shared.b64 %d2, [barrier];\n";
  expect_exchange(prologue(kThreads) + write + arrive + kWait + kExchange, 0);
  expect_exchange(prologue(kThreads) + write + "mbarrier.arrive.shared.b64 _, [barrier];\n" +
                      kWaitByParity + kExchange, 0);
  expect_hazard(prologue(kThreads) + write + arrive + kExchange, HazardKind::kSharedRace);
}

TEST(Mbarrier, CountsAsyncCopies) {
  const std::string copy = "cp.async.ca.shared.global [%r1], [%d0], 4;\n";
  const std::string report = "cp.async.mbarrier.arrive.noinc.shared.b64 [barrier];\n";
  expect_exchange(prologue(kThreads) + copy + report + kWaitByParity + kExchange, 100);
  // Without .noinc the copy's arrival comes on top of the thread's own.
  expect_exchange(prologue(kThreads) + copy + "cp.async.mbarrier.arrive.shared.b64 [barrier];\n"
                      "mbarrier.arrive.shared.b64 %d2, [barrier];\n" + kWait + kExchange, 100);
  // Whoever does not wait finds the copy on its way.
  expect_hazard(prologue(kThreads) + copy + report + "ld.shared.u32 %r0, [%r1];\n",
                HazardKind::kMissingWait);
}

TEST(Mbarrier, CountsOnlyWhatCameBeforeTheReport) {
  const std::string copy = "cp.async.ca.shared.global [%r1], [%d0], 4;\n";
  const std::string report = "cp.async.mbarrier.arrive.noinc.shared.b64 [barrier];\n";
  // A copy that was started later is still on its way.
  const std::string later = "cp.async.ca.shared.global [%r1+256], [%d0], 4;\n";
  const std::string begin = prologue(kThreads) + copy + report;
  expect_exchange(begin + later + kWaitByParity + kExchange, 100);
  expect_hazard(begin + later + kWaitByParity + "ld.shared.u32 %r0, [%r1+256];\n",
                HazardKind::kMissingWait);
  // So is a plain store after it ordered for nobody.
  const std::string store = "st.shared.u32 [%r1+256], %tid;\n";
  expect_hazard(begin + store + kWaitByParity + "ld.shared.u32 %r0, [%r4+256];\n",
                HazardKind::kSharedRace);
}

TEST(Mbarrier, AnEarlierPhaseStaysKnown) {
  // Warp 1 writes before it arrives at phase 0; warp 3, which knows nothing of it, completes phase
  // 1; warp 2 asks for phase 0 only then.
  const std::string body = R"(
    mov.u32 %r3, buffer; mov.u32 %r5, 7; mov.u32 %r6, 0; and.b32 %r7, %tid, 31;
    setp.eq.u32 %p0, %tid, 0;
    @%p0 mbarrier.init.shared.b64 [barrier], 3;
    @%p0 st.shared.u32 [%r3], %r6;
    @%p0 st.shared.u32 [%r3+4], %r6;
    bar.sync 0;
    setp.ne.u32 %p3, %r7, 0; @%p3 bra END;
    setp.eq.u32 %p4, %tid, 32; @%p4 bra WRITER;
    setp.eq.u32 %p5, %tid, 64; @%p5 bra READER;
    setp.eq.u32 %p6, %tid, 96; @%p6 bra STRANGER;
    mbarrier.arrive.shared.b64 %d1, [barrier];
    FIRST: mbarrier.test_wait.shared.b64 %p1, [barrier], %d1; @!%p1 bra FIRST;
    st.volatile.shared.u32 [%r3+4], %r5;
    bra END;
    WRITER:
    st.shared.u32 [%r3+8], %r5;
    mbarrier.arrive.shared.b64 %d1, [barrier];
    bra END;
    STRANGER:
    ld.volatile.shared.u32 %r8, [%r3+4]; setp.eq.u32 %p7, %r8, 0; @%p7 bra STRANGER;
    mbarrier.arrive.shared.b64 %d2, [barrier], 3;
    st.volatile.shared.u32 [%r3], %r5;
    bra END;
    READER:
    mbarrier.arrive.shared.b64 %d3, [barrier];
    SECOND: ld.volatile.shared.u32 %r8, [%r3]; setp.eq.u32 %p7, %r8, 0; @%p7 bra SECOND;
    THIRD: mbarrier.test_wait.shared.b64 %p1, [barrier], %d3; @!%p1 bra THIRD;
    ld.shared.u32 %r0, [%r3+8];
    END:)";
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Device device(seed);
    const std::uint64_t out = device.upload(std::vector<std::uint32_t>(kThreads, 0));
    EXPECT_NO_THROW(device.launch(kernel_of(body, kVariables), "k", {.block = {128, 1, 1}}, out,
                                  out));
  }
}

TEST(Mbarrier, Misuse) {
  expect_hazard("mbarrier.arrive.shared.b64 _, [barrier];", HazardKind::kInvalidInstruction);
  expect_hazard(prologue(3) + "mbarrier.arrive.shared.b64 _, [barrier], 4;",
                HazardKind::kInvalidInstruction);
  expect_hazard(prologue(kThreads + 1) + "mbarrier.arrive.shared.b64 _, [barrier];\n" +
                    kWaitByParity, HazardKind::kHang);
}

TEST(Mbarrier, PendingCount) {
  const auto found = run(prologue(1000) + R"(
    mbarrier.arrive.shared.b64 %d2, [barrier];
    mbarrier.pending_count.b64 %r0, %d2;
    st.global.u32 [%d1], %r0;)", 1);
  std::vector<bool> seen(kThreads);
  for (const std::uint32_t count : found) {
    ASSERT_GT(count, 1000 - kThreads);
    ASSERT_LE(count, 1000u);
    EXPECT_FALSE(seen[1000 - count]) << "every arrival sees another count";
    seen[1000 - count] = true;
  }
}

}  // namespace
}  // namespace virtual_gpu::testing

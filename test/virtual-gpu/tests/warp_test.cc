// Instructions of a warp, control flow, calls, and what divergence does to them.
#include <gtest/gtest.h>

#include <bit>
#include <numeric>

#include "tests/harness.h"
#include "tests/kernels.h"

namespace virtual_gpu::testing {
namespace {

/// The result %r0 of each thread after the body.
std::vector<std::uint32_t> run(const std::string& body, std::uint32_t threads = 32,
                               const std::string& variables = "", std::uint64_t seed = 1) {
  Device device(seed);
  const std::uint64_t in = device.upload(std::vector<std::uint32_t>(threads, 7));
  const std::uint64_t out = device.upload(std::vector<std::uint32_t>(threads, 0xDEAD));
  device.launch(kernel_of(body + kStoreResult, variables), "k", {.block = {threads, 1, 1}}, in,
                out);
  return device.download<std::uint32_t>(out, threads);
}

TEST(Warp, Shuffles) {
  const auto up = run("shfl.sync.up.b32 %r0|%p1, %tid, 3, 0, 0xFFFFFFFF;\n"
                      "@!%p1 add.u32 %r0, %r0, 100;");
  const auto down = run("shfl.sync.down.b32 %r0, %tid, 5, 31, -1;");
  const auto butterfly = run("shfl.sync.bfly.b32 %r0, %tid, 9, 31, -1;");
  const auto index = run("add.u32 %r1, %tid, 1;\nshfl.sync.idx.b32 %r0, %tid, %r1, 0x181F, -1;");
  for (std::uint32_t i = 0; i < 32; ++i) {
    EXPECT_EQ(up[i], i < 3 ? i + 100 : i - 3);
    EXPECT_EQ(down[i], i + 5 < 32 ? i + 5 : i);
    EXPECT_EQ(butterfly[i], i ^ 9);
    EXPECT_EQ(index[i], i / 8 * 8 + (i + 1) % 8) << "segments of eight lanes";
  }
}

TEST(Warp, Votes) {
  const std::string odd = "and.b32 %r1, %tid, 1;\nsetp.ne.u32 %p0, %r1, 0;\n";
  EXPECT_EQ(run(odd + "vote.sync.ballot.b32 %r0, %p0, -1;")[3], 0xAAAAAAAAu);
  EXPECT_EQ(run(odd + "vote.sync.any.pred %p1, %p0, -1;\nselp.b32 %r0, 1, 0, %p1;")[0], 1u);
  EXPECT_EQ(run(odd + "vote.sync.all.pred %p1, %p0, -1;\nselp.b32 %r0, 1, 0, %p1;")[0], 0u);
  EXPECT_EQ(run(odd + "vote.sync.uni.pred %p1, !%p0, -1;\nselp.b32 %r0, 1, 0, %p1;")[0], 0u);
}

TEST(Warp, MatchAndReduce) {
  const std::string third = "rem.u32 %r1, %tid, 3;\n";
  const auto match = run(third + "match.any.sync.b32 %r0, %r1, -1;");
  EXPECT_EQ(match[0], 0x49249249u);
  EXPECT_EQ(match[1], 0x92492492u);
  const auto all = run(third + "match.all.sync.b32 %r0|%p1, %r1, -1;\n"
                               "@%p1 mov.u32 %r0, 99;");
  EXPECT_EQ(all[5], 0u);
  EXPECT_EQ(run("redux.sync.add.u32 %r0, %tid, -1;")[9], 31u * 16);
  EXPECT_EQ(run("neg.s32 %r1, %tid;\nredux.sync.min.s32 %r0, %r1, -1;")[9],
            static_cast<std::uint32_t>(-31));
}

TEST(Warp, LanesWaitForTheirMembers) {
  // Two halves go different ways and meet in one shuffle of all lanes.
  const auto found = run(R"(
    setp.lt.u32 %p0, %tid, 16;
    @%p0 bra LOW;
    mul.lo.u32 %r2, %tid, 10;
    bra MEET;
  LOW:
    mov.u32 %r2, %tid;
  MEET:
    shfl.sync.bfly.b32 %r0, %r2, 16, 31, -1;)");
  for (std::uint32_t i = 0; i < 32; ++i) EXPECT_EQ(found[i], i < 16 ? (i + 16) * 10 : i - 16);
}

TEST(Warp, HalvesShuffleAmongThemselves) {
  const auto found = run(R"(
    setp.lt.u32 %p0, %tid, 16;
    selp.b32 %r1, 0xFFFF, 0xFFFF0000, %p0;
    shfl.sync.bfly.b32 %r0, %tid, 1, 31, %r1;)");
  for (std::uint32_t i = 0; i < 32; ++i) EXPECT_EQ(found[i], i ^ 1);
}

TEST(Warp, BarriersOfAWarpMayBeAtDifferentPlaces) {
  const std::string variables = ".shared .align 4 .b8 buffer[128];";
  const auto found = run(R"(
    mov.u32 %r1, buffer;
    shl.b32 %r2, %tid, 2;
    add.u32 %r3, %r1, %r2;
    st.shared.u32 [%r3], %tid;
    xor.b32 %r4, %r2, 64;
    add.u32 %r5, %r1, %r4;
    setp.lt.u32 %p0, %tid, 16;
    @%p0 bra LOW;
    bar.warp.sync -1;
    ld.shared.u32 %r0, [%r5];
    add.u32 %r0, %r0, 100;
    bra END;
  LOW:
    bar.warp.sync -1;
    ld.shared.u32 %r0, [%r5];
  END:)",
                         32, variables);
  for (std::uint32_t i = 0; i < 32; ++i) EXPECT_EQ(found[i], i < 16 ? i + 16 : i - 16 + 100);
}

TEST(Block, ThreadsMayLeaveBeforeABarrierOfAll) {
  const auto found = run(R"(
    mov.u32 %r0, 1;
    setp.lt.u32 %p0, %tid, 16;
    @%p0 bra WAIT;
    bra END;
  WAIT:
    barrier.sync 0;
    mov.u32 %r0, 2;
  END:)", 32);
  for (std::uint32_t i = 0; i < 32; ++i) EXPECT_EQ(found[i], i < 16 ? 2u : 1u);
}

TEST(Warp, LoopsOfDifferentLength) {
  const auto found = run(R"(
    mov.u32 %r0, 0;
    mov.u32 %r1, 0;
  AGAIN:
    add.u32 %r0, %r0, %r1;
    add.u32 %r1, %r1, 1;
    setp.le.u32 %p0, %r1, %tid;
    @%p0 bra AGAIN;)");
  for (std::uint32_t i = 0; i < 32; ++i) EXPECT_EQ(found[i], i * (i + 1) / 2);
}

TEST(Warp, LanesOfAWarpMayWaitForEachOther) {
  // Each lane takes a lock in turn: forward progress of diverged lanes.
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    Device device(seed);
    const std::uint64_t lock = device.upload(std::vector<std::uint32_t>{0});
    const std::uint64_t out = device.upload(std::vector<std::uint32_t>{0});
    device.launch(kernel_of(R"(
    TRY:
      atom.global.cas.b32 %r1, [%in], 0, 1;
      setp.ne.u32 %p0, %r1, 0;
      @%p0 bra TRY;
      ld.volatile.global.u32 %r2, [%out];
      add.u32 %r2, %r2, 1;
      st.volatile.global.u32 [%out], %r2;
      membar.gl;
      atom.global.exch.b32 %r3, [%in], 0;)"),
                  "k", {.block = {64, 1, 1}}, lock, out);
    EXPECT_EQ(device.download<std::uint32_t>(out, 1)[0], 64u);
  }
}

TEST(Warp, BranchTables) {
  const auto found = run(R"(
    rem.u32 %r1, %tid, 3;
    TABLE: .branchtargets ZERO, ONE, TWO;
    brx.idx %r1, TABLE;
  ZERO:
    mov.u32 %r0, 10;
    bra END;
  ONE:
    mov.u32 %r0, 11;
    bra END;
  TWO:
    mov.u32 %r0, 12;
  END:)");
  for (std::uint32_t i = 0; i < 32; ++i) EXPECT_EQ(found[i], 10 + i % 3);
}

TEST(Warp, Calls) {
  const std::string functions = R"(
    .func (.param .b32 result) square(.param .b32 x) {
      .reg .b32 %a;
      ld.param.b32 %a, [x];
      mul.lo.u32 %a, %a, %a;
      st.param.b32 [result], %a;
      ret;
    }
    .func (.param .b32 result) factorial(.param .b32 x) {
      .reg .b32 %a, %b;
      .reg .pred %p;
      ld.param.b32 %a, [x];
      setp.gt.u32 %p, %a, 1;
      @%p bra MORE;
      st.param.b32 [result], 1;
      ret;
    MORE:
      sub.u32 %b, %a, 1;
      { .param .b32 to; .param .b32 from;
        st.param.b32 [to], %b;
        call.uni (from), factorial, (to);
        ld.param.b32 %b, [from]; }
      mul.lo.u32 %b, %b, %a;
      st.param.b32 [result], %b;
      ret;
    })";
  const std::string call = R"(
    { .param .b32 to; .param .b32 from;
      st.param.b32 [to], %r1;
      call.uni (from), NAME, (to);
      ld.param.b32 %r0, [from]; })";
  const auto with = [&](const std::string& name) {
    std::string text = call;
    return text.replace(text.find("NAME"), 4, name);
  };
  const auto squares = run("mov.u32 %r1, %tid;" + with("square"), 32, functions);
  const auto factorials = run("rem.u32 %r1, %tid, 8;" + with("factorial"), 32, functions);
  constexpr std::uint32_t kFactorials[] = {1, 1, 2, 6, 24, 120, 720, 5040};
  for (std::uint32_t i = 0; i < 32; ++i) {
    EXPECT_EQ(squares[i], i * i);
    EXPECT_EQ(factorials[i], kFactorials[i % 8]);
  }
}

TEST(Warp, FunctionsThatAreOnlyDeclared) {
  const std::string functions =
      ".extern .func (.param .b32 r) vprintf(.param .b64 a, .param .b64 b);\n"
      ".extern .func frobnicate(.param .b64 a);";
  const std::string call = R"(
    { .param .b64 a; .param .b64 b; .param .b32 r;
      st.param.b64 [a], 0;
      st.param.b64 [b], 0;
      call.uni (r), vprintf, (a, b);
      ld.param.b32 %r0, [r]; })";
  EXPECT_EQ(run("mov.u32 %r0, 7;" + call, 32, functions)[0], 0u);
  EXPECT_THROW(run("{ .param .b64 a;\nst.param.b64 [a], 0;\ncall.uni frobnicate, (a); }", 32,
                   functions),
               DeviceFault);
}

TEST(Warp, LabelsBelongToTheirBlock) {
  const std::string skip = R"({
    setp.lt.u32 %p0, %tid, 16;
    @%p0 bra DONE;
    add.u32 %r0, %r0, 1;
  DONE:
  })";
  const auto found = run("mov.u32 %r0, WARP_SZ;\n" + skip + "\n" + skip);
  for (std::uint32_t i = 0; i < 32; ++i) EXPECT_EQ(found[i], i < 16 ? 32u : 34u);
}

TEST(Warp, LocalMemoryAndGenericAddresses) {
  const auto found = run(R"(
    .local .align 4 .b8 depot[128];
    .reg .b64 %sp;
    mov.u64 %sp, depot;
    cvta.local.u64 %d0, %sp;
    mul.wide.u32 %d1, %tid, 4;
    add.u64 %d2, %d0, %d1;
    st.u32 [%d2], %tid;
    add.u64 %d3, %sp, %d1;
    ld.local.u32 %r0, [%d3];)");
  for (std::uint32_t i = 0; i < 32; ++i) EXPECT_EQ(found[i], i);
}

TEST(Warp, VariablesAndVectors) {
  const std::string variables =
      ".const .align 8 .u32 table[4] = {5, 6, 7, 8};\n.global .align 4 .u32 base = 40;\n"
      ".global .u64 pointer = generic(base);";
  const auto found = run(R"(
    mov.u64 %d0, table;
    ld.const.v2.u32 {%r1, %r2}, [%d0+8];
    ld.global.u32 %r3, [base];
    ld.global.u64 %d1, [pointer];
    ld.u32 %r4, [%d1];
    add.u32 %r0, %r1, %r2;
    add.u32 %r0, %r0, %r3;
    add.u32 %r0, %r0, %r4;)",
                         32, variables);
  EXPECT_EQ(found[0], 7u + 8 + 40 + 40);
}

TEST(Block, BarriersOrderSharedMemory) {
  const std::string variables = ".shared .align 4 .b8 buffer[1024];";
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const auto found = run(R"(
      mov.u32 %r1, buffer;
      shl.b32 %r2, %tid, 2;
      add.u32 %r3, %r1, %r2;
      st.shared.u32 [%r3], %tid;
      bar.sync 0;
      xor.b32 %r4, %r2, 0x3FC;
      add.u32 %r5, %r1, %r4;
      ld.shared.u32 %r0, [%r5];)",
                           256, variables, seed);
    for (std::uint32_t i = 0; i < 256; ++i) EXPECT_EQ(found[i], 255 - i);
  }
}

TEST(Block, BarrierReductions) {
  const auto count = run("setp.lt.u32 %p0, %tid, 70;\nbar.red.popc.u32 %r0, 0, %p0;", 128);
  const auto all = run("setp.lt.u32 %p0, %tid, 70;\nbar.red.and.pred %p1, 0, %p0;\n"
                       "selp.b32 %r0, 1, 0, %p1;", 128);
  const auto any = run("setp.lt.u32 %p0, %tid, 70;\nbar.red.or.pred %p1, 0, %p0;\n"
                       "selp.b32 %r0, 1, 0, %p1;", 128);
  EXPECT_EQ(count, std::vector<std::uint32_t>(128, 70));
  EXPECT_EQ(all, std::vector<std::uint32_t>(128, 0));
  EXPECT_EQ(any, std::vector<std::uint32_t>(128, 1));
}

TEST(Block, ProducersArriveAndConsumersWait) {
  const std::string variables = ".shared .align 4 .b8 buffer[256];";
  const auto found = run(R"(
    mov.u32 %r1, buffer;
    and.b32 %r2, %tid, 31;
    shl.b32 %r3, %r2, 2;
    add.u32 %r3, %r1, %r3;
    mov.u32 %r0, 1;
    setp.ge.u32 %p0, %tid, 32;
    @%p0 bra CONSUMER;
    st.shared.u32 [%r3], %tid;
    bar.arrive 3, 64;
    bra END;
  CONSUMER:
    bar.sync 3, 64;
    ld.shared.u32 %r0, [%r3];
  END:)",
                         64, variables);
  for (std::uint32_t i = 32; i < 64; ++i) EXPECT_EQ(found[i], i - 32);
}

TEST(Grid, BlocksMayWaitForEachOther) {
  // A barrier of the whole grid: every block counts itself in and waits for all.
  Device device;
  const std::uint64_t counter = device.upload(std::vector<std::uint32_t>{0});
  const std::uint64_t out = device.upload(std::vector<std::uint32_t>(16, 0));
  device.launch(kernel_of(R"(
    mov.u32 %r5, %ctaid.x;
    red.global.add.u32 [%in], 1;
  WAIT:
    ld.acquire.gpu.global.u32 %r1, [%in];
    setp.lt.u32 %p0, %r1, 16;
    @%p0 bra WAIT;
    mul.wide.u32 %at, %r5, 4;
    add.u64 %at, %out, %at;
    st.global.u32 [%at], %r1;)"),
                "k", {.grid = {16, 1, 1}, .block = {1, 1, 1}}, counter, out);
  EXPECT_EQ(device.download<std::uint32_t>(out, 16), std::vector<std::uint32_t>(16, 16));
}

TEST(Grid, AtomicsOfManyBlocks) {
  Device device;
  const std::uint64_t in = device.upload(std::vector<std::uint32_t>{0});
  const std::uint64_t out = device.upload(std::vector<float>{0, 0});
  device.launch(kernel_of(R"(
    red.global.add.u32 [%in], 1;
    atom.global.add.f32 %f0, [%out], 0f3F800000;
    atom.global.max.u32 %r1, [%out+4], %tid;)"),
                "k", {.grid = {50, 2, 1}, .block = {96, 1, 1}}, in, out);
  EXPECT_EQ(device.download<std::uint32_t>(in, 1)[0], 9600u);
  EXPECT_EQ(device.download<float>(out, 1)[0], 9600.0f);
  EXPECT_EQ(device.download<std::uint32_t>(out, 2)[1], 95u);
}

TEST(Load, UnknownInstructionsFailWithTheirLine) {
  const auto line_of = [](const std::string& body) -> std::uint32_t {
    try {
      run(body);
    } catch (const ptx::ParseError& error) {
      return error.line();
    }
    return 0;
  };
  EXPECT_EQ(line_of("\n\nfrobnicate.u32 %r0, %r1;"), kBodyLine + 2);
  EXPECT_EQ(line_of("add.u32.frob %r0, %r1, %r2;"), kBodyLine);
  EXPECT_EQ(line_of("add.u32 %r0, %unknown, %r2;"), kBodyLine);
  EXPECT_EQ(line_of("add.u32 %r0, %d1, %r2;"), kBodyLine);
}

}  // namespace
}  // namespace virtual_gpu::testing

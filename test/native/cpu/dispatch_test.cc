// Which kernels are chosen, and by whose wish. Also prints what this run exercises, which is how a
// run under an emulated processor shows that detection worked.
#include "cpu/dispatch.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace fusebert::cpu {
namespace {

class PrintKernels : public ::testing::Environment {
 public:
  void SetUp() override {
    std::printf("kernels:");
    for (const Kernels* table : available_kernels()) std::printf(" %s", table->isa);
    std::printf("\n");
  }
};

const auto* const kPrintKernels = ::testing::AddGlobalTestEnvironment(new PrintKernels);

TEST(Dispatch, ScalarIsAlwaysThereAndLast) {
  ASSERT_FALSE(available_kernels().empty());
  EXPECT_STREQ(available_kernels().back()->isa, "scalar");
}

TEST(Dispatch, WithoutAWishTheBestIsChosen) {
  for (const char* wish : {static_cast<const char*>(nullptr), ""}) {
    const auto chosen = select_kernels(wish);
    ASSERT_TRUE(chosen.ok());
    EXPECT_EQ(chosen.value(), available_kernels().front());
  }
}

TEST(Dispatch, EveryAvailableTableCanBeForced) {
  for (const Kernels* table : available_kernels()) {
    const auto chosen = select_kernels(table->isa);
    ASSERT_TRUE(chosen.ok());
    EXPECT_EQ(chosen.value(), table);
  }
}

TEST(Dispatch, AnUnknownWishFailsAndListsWhatWouldRun) {
  const auto chosen = select_kernels("sse9");
  ASSERT_FALSE(chosen.ok());
  EXPECT_EQ(chosen.status().code(), StatusCode::kDeviceUnavailable);
  for (const Kernels* table : available_kernels()) {
    EXPECT_NE(chosen.status().message().find(table->isa), std::string::npos);
  }
}

TEST(Dispatch, AWishSucceedsExactlyWhenItsTableIsAvailable) {
  for (const std::string wish : {"avx512", "avx2", "scalar"}) {
    bool available = false;
    for (const Kernels* table : available_kernels()) available |= wish == table->isa;
    EXPECT_EQ(select_kernels(wish.c_str()).ok(), available) << wish;
  }
}

TEST(Dispatch, TheWishComesFromTheEnvironment) {
  const char* before = std::getenv(kIsaVariable);
  const std::string saved = before == nullptr ? "" : before;
  setenv(kIsaVariable, "scalar", 1);
  const auto chosen = select_kernels();
  setenv(kIsaVariable, "nonsense", 1);
  const auto refused = select_kernels();
  setenv(kIsaVariable, saved.c_str(), 1);
  ASSERT_TRUE(chosen.ok());
  EXPECT_STREQ(chosen.value()->isa, "scalar");
  EXPECT_FALSE(refused.ok());
}

}  // namespace
}  // namespace fusebert::cpu

// What a model has on its device: limits, less where there is less, and giving it back.
#include <cstring>
#include <string>

#include "cuda/backend_support.h"
#include "cuda/driver/memory_budget.h"
#include "cuda/faults.h"

namespace fusebert::cuda::testing {
namespace {

using cpu::Batch;
using cpu::Random;

constexpr std::int64_t kMebibyte = 1 << 20;

std::size_t free_bytes() {
  std::size_t free = 0, total = 0;
  Device::get().context()->api().cuMemGetInfo(&free, &total);
  return free;
}

TEST(MemoryBudget, CountsWhatIsInUse) {
  const auto budget = std::make_shared<MemoryBudget>(10 * kMebibyte);
  {
    const auto share = MemoryBudget::take(budget, 8 * kMebibyte);
    ASSERT_TRUE(share.ok());
    EXPECT_EQ(budget->used(), 8 * kMebibyte);
    const auto more = MemoryBudget::take(budget, 3 * kMebibyte);
    ASSERT_FALSE(more.ok());
    EXPECT_EQ(more.status().code(), StatusCode::kOutOfMemory);
    for (const char* number : {"10 MiB", "3 MiB", "8 MiB"}) {
      EXPECT_NE(more.status().message().find(number), std::string::npos) << number;
    }
    EXPECT_TRUE(MemoryBudget::take(budget, 2 * kMebibyte).ok());
  }
  EXPECT_EQ(budget->used(), 0);
  EXPECT_TRUE(MemoryBudget::take(std::make_shared<MemoryBudget>(0), std::size_t{1} << 40).ok());
}

class MemoryTest : public ::testing::Test {
 protected:
  MemoryTest() {
    Random random(32);
    for (int i = 0; i < 3; ++i) add_sequence(batch_, random, geometry_, 5 + i);
  }

  Result<std::unique_ptr<Backend>> load_with(std::int64_t max_batch_tokens,
                                             std::int64_t max_device_bytes = 0) {
    BackendOptions options;
    options.max_batch_tokens = max_batch_tokens;
    options.max_device_bytes = max_device_bytes;
    return try_load(geometry_, *checkpoint_.table, options);
  }
  Status encode(Backend& backend, PooledRows& pooled) {
    const std::atomic<bool> cancelled{false};
    return backend.encode(batch_.packed(), pooled.output, cancelled);
  }

  // Of a token in the workspace of the tiny model: 224 numbers of two bytes.
  static constexpr std::int64_t kTokens = 65536;
  static constexpr std::int64_t kWorkspaceBytes = kTokens * 224 * 2;

  Geometry geometry_ = tiny_geometry();
  TestCheckpoint checkpoint_{geometry_, 31};
  Batch batch_;
};

TEST_F(MemoryTest, ALimitIsKept) {
  const auto refused = load_with(1, kMebibyte);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().code(), StatusCode::kOutOfMemory);
  EXPECT_NE(refused.status().message().find("max_device_bytes"), std::string::npos)
      << refused.status().message();
  const auto loaded = load_with(1, 20 * kMebibyte);  // uploading takes 16 of them
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  PooledRows pooled(batch_, geometry_);
  EXPECT_TRUE(encode(*loaded.value(), pooled).ok());
}

TEST_F(MemoryTest, ANegativeLimitIsRefused) {
  const auto refused = load_with(1, -1);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().code(), StatusCode::kInvalidArgument);
}

TEST_F(MemoryTest, ALimitHalvesTheBatchOnce) {
  // Inputs take 28 bytes a token, twice.
  const auto half = load_with(kTokens, kWorkspaceBytes * 3 / 4);
  ASSERT_TRUE(half.ok()) << half.status().message();
  EXPECT_EQ(half.value()->describe().max_batch_tokens, kTokens / 2);
  PooledRows pooled(batch_, geometry_);
  EXPECT_TRUE(encode(*half.value(), pooled).ok());
  const auto refused = load_with(4 * kTokens, kWorkspaceBytes);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().code(), StatusCode::kOutOfMemory);
}

TEST_F(MemoryTest, AFullDeviceHalvesTheBatchOnce) {
  if (!Faults::possible()) GTEST_SKIP() << "needs the virtual GPU";
  {
    const Faults fault("alloc-above=" + std::to_string(kWorkspaceBytes * 3 / 4));
    const auto half = load_with(kTokens);
    ASSERT_TRUE(half.ok()) << half.status().message();
    EXPECT_EQ(half.value()->describe().max_batch_tokens, kTokens / 2);
  }
  const Faults fault("alloc-above=" + std::to_string(kWorkspaceBytes / 3));
  const auto refused = load_with(kTokens);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().code(), StatusCode::kOutOfMemory);
  EXPECT_NE(refused.status().message().find("14 MiB of memory on"), std::string::npos)
      << refused.status().message();
}

TEST_F(MemoryTest, HalfABatchStillHoldsTheLongestSequence) {
  // Half of what does not fit would be less than a sequence may have.
  geometry_.max_position_embeddings = kTokens * 2 / 3;
  const TestCheckpoint checkpoint(geometry_, 33);
  BackendOptions options;
  options.max_batch_tokens = kTokens;
  options.max_device_bytes = kWorkspaceBytes;
  const auto loaded = try_load(geometry_, *checkpoint.table, options);
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_EQ(loaded.value()->describe().max_batch_tokens, geometry_.max_position_embeddings);
}

TEST_F(MemoryTest, TrimGivesBackWhatTheNextCallPlansAgain) {
  const auto loaded = load_with(kTokens);
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  Backend& backend = *loaded.value();
  PooledRows before(batch_, geometry_), after(batch_, geometry_);
  ASSERT_TRUE(encode(backend, before).ok());
  const std::size_t free_before = free_bytes();
  backend.trim();
  EXPECT_GE(free_bytes(), free_before + kWorkspaceBytes);
  backend.trim();  // nothing is left
  ASSERT_TRUE(encode(backend, after).ok());
  EXPECT_EQ(std::memcmp(before.rows.data(), after.rows.data(), before.rows.size() * sizeof(float)),
            0);
  EXPECT_LT(free_bytes(), free_before + kWorkspaceBytes);
}

TEST_F(MemoryTest, ATrimmedModelGoesOnAfterItFoundNoMemory) {
  if (!Faults::possible()) GTEST_SKIP() << "needs the virtual GPU";
  const auto loaded = load_with(1);
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  PooledRows pooled(batch_, geometry_);
  loaded.value()->trim();
  {
    const Faults fault("alloc=1");
    EXPECT_EQ(encode(*loaded.value(), pooled).code(), StatusCode::kOutOfMemory);
  }
  EXPECT_TRUE(encode(*loaded.value(), pooled).ok());
}

}  // namespace
}  // namespace fusebert::cuda::testing

// Every allocation and every kernel of loading and encoding fails once: the right code, an engine
// that goes on where it may, and a model that loads again in the same process.
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cuda/backend_support.h"
#include "cuda/faults.h"

namespace fusebert::cuda::testing {
namespace {

using cpu::Batch;
using cpu::Random;

class FaultsTest : public ::testing::Test {
 protected:
  static constexpr int kEncodes = 3;  // launches, launches that are recorded, a graph
  static constexpr int kMost = 200;   // of allocations or kernels of all

  void SetUp() override {
    if (!Faults::possible()) GTEST_SKIP() << "needs the virtual GPU";
    // The host's side is one for all, and this takes long.
    if (Device::get().architecture() != 80) GTEST_SKIP() << "on one virtual GPU";
    const auto backend = load(geometry_, checkpoint_);
    ASSERT_NE(backend, nullptr);
    ASSERT_TRUE(backend->encode(batch_.packed(), expected_.output, not_cancelled_).ok());
  }

  // Kernels of loading are all the same: of each few, one is enough.
  static int step(int n) { return n < 20 ? 4 : 0; }

  // A part each.
  static Batch two_sequences(const Geometry& g) {
    Random random(22);
    Batch batch;
    for (const std::int64_t length : {g.max_position_embeddings, std::int64_t{5}}) {
      add_sequence(batch, random, g, length);
    }
    return batch;
  }

  // Loads, and encodes in parts, again and again, until something fails. `backend_` is what was
  // loaded.
  Status load_and_encode() {
    backend_.reset();
    BackendOptions options;
    options.max_batch_tokens = 1;
    auto loaded = try_load(geometry_, *checkpoint_.table, options);
    if (!loaded.ok()) return loaded.status();
    backend_ = std::move(loaded.value());
    for (int i = 0; i < kEncodes; ++i) FUSEBERT_RETURN_IF_ERROR(encode());
    return Status();
  }
  Status encode() {
    PooledRows pooled(batch_, geometry_);
    const Status status = backend_->encode(batch_.packed(), pooled.output, not_cancelled_);
    if (status.ok()) {
      EXPECT_EQ(std::memcmp(pooled.rows.data(), expected_.rows.data(),
                            pooled.rows.size() * sizeof(float)),
                0);
    }
    return status;
  }
  // As load_and_encode() while the fault is set.
  Status under(const std::string& fault) {
    Device::get();  // a lost one is not replaced under the fault
    const Faults faults(fault);
    return load_and_encode();
  }

  Geometry geometry_ = tiny_geometry();
  TestCheckpoint checkpoint_{geometry_, 21};
  const Batch batch_ = two_sequences(geometry_);
  PooledRows expected_{batch_, geometry_};
  const std::atomic<bool> not_cancelled_{false};
  std::unique_ptr<Backend> backend_;
};

TEST_F(FaultsTest, AnyAllocationMayFail) {
  bool pinned = false, device = false;
  int n = 1;
  for (; n < kMost; ++n) {
    SCOPED_TRACE(n);
    const Status status = under("alloc=" + std::to_string(n));
    if (status.ok()) break;
    EXPECT_EQ(status.code(), StatusCode::kOutOfMemory) << status.message();
    EXPECT_NE(status.message().find("iB"), std::string::npos) << status.message();
    pinned = pinned || status.message().find("pinned") != std::string::npos;
    device = device || status.message().find("of memory on") != std::string::npos;
    // An engine that lacked memory for one call goes on.
    if (backend_ != nullptr) {
      EXPECT_TRUE(encode().ok());
    }
    EXPECT_FALSE(Device::get().context()->lost());
  }
  EXPECT_GT(n, 12);
  EXPECT_LT(n, kMost);
  EXPECT_TRUE(pinned);
  EXPECT_TRUE(device);
}

TEST_F(FaultsTest, AnyLaunchMayBeRefused) {
  int n = 1;
  for (; n < kMost; ++n) {
    SCOPED_TRACE(n);
    const Status status = under("launch=" + std::to_string(n));
    if (status.ok()) break;
    EXPECT_EQ(status.code(), StatusCode::kDeviceFailed) << status.message();
    if (backend_ != nullptr) {
      EXPECT_TRUE(encode().ok());
    }
    EXPECT_FALSE(Device::get().context()->lost());
    n += step(n);
  }
  EXPECT_GT(n, 50);
  EXPECT_LT(n, kMost);
}

TEST_F(FaultsTest, AnyKernelMayPoisonTheContext) {
  int n = 1;
  for (; n < kMost; ++n) {
    SCOPED_TRACE(n);
    const ContextPointer context = Device::get().context();
    const Status status = under("sticky=" + std::to_string(n));
    if (status.ok()) break;
    EXPECT_EQ(status.code(), StatusCode::kDeviceFailed) << status.message();
    EXPECT_TRUE(context->lost());
    if (backend_ != nullptr) {
      const Status again = encode();
      EXPECT_EQ(again.code(), status.code());
      EXPECT_EQ(again.message(), status.message());
    }
    // The next round loads again, and holds what it encodes before its fault to the bits.
    n += step(n);
  }
  EXPECT_GT(n, 60);
  EXPECT_LT(n, kMost);
  EXPECT_TRUE(load_and_encode().ok());
}

TEST_F(FaultsTest, ALostDeviceIsLostUntilItComesBack) {
  for (const int n : {5, 30, 60}) {
    SCOPED_TRACE(n);
    Device::get();
    {
      const Faults fault("lost=" + std::to_string(n));
      const Status status = load_and_encode();
      EXPECT_EQ(status.code(), StatusCode::kDeviceFailed) << status.message();
      if (backend_ != nullptr) {
        EXPECT_EQ(encode().message(), status.message());
      }
      const auto opened = Context::open(*Api::get().value(), 0);
      ASSERT_FALSE(opened.ok());
      EXPECT_EQ(opened.status().code(), StatusCode::kDeviceFailed) << opened.status().message();
    }
    EXPECT_TRUE(load_and_encode().ok());
  }
}

TEST_F(FaultsTest, WhoSharesALostContextHearsTheSameError) {
  const auto other = load(geometry_, checkpoint_);
  const Status status = under("sticky=35");
  ASSERT_EQ(status.code(), StatusCode::kDeviceFailed);
  PooledRows pooled(batch_, geometry_);
  const Status others = other->encode(batch_.packed(), pooled.output, not_cancelled_);
  EXPECT_EQ(others.code(), status.code());
  EXPECT_EQ(others.message(), status.message());
  EXPECT_NE(others.message().find("load the model again"), std::string::npos);
}

TEST_F(FaultsTest, LeavesOtherThreadsContextsAlone) {
  const Api& api = *Api::get().value();
  const auto backend = load(geometry_, checkpoint_);
  std::thread([&] {
    PooledRows pooled(batch_, geometry_);
    EXPECT_TRUE(backend->encode(batch_.packed(), pooled.output, not_cancelled_).ok());
    std::size_t free = 0, total = 0;
    EXPECT_EQ(api.cuMemGetInfo(&free, &total), CUDA_ERROR_INVALID_CONTEXT);  // none is current
  }).join();
}

}  // namespace
}  // namespace fusebert::cuda::testing

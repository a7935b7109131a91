// What tests of whole CPU backends share: one is loaded for each instruction set.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "cpu/cpu_backend.h"
#include "cpu/kernel_test_support.h"
#include "cpu/test_checkpoint.h"

namespace fusebert::cpu {

// Loads CPU backends with the kernels of one instruction set.
class BackendTest : public KernelTest {
 protected:
  void SetUp() override {
    const char* before = std::getenv(kIsaVariable);
    saved_ = before == nullptr ? "" : before;
    setenv(kIsaVariable, GetParam()->isa, 1);
  }
  void TearDown() override { setenv(kIsaVariable, saved_.c_str(), 1); }

  static std::unique_ptr<Backend> load(const Geometry& geometry, const TestCheckpoint& checkpoint,
                                       int threads = 2, int64_t max_batch_tokens = 0) {
    BackendOptions options;
    options.threads = threads;
    options.max_batch_tokens = max_batch_tokens;
    auto loaded = load_cpu_backend(options, geometry, *checkpoint.table);
    EXPECT_TRUE(loaded.ok()) << loaded.status().message();
    return loaded.ok() ? std::move(loaded.value()) : nullptr;
  }

 private:
  std::string saved_;
};

}  // namespace fusebert::cpu

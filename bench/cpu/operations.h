// The operations of BERT-Base's encoder at 1,024 tokens, one at a time, with the kernels, the split
// into units of work and the strides that native/cpu/encoder.cc uses.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/status.h"
#include "core/thread_pool.h"
#include "cpu/aligned_buffer.h"
#include "cpu/kernels/kernels.h"
#include "cpu/work_queue.h"

namespace fusebert::cpu {

struct Operation {
  std::string name;
  double flop;   // of a run
  double bytes;  // that a run has to read or write at least once, weights included
  std::function<void()> run;
};

// [rows, columns] with the stride of the encoder's matrices.
struct Block {
  AlignedBuffer memory;
  int64_t columns = 0;
  int64_t stride = 0;
};

// One product of every layer: in [tokens, inputs] to out [tokens, outputs].
struct Product {
  std::string name;
  int64_t inputs, outputs;
  Epilogue epilogue;
  const Block* in;
  const Block* residual;  // of kResidual
  const Block* out;
  AlignedBuffer panels;  // [layers][panel_count][inputs][gemm_panel_width]
  AlignedBuffer bias;    // [panel_count · gemm_panel_width]
};

class Operations {
 public:
  // Weights and inputs are seeded random numbers. kOutOfMemory.
  static Result<std::unique_ptr<Operations>> create(const Kernels& kernels,
                                                    std::shared_ptr<ThreadPool> pool);

  // A run does the operation once for each of the encoder's layers, with that layer's weights.
  std::vector<Operation> list();
  static int64_t layers();

 private:
  Operations(const Kernels& kernels, std::shared_ptr<ThreadPool> pool)
      : kernels_(kernels), pool_(std::move(pool)), queue_(pool_->size()) {}

  Status prepare();
  Status add_product(Product product);
  void multiply(const Product& product, Epilogue epilogue);
  void attend(int64_t sequence_length);
  void normalize();
  void embed();
  template <class Task>
  void parallel(int64_t units, const Task& task);
  template <class Task>
  void parallel_ranges(int64_t count, const Task& task);

  const Kernels& kernels_;
  const std::shared_ptr<ThreadPool> pool_;
  WorkQueue queue_;
  Block hidden_, query_key_value_, context_, projection_, intermediate_;
  std::vector<Product> products_;
  AlignedBuffer words_, positions_, types_, gamma_, beta_;
  std::vector<int32_t> input_ids_, type_ids_, position_ids_;
  AlignedBuffer scratch_;  // [threads][scratch_floats_]
  int64_t scratch_floats_ = 0;
};

}  // namespace fusebert::cpu

// The seam between what an encoder is and where it runs. It is as wide as a whole model, not an
// operation, so that a backend is free to fuse.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/packed_batch.h"
#include "core/status.h"
#include "model/geometry.h"
#include "model/pooled_layers.h"
#include "model/weights.h"

namespace fusebert {

// How the hidden states of a sequence become one vector: that of one token, or of all, of which the
// i-th, from 1 on, has the weight i in kWeightedMean; kMeanSqrtLen is their sum divided by the root
// of their number.
enum class Pooling { kNone, kMean, kCls, kMax, kMeanSqrtLen, kWeightedMean, kLastToken };

// Several of them, whose vectors lie end to end; or none, which is what kNone becomes.
struct Poolings {
  static constexpr int kMost = 6;

  std::array<Pooling, kMost> kinds{};
  int count = 0;

  Poolings() = default;
  Poolings(Pooling only) {  // NOLINT: one is a list
    if (only != Pooling::kNone) add(only);
  }
  void add(Pooling pooling) { kinds[static_cast<size_t>(count++)] = pooling; }
  Pooling operator[](int i) const { return kinds[static_cast<size_t>(i)]; }
  bool operator==(const Poolings&) const = default;
};

// The largest logits of each row of the head, so that not all of them need come back.
struct TopLogits {
  // Columns of a row are ordered by falling logits, equal ones by rising column.
  static constexpr int32_t kMost = 256;

  int32_t count = 0;             // of a row, up to kMost and the head's outputs; 0: not wanted
  int32_t* columns = nullptr;    // [rows, count]
  float* values = nullptr;       // [rows, count], the logits there
  // [rows]: log Σ exp(logit) over the whole row; exp(value - it) is the softmax.
  float* log_sum_exp = nullptr;
};

// Where results go. Null means not wanted. Pooling happens where the hidden states are, and only
// what is asked for is copied out.
struct EncodeOutput {
  Poolings pooling;
  // Tokens at the start of each sequence that pooling leaves out, but for its last; weights go on
  // counting them.
  int32_t skip_tokens = 0;
  // Divide each row of `pooled` (or of `hidden_states`, without pooling) by its L2 norm,
  // max(norm, 1e-12) as torch.nn.functional.normalize does. Not with several poolings.
  bool normalize = false;
  float* hidden_states = nullptr;  // [total_tokens, hidden_size], the last layer's
  float* pooled = nullptr;  // [batch_size, pooling.count · hidden_size], by `pooling`, not none
  float* pooler_output = nullptr;  // [batch_size, hidden_size], tanh(W·h_cls + b)

  // Of the geometry's head. Its rows are the list_head_rows() of the batch and this token.
  int32_t head_token = kEveryToken;
  float* logits = nullptr;  // [rows, head.outputs]
  TopLogits top;

  bool wants_head() const { return logits != nullptr || top.count != 0; }
};

struct BackendDescription {
  std::string device;         // "cpu"
  std::string name;           // the processor's name, or the GPU's
  std::string isa;            // "scalar", "avx2", "avx512", …
  std::string dtype;          // "fp32"
  int threads = 0;
  int64_t weight_bytes = 0;   // resident after load
  int64_t max_batch_tokens = 0;  // what a batch is best given
};

// How a batch ended.
struct BatchResult {
  Status status;
  // The sequence of the batch that alone is to blame for the failure; -1 when there is none.
  // Without it the others would have gone well, as far as is known.
  int64_t sequence = -1;
};

class Backend {
 public:
  virtual ~Backend() = default;

  virtual const BackendDescription& describe() const = 0;
  virtual const Geometry& geometry() const = 0;

  // Batches that may be submitted and not waited for yet. More than one where a device works beside
  // the caller's thread, which prepares the next batch meanwhile.
  virtual size_t max_submitted() const { return 1; }

  // Begins to run the encoder over a packed batch, or runs it. What the arguments refer to stays
  // where it is until wait() has told how the batch ended. A backend checks `cancelled` at least
  // between layers, where it can, and before it gives results out, and ends with kAborted when it
  // is set. A sequence's result does not depend, to the bit, on what else is in the batch or on the
  // number of threads. This and wait() are called from one thread at a time, and do not throw.
  virtual void submit(const PackedBatch& batch, const EncodeOutput& output,
                      const std::atomic<bool>& cancelled) = 0;

  // Waits for the end of the batch that was submitted first of those not waited for; there is one.
  virtual BatchResult wait() = 0;

  // Both, for one batch while no other is submitted.
  Status encode(const PackedBatch& batch, const EncodeOutput& output,
                const std::atomic<bool>& cancelled) {
    submit(batch, output, cancelled);
    return wait().status;
  }

  // Gives back what only batches need, until the next is submitted. Not while one is.
  virtual void trim() {}
};

// Code for a GPU, from the addon's own table (napi/cuda.h).
struct DeviceImage {
  std::string file;      // of kernels: "gemm"
  std::string kind;      // "cubin" or "ptx"
  int architecture = 0;  // that it was compiled for; 80 for compute capability 8.0
  std::string bytes;
};

// CUDA devices of one architecture that may run the model: several share its batches.
struct CudaRequest {
  std::vector<int> ordinals;
  std::string type = "fp16";        // or "bf16"
  std::vector<DeviceImage> images;  // of each file, in the order in which they are tried
  std::string images_limited_by;    // a setting that left others out; empty when none did
};

struct BackendOptions {
  std::string device = "auto";  // "auto", "cpu" or "cuda"
  std::optional<CudaRequest> cuda;  // required by "cuda"; "auto" falls back to the CPU
  std::string no_cuda_reason;       // why there is none, for `reason`
  int threads = 0;              // 0: as many as are worth it
  int64_t max_batch_tokens = 0; // 0: the backend's choice
  int64_t max_device_bytes = 0; // of a GPU's memory for the model; 0: no limit
};

// kInvalidArgument when a number is out of its range.
Status validate(const BackendOptions& options);

// What devices() says of something that models can run on.
struct DeviceInfo {
  std::string device;             // "cpu", "cuda:0", …
  std::string name;               // the processor's own, or the GPU's
  std::string isa;                // the instruction set in use; "sm_80" for compute capability 8.0
  std::vector<std::string> isas;  // of a CPU: those that would run here, best first
  int threads = 0;                // of a CPU: used unless the caller says otherwise
  int64_t memory_bytes = 0;       // of a GPU
};

// The devices of this machine: GPUs in their driver's order, and last the CPU. Starts the driver,
// which may take long, but no GPU; where it cannot be used there are none. kDeviceUnavailable when
// FUSEBERT_CPU_ISA names an instruction set that is not there.
Result<std::vector<DeviceInfo>> list_devices();

// What choosing images for a CUDA device needs to know of it.
struct CudaDevice {
  int ordinal = 0;
  std::string name;      // by its maker
  int architecture = 0;  // 80 for compute capability 8.0
};

// kDeviceUnavailable, with the reason, when this build has no CUDA, there is no driver, it is too
// old, or it has no such device. `ordinal` counts from 0. May take long: it starts the driver.
Result<CudaDevice> find_cuda_device(int ordinal);

// What a model makes of pooled vectors, on the CPU, whatever its backend is. A row's result
// depends, to the bit, on that row alone.
class PooledLayers {
 public:
  virtual ~PooledLayers() = default;
  // Whether rows of so many columns are what the first layer takes.
  virtual bool takes(int64_t columns) const = 0;
  // Columns of what the layers put out for rows of so many columns.
  virtual int64_t outputs(int64_t columns) const = 0;
  // in [rows, columns] → out [rows, outputs(columns)]; without `layers`, a copy [rows, columns].
  // With `normalize` each row is divided by its L2 norm in the end. From one thread at a time.
  virtual void run(const float* in, int64_t rows, int64_t columns, bool layers, bool normalize,
                   float* out) = 0;
};

// kConfig when a layer does not take what the one before it puts out, kTensorMissing,
// kTensorShape or kTensorValue for its tensors.
Result<std::unique_ptr<PooledLayers>> load_pooled_layers(
    const BackendOptions& options, const std::vector<PooledLayerSpec>& layers,
    const WeightTable& weights);

// A loaded backend and why it was chosen.
struct SelectedBackend {
  std::unique_ptr<Backend> backend;
  std::string reason;
};

// Chooses a backend and loads the weights into it. The table may be closed afterwards.
Result<SelectedBackend> load_backend(const BackendOptions& options, const Geometry& geometry,
                                     const WeightTable& weights);

}  // namespace fusebert

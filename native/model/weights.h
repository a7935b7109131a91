// The tensors of a checkpoint as native code sees them: a table of names, dtypes, shapes and byte
// ranges inside mapped files, each checked again here, and copied out as fp32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/mapped_file.h"
#include "core/status.h"
#include "model/geometry.h"

namespace fusebert {

enum class DType : uint8_t { kF32, kF16, kBF16 };

size_t dtype_bytes(DType dtype);

// What JavaScript says of one tensor. Nothing in it is trusted.
struct TensorEntry {
  std::string name;  // canonical: transformers' BertModel names, without "bert."
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;  // in elements
  int64_t file_index = 0;
  int64_t offset_bytes = 0;  // of element [0, 0, …] inside the file
};

struct FileEntry {
  std::string path;
  int64_t size_bytes = 0;
};

// A table whose every entry lies inside its file. Owns the mappings; meant to live only while a
// backend loads.
class WeightTable {
 public:
  static Result<std::unique_ptr<WeightTable>> open(std::vector<FileEntry> files,
                                                   std::vector<TensorEntry> tensors);

  // kTensorMissing or kTensorShape unless `name` is there with exactly this shape.
  Status require(const std::string& name, const std::vector<int64_t>& shape) const;

  // Copies rows [row_begin, row_begin + row_count) of tensor `name`, shape [rows, columns] or
  // [columns] (then one row), as fp32 to out [row_count, columns], in row-major order whatever the
  // strides. kTensorValue when a value is NaN or infinite; the message names the tensor.
  Status copy_rows(const std::string& name, int64_t row_begin, int64_t row_count, float* out) const;

  struct Elements {
    std::span<const std::byte> bytes;  // at any alignment
    DType dtype = DType::kF32;
  };
  // The elements of a tensor that lie in row-major order without gaps, as they are in the file; no
  // bytes when they lie otherwise. kTensorMissing when there is none of that name.
  Result<Elements> contiguous(const std::string& name) const;

  // Of a tensor that lies in row-major order without gaps, gives back the memory of what has been
  // read of it. It can be read again.
  void release(const std::string& name) const;

  // ok when no mapped file has changed since open(); see MappedFile::check_unchanged.
  Status check_unchanged() const;

 private:
  WeightTable() = default;
  Result<const TensorEntry*> find(const std::string& name) const;

  std::vector<std::unique_ptr<MappedFile>> files_;
  std::unordered_map<std::string, TensorEntry> entries_;
};

// One tensor that an encoder of this geometry reads.
struct TensorRequirement {
  std::string name;
  std::vector<int64_t> shape;
};

// Every tensor that an encoder of this geometry reads, by its canonical name, in the order of use.
std::vector<TensorRequirement> required_tensors(const Geometry& geometry);

}  // namespace fusebert

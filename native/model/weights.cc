// The table of tensors: bounds-checked against the mapped files, copied out as fp32.
#include "model/weights.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "core/half.h"

static_assert(std::endian::native == std::endian::little,
              "checkpoints are little-endian and are read without swapping");

namespace fusebert {
namespace {

constexpr size_t kMaxDimensions = 8;

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(shape[i]);
  }
  return text + "]";
}

Status outside(const TensorEntry& tensor) {
  return Status(StatusCode::kTensorShape,
                "Expected tensor " + tensor.name + " of shape " + shape_text(tensor.shape) +
                    " to lie inside its file but it does not. Download the checkpoint again.");
}

// Every element must lie inside the file: the last one does, and strides are not negative.
Status check_bounds(const TensorEntry& tensor, int64_t file_bytes) {
  if (tensor.shape.size() > kMaxDimensions || tensor.shape.size() != tensor.strides.size() ||
      tensor.offset_bytes < 0 || tensor.offset_bytes > file_bytes) {
    return outside(tensor);
  }
  const int64_t bytes = static_cast<int64_t>(dtype_bytes(tensor.dtype));
  const int64_t room = (file_bytes - tensor.offset_bytes) / bytes;  // elements
  int64_t last = 0;                                                 // index of the last element
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    const int64_t dim = tensor.shape[i];
    const int64_t stride = tensor.strides[i];
    if (dim < 0 || stride < 0) return outside(tensor);
    if (dim == 0) return Status();  // no element at all
    if (dim - 1 > 0 && stride > (std::numeric_limits<int64_t>::max() - last) / (dim - 1)) {
      return outside(tensor);
    }
    last += (dim - 1) * stride;
  }
  return last < room ? Status() : outside(tensor);
}

float load_element(const std::byte* data, DType dtype) {
  if (dtype == DType::kF32) {
    float value;
    std::memcpy(&value, data, sizeof value);  // files do not promise alignment
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, data, sizeof bits);
  return dtype == DType::kF16 ? f16_to_f32(bits) : bf16_to_f32(bits);
}

// Copies `count` elements `stride_bytes` apart to out and says whether all were finite.
bool copy_row(const std::byte* data, DType dtype, int64_t stride_bytes, int64_t count, float* out) {
  if (dtype == DType::kF32 && stride_bytes == static_cast<int64_t>(sizeof(float))) {
    std::memcpy(out, data, static_cast<size_t>(count) * sizeof(float));
  } else {
    for (int64_t i = 0; i < count; ++i) out[i] = load_element(data + i * stride_bytes, dtype);
  }
  // An exponent of all ones is infinity or NaN. Bit arithmetic vectorises; isfinite() may not.
  uint32_t found = 0;
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t bits = std::bit_cast<uint32_t>(out[i]);
    found |= static_cast<uint32_t>((bits & 0x7f800000u) == 0x7f800000u);
  }
  return found == 0;
}

}  // namespace

size_t dtype_bytes(DType dtype) { return dtype == DType::kF32 ? 4 : 2; }

Result<std::unique_ptr<WeightTable>> WeightTable::open(std::vector<FileEntry> files,
                                                       std::vector<TensorEntry> tensors) {
  std::unique_ptr<WeightTable> table(new WeightTable);
  for (const FileEntry& file : files) {
    if (file.size_bytes < 0) {
      return Status(StatusCode::kInvalidArgument, "Expected a size ≥ 0 for " + file.path + ".");
    }
    auto mapped = MappedFile::open(file.path, static_cast<uint64_t>(file.size_bytes));
    if (!mapped.ok()) return mapped.status();
    table->files_.push_back(std::move(mapped.value()));
  }
  for (TensorEntry& tensor : tensors) {
    if (tensor.file_index < 0 || tensor.file_index >= static_cast<int64_t>(files.size())) {
      return Status(StatusCode::kInvalidArgument,
                    "Expected an index of a file for tensor " + tensor.name + ".");
    }
    FUSEBERT_RETURN_IF_ERROR(
        check_bounds(tensor, files[static_cast<size_t>(tensor.file_index)].size_bytes));
    std::string name = tensor.name;
    if (!table->entries_.emplace(name, std::move(tensor)).second) {
      return Status(StatusCode::kInvalidArgument, "Tensor " + name + " is given twice.");
    }
  }
  return table;
}

Result<const TensorEntry*> WeightTable::find(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found != entries_.end()) return &found->second;
  return Status(StatusCode::kTensorMissing,
                "Expected tensor " + name + " in the checkpoint but it is not there.");
}

Status WeightTable::require(const std::string& name, const std::vector<int64_t>& shape) const {
  const auto found = find(name);
  if (!found.ok()) return found.status();
  const std::vector<int64_t>& received = found.value()->shape;
  if (received == shape) return Status();
  return Status(StatusCode::kTensorShape, "Expected shape " + shape_text(shape) + " for tensor " +
                                              name + " but received " + shape_text(received) +
                                              ".");
}

Result<WeightTable::Elements> WeightTable::contiguous(const std::string& name) const {
  const auto found = find(name);
  if (!found.ok()) return found.status();
  const TensorEntry& tensor = *found.value();
  int64_t elements = 1;
  for (size_t i = tensor.shape.size(); i-- > 0;) {
    if (tensor.shape[i] != 1 && tensor.strides[i] != elements) return Elements();
    elements *= tensor.shape[i];
  }
  const auto file = files_[static_cast<size_t>(tensor.file_index)]->bytes();
  const size_t bytes = static_cast<size_t>(elements) * dtype_bytes(tensor.dtype);
  return Elements{file.subspan(static_cast<size_t>(tensor.offset_bytes), bytes), tensor.dtype};
}

void WeightTable::release(const std::string& name) const {
  const auto elements = contiguous(name);
  if (!elements.ok()) return;
  const auto file = files_[static_cast<size_t>(entries_.at(name).file_index)].get();
  const std::span<const std::byte> bytes = elements.value().bytes;
  if (!bytes.empty()) {
    file->release(static_cast<size_t>(bytes.data() - file->bytes().data()), bytes.size());
  }
}

Status WeightTable::copy_rows(const std::string& name, int64_t row_begin, int64_t row_count,
                              float* out) const {
  const auto found = find(name);
  if (!found.ok()) return found.status();
  const TensorEntry& tensor = *found.value();
  const size_t dimensions = tensor.shape.size();
  if (dimensions != 1 && dimensions != 2) {
    return Status(StatusCode::kTensorShape,
                  "Expected one or two dimensions for tensor " + name + " but received " +
                      shape_text(tensor.shape) + ".");
  }
  const int64_t rows = dimensions == 2 ? tensor.shape[0] : 1;
  const int64_t columns = tensor.shape[dimensions - 1];
  if (row_begin < 0 || row_count < 0 || row_begin > rows || row_count > rows - row_begin) {
    return Status(StatusCode::kInternal, "Rows of tensor " + name + " are out of range.");
  }
  const int64_t element_bytes = static_cast<int64_t>(dtype_bytes(tensor.dtype));
  const int64_t row_stride = dimensions == 2 ? tensor.strides[0] * element_bytes : 0;
  const int64_t column_stride = tensor.strides[dimensions - 1] * element_bytes;
  const std::byte* data =
      files_[static_cast<size_t>(tensor.file_index)]->bytes().data() + tensor.offset_bytes;
  for (int64_t row = 0; row < row_count; ++row) {
    if (!copy_row(data + (row_begin + row) * row_stride, tensor.dtype, column_stride, columns,
                  out + row * columns)) {
      return Status(StatusCode::kTensorValue,
                    "Expected finite numbers in tensor " + name +
                        " but found a NaN or an infinity in row " +
                        std::to_string(row_begin + row) + ". The checkpoint is damaged.");
    }
  }
  return Status();
}

Status WeightTable::check_unchanged() const {
  for (const auto& file : files_) FUSEBERT_RETURN_IF_ERROR(file->check_unchanged());
  return Status();
}

std::vector<TensorRequirement> required_tensors(const Geometry& g) {
  const int64_t hidden = g.hidden_size;
  std::vector<TensorRequirement> list;
  const auto linear = [&list](const std::string& name, int64_t out, int64_t in) {
    list.push_back({name + ".weight", {out, in}});
    list.push_back({name + ".bias", {out}});
  };
  const auto layer_norm = [&list, hidden](const std::string& name) {
    list.push_back({name + ".weight", {hidden}});
    list.push_back({name + ".bias", {hidden}});
  };
  list.push_back({"embeddings.word_embeddings.weight", {g.vocab_size, hidden}});
  list.push_back({"embeddings.position_embeddings.weight", {g.max_position_embeddings, hidden}});
  if (g.has_token_types) {
    list.push_back({"embeddings.token_type_embeddings.weight", {g.type_vocab_size, hidden}});
  }
  layer_norm("embeddings.LayerNorm");
  for (int64_t i = 0; i < g.num_hidden_layers; ++i) {
    const std::string layer = "encoder.layer." + std::to_string(i) + ".";
    linear(layer + "attention.self.query", hidden, hidden);
    linear(layer + "attention.self.key", hidden, hidden);
    linear(layer + "attention.self.value", hidden, hidden);
    linear(layer + "attention.output.dense", hidden, hidden);
    layer_norm(layer + "attention.output.LayerNorm");
    linear(layer + "intermediate.dense", g.intermediate_size, hidden);
    linear(layer + "output.dense", hidden, g.intermediate_size);
    layer_norm(layer + "output.LayerNorm");
  }
  if (g.has_pooler) linear("pooler.dense", hidden, hidden);
  if (!g.head.has_value()) return list;
  if (g.head->dense != HeadDense::kNone) linear("head.dense", hidden, hidden);
  if (g.head->layer_norm) layer_norm("head.LayerNorm");
  if (!g.head->tied) list.push_back({"head.output.weight", {g.head->outputs, hidden}});
  list.push_back({"head.output.bias", {g.head->outputs}});
  return list;
}

}  // namespace fusebert

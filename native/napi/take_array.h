// Typed arrays over the memory of vectors.
#pragma once

#include <node_api.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>

#include "core/large_vector.h"

namespace fusebert::node {

template <typename T>
inline constexpr napi_typedarray_type kTypedArray = napi_uint8_array;  // bytes and text
template <>
inline constexpr napi_typedarray_type kTypedArray<float> = napi_float32_array;
template <>
inline constexpr napi_typedarray_type kTypedArray<int32_t> = napi_int32_array;
template <>
inline constexpr napi_typedarray_type kTypedArray<int64_t> = napi_bigint64_array;

// An ArrayBuffer over memory that free(hint) is called for once nobody uses it any more; where the
// host allows no such memory (Electron), and for none, a copy. Null when the environment is ending.
template <typename Owner>
napi_value take_memory(napi_env env, void* data, size_t bytes, std::unique_ptr<Owner> owner) {
  napi_value buffer = nullptr;
  const auto finalize = [](napi_env, void*, void* hint) { delete static_cast<Owner*>(hint); };
  if (bytes > 0 && napi_create_external_arraybuffer(env, data, bytes, finalize, owner.get(),
                                                    &buffer) == napi_ok) {
    owner.release();  // the finalizer owns it now
    return buffer;
  }
  void* copy = nullptr;
  if (napi_create_arraybuffer(env, bytes, &copy, &buffer) != napi_ok) return nullptr;
  if (bytes > 0) std::memcpy(copy, data, bytes);
  return buffer;
}

template <typename T>
napi_value typed_array(napi_env env, napi_value buffer, size_t count) {
  static_assert(sizeof(T) == 1 || kTypedArray<T> != napi_uint8_array);
  napi_value array = nullptr;
  if (buffer == nullptr ||
      napi_create_typedarray(env, kTypedArray<T>, count, buffer, 0, &array) != napi_ok) {
    return nullptr;
  }
  return array;
}

// A typed array that takes over the memory of a vector or a string. JavaScript thread; null when
// the environment is ending.
template <typename Values>
napi_value take_array(napi_env env, Values values) {
  using T = typename Values::value_type;
  auto owner = std::make_unique<Values>(std::move(values));
  const size_t count = owner->size();
  void* const data = owner->data();
  return typed_array<T>(env, take_memory(env, data, count * sizeof(T), std::move(owner)), count);
}

// Pages of zeros.
class Zeros {
 public:
  explicit Zeros(size_t bytes) : bytes_(bytes), data_(allocate_zeros(bytes)) {}
  Zeros(const Zeros&) = delete;
  Zeros& operator=(const Zeros&) = delete;
  ~Zeros() {
    if (data_ != nullptr) free_zeros(data_, bytes_);
  }
  void* data() const { return data_; }

 private:
  size_t bytes_;
  void* data_;
};

// An array of zeros, which takes neither time nor memory until it is read where it is large.
// JavaScript thread; null when the environment is ending.
template <typename T>
napi_value make_zeros(napi_env env, size_t count) {
  constexpr size_t kLargeBytes = size_t{1} << 16;
  const size_t bytes = count * sizeof(T);
  if (bytes >= kLargeBytes) {
    auto zeros = std::make_unique<Zeros>(bytes);
    void* const data = zeros->data();
    if (data != nullptr) {
      return typed_array<T>(env, take_memory(env, data, bytes, std::move(zeros)), count);
    }
  }
  void* data = nullptr;
  napi_value buffer = nullptr;
  const bool made = napi_create_arraybuffer(env, bytes, &data, &buffer) == napi_ok;
  return typed_array<T>(env, made ? buffer : nullptr, count);
}

}  // namespace fusebert::node

// Objects of typed arrays that take over the memory of results.
#pragma once

#include <node_api.h>

#include <cstdint>
#include <utility>

#include "napi/take_array.h"

namespace fusebert::node {

// An object under construction. JavaScript thread.
class ObjectMaker {
 public:
  explicit ObjectMaker(napi_env env) : env_(env) {
    ok_ = napi_create_object(env, &object_) == napi_ok && napi_get_null(env, &null_) == napi_ok;
  }

  void set(const char* key, int64_t number) {
    napi_value value = nullptr;
    ok_ = ok_ && napi_create_int64(env_, number, &value) == napi_ok;
    set_value(key, value);
  }

  // null where the values are not wanted.
  template <typename Values>
  void set(const char* key, bool wanted, Values& values) {
    if (ok_) set_value(key, wanted ? take_array(env_, std::move(values)) : null_);
  }

  // `count` of them.
  template <typename T>
  void set_zeros(const char* key, size_t count) {
    if (ok_) set_value(key, make_zeros<T>(env_, count));
  }

  // Null when the environment is ending.
  napi_value object() const { return ok_ ? object_ : nullptr; }

 private:
  void set_value(const char* key, napi_value value) {
    ok_ = ok_ && value != nullptr && napi_set_named_property(env_, object_, key, value) == napi_ok;
  }

  napi_env env_;
  napi_value object_ = nullptr;
  napi_value null_ = nullptr;
  bool ok_;
};

}  // namespace fusebert::node

// Poster on a Node-API thread-safe function. The mutex is what makes closing safe: no thread is
// inside Node-API when close() lets go of the function.
#include "napi/poster.h"

#include <utility>

namespace fusebert::node {

std::shared_ptr<Poster> Poster::create(napi_env env) {
  std::shared_ptr<Poster> poster(new Poster);
  napi_value name;
  constexpr size_t kUnlimitedQueue = 0;  // the engine bounds its requests
  if (napi_create_string_utf8(env, "fusebert", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_threadsafe_function(env, nullptr, nullptr, name, kUnlimitedQueue, 1, nullptr,
                                      nullptr, nullptr, call_js, &poster->function_) != napi_ok) {
    return nullptr;
  }
  // An idle model does not keep the process alive.
  napi_unref_threadsafe_function(env, poster->function_);
  return poster;
}

void Poster::post(Task task) {
  auto* data = new Task(std::move(task));
  std::lock_guard lock(mutex_);
  if (function_ == nullptr ||
      napi_call_threadsafe_function(function_, data, napi_tsfn_nonblocking) != napi_ok) {
    delete data;
  }
}

void Poster::hold(napi_env env) {
  if (held_++ == 0 && function_ != nullptr) napi_ref_threadsafe_function(env, function_);
}

void Poster::release(napi_env env) {
  if (--held_ == 0 && function_ != nullptr) napi_unref_threadsafe_function(env, function_);
}

void Poster::close() {
  std::lock_guard lock(mutex_);
  if (function_ == nullptr) return;
  napi_release_threadsafe_function(function_, napi_tsfn_release);
  function_ = nullptr;
}

void Poster::call_js(napi_env env, napi_value, void*, void* data) {
  std::unique_ptr<Task> task(static_cast<Task*>(data));
  if (env != nullptr) (*task)(env);
}

}  // namespace fusebert::node

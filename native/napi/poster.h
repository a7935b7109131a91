// Brings tasks from any thread to one JavaScript environment's thread, safely across the end of
// that environment: once it closes, tasks are dropped.
#pragma once

#include <node_api.h>

#include <functional>
#include <memory>
#include <mutex>

namespace fusebert::node {

class Poster {
 public:
  using Task = std::function<void(napi_env)>;

  // JavaScript thread. Null when Node refuses.
  static std::shared_ptr<Poster> create(napi_env env);
  Poster(const Poster&) = delete;
  Poster& operator=(const Poster&) = delete;

  // Any thread. The task runs on the JavaScript thread inside a handle scope, or never.
  void post(Task task);

  // JavaScript thread. The event loop stays alive while holds outnumber releases.
  void hold(napi_env env);
  void release(napi_env env);

  // JavaScript thread, when the environment ends. Afterwards nothing reaches JavaScript.
  void close();

 private:
  Poster() = default;
  static void call_js(napi_env env, napi_value function, void* context, void* data);

  std::mutex mutex_;
  napi_threadsafe_function function_ = nullptr;  // guarded by mutex_; null once closed
  int held_ = 0;                                 // JavaScript thread only
};

}  // namespace fusebert::node

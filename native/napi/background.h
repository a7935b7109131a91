// Runs a piece of native work on Node's thread pool and settles a promise with its result.
#pragma once

#include <node_api.h>

#include <functional>
#include <memory>

#include "core/status.h"

namespace fusebert::node {

// `work` runs off the JavaScript thread; when it returns ok, `make_result` runs on it and makes the
// value that the promise resolves to (null: an exception is pending or the environment is ending).
// Both are destroyed on the JavaScript thread. Returns the promise, or null with an exception
// pending.
napi_value run_in_background(napi_env env, const char* name, std::function<Status()> work,
                             std::function<napi_value(napi_env)> make_result);

// The same at once, on the JavaScript thread. Returns the value, or null with an exception pending.
napi_value run_at_once(napi_env env, const std::function<Status()>& work,
                       const std::function<napi_value(napi_env)>& make_result);

// Work and the promise that waits for it. Made, settled and destroyed on the JavaScript thread.
class PromisedWork {
 public:
  // Null with an exception pending where Node refuses a promise, which `promise` becomes.
  static std::unique_ptr<PromisedWork> create(napi_env env, std::function<Status()> work,
                                              std::function<napi_value(napi_env)> make_result,
                                              napi_value& promise);

  // Any thread.
  void execute();
  // Once, when nobody executes it any more.
  void settle(napi_env env);
  void fail(napi_env env, Status status);

 private:
  napi_deferred deferred_ = nullptr;
  std::function<Status()> work_;
  std::function<napi_value(napi_env)> make_result_;
  Status status_;
};

}  // namespace fusebert::node

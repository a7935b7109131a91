// Jobs of one call on Node's thread pool, a few at once. A thread that has done one goes on with
// the next instead of sleeping until it is woken: a thread that the JavaScript thread wakes, which
// is itself awake then, is often put behind one that works, and stays there for some milliseconds
// although another processor has nothing to do.
#pragma once

#include <napi.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>

#include "core/status.h"
#include "napi/background.h"
#include "napi/poster.h"

namespace fusebert::node {

class Lanes : public std::enable_shared_from_this<Lanes> {
 public:
  // `most`: jobs at once. `pool`: the threads that Node has for everybody.
  Lanes(std::shared_ptr<Poster> poster, int most, int pool)
      : poster_(std::move(poster)), most_(most), pool_(pool) {}

  // What JavaScript holds: an object that is good for from_js() only. Arguments: most, pool.
  static Napi::Value create(const Napi::CallbackInfo& info);
  // kInvalidArgument for other values.
  static Result<std::shared_ptr<Lanes>> from_js(const Napi::Value& value);

  // As run_in_background(); jobs begin in their order. From the second job on, one that starts
  // another lane may sleep for a moment until that has begun.
  napi_value run(napi_env env, std::function<Status()> work,
                 std::function<napi_value(napi_env)> make_result);

 private:
  using Jobs = std::list<std::unique_ptr<PromisedWork>>;
  using Clock = std::chrono::steady_clock;

  bool start_lane(napi_env env);
  void await_lanes();
  void work_through();
  Jobs next(Clock::time_point begin);
  void settle_done(napi_env env);
  void end_lane(napi_env env);

  const std::shared_ptr<Poster> poster_;
  const int most_;
  const int pool_;

  std::mutex mutex_;
  bool in_use_ = false;  // there has been a job
  int lanes_ = 0;        // that take jobs
  int starting_ = 0;     // of these, those that no thread has begun
  std::condition_variable begun_;
  Jobs waiting_;
  Jobs done_;
};

}  // namespace fusebert::node

// A lane is a Node-API async work. The promises of its jobs are settled while it goes on, through
// the environment's poster; when it ends, what it did is settled in any case. So no job is left
// when the last lane has ended, and Node waits for lanes when an environment ends.
#include "napi/lanes.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <utility>

#include "core/processor.h"
#include "napi/convert.h"
#include "napi/environment.h"
#include "napi/errors.h"

namespace fusebert::node {
namespace {

// Marks what from_js() takes. Random numbers.
constexpr napi_type_tag kLanesTag = {0x2c9be41f7d5a0386ULL, 0xb7e1560d93f84ac2ULL};

// When lanes leave at most one thread of the pool to everybody else, each goes to the end of the
// pool's queue after so long: a few parts, and less than anybody notices of a file.
constexpr std::chrono::milliseconds kTurn(20);

// How long the JavaScript thread sleeps at most until its lanes have begun. If the system has put
// one behind the JavaScript thread, this lets it begin, and the JavaScript thread go on elsewhere.
// By then a thread that wakes at once has begun, on all but the slowest virtual machines.
constexpr std::chrono::microseconds kPatience(200);

// Whatever is said of a larger pool: it may have been said too late for Node.
constexpr int kUsualPool = 4;

// Of all calls.
std::atomic<int> working_lanes = 0;

}  // namespace

Napi::Value Lanes::create(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  std::unique_ptr<std::shared_ptr<Lanes>> lanes;
  const Status status = guarded([&]() -> Status {
    int64_t most = 0;
    int64_t pool = 0;
    if (!is_integer(info[0], most) || !is_integer(info[1], pool) || most < 1 ||
        most > INT32_MAX || pool < most || pool > INT32_MAX) {
      return Status(StatusCode::kInvalidArgument, "Expected numbers of threads.");
    }
    const Environment* data = Environment::get(env);
    if (data == nullptr) return Status(StatusCode::kAborted, "The environment is ending.");
    lanes = std::make_unique<std::shared_ptr<Lanes>>(std::make_shared<Lanes>(
        data->poster(), static_cast<int>(most), static_cast<int>(pool)));
    return Status();
  });
  if (!status.ok()) return refuse(env, status);
  using Held = std::shared_ptr<Lanes>;
  const auto finalize = [](Napi::Env, Held* held) { delete held; };
  auto external = Napi::External<Held>::New(env, lanes.get(), finalize);
  if (external.IsEmpty()) return external;
  lanes.release();
  external.TypeTag(&kLanesTag);
  return external;
}

Result<std::shared_ptr<Lanes>> Lanes::from_js(const Napi::Value& value) {
  using External = Napi::External<std::shared_ptr<Lanes>>;
  if (!value.IsExternal() || !value.As<External>().CheckTypeTag(&kLanesTag)) {
    return Status(StatusCode::kInvalidArgument, "Expected lanes.");
  }
  return *value.As<External>().Data();
}

napi_value Lanes::run(napi_env env, std::function<Status()> work,
                      std::function<napi_value(napi_env)> make_result) {
  napi_value promise = nullptr;
  auto job = PromisedWork::create(env, std::move(work), std::move(make_result), promise);
  if (job == nullptr) return nullptr;
  bool another = false;
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(job));
    another = lanes_ < most_;
    if (another) ++lanes_;
    first = !std::exchange(in_use_, true);
  }
  if (!another) return promise;
  if (start_lane(env)) {
    // A single job has nothing beside it that could be late.
    if (!first) await_lanes();
    return promise;
  }
  const std::lock_guard lock(mutex_);
  if (lanes_ == 0 && !waiting_.empty()) {
    waiting_.pop_back();
    return nullptr;
  }
  // Another lane takes it.
  clear_exception(env);
  return promise;
}

// A lane that counts among lanes_ already. False with an exception pending.
bool Lanes::start_lane(napi_env env) {
  const auto work = [self = shared_from_this()]() -> Status {
    self->work_through();
    return Status();
  };
  const auto make_result = [self = shared_from_this()](napi_env result_env) {
    self->end_lane(result_env);
    return make_undefined(result_env);
  };
  {
    const std::lock_guard lock(mutex_);
    ++starting_;
  }
  napi_value started = nullptr;
  const Status status = guarded([&]() -> Status {
    started = run_in_background(env, "fusebert:tokenize", work, make_result);
    return Status();
  });
  if (started != nullptr) return true;
  if (!status.ok()) throw_error(env, status);
  const std::lock_guard lock(mutex_);
  --starting_;
  --lanes_;
  return false;
}

// Until every lane has begun, or a moment has passed: the pool may have other work.
void Lanes::await_lanes() {
  std::unique_lock lock(mutex_);
  begun_.wait_for(lock, kPatience, [this] { return starting_ == 0; });
}

void Lanes::work_through() {
  {
    const std::lock_guard lock(mutex_);
    --starting_;
  }
  begun_.notify_one();
  ++working_lanes;
  const Clock::time_point begin = Clock::now();
  for (Jobs job = next(begin); !job.empty(); job = next(begin)) {
    {
      const WorkPlace place;
      job.front()->execute();
    }
    {
      const std::lock_guard lock(mutex_);
      done_.splice(done_.end(), job);
    }
    // Without memory for it the job is settled when the lane ends.
    static_cast<void>(guarded([&]() -> Status {
      poster_->post([self = shared_from_this()](napi_env env) { self->settle_done(env); });
      return Status();
    }));
  }
  --working_lanes;
}

// One job; or none, and the lane has ended.
Lanes::Jobs Lanes::next(Clock::time_point begin) {
  Jobs job;
  const bool crowded = working_lanes + 1 >= std::min(pool_, kUsualPool);
  const std::lock_guard lock(mutex_);
  if (waiting_.empty() || (crowded && Clock::now() - begin >= kTurn)) --lanes_;
  else job.splice(job.end(), waiting_, waiting_.begin());
  return job;
}

void Lanes::settle_done(napi_env env) {
  Jobs done;
  {
    const std::lock_guard lock(mutex_);
    done.swap(done_);
  }
  for (const auto& job : done) {
    const Napi::HandleScope scope(env);
    job->settle(env);
  }
}

void Lanes::end_lane(napi_env env) {
  settle_done(env);
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.empty() || lanes_ == most_) return;
    ++lanes_;
  }
  if (start_lane(env)) return;
  clear_exception(env);
  Jobs left;
  {
    const std::lock_guard lock(mutex_);
    if (lanes_ == 0) left.swap(waiting_);
  }
  for (const auto& job : left) {
    job->fail(env, Status(StatusCode::kInternal, "Background work could not be started."));
  }
}

}  // namespace fusebert::node

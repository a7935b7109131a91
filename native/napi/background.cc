// Background work as a Node-API async work: Node itself waits for it when an environment ends.
#include "napi/background.h"

#include <utility>

#include "napi/errors.h"

namespace fusebert::node {
namespace {

struct Job {
  napi_async_work handle = nullptr;
  std::unique_ptr<PromisedWork> promised;
};

void execute(napi_env, void* data) { static_cast<Job*>(data)->promised->execute(); }

void complete(napi_env env, napi_status status, void* data) {
  const std::unique_ptr<Job> job(static_cast<Job*>(data));
  napi_delete_async_work(env, job->handle);
  if (status == napi_ok) {
    job->promised->settle(env);
  } else {
    job->promised->fail(env, Status(StatusCode::kAborted, "The environment is ending."));
  }
}

std::nullptr_t refuse_work(napi_env env) {
  throw_error(env, Status(StatusCode::kInternal, "Background work could not be started."));
  return nullptr;
}

}  // namespace

std::unique_ptr<PromisedWork> PromisedWork::create(
    napi_env env, std::function<Status()> work, std::function<napi_value(napi_env)> make_result,
    napi_value& promise) {
  auto promised = std::make_unique<PromisedWork>();
  promised->work_ = std::move(work);
  promised->make_result_ = std::move(make_result);
  if (napi_create_promise(env, &promised->deferred_, &promise) != napi_ok) return refuse_work(env);
  return promised;
}

void PromisedWork::execute() { status_ = guarded(work_); }

void PromisedWork::settle(napi_env env) {
  napi_value value = nullptr;
  if (status_.ok()) {
    status_ = guarded([&]() -> Status {
      value = make_result_(env);
      return Status();
    });
  }
  if (status_.ok()) resolve(env, deferred_, value);
  else reject(env, deferred_, status_);
}

void PromisedWork::fail(napi_env env, Status status) {
  status_ = std::move(status);
  settle(env);
}

napi_value run_in_background(napi_env env, const char* name, std::function<Status()> work,
                             std::function<napi_value(napi_env)> make_result) {
  napi_value promise = nullptr;
  auto job = std::make_unique<Job>();
  job->promised = PromisedWork::create(env, std::move(work), std::move(make_result), promise);
  if (job->promised == nullptr) return nullptr;
  napi_value resource_name = nullptr;
  if (napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &resource_name) != napi_ok ||
      napi_create_async_work(env, nullptr, resource_name, execute, complete, job.get(),
                             &job->handle) != napi_ok) {
    return refuse_work(env);
  }
  if (napi_queue_async_work(env, job->handle) != napi_ok) {
    napi_delete_async_work(env, job->handle);
    return refuse_work(env);
  }
  job.release();  // complete() owns it now
  return promise;
}

napi_value run_at_once(napi_env env, const std::function<Status()>& work,
                       const std::function<napi_value(napi_env)>& make_result) {
  napi_value value = nullptr;
  const Status status = guarded([&]() -> Status {
    FUSEBERT_RETURN_IF_ERROR(work());
    value = make_result(env);
    return Status();
  });
  if (!status.ok()) throw_error(env, status);
  return value;
}

}  // namespace fusebert::node

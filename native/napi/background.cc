// Background work as a Node-API async work: Node itself waits for it when an environment ends.
#include "napi/background.h"

#include <memory>
#include <utility>

#include "napi/errors.h"

namespace fusebert::node {
namespace {

struct Job {
  napi_async_work handle = nullptr;
  napi_deferred deferred = nullptr;
  std::function<Status()> work;
  std::function<napi_value(napi_env)> make_result;
  Status status;
};

void execute(napi_env, void* data) {
  Job& job = *static_cast<Job*>(data);
  job.status = guarded(job.work);
}

void complete(napi_env env, napi_status status, void* data) {
  const std::unique_ptr<Job> job(static_cast<Job*>(data));
  napi_delete_async_work(env, job->handle);
  if (status != napi_ok) {
    reject(env, job->deferred, Status(StatusCode::kAborted, "The environment is ending."));
  } else if (!job->status.ok()) {
    reject(env, job->deferred, job->status);
  } else {
    napi_value value = nullptr;
    const Status made = guarded([&]() -> Status {
      value = job->make_result(env);
      return Status();
    });
    if (made.ok()) resolve(env, job->deferred, value);
    else reject(env, job->deferred, made);
  }
}

}  // namespace

napi_value run_in_background(napi_env env, const char* name, std::function<Status()> work,
                             std::function<napi_value(napi_env)> make_result) {
  auto job = std::make_unique<Job>();
  job->work = std::move(work);
  job->make_result = std::move(make_result);
  napi_value promise = nullptr;
  napi_value resource_name = nullptr;
  if (napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &resource_name) != napi_ok ||
      napi_create_async_work(env, nullptr, resource_name, execute, complete, job.get(),
                             &job->handle) != napi_ok) {
    throw_error(env, Status(StatusCode::kInternal, "Background work could not be made."));
    return nullptr;
  }
  if (napi_create_promise(env, &job->deferred, &promise) != napi_ok ||
      napi_queue_async_work(env, job->handle) != napi_ok) {
    napi_delete_async_work(env, job->handle);
    throw_error(env, Status(StatusCode::kInternal, "Background work could not be started."));
    return nullptr;
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

// From a Status to a JavaScript Error with a `code`, and the guard at the edge of native code.
#pragma once

#include <napi.h>

#include <new>
#include <system_error>

#include "core/status.h"

namespace fusebert::node {

// An Error with `code`, or null when the environment is ending.
napi_value make_error(napi_env env, const Status& status);

// Throws it into JavaScript; the caller returns to JavaScript at once.
void throw_error(napi_env env, const Status& status);

// The same for a method of an object: what it returns then.
Napi::Value refuse(Napi::Env env, const Status& status);

// Forgets the exception that is pending, if there is one.
void clear_exception(napi_env env);

// Null when the environment is ending.
napi_value make_undefined(napi_env env);

// Settles a promise; failures (the environment is ending) are ignored.
void resolve(napi_env env, napi_deferred deferred, napi_value value);
void reject(napi_env env, napi_deferred deferred, const Status& status);

// Runs `body`, which returns a Status, and turns what escapes it into one.
template <typename Body>
Status guarded(const Body& body) noexcept {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return Status(StatusCode::kOutOfMemory, "Not enough memory.");
  } catch (const std::system_error&) {
    return Status(StatusCode::kOutOfMemory, "The system refused a thread or a lock.");
  } catch (...) {
    return Status(StatusCode::kInternal, "An unexpected native exception.");
  }
}

}  // namespace fusebert::node

// Errors and promises on plain Node-API, whose failures can be ignored when an environment ends.
#include "napi/errors.h"

namespace fusebert::node {

napi_value make_error(napi_env env, const Status& status) {
  napi_value message = nullptr;
  napi_value code = nullptr;
  napi_value error = nullptr;
  const std::string& text = status.message();
  if (napi_create_string_utf8(env, text.data(), text.size(), &message) != napi_ok ||
      napi_create_string_utf8(env, status_code_name(status.code()), NAPI_AUTO_LENGTH, &code) !=
          napi_ok ||
      napi_create_error(env, code, message, &error) != napi_ok) {
    return nullptr;
  }
  return error;
}

void throw_error(napi_env env, const Status& status) {
  bool pending = false;
  if (napi_is_exception_pending(env, &pending) != napi_ok || pending) return;
  const napi_value error = make_error(env, status);
  if (error != nullptr) napi_throw(env, error);
}

Napi::Value refuse(Napi::Env env, const Status& status) {
  throw_error(env, status);
  return env.Undefined();
}

void clear_exception(napi_env env) {
  napi_value error = nullptr;
  napi_get_and_clear_last_exception(env, &error);
}

napi_value make_undefined(napi_env env) {
  napi_value undefined = nullptr;
  napi_get_undefined(env, &undefined);
  return undefined;
}

void resolve(napi_env env, napi_deferred deferred, napi_value value) {
  bool pending = false;
  if (value == nullptr || (napi_is_exception_pending(env, &pending) == napi_ok && pending)) {
    napi_value exception = nullptr;
    if (pending && napi_get_and_clear_last_exception(env, &exception) == napi_ok) {
      napi_reject_deferred(env, deferred, exception);
      return;
    }
    reject(env, deferred, Status(StatusCode::kInternal, "A result could not be made."));
    return;
  }
  napi_resolve_deferred(env, deferred, value);
}

void reject(napi_env env, napi_deferred deferred, const Status& status) {
  const napi_value error = make_error(env, status);
  if (error != nullptr) napi_reject_deferred(env, deferred, error);
}

}  // namespace fusebert::node

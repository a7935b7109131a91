#include "driver/export.h"

#include <new>
#include <system_error>

namespace virtual_gpu {

CUresult status_of_exception() {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  } catch (const std::system_error&) {
    return CUDA_ERROR_OPERATING_SYSTEM;  // such as a thread that could not be started
  } catch (...) {
    return CUDA_ERROR_UNKNOWN;
  }
}

}  // namespace virtual_gpu

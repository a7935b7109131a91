// Small kernels for tests: a body between a header and an end that all of them share.
#pragma once

#include <string>

namespace virtual_gpu::testing {

/// The line of the module that the body begins on.
constexpr unsigned kBodyLine = 16;

/// A module with one kernel `k(in, out)`, in whose body %in and %out are the two pointers and %tid
/// the thread's number. The body ends with "ret;" by itself.
inline std::string kernel_of(const std::string& body, const std::string& variables = "",
                             const std::string& target = "sm_80") {
  return ".version 8.6\n.target " + target + "\n.address_size 64\n" + variables +
         "\n.visible .entry k(.param .u64 in, .param .u64 out) {\n"
         ".reg .pred %p<16>;\n.reg .b16 %h<32>;\n.reg .b32 %r<64>;\n.reg .f32 %f<64>;\n"
         ".reg .b64 %d<32>;\n.reg .b64 %in, %out, %at;\n.reg .b32 %tid;\n"
         "ld.param.u64 %in, [in];\nld.param.u64 %out, [out];\nmov.u32 %tid, %tid.x;\n" +
         body + "\nret;\n}\n";
}

/// Stores %r0 of each thread to out[tid].
inline const char* const kStoreResult =
    "mul.wide.u32 %at, %tid, 4;\nadd.u64 %at, %out, %at;\nst.global.u32 [%at], %r0;\n";

}  // namespace virtual_gpu::testing

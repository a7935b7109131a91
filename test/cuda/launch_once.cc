// Launches kernels once each, on the images of a folder, so that what they do can be counted:
//
//   launch_once IMAGES MULTIPROCESSORS
//
// Each line of the standard input is a launch: "gemm <rows> <columns> <depth> <activation>
// <residual: 0 or 1> <policy rows>", with the tile that a device with so many multiprocessors would
// get for the policy's rows; or "attention <sequences> <length> <heads> <head_dim>".
// test/cuda/counters.ts builds it, together with bench/gpu/kernels.cc.
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "cuda/kernels/gemm/gemm.h"
#include "gpu/kernels.h"

namespace {

constexpr int kOnce = 0;
constexpr std::string_view kKernelPrefix = "gemm_";

bool launch_gemm(std::istream& line, int multiprocessors) {
  std::int64_t rows = 0, columns = 0, depth = 0, policy_rows = 0;
  std::string activation;
  int residual = 0;
  if (!(line >> rows >> columns >> depth >> activation >> residual >> policy_rows)) return false;
  using fusebert::cuda::choose_gemm_tile, fusebert::cuda::gemm_kernel;
  const std::string kernel = gemm_kernel(choose_gemm_tile(policy_rows, columns, multiprocessors));
  const std::string tile = kernel.substr(kKernelPrefix.size());
  return fusebert_bench_gemm(rows, columns, depth, activation.c_str(), residual, tile.c_str(),
                             kOnce) >= 0;
}

bool launch_attention(std::istream& line) {
  std::int64_t sequences = 0;
  std::int32_t length = 0, heads = 0, head_dim = 0;
  if (!(line >> sequences >> length >> heads >> head_dim)) return false;
  const std::vector<std::int32_t> lengths(static_cast<std::size_t>(sequences), length);
  return fusebert_bench_attention(lengths.data(), sequences, heads, head_dim, kOnce) >= 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3 || fusebert_bench_open(0, arguments[1], "fp16") != 0) {
    std::cerr << "Expected a device and images: " << fusebert_bench_error() << '\n';
    return 1;
  }
  const int multiprocessors = std::atoi(arguments[2]);
  for (std::string text, kind; std::getline(std::cin, text);) {
    std::istringstream line(text);
    line >> kind;
    if (!(kind == "gemm" ? launch_gemm(line, multiprocessors) : launch_attention(line))) {
      std::cerr << text << " failed: " << fusebert_bench_error() << '\n';
      return 1;
    }
  }
  return 0;
}

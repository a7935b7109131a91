// What the driver's sources promise: that no exception leaves a function of the API.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace virtual_gpu::testing {
namespace {

std::size_t occurrences(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

TEST(Sources, EveryFunctionOfTheApiIsGuarded) {
  const auto folder = std::filesystem::path(__FILE__).parent_path() / "../../driver";
  std::size_t functions = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".cc") continue;
    std::ifstream file(entry.path());
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const std::size_t here = occurrences(text, "\nVIRTUAL_GPU_API ");
    EXPECT_EQ(occurrences(text, "\n} VIRTUAL_GPU_END"), here) << entry.path();
    functions += here;
  }
  EXPECT_GT(functions, 100u);
}

}  // namespace
}  // namespace virtual_gpu::testing

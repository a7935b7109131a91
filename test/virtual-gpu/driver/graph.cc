#include "driver/graph.h"

#include <algorithm>
#include <random>

namespace virtual_gpu {

GraphExec::GraphExec(const Graph& graph) {
  for (const auto& node : graph.nodes) nodes.push_back(*node);
}

std::vector<std::size_t> GraphExec::order(std::uint64_t seed) const {
  std::mt19937_64 random(seed);
  std::vector<std::size_t> waiting(nodes.size());
  std::vector<std::size_t> ready;
  std::vector<std::size_t> result;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    waiting[i] = nodes[i].after.size();
    if (waiting[i] == 0) ready.push_back(i);
  }
  while (!ready.empty()) {
    const std::size_t at = random() % ready.size();
    const std::size_t chosen = ready[at];
    ready.erase(ready.begin() + static_cast<std::ptrdiff_t>(at));
    result.push_back(chosen);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const auto& after = nodes[i].after;
      const auto count = static_cast<std::size_t>(std::count(after.begin(), after.end(), chosen));
      if (count == 0) continue;
      waiting[i] -= count;
      if (waiting[i] == 0) ready.push_back(i);
    }
  }
  return result;
}

}  // namespace virtual_gpu

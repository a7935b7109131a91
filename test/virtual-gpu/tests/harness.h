// Runs kernels on the machine without a driver: what the tests of instructions and hazards use.
#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "machine/grid.h"
#include "machine/memory.h"
#include "program/loader.h"
#include "ptx/parser.h"

namespace virtual_gpu::testing {

constexpr std::uint64_t kDeviceBytes = std::uint64_t{1} << 34;

class Device {
 public:
  explicit Device(std::uint64_t seed = 1) : seed_(seed), memory_(kDeviceBytes) {}

  Memory& memory() { return memory_; }

  template <typename T>
  std::uint64_t upload(const std::vector<T>& values) {
    Allocation* allocation =
        memory_.allocate(values.size() * sizeof(T), MemoryKind::kDevice, "a test's array");
    std::memcpy(allocation->data, values.data(), values.size() * sizeof(T));
    std::memset(allocation->defined, 0xFF, values.size() * sizeof(T));
    return allocation->address;
  }
  template <typename T>
  std::uint64_t allocate(std::size_t count) {
    return memory_.allocate(count * sizeof(T), MemoryKind::kDevice, "a test's array")->address;
  }
  template <typename T>
  std::vector<T> download(std::uint64_t address, std::size_t count) {
    const Allocation* allocation = memory_.find(address);
    std::vector<T> values(count);
    std::memcpy(values.data(), allocation->data + (address - allocation->address),
                count * sizeof(T));
    return values;
  }
  /// The bits of the bytes at `address` that are defined.
  std::vector<std::uint8_t> defined(std::uint64_t address, std::size_t bytes) {
    const Allocation* allocation = memory_.find(address);
    const std::uint8_t* first = allocation->defined + (address - allocation->address);
    return {first, first + bytes};
  }

  /// Loads `kernel` of the module and runs it; the counters of the launch.
  template <typename... Parameters>
  std::vector<OpCounter> launch(std::string_view text, const std::string& kernel, LaunchShape shape,
                  const Parameters&... parameters) {
    module_ = std::make_unique<ptx::Module>(ptx::parse(text));
    VariableAddresses addresses;
    for (const ptx::Variable& variable : module_->variables) place(variable, addresses);
    for (const ptx::Variable& variable : module_->variables) {
      const auto found = addresses.find(variable.name);
      if (found != addresses.end()) {
        fill_variable(variable, addresses, *memory_.find(found->second));
      }
    }
    for (const ptx::Function& function : module_->functions) {
      if (function.name == kernel) program_ = load_program(*module_, function, addresses);
    }
    std::vector<std::byte> block(program_->parameter_bytes);
    std::size_t index = 0;
    (std::memcpy(block.data() + program_->parameters.at(index++).offset, &parameters,
                 sizeof parameters),
     ...);
    MachineShape machine;
    machine.multiprocessors = 4;
    machine.resident_blocks = 64;
    machine.architecture = module_->target;
    Grid grid(*program_, std::move(block), shape, machine, memory_, seed_);
    grid.run();
    return grid.counters().by_op();
  }
  const Program& program() const { return *program_; }

 private:
  void place(const ptx::Variable& variable, VariableAddresses& addresses) {
    if (variable.space != ptx::Space::kGlobal && variable.space != ptx::Space::kConst) return;
    const bool constant = variable.space == ptx::Space::kConst;
    Allocation* allocation = memory_.allocate(
        variable.bytes(), constant ? MemoryKind::kConstant : MemoryKind::kVariable,
        "the variable " + variable.name);
    addresses[variable.name] = allocation->address;
  }

  std::uint64_t seed_;
  Memory memory_;
  std::unique_ptr<ptx::Module> module_;
  std::unique_ptr<Program> program_;
};

}  // namespace virtual_gpu::testing

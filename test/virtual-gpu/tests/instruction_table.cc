#include "tests/instruction_table.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>

#include "isa/numbers.h"
#include "tests/harness.h"

namespace virtual_gpu::testing {
namespace {

constexpr std::uint32_t kSlotBytes = 8;
constexpr const char* kNames[] = {"d", "a", "b", "c", "e"};

std::uint32_t bits_of(const std::string& type) {
  if (type == "pred") return 32;
  return ptx::bits_of(*ptx::type_named(type));
}

std::string bit_type(const std::string& type) { return "b" + std::to_string(bits_of(type)); }

/// Registers named after the placeholders: %d, %a, … of the type's size.
std::string declarations(const Instruction& instruction) {
  std::string text;
  for (std::size_t i = 0; i < instruction.types.size(); ++i) {
    const std::string& type = instruction.types[i];
    text += ".reg ." + (type == "pred" ? "pred" : bit_type(type)) + " %" + kNames[i] + ";\n";
    if (type == "pred") text += std::string(".reg .b32 %p_") + kNames[i] + ";\n";
  }
  return text;
}

std::string loads(const Instruction& instruction) {
  std::string text;
  for (std::size_t i = 1; i < instruction.types.size(); ++i) {
    const std::string name = kNames[i];
    const std::string at = "[%in+" + std::to_string((i - 1) * kSlotBytes) + "];\n";
    if (instruction.types[i] == "pred") {
      text += "ld.global.b32 %p_" + name + ", " + at;
      text += "setp.ne.u32 %" + name + ", %p_" + name + ", 0;\n";
    } else {
      text += "ld.global." + bit_type(instruction.types[i]) + " %" + name + ", " + at;
    }
  }
  return text;
}

std::string store(const Instruction& instruction) {
  if (instruction.types[0] == "pred") {
    return "selp.b32 %p_d, 1, 0, %d;\nst.global.b32 [%out], %p_d;\n";
  }
  return "st.global." + bit_type(instruction.types[0]) + " [%out], %d;\n";
}

std::string substituted(std::string text) {
  for (const char* name : kNames) {
    const std::string mark = std::string("$") + name;
    for (std::size_t at = text.find(mark); at != std::string::npos; at = text.find(mark)) {
      text.replace(at, mark.size(), std::string("%") + name);
    }
  }
  return text;
}

std::string module_of(const Instruction& instruction) {
  const auto inputs = instruction.types.size() - 1;
  return ".version 8.6\n.target " + instruction.target + "\n.address_size 64\n" +
         ".visible .entry k(.param .u64 in, .param .u64 out) {\n" +
         ".reg .b64 %in, %out, %at;\n.reg .b32 %thread;\n" + declarations(instruction) +
         "ld.param.u64 %in, [in];\nld.param.u64 %out, [out];\nmov.u32 %thread, %tid.x;\n" +
         "mul.wide.u32 %at, %thread, " + std::to_string(kSlotBytes * inputs) + ";\n" +
         "add.u64 %in, %in, %at;\nmul.wide.u32 %at, %thread, 8;\nadd.u64 %out, %out, %at;\n" +
         loads(instruction) + substituted(instruction.text) + "\n" + store(instruction) +
         "ret;\n}\n";
}

}  // namespace

std::vector<std::uint64_t> run_rows(const Instruction& instruction,
                                    const std::vector<std::vector<std::uint64_t>>& inputs,
                                    const std::vector<std::vector<std::uint64_t>>* undefined,
                                    std::vector<std::uint64_t>* spread) {
  const std::string text = module_of(instruction);
  std::vector<std::uint64_t> results;
  for (std::size_t first = 0; first < inputs.size(); first += kLanes) {
    const std::size_t count = std::min<std::size_t>(kLanes, inputs.size() - first);
    std::vector<std::uint64_t> in;
    for (std::size_t i = 0; i < count; ++i) {
      in.insert(in.end(), inputs[first + i].begin(), inputs[first + i].end());
    }
    Device device;
    const std::uint64_t from = device.upload(in);
    const std::uint64_t to = device.allocate<std::uint64_t>(count);
    if (undefined != nullptr) {
      std::uint8_t* defined = device.memory().find(from)->defined;
      for (std::size_t i = 0; i < in.size(); ++i) {
        const std::size_t columns = instruction.types.size() - 1;
        const std::uint64_t bits = ~(*undefined)[first + i / columns][i % columns];
        std::memcpy(defined + i * kSlotBytes, &bits, kSlotBytes);
      }
    }
    device.launch(text, "k", {.block = {static_cast<std::uint32_t>(count), 1, 1}}, from, to);
    const std::vector<std::uint64_t> found = device.download<std::uint64_t>(to, count);
    const std::uint32_t bits = bits_of(instruction.types[0]);
    const std::uint64_t mask = bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
    for (const std::uint64_t value : found) results.push_back(value & mask);
    if (spread == nullptr) continue;
    const std::vector<std::uint8_t> defined = device.defined(to, count * kSlotBytes);
    for (std::size_t i = 0; i < count; ++i) {
      std::uint64_t word;
      std::memcpy(&word, defined.data() + i * kSlotBytes, kSlotBytes);
      spread->push_back(~word & mask);
    }
  }
  return results;
}

void expect_rows(const Instruction& instruction, const std::vector<Row>& rows) {
  std::vector<std::vector<std::uint64_t>> inputs;
  for (const Row& row : rows) inputs.push_back(row.inputs);
  const std::vector<std::uint64_t> results = run_rows(instruction, inputs);
  ASSERT_EQ(results.size(), rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::string given;
    for (const std::uint64_t input : rows[i].inputs) given += " " + std::to_string(input);
    EXPECT_EQ(results[i], rows[i].expected) << instruction.text << " of" << given;
  }
}

std::uint64_t f32(float value) { return std::bit_cast<std::uint32_t>(value); }
std::uint64_t f64(double value) { return std::bit_cast<std::uint64_t>(value); }
std::uint64_t f16(double value) { return Half::round(value).bits; }
std::uint64_t bf16(double value) { return Brain::round(value).bits; }
std::uint64_t pair(std::uint64_t low, std::uint64_t high) { return high << 16 | low; }

}  // namespace virtual_gpu::testing

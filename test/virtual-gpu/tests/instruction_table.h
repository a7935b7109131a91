// Runs one instruction in a kernel of its own, a row of inputs in each lane.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace virtual_gpu::testing {

/// A row: the bits of the inputs, and the bits that must come out.
struct Row {
  std::vector<std::uint64_t> inputs;
  std::uint64_t expected;
};

/// An instruction in which $d, $a, $b, $c, $e stand for the result and the inputs, e.g.
/// "add.s32 $d, $a, $b;", and their types ("b32", "f16", "pred", …): of $d first.
struct Instruction {
  std::string text;
  std::vector<std::string> types;
  std::string target = "sm_80";
};

/// The results of all rows, run 32 at a time. `undefined`, if given, says which input bits are not
/// defined, row by row and input by input, and receives each result's undefined bits in `spread`.
std::vector<std::uint64_t> run_rows(const Instruction& instruction,
                                    const std::vector<std::vector<std::uint64_t>>& inputs,
                                    const std::vector<std::vector<std::uint64_t>>* undefined =
                                        nullptr,
                                    std::vector<std::uint64_t>* spread = nullptr);

/// Expects every row of a table.
void expect_rows(const Instruction& instruction, const std::vector<Row>& rows);

/// Bits of numbers, for tables.
std::uint64_t f32(float value);
std::uint64_t f64(double value);
std::uint64_t f16(double value);
std::uint64_t bf16(double value);
std::uint64_t pair(std::uint64_t low, std::uint64_t high);

}  // namespace virtual_gpu::testing

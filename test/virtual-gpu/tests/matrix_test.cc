// Tensor-core instructions against plain loops over matrices.
//
// The fragments' layouts are written down here once more, from the figures of the PTX ISA, so that
// an error in the one is not an error in both.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>

#include "isa/numbers.h"
#include "tests/harness.h"
#include "tests/kernels.h"

namespace virtual_gpu::testing {
namespace {

struct Element {
  std::uint32_t row, column;
};
/// Where element `index` of a lane's fragment lies.
using Layout = std::function<Element(std::uint32_t lane, std::uint32_t index)>;

struct Matrix {
  std::uint32_t rows, columns;
  std::vector<double> values;
  double& at(std::uint32_t row, std::uint32_t column) { return values[row * columns + column]; }
};

struct Operation {
  std::string instruction;   // with %a, %b, %c, %d for the lists of registers
  std::string target = "sm_80";
  std::uint32_t m, n, k;
  std::uint32_t a_bits, c_bits;
  std::uint32_t a_count, b_count, c_count;   // elements of a lane
  Layout a, b, c;
  std::function<double(std::mt19937&)> random;
  std::function<std::uint64_t(double)> encode, encode_c;
  std::function<double(std::uint64_t)> decode_c;
  double tolerance = 0;
};

Matrix random_matrix(std::uint32_t rows, std::uint32_t columns, const Operation& operation,
                     std::mt19937& generator) {
  Matrix matrix{rows, columns, std::vector<double>(rows * columns)};
  for (double& value : matrix.values) value = operation.random(generator);
  return matrix;
}

/// The registers of all lanes, 4 bytes each, lane after lane.
std::vector<std::uint32_t> fragments(Matrix& matrix, const Layout& layout, std::uint32_t count,
                                     std::uint32_t bits,
                                     const std::function<std::uint64_t(double)>& encode) {
  const std::uint32_t registers = count * bits / 32;
  std::vector<std::uint32_t> words(kLanes * registers);
  for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
    for (std::uint32_t i = 0; i < count; ++i) {
      const Element at = layout(lane, i);
      const std::uint64_t value = encode(matrix.at(at.row, at.column));
      words[lane * registers + i * bits / 32] |=
          static_cast<std::uint32_t>(value << (i * bits % 32));
    }
  }
  return words;
}

std::string list(const std::string& name, std::uint32_t count) {
  std::string text = "{";
  for (std::uint32_t i = 0; i < count; ++i) {
    text += (i == 0 ? "%" : ", %") + name + std::to_string(i);
  }
  return text + "}";
}

/// Loads a lane's registers from behind those of all lanes that come `first`.
std::string loads(const std::string& name, std::uint32_t count, std::uint32_t first) {
  std::string text = "mul.lo.u32 %r0, %tid, " + std::to_string(4 * count) + ";\n";
  text += "cvt.u64.u32 %at, %r0;\nadd.u64 %at, %at, %in;\n";
  for (std::uint32_t i = 0; i < count; ++i) {
    text += "ld.global.b32 %" + name + std::to_string(i) + ", [%at+" +
            std::to_string(4 * (first * kLanes + i)) + "];\n";
  }
  return text;
}

void check(const Operation& o) {
  std::mt19937 generator(17);
  Matrix a = random_matrix(o.m, o.k, o, generator);
  Matrix b = random_matrix(o.k, o.n, o, generator);
  Matrix c = random_matrix(o.m, o.n, o, generator);
  const std::vector<std::uint32_t> parts[3] = {
      fragments(a, o.a, o.a_count, o.a_bits, o.encode),
      fragments(b, o.b, o.b_count, o.a_bits, o.encode),
      fragments(c, o.c, o.c_count, o.c_bits, o.encode_c)};
  const std::uint32_t counts[3] = {o.a_count * o.a_bits / 32, o.b_count * o.a_bits / 32,
                                   o.c_count * o.c_bits / 32};
  std::vector<std::uint32_t> input;
  for (const auto& part : parts) input.insert(input.end(), part.begin(), part.end());
  std::string body = ".reg .b32 %a<8>, %b<8>, %c<8>, %e<8>;\n";
  body += loads("a", counts[0], 0) + loads("b", counts[1], counts[0]) +
          loads("c", counts[2], counts[0] + counts[1]);
  body += o.instruction + " " + list("e", counts[2]) + ", " + list("a", counts[0]) + ", " +
          list("b", counts[1]) + ", " + list("c", counts[2]) + ";\n";
  body += "mul.lo.u32 %r0, %tid, " + std::to_string(4 * counts[2]) +
          ";\ncvt.u64.u32 %at, %r0;\nadd.u64 %at, %at, %out;\n";
  for (std::uint32_t i = 0; i < counts[2]; ++i) {
    body += "st.global.b32 [%at+" + std::to_string(4 * i) + "], %e" + std::to_string(i) + ";\n";
  }
  Device device;
  const std::uint64_t in = device.upload(input);
  const std::uint64_t out = device.allocate<std::uint32_t>(kLanes * counts[2]);
  device.launch(kernel_of(body, "", o.target), "k", {.block = {kLanes, 1, 1}}, in, out);
  const auto found = device.download<std::uint32_t>(out, kLanes * counts[2]);
  for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
    for (std::uint32_t i = 0; i < o.c_count; ++i) {
      const Element at = o.c(lane, i);
      double expected = c.at(at.row, at.column);
      for (std::uint32_t k = 0; k < o.k; ++k) expected += a.at(at.row, k) * b.at(k, at.column);
      std::uint64_t bits = found[lane * counts[2] + i * o.c_bits / 32] >> (i * o.c_bits % 32);
      if (o.c_bits == 16) bits &= 0xFFFF;
      EXPECT_NEAR(o.decode_c(bits), expected, o.tolerance)
          << o.instruction << ", row " << at.row << ", column " << at.column;
    }
  }
}

double small_number(std::mt19937& generator) {
  // Few bits, so that products and sums are exact in every format.
  return static_cast<double>(static_cast<int>(generator() % 17) - 8) / 4;
}
double byte_number(std::mt19937& generator) { return static_cast<int>(generator() % 255) - 127; }
std::uint64_t as_half(double value) { return Half::round(value).bits; }
std::uint64_t as_brain(double value) { return Brain::round(value).bits; }
std::uint64_t as_single(double value) {
  return std::bit_cast<std::uint32_t>(static_cast<float>(value));
}
std::uint64_t as_integer(double value) {
  return static_cast<std::uint32_t>(static_cast<int>(value));
}
std::uint64_t as_byte(double value) { return static_cast<std::uint8_t>(static_cast<int>(value)); }
double from_half(std::uint64_t bits) { return Half{static_cast<std::uint16_t>(bits)}.value(); }
double from_single(std::uint64_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
}
double from_integer(std::uint64_t bits) { return static_cast<std::int32_t>(bits); }

// From the figures: groupID = laneid >> 2, threadID_in_group = laneid % 4.
Element c_of_16x8(std::uint32_t lane, std::uint32_t i) {
  return {i < 2 ? lane >> 2 : (lane >> 2) + 8, lane % 4 * 2 + (i & 1)};
}
Element a_of_16x16(std::uint32_t lane, std::uint32_t i) {
  const bool upper_rows = i < 2 || (i >= 4 && i < 6);
  return {upper_rows ? lane >> 2 : (lane >> 2) + 8, lane % 4 * 2 + (i & 1) + (i >= 4 ? 8 : 0)};
}
Element b_of_16x8(std::uint32_t lane, std::uint32_t i) {
  return {lane % 4 * 2 + (i & 1) + (i >= 2 ? 8u : 0u), lane >> 2};
}
Element a_of_16x8(std::uint32_t lane, std::uint32_t i) {
  return {i < 2 ? lane >> 2 : (lane >> 2) + 8, lane % 4 * 2 + (i & 1)};
}
Element b_of_8x8(std::uint32_t lane, std::uint32_t i) { return {lane % 4 * 2 + i, lane >> 2}; }

Operation half_operation(const std::string& types) {
  const bool single = types.starts_with("f32");
  return {.instruction = "mma.sync.aligned.m16n8k16.row.col." + types,
          .m = 16, .n = 8, .k = 16, .a_bits = 16, .c_bits = single ? 32u : 16u,
          .a_count = 8, .b_count = 4, .c_count = 4,
          .a = a_of_16x16, .b = b_of_16x8, .c = c_of_16x8, .random = small_number,
          .encode = as_half, .encode_c = single ? as_single : as_half,
          .decode_c = single ? from_single : from_half};
}

TEST(Mma, Half16x8x16) {
  check(half_operation("f32.f16.f16.f32"));
  check(half_operation("f16.f16.f16.f16"));
}

TEST(Mma, Brain) {
  Operation o = half_operation("f32.bf16.bf16.f32");
  o.encode = as_brain;
  check(o);
  o.instruction = "mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32";
  o.k = 8;
  o.a_count = 4;
  o.b_count = 2;
  o.a = a_of_16x8;
  o.b = b_of_8x8;
  check(o);
}

TEST(Mma, Half16x8x8OnTuring) {
  Operation o = half_operation("f32.f16.f16.f32");
  o.instruction = "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32";
  o.target = "sm_75";
  o.k = 8;
  o.a_count = 4;
  o.b_count = 2;
  o.a = a_of_16x8;
  o.b = b_of_8x8;
  check(o);
}

TEST(Mma, Tensor32) {
  Operation o = half_operation("f32.tf32.tf32.f32");
  o.instruction = "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32";
  o.k = 8;
  o.a_bits = 32;
  o.a_count = 4;
  o.b_count = 2;
  o.encode = as_single;
  o.a = [](std::uint32_t lane, std::uint32_t i) -> Element {
    return {i == 0 || i == 2 ? lane >> 2 : (lane >> 2) + 8, lane % 4 + (i >= 2 ? 4 : 0)};
  };
  o.b = [](std::uint32_t lane, std::uint32_t i) -> Element {
    return {lane % 4 + 4 * i, lane >> 2};
  };
  check(o);
  o.instruction = "mma.sync.aligned.m16n8k4.row.col.f32.tf32.tf32.f32";
  o.k = 4;
  o.a_count = 2;
  o.b_count = 1;
  o.a = [](std::uint32_t lane, std::uint32_t i) -> Element {
    return {(lane >> 2) + 8 * i, lane % 4};
  };
  check(o);
}

TEST(Mma, Bytes) {
  Operation o;
  o.m = 16;
  o.n = 8;
  o.k = 32;
  o.a_bits = 8;
  o.c_bits = 32;
  o.a_count = 16;
  o.b_count = 8;
  o.c_count = 4;
  o.c = c_of_16x8;
  o.random = byte_number;
  o.encode = as_byte;
  o.encode_c = as_integer;
  o.decode_c = from_integer;
  o.instruction = "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32";
  o.a = [](std::uint32_t lane, std::uint32_t i) -> Element {
    const bool upper_rows = i < 4 || (i >= 8 && i < 12);
    return {upper_rows ? lane >> 2 : (lane >> 2) + 8, lane % 4 * 4 + (i & 3) + (i >= 8 ? 16 : 0)};
  };
  o.b = [](std::uint32_t lane, std::uint32_t i) -> Element {
    return {lane % 4 * 4 + (i & 3) + (i >= 4 ? 16 : 0), lane >> 2};
  };
  check(o);
  o.instruction = "mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32";
  o.target = "sm_75";
  o.m = 8;
  o.k = 16;
  o.a_count = 4;
  o.b_count = 4;
  o.c_count = 2;
  o.a = [](std::uint32_t lane, std::uint32_t i) -> Element {
    return {lane >> 2, lane % 4 * 4 + i};
  };
  o.b = [](std::uint32_t lane, std::uint32_t i) -> Element {
    return {lane % 4 * 4 + i, lane >> 2};
  };
  o.c = [](std::uint32_t lane, std::uint32_t i) -> Element {
    return {lane >> 2, lane % 4 * 2 + i};
  };
  check(o);
}

TEST(Mma, QuadPairs) {
  // Four 8×8×4 products: that of quad pair q has the lanes 4 q … 4 q + 3 and 16 + 4 q … 19 + 4 q.
  std::mt19937 generator(9);
  std::vector<std::uint32_t> input(kLanes * 4);
  std::vector<float> half_value(kLanes * 8);
  for (std::size_t i = 0; i < half_value.size(); ++i) {
    half_value[i] = static_cast<float>(small_number(generator));
    input[i / 2] |= static_cast<std::uint32_t>(as_half(half_value[i])) << (16 * (i % 2));
  }
  const std::string body = R"(
    .reg .b32 %a<2>, %b<2>;
    .reg .f32 %c<8>, %e<8>;
    mul.wide.u32 %at, %tid, 16;
    add.u64 %at, %at, %in;
    ld.global.v4.b32 {%a0, %a1, %b0, %b1}, [%at];
    mov.f32 %c0, 0f00000000;
    mma.sync.aligned.m8n8k4.row.col.f32.f16.f16.f32 {%e0, %e1, %e2, %e3, %e4, %e5, %e6, %e7},
        {%a0, %a1}, {%b0, %b1}, {%c0, %c0, %c0, %c0, %c0, %c0, %c0, %c0};
    mul.wide.u32 %at, %tid, 32;
    add.u64 %at, %at, %out;
    st.global.v4.f32 [%at], {%e0, %e1, %e2, %e3};
    st.global.v4.f32 [%at+16], {%e4, %e5, %e6, %e7};)";
  Device device;
  const std::uint64_t in = device.upload(input);
  const std::uint64_t out = device.allocate<float>(8 * kLanes);
  device.launch(kernel_of(body, "", "sm_75"), "k", {.block = {kLanes, 1, 1}}, in, out);
  const auto found = device.download<float>(out, 8 * kLanes);
  for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
    const std::uint32_t pair = lane % 16 / 4;
    for (std::uint32_t i = 0; i < 8; ++i) {
      const std::uint32_t row = (lane & 1) + (i & 2) + (lane >= 16 ? 4 : 0);
      const std::uint32_t column = (i & 4) + (lane & 2) + (i & 1);
      // Row r of A and column n of B are four halves of one lane each.
      const std::uint32_t a_lane = 4 * pair + row % 4 + (row >= 4 ? 16 : 0);
      const std::uint32_t b_lane = 4 * pair + column % 4 + (column >= 4 ? 16 : 0);
      float expected = 0;
      for (std::uint32_t k = 0; k < 4; ++k) {
        expected += half_value[8 * a_lane + k] * half_value[8 * b_lane + 4 + k];
      }
      EXPECT_EQ(found[8 * lane + i], expected);
    }
  }
}

TEST(Mma, ShapesThatATargetLacks) {
  const std::string body =
      ".reg .b32 %a<4>, %b<2>, %c<4>, %e<4>;\nmma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 " +
      list("e", 4) + ", " + list("a", 4) + ", " + list("b", 2) + ", " + list("c", 4) + ";";
  Device device;
  const std::uint64_t none = 0;
  EXPECT_THROW(device.launch(kernel_of(body, "", "sm_75"), "k", {}, none, none), ptx::ParseError);
}

TEST(Mma, UndefinedInputsMakeTheirRowsAndColumnsUndefined) {
  // Register %a1 holds row g + 8: everything in the lower half of the result depends on it.
  std::string body = ".reg .b32 %a<4>, %b<2>, %c<4>, %e<4>, %u;\n";
  for (const char* name : {"a0", "a2", "b0", "b1", "c0", "c1", "c2", "c3"}) {
    body += std::string("mov.b32 %") + name + ", 0;\n";
  }
  body += "mov.b32 %a1, %u;\nmov.b32 %a3, 0;\n";
  body += "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 " + list("e", 4) + ", " +
          list("a", 4) + ", " + list("b", 2) + ", " + list("c", 4) + ";\n";
  body += "mul.wide.u32 %at, %tid, 16;\nadd.u64 %at, %at, %out;\n"
          "st.global.v4.b32 [%at], {%e0, %e1, %e2, %e3};\n";
  Device device;
  const std::uint64_t in = device.upload(std::vector<std::uint32_t>{0});
  const std::uint64_t out = device.allocate<std::uint32_t>(4 * kLanes);
  device.launch(kernel_of(body), "k", {.block = {kLanes, 1, 1}}, in, out);
  const auto defined = device.defined(out, 16 * kLanes);
  for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
    EXPECT_EQ(defined[16 * lane], 0xFF);
    EXPECT_EQ(defined[16 * lane + 4], 0xFF);
    EXPECT_EQ(defined[16 * lane + 8], 0);
    EXPECT_EQ(defined[16 * lane + 12], 0);
  }
}

TEST(LoadMatrix, RowsAndColumns) {
  const std::string variables = ".shared .align 16 .b8 tile[512];";
  for (const bool transposed : {false, true}) {
    // Element (row, column) of matrix j is 64 j + 8 row + column.
    std::string body = R"(
      .reg .b32 %m<4>;
      mov.u32 %r1, tile;
      shl.b32 %r2, %tid, 4;
      add.u32 %r3, %r1, %r2;
      shl.b32 %r4, %tid, 3;
      mov.u32 %r9, 0;
    FILL:
      add.u32 %r5, %r4, %r9;
      cvt.u16.u32 %h0, %r5;
      shl.b32 %r6, %r9, 1;
      add.u32 %r7, %r3, %r6;
      st.shared.u16 [%r7], %h0;
      add.u32 %r9, %r9, 1;
      setp.lt.u32 %p0, %r9, 8;
      @%p0 bra FILL;
      bar.sync 0;
      ldmatrix.sync.aligned.m8n8.x4)";
    body += transposed ? ".trans" : "";
    body += R"(.shared.b16 {%m0, %m1, %m2, %m3}, [%r3];
      mul.wide.u32 %at, %tid, 16;
      add.u64 %at, %at, %out;
      st.global.v4.b32 [%at], {%m0, %m1, %m2, %m3};)";
    Device device;
    const std::uint64_t in = device.upload(std::vector<std::uint32_t>{0});
    const std::uint64_t out = device.allocate<std::uint32_t>(4 * kLanes);
    device.launch(kernel_of(body, variables), "k", {.block = {kLanes, 1, 1}}, in, out);
    const auto found = device.download<std::uint16_t>(out, 8 * kLanes);
    for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
      for (std::uint32_t j = 0; j < 4; ++j) {
        for (std::uint32_t half = 0; half < 2; ++half) {
          const std::uint32_t row = transposed ? lane % 4 * 2 + half : lane / 4;
          const std::uint32_t column = transposed ? lane / 4 : lane % 4 * 2 + half;
          EXPECT_EQ(found[lane * 8 + 2 * j + half], 64 * j + 8 * row + column);
        }
      }
    }
  }
}

TEST(Wmma, LoadMultiplyStore) {
  // D = A B + C with A row-major, B column-major, both 16×16 halves behind one another in `in`.
  std::mt19937 generator(3);
  std::vector<std::uint16_t> input(512);
  for (std::uint16_t& value : input) {
    value = static_cast<std::uint16_t>(as_half(small_number(generator)));
  }
  const std::string body = ".reg .b32 %a<8>, %b<8>;\n.reg .f32 %c<8>, %e<8>;\n"
      "wmma.load.a.sync.aligned.row.m16n16k16.global.f16 " + list("a", 8) + ", [%in], 16;\n"
      "wmma.load.b.sync.aligned.col.m16n16k16.global.f16 " + list("b", 8) + ", [%in+512], 16;\n"
      "mov.f32 %c0, 0f3F800000;\nmov.f32 %c1, %c0;\nmov.f32 %c2, %c0;\nmov.f32 %c3, %c0;\n"
      "mov.f32 %c4, %c0;\nmov.f32 %c5, %c0;\nmov.f32 %c6, %c0;\nmov.f32 %c7, %c0;\n"
      "wmma.mma.sync.aligned.row.col.m16n16k16.f32.f32 " + list("e", 8) + ", " + list("a", 8) +
      ", " + list("b", 8) + ", " + list("c", 8) + ";\n"
      "wmma.store.d.sync.aligned.row.m16n16k16.global.f32 [%out], " + list("e", 8) + ", 16;";
  Device device;
  const std::uint64_t in = device.upload(input);
  const std::uint64_t out = device.allocate<float>(256);
  device.launch(kernel_of(body, "", "sm_75"), "k", {.block = {kLanes, 1, 1}}, in, out);
  const auto found = device.download<float>(out, 256);
  for (std::uint32_t row = 0; row < 16; ++row) {
    for (std::uint32_t column = 0; column < 16; ++column) {
      double expected = 1;
      for (std::uint32_t k = 0; k < 16; ++k) {
        expected += from_half(input[row * 16 + k]) * from_half(input[256 + column * 16 + k]);
      }
      EXPECT_EQ(found[row * 16 + column], expected);
    }
  }
}

}  // namespace
}  // namespace virtual_gpu::testing

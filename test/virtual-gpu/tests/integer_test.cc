// Integer instructions: values that PTX's definitions give, written out.
#include <gtest/gtest.h>

#include "tests/instruction_table.h"

namespace virtual_gpu::testing {
namespace {

using Types = std::vector<std::string>;

const Types k32x2{"b32", "b32", "b32"};
const Types k32x3{"b32", "b32", "b32", "b32"};
const Types k64x2{"b64", "b64", "b64"};
const Types k16x2{"b16", "b16", "b16"};

TEST(Integer, Sums) {
  expect_rows({"add.u32 $d, $a, $b;", k32x2}, {{{1, 2}, 3}, {{0xFFFFFFFF, 1}, 0}});
  expect_rows({"add.sat.s32 $d, $a, $b;", k32x2},
              {{{0x7FFFFFFF, 1}, 0x7FFFFFFF}, {{0x80000000, 0xFFFFFFFF}, 0x80000000}, {{1, 2}, 3}});
  expect_rows({"sub.s32 $d, $a, $b;", k32x2},
              {{{1, 2}, 0xFFFFFFFF}, {{0x80000000, 1}, 0x7FFFFFFF}});
  expect_rows({"sub.sat.s32 $d, $a, $b;", k32x2}, {{{0x80000000, 1}, 0x80000000}});
  expect_rows({"add.s64 $d, $a, $b;", k64x2}, {{{~0ull, 2}, 1}});
  expect_rows({"add.s16 $d, $a, $b;", k16x2}, {{{0xFFFF, 2}, 1}});
  expect_rows({"add.u16x2 $d, $a, $b;", k32x2, "sm_90"}, {{{0xFFFF0001, 0x00010002}, 3}});
}

TEST(Integer, SumsWithCarry) {
  const Instruction wide{".reg .b32 %x, %y, %lo, %hi, %q, %r;\n"
                         "mov.b64 {%x, %y}, $a;\nmov.b64 {%q, %r}, $b;\n"
                         "add.cc.u32 %lo, %x, %q;\naddc.u32 %hi, %y, %r;\n"
                         "mov.b64 $d, {%lo, %hi};",
                         k64x2};
  expect_rows(wide, {{{0xFFFFFFFF, 1}, 0x100000000}, {{0x1FFFFFFFF, 0x100000001}, 0x300000000}});
  const Instruction less{".reg .b32 %x, %y, %lo, %hi, %q, %r;\n"
                         "mov.b64 {%x, %y}, $a;\nmov.b64 {%q, %r}, $b;\n"
                         "sub.cc.u32 %lo, %x, %q;\nsubc.u32 %hi, %y, %r;\n"
                         "mov.b64 $d, {%lo, %hi};",
                         k64x2};
  expect_rows(less, {{{0x100000000, 1}, 0xFFFFFFFF}, {{0, 1}, ~0ull}});
}

TEST(Integer, Products) {
  expect_rows({"mul.lo.s32 $d, $a, $b;", k32x2}, {{{0x10000, 0x10001}, 0x10000}});
  expect_rows({"mul.hi.u32 $d, $a, $b;", k32x2}, {{{0xFFFFFFFF, 0xFFFFFFFF}, 0xFFFFFFFE}});
  expect_rows({"mul.hi.s32 $d, $a, $b;", k32x2}, {{{0xFFFFFFFF, 2}, 0xFFFFFFFF}});
  expect_rows({"mul.hi.u64 $d, $a, $b;", k64x2}, {{{~0ull, ~0ull}, ~0ull - 1}});
  expect_rows({"mul.wide.s32 $d, $a, $b;", {"b64", "b32", "b32"}},
              {{{0xFFFFFFFF, 3}, static_cast<std::uint64_t>(-3)}});
  expect_rows({"mul.wide.u16 $d, $a, $b;", {"b32", "b16", "b16"}},
              {{{0xFFFF, 0xFFFF}, 0xFFFE0001}});
  expect_rows({"mad.lo.s32 $d, $a, $b, $c;", k32x3}, {{{3, 4, 5}, 17}});
  expect_rows({"mad.hi.sat.s32 $d, $a, $b, $c;", k32x3},
              {{{0x7FFFFFFF, 4, 0x7FFFFFFF}, 0x7FFFFFFF}});
  expect_rows({"mad.wide.u32 $d, $a, $b, $c;", {"b64", "b32", "b32", "b64"}},
              {{{0xFFFFFFFF, 2, 5}, 0x200000003}});
  expect_rows({"mul24.lo.s32 $d, $a, $b;", k32x2}, {{{0x01FFFFFF, 2}, 0xFFFFFFFE}});
  expect_rows({"mul24.hi.u32 $d, $a, $b;", k32x2}, {{{0xFFFFFF, 0xFFFFFF}, 0xFFFFFE00}});
  expect_rows({"dp4a.s32.s32 $d, $a, $b, $c;", k32x3},
              {{{0xFF020304, 0x01010101, 10}, 10 - 1 + 2 + 3 + 4}});
  expect_rows({"dp4a.u32.s32 $d, $a, $b, $c;", k32x3}, {{{0xFF, 0xFF, 0}, 0xFFFFFF01}});
  expect_rows({"dp2a.lo.s32.u32 $d, $a, $b, $c;", k32x3}, {{{0x00020003, 0x04030201, 1}, 8}});
  expect_rows({"dp2a.hi.s32.u32 $d, $a, $b, $c;", k32x3}, {{{0x00020003, 0x04030201, 1}, 18}});
  expect_rows({"sad.s32 $d, $a, $b, $c;", k32x3}, {{{3, 0xFFFFFFFE, 7}, 12}});
}

TEST(Integer, QuotientsAndSigns) {
  expect_rows({"div.s32 $d, $a, $b;", k32x2},
              {{{7, 0xFFFFFFFE}, 0xFFFFFFFD}, {{0x80000000, 0xFFFFFFFF}, 0x80000000}});
  expect_rows({"rem.s32 $d, $a, $b;", k32x2}, {{{0xFFFFFFF9, 2}, 0xFFFFFFFF}, {{7, 3}, 1}});
  expect_rows({"div.u64 $d, $a, $b;", k64x2}, {{{~0ull, 10}, 1844674407370955161}});
  expect_rows({"abs.s32 $d, $a;", {"b32", "b32"}}, {{{0xFFFFFFFB}, 5}, {{0x80000000}, 0x80000000}});
  expect_rows({"neg.s32 $d, $a;", {"b32", "b32"}}, {{{5}, 0xFFFFFFFB}});
  expect_rows({"min.s32 $d, $a, $b;", k32x2}, {{{0xFFFFFFFF, 1}, 0xFFFFFFFF}});
  expect_rows({"min.u32 $d, $a, $b;", k32x2}, {{{0xFFFFFFFF, 1}, 1}});
  expect_rows({"max.s16 $d, $a, $b;", k16x2}, {{{0x8000, 1}, 1}});
}

TEST(Integer, Logic) {
  expect_rows({"and.b32 $d, $a, $b;", k32x2}, {{{0xF0F0, 0xFF00}, 0xF000}});
  expect_rows({"xor.b64 $d, $a, $b;", k64x2}, {{{~0ull, 1}, ~1ull}});
  expect_rows({"not.b16 $d, $a;", {"b16", "b16"}}, {{{0x00FF}, 0xFF00}});
  expect_rows({"cnot.b32 $d, $a;", {"b32", "b32"}}, {{{0}, 1}, {{7}, 0}});
  // The table of a function f is f(0xF0, 0xCC, 0xAA): 0x80 for all three, 0x96 for their sum.
  expect_rows({"lop3.b32 $d, $a, $b, $c, 0x80;", k32x3}, {{{0xFF, 0xF0, 0x3C}, 0x30}});
  expect_rows({"lop3.b32 $d, $a, $b, $c, 0x96;", k32x3}, {{{0xFF, 0xF0, 0x3C}, 0x33}});
  expect_rows({"lop3.b32 $d, $a, $b, $c, 0xE8;", k32x3}, {{{0xFF, 0xF0, 0x0F}, 0xFF}});
  expect_rows({"and.pred $d, $a, !$b;", {"pred", "pred", "pred"}},
              {{{1, 0}, 1}, {{1, 1}, 0}, {{0, 0}, 0}});
}

TEST(Integer, Shifts) {
  const Types narrow{"b16", "b16", "b32"};
  const Types wide{"b64", "b64", "b32"};
  expect_rows({"shl.b32 $d, $a, $b;", k32x2}, {{{1, 31}, 0x80000000}, {{1, 32}, 0}, {{1, ~0u}, 0}});
  expect_rows({"shr.u32 $d, $a, $b;", k32x2}, {{{0x80000000, 31}, 1}, {{0x80000000, 99}, 0}});
  expect_rows({"shr.s32 $d, $a, $b;", k32x2},
              {{{0x80000000, 4}, 0xF8000000}, {{0x80000000, 99}, 0xFFFFFFFF}});
  expect_rows({"shr.s16 $d, $a, $b;", narrow}, {{{0x8000, 3}, 0xF000}});
  expect_rows({"shl.b64 $d, $a, $b;", wide}, {{{1, 63}, 1ull << 63}, {{1, 64}, 0}});
  expect_rows({"shf.l.wrap.b32 $d, $a, $b, $c;", k32x3}, {{{0x80000001, 2, 33}, 5}});
  expect_rows({"shf.l.clamp.b32 $d, $a, $b, $c;", k32x3}, {{{7, 2, 40}, 7}});
  expect_rows({"shf.r.wrap.b32 $d, $a, $b, $c;", k32x3}, {{{0x10, 3, 4}, 0x30000001}});
  expect_rows({"shf.r.clamp.b32 $d, $a, $b, $c;", k32x3}, {{{1, 9, 32}, 9}});
}

TEST(Integer, Counts) {
  const Types from_64{"b32", "b64"};
  const Types from_32{"b32", "b32"};
  expect_rows({"popc.b32 $d, $a;", from_32}, {{{0xF0F}, 8}});
  expect_rows({"popc.b64 $d, $a;", from_64}, {{{~0ull}, 64}});
  expect_rows({"clz.b32 $d, $a;", from_32}, {{{0}, 32}, {{1}, 31}});
  expect_rows({"clz.b64 $d, $a;", from_64}, {{{0}, 64}, {{1}, 63}});
  expect_rows({"bfind.u32 $d, $a;", from_32}, {{{0}, 0xFFFFFFFF}, {{0x10}, 4}});
  expect_rows({"bfind.s32 $d, $a;", from_32}, {{{0xFFFFFFFF}, 0xFFFFFFFF}, {{0xFFFFFFEF}, 4}});
  expect_rows({"bfind.shiftamt.u32 $d, $a;", from_32}, {{{0x10}, 27}});
  expect_rows({"brev.b32 $d, $a;", from_32}, {{{0x80000003}, 0xC0000001}});
  expect_rows({"fns.b32 $d, $a, $b, $c;", k32x3},
              {{{0b10110, 0, 1}, 1}, {{0b10110, 0, 2}, 2}, {{0b10110, 4, 0xFFFFFFFF}, 4},
               {{0b10110, 0, 4}, 0xFFFFFFFF}});
}

TEST(Integer, Fields) {
  expect_rows({"bfe.u32 $d, $a, $b, $c;", k32x3},
              {{{0xABCD1234, 8, 8}, 0x12}, {{0xFF, 4, 0}, 0}, {{0xABCD1234, 28, 16}, 0xA}});
  expect_rows({"bfe.s32 $d, $a, $b, $c;", k32x3},
              {{{0x00000080, 0, 8}, 0xFFFFFF80}, {{0x80000000, 28, 16}, 0xFFFFFFF8}});
  expect_rows({"bfi.b32 $d, $a, $b, $c, $e;", {"b32", "b32", "b32", "b32", "b32"}},
              {{{0xAB, 0x11111111, 8, 8}, 0x1111AB11}, {{0xAB, 7, 40, 8}, 7}});
  expect_rows({"bmsk.clamp.b32 $d, $a, $b;", k32x2, "sm_80"},
              {{{4, 4}, 0xF0}, {{30, 8}, 0xC0000000}});
  expect_rows({"szext.clamp.s32 $d, $a, $b;", k32x2}, {{{0x80, 8}, 0xFFFFFF80}, {{0x80, 9}, 0x80}});
}

TEST(Integer, Permutations) {
  // Bytes of {b, a} = 76543210 in hexadecimal digits of their own.
  const std::uint64_t a = 0x33221100;
  const std::uint64_t b = 0x77665544;
  expect_rows({"prmt.b32 $d, $a, $b, $c;", k32x3},
              {{{a, b, 0x7531}, 0x77553311}, {{0x80, 0, 0x0008}, 0x808080FF}});
  const Types two{"b32", "b32", "b32", "b32"};
  expect_rows({"prmt.b32.f4e $d, $a, $b, $c;", two}, {{{a, b, 1}, 0x44332211}});
  expect_rows({"prmt.b32.b4e $d, $a, $b, $c;", two}, {{{a, b, 1}, 0x66770011}});
  expect_rows({"prmt.b32.rc8 $d, $a, $b, $c;", two}, {{{a, b, 2}, 0x22222222}});
  expect_rows({"prmt.b32.ecl $d, $a, $b, $c;", two}, {{{a, b, 1}, 0x33221111}});
  expect_rows({"prmt.b32.ecr $d, $a, $b, $c;", two}, {{{a, b, 2}, 0x22221100}});
  expect_rows({"prmt.b32.rc16 $d, $a, $b, $c;", two}, {{{a, b, 1}, 0x33223322}});
}

TEST(Integer, UndefinedBitsFollowTheValue) {
  std::vector<std::uint64_t> spread;
  const std::vector<std::vector<std::uint64_t>> undefined{{0x0F, 0}};
  run_rows({"and.b32 $d, $a, $b;", k32x2}, {{0, 0x03}}, &undefined, &spread);
  EXPECT_EQ(spread.at(0), 0x03u) << "zeros of the other side are known";
  spread.clear();
  run_rows({"add.u32 $d, $a, $b;", k32x2}, {{0, 1}}, &undefined, &spread);
  EXPECT_EQ(spread.at(0), 0xFFFFFFFFu);
  spread.clear();
  const std::vector<std::vector<std::uint64_t>> high{{0x80000000, 0}};
  run_rows({"shr.u32 $d, $a, $b;", k32x2}, {{0, 4}}, &high, &spread);
  EXPECT_EQ(spread.at(0), 0x08000000u);
  spread.clear();
  const std::vector<std::vector<std::uint64_t>> byte{{0xFF, 0, 0}};
  run_rows({"prmt.b32 $d, $a, $b, $c;", k32x3}, {{0, 0, 0x3021}}, &byte, &spread);
  EXPECT_EQ(spread.at(0), 0x00FF0000u);
  spread.clear();
  run_rows({"lop3.b32 $d, $a, $b, $c, 0x80;", k32x3}, {{0, 0x3C, 0xFF}}, &byte, &spread);
  EXPECT_EQ(spread.at(0), 0x3Cu) << "a bit that a known zero decides is known";
}

}  // namespace
}  // namespace virtual_gpu::testing

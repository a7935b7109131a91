// Integer arithmetic (PTX ISA, "Integer Arithmetic Instructions", "Extended-Precision …").
#include "isa/integer.h"

#include <algorithm>
#include <limits>

#include "isa/lanes.h"

namespace virtual_gpu::isa {
namespace {

using ptx::Type;

template <typename T>
using Unsigned = std::make_unsigned_t<T>;
template <typename T>
using Signed = std::make_signed_t<T>;

__extension__ typedef __int128 Int128;
__extension__ typedef unsigned __int128 UInt128;

template <typename T>
struct Wider;
template <> struct Wider<std::int16_t> { using type = std::int32_t; };
template <> struct Wider<std::uint16_t> { using type = std::uint32_t; };
template <> struct Wider<std::int32_t> { using type = std::int64_t; };
template <> struct Wider<std::uint32_t> { using type = std::uint64_t; };
template <> struct Wider<std::int64_t> { using type = Int128; };
template <> struct Wider<std::uint64_t> { using type = UInt128; };
template <typename T>
using Wide = typename Wider<T>::type;

template <typename T>
T wrap_add(T a, T b) {
  return static_cast<T>(static_cast<Unsigned<T>>(a) + static_cast<Unsigned<T>>(b));
}
template <typename T>
T wrap_sub(T a, T b) {
  return static_cast<T>(static_cast<Unsigned<T>>(a) - static_cast<Unsigned<T>>(b));
}

template <typename T>
struct Add : SpreadLeft {
  static T value(T a, T b) { return wrap_add(a, b); }
};
template <typename T>
struct Sub : SpreadLeft {
  static T value(T a, T b) { return wrap_sub(a, b); }
};
template <typename T>
T clamp_wide(Wide<T> value) {
  const Wide<T> low = std::numeric_limits<T>::min();
  const Wide<T> high = std::numeric_limits<T>::max();
  return static_cast<T>(value < low ? low : value > high ? high : value);
}
template <typename T>
struct AddSat : SpreadAll {
  static T value(T a, T b) { return clamp_wide<T>(Wide<T>{a} + b); }
};
template <typename T>
struct SubSat : SpreadAll {
  static T value(T a, T b) { return clamp_wide<T>(Wide<T>{a} - b); }
};
template <typename T>
T high_product(T a, T b) {
  return static_cast<T>((static_cast<Wide<T>>(a) * static_cast<Wide<T>>(b)) >> (8 * sizeof(T)));
}
template <typename T>
struct MulLow : SpreadLeft {
  static T value(T a, T b) {
    return static_cast<T>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
  }
};
template <typename T>
struct MulHigh : SpreadAll {
  static T value(T a, T b) { return high_product(a, b); }
};
template <typename T>
struct MulWide : SpreadLeft {
  static Wide<T> value(T a, T b) { return static_cast<Wide<T>>(a) * static_cast<Wide<T>>(b); }
};
template <typename T>
struct MadLow : SpreadLeft {
  static T value(T a, T b, T c) { return wrap_add(MulLow<T>::value(a, b), c); }
};
template <typename T>
struct MadHigh : SpreadAll {
  static T value(T a, T b, T c) { return wrap_add(high_product(a, b), c); }
};
template <typename T>
struct MadHighSat : SpreadAll {
  static T value(T a, T b, T c) { return clamp_wide<T>(Wide<T>{high_product(a, b)} + c); }
};
template <typename T>
struct MadWide : SpreadLeft {
  static Wide<T> value(T a, T b, Wide<T> c) { return wrap_add(MulWide<T>::value(a, b), c); }
};
/// 24-bit operands: bits above are ignored (PTX ISA, "mul24").
template <typename T>
std::int64_t low24(T value) {
  constexpr int kDropped = 8;
  return static_cast<T>(static_cast<Unsigned<T>>(value) << kDropped) >> kDropped;
}
template <typename T>
struct Mul24Low : SpreadLeft {
  static T value(T a, T b) { return static_cast<T>(low24(a) * low24(b)); }
};
template <typename T>
struct Mul24High : SpreadAll {
  static T value(T a, T b) { return static_cast<T>((low24(a) * low24(b)) >> 16); }
};
template <typename T>
struct Mad24Low : SpreadLeft {
  static T value(T a, T b, T c) { return wrap_add(Mul24Low<T>::value(a, b), c); }
};
template <typename T>
struct Mad24High : SpreadAll {
  static T value(T a, T b, T c) { return wrap_add(Mul24High<T>::value(a, b), c); }
};
template <typename T>
struct SumOfDifferences : SpreadAll {
  static T value(T a, T b, T c) { return wrap_add(a < b ? wrap_sub(b, a) : wrap_sub(a, b), c); }
};
/// Division by zero gives all ones, as the hardware's sequence does; the ISA leaves it open.
template <typename T>
struct Div : SpreadAll {
  static T value(T a, T b) {
    if (b == 0) return static_cast<T>(-1);
    if constexpr (std::is_signed_v<T>) {
      if (b == -1) return wrap_sub(T{0}, a);
    }
    return static_cast<T>(a / b);
  }
};
template <typename T>
struct Rem : SpreadAll {
  static T value(T a, T b) {
    if (b == 0) return a;
    if constexpr (std::is_signed_v<T>) {
      if (b == -1) return 0;
    }
    return static_cast<T>(a % b);
  }
};
template <typename T>
struct Abs : SpreadAll {
  static T value(T a) { return a < 0 ? wrap_sub(T{0}, a) : a; }
};
template <typename T>
struct Neg : SpreadLeft {
  static T value(T a) { return wrap_sub(T{0}, a); }
};
template <typename T>
struct Min : SpreadAll {
  static T value(T a, T b) { return std::min(a, b); }
};
template <typename T>
struct Max : SpreadAll {
  static T value(T a, T b) { return std::max(a, b); }
};
template <typename T>
struct MinRelu : SpreadAll {
  static T value(T a, T b) { return std::max(T{0}, std::min(a, b)); }
};
template <typename T>
struct MaxRelu : SpreadAll {
  static T value(T a, T b) { return std::max(T{0}, std::max(a, b)); }
};
/// Two 16-bit integers in one register.
template <typename F, typename T>
struct Pairs : SpreadHalves {
  static std::uint32_t value(std::uint32_t a, std::uint32_t b) {
    const auto low = F::value(static_cast<T>(a), static_cast<T>(b));
    const auto high = F::value(static_cast<T>(a >> 16), static_cast<T>(b >> 16));
    return static_cast<std::uint16_t>(low) |
           std::uint32_t{static_cast<std::uint16_t>(high)} << 16;
  }
};

template <template <typename> class F, typename T>
Execute unary() { return &map_lanes<F<T>, T, T>; }
template <template <typename> class F, typename T>
Execute binary() { return &map_lanes<F<T>, T, T, T>; }
template <template <typename> class F, typename T>
Execute ternary() { return &map_lanes<F<T>, T, T, T, T>; }
template <template <typename> class F, typename T>
Execute wide_binary() { return &map_lanes<F<T>, Wide<T>, T, T>; }
template <template <typename> class F, typename T>
Execute wide_ternary() { return &map_lanes<F<T>, Wide<T>, T, T, Wide<T>>; }

/// The function for the type of 16, 32 or 64 bits.
#define VIRTUAL_GPU_BY_TYPE(maker, F)                              \
  [](Type type) -> Execute {                                      \
    switch (type) {                                                \
      case Type::kU16: case Type::kB16: return maker<F, std::uint16_t>(); \
      case Type::kS16: return maker<F, std::int16_t>();            \
      case Type::kU32: case Type::kB32: return maker<F, std::uint32_t>(); \
      case Type::kS32: return maker<F, std::int32_t>();            \
      case Type::kU64: case Type::kB64: return maker<F, std::uint64_t>(); \
      case Type::kS64: return maker<F, std::int64_t>();            \
      default: return nullptr;                                     \
    }                                                              \
  }
#define VIRTUAL_GPU_BY_NARROW_TYPE(maker, F)                       \
  [](Type type) -> Execute {                                      \
    switch (type) {                                                \
      case Type::kU16: return maker<F, std::uint16_t>();           \
      case Type::kS16: return maker<F, std::int16_t>();            \
      case Type::kU32: return maker<F, std::uint32_t>();           \
      case Type::kS32: return maker<F, std::int32_t>();            \
      default: return nullptr;                                     \
    }                                                              \
  }
#define VIRTUAL_GPU_BY_32_BITS(maker, F)                           \
  [](Type type) -> Execute {                                      \
    switch (type) {                                                \
      case Type::kU32: return maker<F, std::uint32_t>();           \
      case Type::kS32: return maker<F, std::int32_t>();            \
      default: return nullptr;                                     \
    }                                                              \
  }
using ByType = Execute (*)(Type);

void finish(Builder& b, Type type, Execute execute, std::size_t sources, Type result) {
  if (execute == nullptr) {
    b.fail("." + std::string(name_of(type)) + " is no type of " + b.instruction().opcode);
  }
  b.op().execute = execute;
  b.op().op_class = OpClass::kInteger;
  b.destination(b.operand(0), ptx::bytes_of(result));
  b.end_destinations();
  for (std::size_t i = 1; i <= sources; ++i) {
    const bool wide_addend = i == 3 && result != type;
    b.source(b.operand(i), wide_addend ? result : type);
  }
}

void simple(Builder& b, ByType by_type, std::size_t sources) {
  const Type type = b.expect_type();
  finish(b, type, by_type(type), sources, type);
}

bool is_pair(Type type) { return type == Type::kU16x2 || type == Type::kS16x2; }

template <template <typename> class F>
Execute pairs(Type type) {
  using U = std::uint16_t;
  using S = std::int16_t;
  using W = std::uint32_t;
  return type == Type::kS16x2 ? &map_lanes<Pairs<F<S>, S>, W, W, W>
                              : &map_lanes<Pairs<F<U>, U>, W, W, W>;
}

Type wide_type(Builder& b, Type type) {
  switch (type) {
    case Type::kU16: return Type::kU32;
    case Type::kS16: return Type::kS32;
    case Type::kU32: return Type::kU64;
    case Type::kS32: return Type::kS64;
    default: b.fail("Expected a type of 16 or 32 bits for .wide");
  }
}

void decode_sad(Builder& b) { simple(b, VIRTUAL_GPU_BY_TYPE(ternary, SumOfDifferences), 3); }
void decode_rem(Builder& b) { simple(b, VIRTUAL_GPU_BY_TYPE(binary, Rem), 2); }

void decode_mul24(Builder& b) {
  const bool high = b.expect_one({"lo", "hi"}) == 1;
  simple(b, high ? ByType{VIRTUAL_GPU_BY_32_BITS(binary, Mul24High)}
                 : ByType{VIRTUAL_GPU_BY_32_BITS(binary, Mul24Low)}, 2);
}

void decode_mad24(Builder& b) {
  const bool high = b.expect_one({"lo", "hi"}) == 1;
  simple(b, high ? ByType{VIRTUAL_GPU_BY_32_BITS(ternary, Mad24High)}
                 : ByType{VIRTUAL_GPU_BY_32_BITS(ternary, Mad24Low)}, 3);
}

}  // namespace

namespace integer {

void decode_add(Builder& b) {
  if (b.accept("sat")) return simple(b, VIRTUAL_GPU_BY_32_BITS(binary, AddSat), 2);
  const Type type = b.expect_type();
  if (is_pair(type)) return finish(b, type, pairs<Add>(type), 2, type);
  finish(b, type, ByType{VIRTUAL_GPU_BY_TYPE(binary, Add)}(type), 2, type);
}

void decode_sub(Builder& b) {
  if (b.accept("sat")) return simple(b, VIRTUAL_GPU_BY_32_BITS(binary, SubSat), 2);
  simple(b, VIRTUAL_GPU_BY_TYPE(binary, Sub), 2);
}

void decode_mul(Builder& b) {
  switch (b.expect_one({"lo", "hi", "wide"})) {
    case 0: return simple(b, VIRTUAL_GPU_BY_TYPE(binary, MulLow), 2);
    case 1: return simple(b, VIRTUAL_GPU_BY_TYPE(binary, MulHigh), 2);
    default: break;
  }
  const Type type = b.expect_type();
  finish(b, type, ByType{VIRTUAL_GPU_BY_NARROW_TYPE(wide_binary, MulWide)}(type), 2,
         wide_type(b, type));
}

void decode_mad(Builder& b) {
  switch (b.expect_one({"lo", "hi", "wide"})) {
    case 0: return simple(b, VIRTUAL_GPU_BY_TYPE(ternary, MadLow), 3);
    case 1:
      if (b.accept("sat")) return simple(b, VIRTUAL_GPU_BY_32_BITS(ternary, MadHighSat), 3);
      return simple(b, VIRTUAL_GPU_BY_TYPE(ternary, MadHigh), 3);
    default: break;
  }
  const Type type = b.expect_type();
  finish(b, type, ByType{VIRTUAL_GPU_BY_NARROW_TYPE(wide_ternary, MadWide)}(type), 3,
         wide_type(b, type));
}

void decode_div(Builder& b) { simple(b, VIRTUAL_GPU_BY_TYPE(binary, Div), 2); }

void decode_abs(Builder& b) {
  simple(b, [](Type type) -> Execute {
    switch (type) {
      case Type::kS16: return unary<Abs, std::int16_t>();
      case Type::kS32: return unary<Abs, std::int32_t>();
      case Type::kS64: return unary<Abs, std::int64_t>();
      default: return nullptr;
    }
  }, 1);
}

void decode_neg(Builder& b) { simple(b, VIRTUAL_GPU_BY_TYPE(unary, Neg), 1); }

void decode_min(Builder& b) {
  const bool relu = b.accept("relu");
  const Type type = b.expect_type();
  if (is_pair(type)) {
    return finish(b, type, relu ? pairs<MinRelu>(type) : pairs<Min>(type), 2, type);
  }
  const ByType by_type = relu ? ByType{VIRTUAL_GPU_BY_32_BITS(binary, MinRelu)}
                              : ByType{VIRTUAL_GPU_BY_TYPE(binary, Min)};
  finish(b, type, by_type(type), 2, type);
}

void decode_max(Builder& b) {
  const bool relu = b.accept("relu");
  const Type type = b.expect_type();
  if (is_pair(type)) {
    return finish(b, type, relu ? pairs<MaxRelu>(type) : pairs<Max>(type), 2, type);
  }
  const ByType by_type = relu ? ByType{VIRTUAL_GPU_BY_32_BITS(binary, MaxRelu)}
                              : ByType{VIRTUAL_GPU_BY_TYPE(binary, Max)};
  finish(b, type, by_type(type), 2, type);
}

}  // namespace integer

std::span<const Entry> integer_instructions() {
  static constexpr Entry kEntries[] = {
      {"mul24", decode_mul24}, {"mad24", decode_mad24}, {"sad", decode_sad}, {"rem", decode_rem},
  };
  return kEntries;
}

}  // namespace virtual_gpu::isa

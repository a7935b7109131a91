#include "ptx/types.h"

#include <array>

namespace virtual_gpu::ptx {
namespace {

struct TypeRow {
  std::string_view name;
  Type type;
  std::uint32_t bytes;
};

// In the order of the enumeration, so that a type is its own index.
constexpr std::array kTypes{
    TypeRow{"b8", Type::kB8, 1},         TypeRow{"b16", Type::kB16, 2},
    TypeRow{"b32", Type::kB32, 4},       TypeRow{"b64", Type::kB64, 8},
    TypeRow{"b128", Type::kB128, 16},    TypeRow{"u8", Type::kU8, 1},
    TypeRow{"u16", Type::kU16, 2},       TypeRow{"u32", Type::kU32, 4},
    TypeRow{"u64", Type::kU64, 8},       TypeRow{"s8", Type::kS8, 1},
    TypeRow{"s16", Type::kS16, 2},       TypeRow{"s32", Type::kS32, 4},
    TypeRow{"s64", Type::kS64, 8},       TypeRow{"f16", Type::kF16, 2},
    TypeRow{"f16x2", Type::kF16x2, 4},   TypeRow{"bf16", Type::kBf16, 2},
    TypeRow{"bf16x2", Type::kBf16x2, 4}, TypeRow{"tf32", Type::kTf32, 4},
    TypeRow{"f32", Type::kF32, 4},       TypeRow{"f64", Type::kF64, 8},
    TypeRow{"e4m3", Type::kE4m3, 1},     TypeRow{"e5m2", Type::kE5m2, 1},
    TypeRow{"e4m3x2", Type::kE4m3x2, 2}, TypeRow{"e5m2x2", Type::kE5m2x2, 2},
    TypeRow{"u16x2", Type::kU16x2, 4},   TypeRow{"s16x2", Type::kS16x2, 4},
    TypeRow{"pred", Type::kPred, 0},
};

constexpr bool in_order() {
  for (std::size_t i = 0; i < kTypes.size(); ++i) {
    if (kTypes[i].type != static_cast<Type>(i)) return false;
  }
  return true;
}
static_assert(in_order());

constexpr const TypeRow& row_of(Type type) { return kTypes[static_cast<std::size_t>(type)]; }

struct SpaceRow {
  std::string_view name;
  Space space;
};

constexpr std::array kSpaces{
    SpaceRow{"generic", Space::kGeneric},     SpaceRow{"reg", Space::kReg},
    SpaceRow{"const", Space::kConst},         SpaceRow{"global", Space::kGlobal},
    SpaceRow{"local", Space::kLocal},         SpaceRow{"param", Space::kParam},
    SpaceRow{"shared", Space::kShared},       SpaceRow{"shared::cta", Space::kShared},
    SpaceRow{"param::entry", Space::kParam},  SpaceRow{"param::func", Space::kParam},
};

}  // namespace

std::uint32_t bytes_of(Type type) { return row_of(type).bytes; }

std::string_view name_of(Type type) { return row_of(type).name; }

std::optional<Type> type_named(std::string_view word) {
  for (const TypeRow& row : kTypes) {
    if (row.name == word) return row.type;
  }
  return std::nullopt;
}

bool is_signed(Type type) {
  switch (type) {
    case Type::kS8:
    case Type::kS16:
    case Type::kS32:
    case Type::kS64:
    case Type::kS16x2:
      return true;
    default:
      return false;
  }
}

bool is_float(Type type) {
  switch (type) {
    case Type::kF16:
    case Type::kF16x2:
    case Type::kBf16:
    case Type::kBf16x2:
    case Type::kTf32:
    case Type::kF32:
    case Type::kF64:
      return true;
    default:
      return false;
  }
}

std::optional<Space> space_named(std::string_view word) {
  for (const SpaceRow& row : kSpaces) {
    if (row.name == word && row.space != Space::kGeneric) return row.space;
  }
  return std::nullopt;
}

std::string_view name_of(Space space) { return kSpaces[static_cast<std::size_t>(space)].name; }

}  // namespace virtual_gpu::ptx

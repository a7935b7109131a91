// Counting, fields and permutations of bits (PTX ISA, "popc", "clz", "bfind", "fns", "brev", "bfe",
// "bfi", "bmsk", "szext", "prmt").
#include <algorithm>
#include <bit>
#include <cstdint>

#include "isa/bits.h"
#include "isa/lanes.h"

namespace virtual_gpu::isa {
namespace {

using ptx::Type;

template <typename T>
struct PopulationCount : SpreadAll {
  static std::uint32_t value(T a) { return static_cast<std::uint32_t>(std::popcount(a)); }
};
template <typename T>
struct LeadingZeros : SpreadAll {
  static std::uint32_t value(T a) { return static_cast<std::uint32_t>(std::countl_zero(a)); }
};
template <typename T, bool kShiftAmount>
struct FindLeading : SpreadAll {
  static std::uint32_t value(T a) {
    using U = std::make_unsigned_t<T>;
    const U bits = std::is_signed_v<T> && a < 0 ? static_cast<U>(~a) : static_cast<U>(a);
    if (bits == 0) return ~0u;
    const auto zeros = static_cast<std::uint32_t>(std::countl_zero(bits));
    return kShiftAmount ? zeros : static_cast<std::uint32_t>(8 * sizeof(T)) - 1 - zeros;
  }
};
template <typename T>
struct Reverse {
  static T value(T a) {
    T result = 0;
    for (std::size_t i = 0; i < 8 * sizeof(T); ++i) {
      result = static_cast<T>(result << 1 | (a >> i & 1));
    }
    return result;
  }
  static T undefined_by_value(T, T ua) { return value(ua); }
};

template <typename T>
struct ExtractField {
  static T value(T a, std::uint32_t start, std::uint32_t length) {
    using U = std::make_unsigned_t<T>;
    const std::uint32_t width = 8 * sizeof(T);
    const std::uint32_t position = start & 0xFF;
    const std::uint32_t count = length & 0xFF;
    const auto bits = static_cast<U>(a);
    if (count == 0) return 0;
    const std::uint32_t top = std::min(position + count - 1, width - 1);
    const bool fill = std::is_signed_v<T> && (bits >> top & 1) != 0;
    const U moved = position < width ? static_cast<U>(bits >> position) : U{0};
    const std::uint32_t kept = position < width ? std::min(count, width - position) : 0;
    const U mask = kept >= width ? static_cast<U>(~U{0}) : static_cast<U>((U{1} << kept) - 1);
    return static_cast<T>(fill ? static_cast<U>(moved | ~mask) : static_cast<U>(moved & mask));
  }
  static Bits<T> undefined_by_value(T, std::uint32_t start, std::uint32_t length, Bits<T> ua,
                                    std::uint32_t us, std::uint32_t ul) {
    if ((us | ul) != 0) return static_cast<Bits<T>>(~Bits<T>{0});
    return static_cast<Bits<T>>(value(static_cast<T>(ua), start, length));
  }
};
template <typename T>
struct InsertField {
  static T field(std::uint32_t start, std::uint32_t length) {
    const std::uint32_t width = 8 * sizeof(T);
    const std::uint32_t position = start & 0xFF;
    const std::uint32_t count = std::min(length & 0xFF, width);
    const T ones = count >= width ? static_cast<T>(~T{0}) : static_cast<T>((T{1} << count) - 1);
    return position < width ? static_cast<T>(ones << position) : T{0};
  }
  static T value(T a, T b, std::uint32_t start, std::uint32_t length) {
    const T mask = field(start, length);
    const std::uint32_t position = start & 0xFF;
    const T moved = position < 8 * sizeof(T) ? static_cast<T>(a << position) : T{0};
    return static_cast<T>((b & ~mask) | (moved & mask));
  }
  static T undefined_by_value(T, T, std::uint32_t start, std::uint32_t length, T ua, T ub,
                              std::uint32_t us, std::uint32_t ul) {
    return (us | ul) != 0 ? static_cast<T>(~T{0}) : value(ua, ub, start, length);
  }
};
template <bool kWrap>
struct BitMask : SpreadAll {
  static std::uint32_t value(std::uint32_t start, std::uint32_t length) {
    const std::uint32_t position = kWrap ? start & 31 : std::min(start, 32u);
    const std::uint32_t count = kWrap ? length & 31 : std::min(length, 32u);
    const std::uint64_t ones = (std::uint64_t{1} << count) - 1;
    return static_cast<std::uint32_t>(ones << position);
  }
};
template <typename T, bool kWrap>
struct ExtendFrom : SpreadAll {
  static T value(T a, std::uint32_t count) {
    const std::uint32_t width = kWrap ? count & 31 : std::min(count, 32u);
    if (width == 0) return 0;
    return width == 32 ? a : static_cast<T>(static_cast<std::uint32_t>(a) << (32 - width)) >>
                                 (32 - width);
  }
};
struct FindNth : SpreadAll {
  static std::uint32_t value(std::uint32_t mask, std::uint32_t base, std::int32_t offset) {
    base &= 31;
    if (offset == 0) return (mask >> base & 1) != 0 ? base : ~0u;
    std::int32_t left = std::abs(offset);
    const int step = offset > 0 ? 1 : -1;
    for (int at = static_cast<int>(base); at >= 0 && at < 32; at += step) {
      if ((mask >> at & 1) != 0 && --left == 0) return static_cast<std::uint32_t>(at);
    }
    return ~0u;
  }
};

enum class Permute : std::uint8_t { kIndex, kF4e, kB4e, kRc8, kEcl, kEcr, kRc16 };

/// The four selectors, 4 bits each, of a mode (PTX ISA, "prmt", its table of modes).
std::uint32_t selectors(Permute mode, std::uint32_t control) {
  const std::uint32_t low = control & 3;
  const auto list = [](std::uint32_t b3, std::uint32_t b2, std::uint32_t b1, std::uint32_t b0) {
    return b3 << 12 | b2 << 8 | b1 << 4 | b0;
  };
  switch (mode) {
    case Permute::kIndex: return control & 0xFFFF;
    case Permute::kF4e: return list(low + 3, low + 2, low + 1, low);
    case Permute::kB4e: return list((low + 5) & 7, (low + 6) & 7, (low + 7) & 7, low);
    case Permute::kRc8: return list(low, low, low, low);
    case Permute::kEcl:
      return list(3, std::max(low, 2u), std::max(low, 1u), low);
    case Permute::kEcr:
      return list(low, std::min(low, 2u), std::min(low, 1u), 0);
    case Permute::kRc16: {
      const std::uint32_t first = (low & 1) * 2;
      return list(first + 1, first, first + 1, first);
    }
  }
  return 0;
}
template <Permute kMode>
struct PermuteBytes {
  static std::uint32_t value(std::uint32_t a, std::uint32_t b, std::uint32_t control) {
    const std::uint64_t both = std::uint64_t{b} << 32 | a;
    const std::uint32_t chosen = selectors(kMode, control);
    std::uint32_t result = 0;
    for (int i = 0; i < 4; ++i) {
      const std::uint32_t selector = chosen >> (4 * i) & 0xF;
      auto byte = static_cast<std::uint8_t>(both >> (8 * (selector & 7)));
      if ((selector & 8) != 0) byte = (byte & 0x80) != 0 ? 0xFF : 0;
      result |= std::uint32_t{byte} << (8 * i);
    }
    return result;
  }
  static std::uint32_t undefined_by_value(std::uint32_t, std::uint32_t, std::uint32_t control,
                                          std::uint32_t ua, std::uint32_t ub, std::uint32_t uc) {
    return uc != 0 ? ~0u : value(ua, ub, control);
  }
};

/// Instructions on 32 or 64 bits whose result has 32.
template <template <typename> class F>
void decode_count(Builder& b) {
  using W = std::uint32_t;
  const Type type = b.expect_type();
  const Execute execute = ptx::bytes_of(type) == 8 ? &map_lanes<F<std::uint64_t>, W, std::uint64_t>
                                                   : &map_lanes<F<W>, W, W>;
  finish_bits(b, execute, 4, {type});
}

void decode_bfind(Builder& b) {
  using W = std::uint32_t;
  const bool amount = b.accept("shiftamt");
  const Type type = b.expect_type();
  const auto make = [amount]<typename T>(T) -> Execute {
    return amount ? &map_lanes<FindLeading<T, true>, W, T>
                  : &map_lanes<FindLeading<T, false>, W, T>;
  };
  Execute execute = nullptr;
  switch (type) {
    case Type::kU32: execute = make(std::uint32_t{}); break;
    case Type::kS32: execute = make(std::int32_t{}); break;
    case Type::kU64: execute = make(std::uint64_t{}); break;
    case Type::kS64: execute = make(std::int64_t{}); break;
    default: break;
  }
  finish_bits(b, execute, 4, {type});
}

void decode_brev(Builder& b) {
  const Type type = b.expect_type();
  using W = std::uint32_t;
  using D = std::uint64_t;
  const bool wide = ptx::bytes_of(type) == 8;
  finish_bits(b, wide ? &map_lanes<Reverse<D>, D, D> : &map_lanes<Reverse<W>, W, W>,
              ptx::bytes_of(type), {type});
}

void decode_bfe(Builder& b) {
  const Type type = b.expect_type();
  const auto make = []<typename T>(T) -> Execute {
    return &map_lanes<ExtractField<T>, T, T, std::uint32_t, std::uint32_t>;
  };
  Execute execute = nullptr;
  switch (type) {
    case Type::kU32: execute = make(std::uint32_t{}); break;
    case Type::kS32: execute = make(std::int32_t{}); break;
    case Type::kU64: execute = make(std::uint64_t{}); break;
    case Type::kS64: execute = make(std::int64_t{}); break;
    default: break;
  }
  finish_bits(b, execute, ptx::bytes_of(type), {type, Type::kU32, Type::kU32});
}

void decode_bfi(Builder& b) {
  const Type type = b.expect_type();
  const auto make = []<typename T>(T) -> Execute {
    return &map_lanes<InsertField<T>, T, T, T, std::uint32_t, std::uint32_t>;
  };
  const Execute execute =
      ptx::bytes_of(type) == 8 ? make(std::uint64_t{}) : make(std::uint32_t{});
  finish_bits(b, execute, ptx::bytes_of(type), {type, type, Type::kU32, Type::kU32});
}

void decode_bmsk(Builder& b) {
  using W = std::uint32_t;
  const bool wrap = b.expect_one({"clamp", "wrap"}) == 1;
  b.expect_type();
  finish_bits(b, wrap ? &map_lanes<BitMask<true>, W, W, W> : &map_lanes<BitMask<false>, W, W, W>, 4,
         {Type::kU32, Type::kU32});
}

void decode_szext(Builder& b) {
  using U = std::uint32_t;
  using S = std::int32_t;
  const bool wrap = b.expect_one({"clamp", "wrap"}) == 1;
  const Type type = b.expect_type();
  const Execute execute =
      ptx::is_signed(type)
          ? (wrap ? &map_lanes<ExtendFrom<S, true>, S, S, U>
                  : &map_lanes<ExtendFrom<S, false>, S, S, U>)
          : (wrap ? &map_lanes<ExtendFrom<U, true>, U, U, U>
                  : &map_lanes<ExtendFrom<U, false>, U, U, U>);
  finish_bits(b, execute, 4, {type, Type::kU32});
}

void decode_fns(Builder& b) {
  using W = std::uint32_t;
  b.expect_type();
  finish_bits(b, &map_lanes<FindNth, W, W, W, std::int32_t>, 4,
              {Type::kB32, Type::kB32, Type::kS32});
}

void decode_prmt(Builder& b) {
  using W = std::uint32_t;
  const Type type = b.expect_type();
  static constexpr Execute kModes[] = {
      &map_lanes<PermuteBytes<Permute::kF4e>, W, W, W, W>,
      &map_lanes<PermuteBytes<Permute::kB4e>, W, W, W, W>,
      &map_lanes<PermuteBytes<Permute::kRc8>, W, W, W, W>,
      &map_lanes<PermuteBytes<Permute::kEcl>, W, W, W, W>,
      &map_lanes<PermuteBytes<Permute::kEcr>, W, W, W, W>,
      &map_lanes<PermuteBytes<Permute::kRc16>, W, W, W, W>,
  };
  const auto mode = b.accept_one({"f4e", "b4e", "rc8", "ecl", "ecr", "rc16"});
  finish_bits(b, mode ? kModes[*mode] : &map_lanes<PermuteBytes<Permute::kIndex>, W, W, W, W>, 4,
         {type, type, Type::kB32});
}

}  // namespace

std::span<const Entry> field_instructions() {
  static constexpr Entry kEntries[] = {
      {"popc", decode_count<PopulationCount>},
      {"clz", decode_count<LeadingZeros>},
      {"bfind", decode_bfind},
      {"brev", decode_brev},
      {"bfe", decode_bfe},
      {"bfi", decode_bfi},
      {"bmsk", decode_bmsk},
      {"szext", decode_szext},
      {"fns", decode_fns},
      {"prmt", decode_prmt},
  };
  return kEntries;
}

}  // namespace virtual_gpu::isa

// Floating-point forms of opcodes that integers share; arithmetic.cc chooses by type. And what the
// files of floating-point instructions have in common.
#pragma once

#include <cmath>
#include <cstdint>

#include "isa/numbers.h"
#include "isa/registry.h"

namespace virtual_gpu::isa {

namespace floating {

void decode_add(Builder& builder);
void decode_sub(Builder& builder);
void decode_mul(Builder& builder);
void decode_mad(Builder& builder);
void decode_div(Builder& builder);
void decode_abs(Builder& builder);
void decode_neg(Builder& builder);
void decode_min(Builder& builder);
void decode_max(Builder& builder);
void decode_rcp(Builder& builder);  // with a rounding; approximate.cc has the other

}  // namespace floating

/// The modifiers of a floating-point instruction; in Op::variant.
struct FloatVariant {
  Rounding rounding = Rounding::kNearestEven;
  bool flush = false;      // .ftz: subnormal inputs and results are zeros with their sign
  bool saturate = false;   // .sat: to [0, 1], NaN to 0
  bool relu = false;       // .relu: negative to 0
  bool nan = false;        // .NaN: a NaN input makes the result NaN
  bool sign_xor = false;   // .xorsign.abs

  std::uint32_t pack() const {
    return static_cast<std::uint32_t>(rounding) | std::uint32_t{flush} << 8 |
           std::uint32_t{saturate} << 9 | std::uint32_t{relu} << 10 | std::uint32_t{nan} << 11 |
           std::uint32_t{sign_xor} << 12;
  }
  static FloatVariant unpack(std::uint32_t bits) {
    return {static_cast<Rounding>(bits & 0xFF), (bits >> 8 & 1) != 0, (bits >> 9 & 1) != 0,
            (bits >> 10 & 1) != 0, (bits >> 11 & 1) != 0, (bits >> 12 & 1) != 0};
  }
  bool plain() const { return pack() == 0; }
};

/// Takes .rn, .rz, .rm or .rp, if one stands here.
bool accept_rounding(Builder& builder, FloatVariant& variant);

inline double flushed(double value, double least_normal) {
  return std::fabs(value) < least_normal ? std::copysign(0.0, value) : value;
}
constexpr double kLeastSingle = 0x1p-126;
constexpr double kLeastHalf = 0x1p-14;

/// What the loops need to know of a format: how a lane is stored, read and rounded.
struct SingleLane {
  using Storage = std::uint32_t;
  static constexpr double kLeast = kLeastSingle;
  static double load(Storage bits) { return std::bit_cast<float>(bits); }
  static Storage store(double value, Rounding rounding) {
    if (std::isnan(value)) return kNanSingle;
    if (rounding == Rounding::kNearestEven) {
      return std::bit_cast<std::uint32_t>(static_cast<float>(value));
    }
    return round_to(kSingle, value, rounding);
  }
};
struct HalfLane {
  using Storage = std::uint16_t;
  static constexpr double kLeast = kLeastHalf;
  static double load(Storage bits) { return Half{bits}.value(); }
  static Storage store(double value, Rounding rounding) {
    return static_cast<Storage>(round_to(kHalf, value, rounding));
  }
};
struct BrainLane {
  using Storage = std::uint16_t;
  static constexpr double kLeast = kLeastSingle;
  static double load(Storage bits) { return Brain{bits}.value(); }
  static Storage store(double value, Rounding rounding) {
    return static_cast<Storage>(round_to(kBrain, value, rounding));
  }
};

}  // namespace virtual_gpu::isa

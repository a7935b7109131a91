// The loop that most instructions are: the same function over the lanes of their operands.
//
// A function is a type with a static `value`, and says how undefined bits spread: it has one of the
// Spread… bases below or its own `undefined`. Operand 0 is the destination.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <tuple>
#include <type_traits>
#include <utility>

#include "machine/warp.h"
#include "program/op.h"

namespace virtual_gpu::isa {

template <std::size_t kBytes>
struct BitsOfSize;
template <>
struct BitsOfSize<1> { using type = std::uint8_t; };
template <>
struct BitsOfSize<2> { using type = std::uint16_t; };
template <>
struct BitsOfSize<4> { using type = std::uint32_t; };
template <>
struct BitsOfSize<8> { using type = std::uint64_t; };
template <typename T>
using Bits = typename BitsOfSize<sizeof(T)>::type;

/// Any undefined bit of an input makes the whole result undefined: floating point, comparisons.
struct SpreadAll {
  template <typename Out, typename... In>
  static Out undefined(In... bits) {
    return ((bits != 0) || ...) ? static_cast<Out>(~Out{0}) : Out{0};
  }
};
/// An undefined bit makes itself and those above it undefined: sums and products.
struct SpreadLeft {
  template <typename Out, typename... In>
  static Out undefined(In... bits) {
    const Out any = static_cast<Out>((static_cast<Out>(bits) | ...));
    return static_cast<Out>(any | (Out{0} - any));
  }
};
/// Bit by bit.
struct SpreadBits {
  template <typename Out, typename... In>
  static Out undefined(In... bits) {
    return static_cast<Out>((static_cast<Out>(bits) | ...));
  }
};

/// Two 16-bit numbers in a register: an undefined bit makes its own half undefined.
struct SpreadHalves {
  template <typename Out, typename... In>
  static Out undefined(In... bits) {
    const std::uint32_t any = (static_cast<std::uint32_t>(bits) | ...);
    return ((any & 0xFFFF) != 0 ? 0xFFFFu : 0u) | ((any >> 16) != 0 ? 0xFFFF0000u : 0u);
  }
};

/// Undefined bits of a source by lane; null where all are defined.
template <typename T>
const Bits<T>* undefined_or_null(Warp& warp, const Operand& operand) {
  if (!warp.tainted(operand)) return nullptr;
  warp.spread_taint(operand);
  return warp.undefined_of<Bits<T>>(operand);
}

/// Writes the lanes of `mask` of a result.
template <typename T>
void write_lanes(Warp& warp, const Operand& destination, LaneMask mask, const T* result) {
  T* to = warp.lanes_of<T>(destination);
  if (mask == kAllLanes) {
    std::memcpy(to, result, sizeof(T) * kLanes);
    return;
  }
  for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
    if ((mask >> lane & 1) != 0) to[lane] = result[lane];
  }
}

/// Sets the undefined bits of the lanes of `mask`, from where `origin` says.
template <typename T>
void write_undefined(Warp& warp, const Operand& destination, LaneMask mask, const T* bits,
                     std::uint32_t origin) {
  T any = 0;
  for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
    if ((mask >> lane & 1) != 0) any = static_cast<T>(any | bits[lane]);
  }
  if (any == 0) return warp.mark_defined(destination, mask);
  if (!warp.tainted(destination)) {
    std::memset(warp.undefined_of<T>(destination), 0, sizeof(T) * kLanes);
  }
  warp.spread_taint(destination);
  T* to = warp.undefined_of<T>(destination);
  for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
    if ((mask >> lane & 1) != 0) to[lane] = bits[lane];
  }
  warp.mark_tainted(destination, origin);
}

template <typename F, typename Out, typename... In, std::size_t... kIndex>
[[gnu::noinline]] void spread_undefined(Warp& warp, const Op& op, LaneMask mask,
                                        std::index_sequence<kIndex...>) {
  std::uint32_t origin = 0;
  for (std::size_t i = 1; i <= sizeof...(In); ++i) {
    if (warp.tainted(op.operands[i])) origin = warp.origin_of(op.operands[i]);
  }
  const auto bits = std::make_tuple(undefined_or_null<In>(warp, op.operands[1 + kIndex])...);
  const auto values = std::make_tuple(warp.lanes_of<In>(op.operands[1 + kIndex])...);
  std::array<Bits<Out>, kLanes> found{};
  for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
    if ((mask >> lane & 1) == 0) continue;
    const auto of = [lane](const auto* source) {
      return source == nullptr ? std::decay_t<decltype(*source)>{0} : source[lane];
    };
    if constexpr (requires { F::undefined_by_value(In{}..., Bits<In>{}...); }) {
      found[lane] = F::undefined_by_value(std::get<kIndex>(values)[lane]...,
                                          of(std::get<kIndex>(bits))...);
    } else {
      found[lane] = F::template undefined<Bits<Out>>(of(std::get<kIndex>(bits))...);
    }
  }
  write_undefined(warp, op.operands[0], mask, found.data(), origin);
}

template <typename F, typename Out, typename... In, std::size_t... kIndex>
Flow map_lanes_indexed(Warp& warp, const Op& op, LaneMask mask, std::index_sequence<kIndex...>) {
  alignas(64) Out result[kLanes];
  const auto compute = [&](const In*... sources) {
    for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
      result[lane] = F::value(sources[lane]...);
    }
  };
  compute(warp.lanes_of<In>(op.operands[1 + kIndex])...);
  if ((warp.tainted(op.operands[1 + kIndex]) || ...)) {
    spread_undefined<F, Out, In...>(warp, op, mask, std::index_sequence<kIndex...>());
  } else {
    warp.mark_defined(op.operands[0], mask);
  }
  write_lanes(warp, op.operands[0], mask, result);
  return Flow::kNext;
}

/// destination = F::value(sources…), in every lane of the mask. `value` must be defined for any
/// bits, since lanes outside the mask are computed along.
template <typename F, typename Out, typename... In>
Flow map_lanes(Warp& warp, const Op& op, LaneMask mask) {
  return map_lanes_indexed<F, Out, In...>(warp, op, mask, std::index_sequence_for<In...>());
}

}  // namespace virtual_gpu::isa

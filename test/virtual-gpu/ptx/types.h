// PTX's fundamental types and state spaces, as the parser names them (PTX ISA, chapters 4 and 5).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace virtual_gpu::ptx {

enum class Type : std::uint8_t {
  kB8, kB16, kB32, kB64, kB128,
  kU8, kU16, kU32, kU64,
  kS8, kS16, kS32, kS64,
  kF16, kF16x2, kBf16, kBf16x2, kTf32, kF32, kF64,
  kE4m3, kE5m2, kE4m3x2, kE5m2x2,
  kU16x2, kS16x2,
  kPred,
};

/// Bytes that a value of the type takes in memory; a predicate, which has no address, 0.
std::uint32_t bytes_of(Type type);

inline std::uint32_t bits_of(Type type) { return 8 * bytes_of(type); }

/// "f16x2" to kF16x2, without the leading dot; nothing for a word that is no type.
std::optional<Type> type_named(std::string_view word);

std::string_view name_of(Type type);

bool is_signed(Type type);
bool is_float(Type type);

/// The state spaces that variables and addresses can be in; `kGeneric` is an access without one.
enum class Space : std::uint8_t { kGeneric, kReg, kConst, kGlobal, kLocal, kParam, kShared };

/// "shared" and "shared::cta" to kShared, without the leading dot; nothing for other words.
std::optional<Space> space_named(std::string_view word);

std::string_view name_of(Space space);

}  // namespace virtual_gpu::ptx

// Atomic operations (PTX ISA, "atom", "red"): each lane's is one step for all threads of its scope.
#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <string>

#include "isa/float.h"
#include "isa/lanes.h"
#include "isa/registry.h"
#include "isa/semantics.h"
#include "machine/access.h"
#include "machine/block.h"
#include "machine/grid.h"

namespace virtual_gpu::isa {
namespace {

using ptx::Space;
using ptx::Type;

enum class Kind : std::uint8_t { kAnd, kOr, kXor, kCas, kExch, kAdd, kInc, kDec, kMin, kMax };

struct AtomicForm : Detail {
  Semantics semantics;
  Kind kind = Kind::kAdd;
  Type type = Type::kU32;
  Space space = Space::kGeneric;
  bool returns = true;            // atom; red does not
  std::uint32_t vector = 1;
};

template <typename T>
T integer_result(Kind kind, T old, T b, T c) {
  switch (kind) {
    case Kind::kAnd: return static_cast<T>(old & b);
    case Kind::kOr: return static_cast<T>(old | b);
    case Kind::kXor: return static_cast<T>(old ^ b);
    case Kind::kCas: return old == b ? c : old;
    case Kind::kExch: return b;
    case Kind::kAdd: {
      using U = std::make_unsigned_t<T>;
      return static_cast<T>(static_cast<U>(old) + static_cast<U>(b));
    }
    case Kind::kInc: return old >= b ? T{0} : static_cast<T>(old + 1);
    case Kind::kDec: return old == 0 || old > b ? b : static_cast<T>(old - 1);
    case Kind::kMin: return std::min(old, b);
    case Kind::kMax: return std::max(old, b);
  }
  return old;
}

template <typename Lane>
typename Lane::Storage float_result(Kind kind, typename Lane::Storage old,
                                    typename Lane::Storage b) {
  const double x = Lane::load(old);
  const double y = Lane::load(b);
  if (kind == Kind::kAdd) return Lane::store(add_odd(x, y), Rounding::kNearestEven);
  if (std::isnan(x) || std::isnan(y)) return std::isnan(x) ? b : old;
  return (kind == Kind::kMin) == (y < x) ? b : old;
}

std::uint64_t result_of(const AtomicForm& form, std::uint64_t old, std::uint64_t b,
                        std::uint64_t c) {
  const auto pair = [&]<typename Lane>(Lane) {
    const auto half = [&](int shift) {
      return std::uint64_t{float_result<Lane>(form.kind, static_cast<std::uint16_t>(old >> shift),
                                              static_cast<std::uint16_t>(b >> shift))};
    };
    return half(0) | half(16) << 16;
  };
  switch (form.type) {
    case Type::kF32:
      return float_result<SingleLane>(form.kind, static_cast<std::uint32_t>(old),
                                      static_cast<std::uint32_t>(b));
    case Type::kF64:
      return std::bit_cast<std::uint64_t>(std::bit_cast<double>(old) + std::bit_cast<double>(b));
    case Type::kF16:
      return float_result<HalfLane>(form.kind, static_cast<std::uint16_t>(old),
                                    static_cast<std::uint16_t>(b));
    case Type::kBf16:
      return float_result<BrainLane>(form.kind, static_cast<std::uint16_t>(old),
                                     static_cast<std::uint16_t>(b));
    case Type::kF16x2: return pair(HalfLane{});
    case Type::kBf16x2: return pair(BrainLane{});
    case Type::kS32:
      return static_cast<std::uint32_t>(
          integer_result(form.kind, static_cast<std::int32_t>(old), static_cast<std::int32_t>(b),
                         static_cast<std::int32_t>(c)));
    case Type::kS64:
      return static_cast<std::uint64_t>(
          integer_result(form.kind, static_cast<std::int64_t>(old), static_cast<std::int64_t>(b),
                         static_cast<std::int64_t>(c)));
    case Type::kU64:
    case Type::kB64: return integer_result(form.kind, old, b, c);
    case Type::kB16:
      return integer_result(form.kind, static_cast<std::uint16_t>(old),
                            static_cast<std::uint16_t>(b), static_cast<std::uint16_t>(c));
    default:
      return integer_result(form.kind, static_cast<std::uint32_t>(old),
                            static_cast<std::uint32_t>(b), static_cast<std::uint32_t>(c));
  }
}

/// One step, also for the host and for other launches, which may change the memory too.
template <typename T>
std::uint64_t exchange(std::byte* place, const AtomicForm& form, std::uint64_t b, std::uint64_t c,
                       bool& changed) {
  std::atomic_ref<T> cell(*reinterpret_cast<T*>(place));
  T old = cell.load();
  T result = static_cast<T>(result_of(form, old, b, c));
  while (!cell.compare_exchange_weak(old, result)) {
    result = static_cast<T>(result_of(form, old, b, c));
  }
  changed = changed || result != old;
  return old;
}

std::uint64_t exchange_at(std::byte* place, const AtomicForm& form, std::uint64_t b,
                          std::uint64_t c, bool& changed) {
  switch (ptx::bytes_of(form.type)) {
    case 2: return exchange<std::uint16_t>(place, form, b, c, changed);
    case 4: return exchange<std::uint32_t>(place, form, b, c, changed);
    default: return exchange<std::uint64_t>(place, form, b, c, changed);
  }
}

std::uint64_t lane_value(Warp& warp, const Operand& operand, std::uint32_t lane) {
  std::uint64_t value = 0;
  std::memcpy(&value, warp.lanes_of<std::byte>(operand) + lane * operand.bytes, operand.bytes);
  return value;
}

/// What an operation reads must have been written; an exchange makes it defined.
void check_cell(Warp& warp, const Op& op, std::uint32_t lane, const AtomicForm& form,
                const LaneBytes& place, std::uint32_t bytes) {
  const bool defined = std::all_of(place.defined, place.defined + bytes,
                                   [](std::uint8_t bits) { return bits == 0xFF; });
  if (!defined && form.kind != Kind::kExch) {
    const std::uint32_t origin = memory_origin(warp, place);
    warp.fault(HazardKind::kUndefined, op, lane,
               "an atomic operation on undefined memory; it comes from " +
                   warp.block().grid().origin(origin),
               &place.address);
  }
  std::memset(place.defined, 0xFF, bytes);
}

/// An atomic operation of a warp, lane by lane. Operands: [d…,] address, b…, [c].
class WarpExchange final : public Exchange {
 public:
  WarpExchange(Warp& warp, const Op& op)
      : warp_(warp), op_(op), form_(*static_cast<const AtomicForm*>(op.detail)) {}

  bool run(std::uint32_t lane, const LaneBytes& place) override {
    bool wrote = false;
    for (std::uint32_t part = 0; part < form_.vector; ++part) {
      wrote = run_part(lane, place, part) || wrote;
    }
    return wrote;
  }

  std::size_t destinations() const { return form_.returns ? form_.vector : 0; }
  /// Whether memory is other than before.
  bool changed() const { return changed_; }

 private:
  /// The elements of a vector are operations of their own.
  bool run_part(std::uint32_t lane, LaneBytes place, std::uint32_t part) {
    const std::uint32_t bytes = ptx::bytes_of(form_.type);
    place.data += part * bytes;
    place.address += part * bytes;
    if (place.defined != nullptr) {
      place.defined += part * bytes;
      check_cell(warp_, op_, lane, form_, place, bytes);
    }
    const std::size_t at = destinations() + 1 + part;
    const std::uint64_t b = lane_value(warp_, op_.operands[at], lane);
    const bool compares = form_.kind == Kind::kCas;
    const std::uint64_t c = compares ? lane_value(warp_, op_.operands[at + 1], lane) : 0;
    const std::uint64_t old = exchange_at(place.data, form_, b, c, changed_);
    if (form_.returns) {
      const Operand& to = op_.operands[part];
      std::memcpy(warp_.lanes_of<std::byte>(to) + lane * to.bytes, &old, to.bytes);
    }
    return !compares || std::memcmp(&old, &b, bytes) == 0;
  }

  Warp& warp_;
  const Op& op_;
  const AtomicForm& form_;
  bool changed_ = false;
};

Flow run_atomic(Warp& warp, const Op& op, LaneMask mask) {
  const auto& form = *static_cast<const AtomicForm*>(op.detail);
  WarpExchange exchange(warp, op);
  const std::size_t destinations = exchange.destinations();
  std::uint64_t addresses[kLanes];
  read_addresses(warp, op, op.operands[destinations], mask, addresses);
  for (std::size_t at = destinations + 1; at < op.operands.size(); ++at) {
    warp.require_defined(op, op.operands[at], mask, "in an atomic operation");
  }
  LaneBytes lanes[kLanes];
  // Lanes take their turns in a random order; so do they on real devices.
  const AccessRequest request{.space = form.space,
                              .access = Access::kAtomic,
                              .bytes = ptx::bytes_of(form.type) * form.vector,
                              .addresses = addresses,
                              .exchange = &exchange,
                              .first = warp.block().random() % kLanes,
                              .semantics = form.semantics};
  resolve(warp, op, mask, request, lanes);
  for (std::size_t i = 0; i < destinations; ++i) warp.mark_defined(op.operands[i], mask);
  observe(warp, mask, request, lanes);
  if (exchange.changed()) warp.block().note_progress();
  return Flow::kNext;
}

void read_form(Builder& b, AtomicForm& form) {
  bool known = false;
  while (b.has_modifiers()) {
    if (const auto space = b.accept_space()) {
      form.space = *space;
    } else if (const auto kind = b.accept_one({"and", "or", "xor", "cas", "exch", "add", "inc",
                                               "dec", "min", "max"})) {
      form.kind = static_cast<Kind>(*kind);
      known = true;
    } else if (const auto vector = b.accept_one({"v2", "v4", "v8"})) {
      form.vector = 2u << *vector;
    } else if (const auto type = b.accept_type()) {
      form.type = *type;
    } else if (const auto scope = accept_scope(b)) {
      form.semantics.scope = *scope;
    } else if (const auto order = b.accept_one({"relaxed", "acquire", "release", "acq_rel"})) {
      form.semantics.acquires = (*order & 1) != 0;
      form.semantics.releases = *order >= 2;
    } else if (!b.accept_one({"noftz", "L2::cache_hint"})) {
      break;
    }
  }
  if (!known) b.fail("Expected an atomic operation");
}

void decode_atomic(Builder& b, bool returns) {
  AtomicForm& form = b.detail<AtomicForm>();
  form.returns = returns;
  read_form(b, form);
  const std::uint32_t bytes = ptx::bytes_of(form.type);
  if (bytes < 2 || bytes > 8) b.fail("Expected a type of 16, 32 or 64 bits");
  b.op().execute = &run_atomic;
  b.op().op_class = OpClass::kAtomic;
  b.op().has_effects = true;
  std::size_t at = 0;
  if (returns) {
    for (const ptx::Operand& to : b.parts_of(b.operand(at++))) b.destination(to, bytes);
    b.end_destinations();
  }
  b.memory_address(b.operand(at++));
  for (const ptx::Operand& value : b.parts_of(b.operand(at++))) b.source(value, form.type);
  if (form.kind == Kind::kCas) b.source(b.operand(at), form.type);
  b.note_access(form.space, bytes);
}

void decode_atom(Builder& b) { decode_atomic(b, true); }
void decode_red(Builder& b) { decode_atomic(b, false); }

}  // namespace

std::span<const Entry> atomic_instructions() {
  static constexpr Entry kEntries[] = {{"atom", decode_atom}, {"red", decode_red}};
  return kEntries;
}

}  // namespace virtual_gpu::isa

// wmma (PTX ISA, "Warp-level matrix instructions: wmma.load, wmma.store, wmma.mma").
//
// How a fragment lies in registers is open; here element e of a matrix, counted along its rows, is
// element e / 32 of lane e % 32. Fragments of f16 for A and B have room for every element twice; of
// that the second half is not used. Products and sums are those of mma.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>

#include "isa/lanes.h"
#include "isa/matrix.h"
#include "isa/numbers.h"
#include "isa/registry.h"
#include "machine/access.h"
#include "machine/block.h"

namespace virtual_gpu::isa {
namespace {

using ptx::Space;

struct Shape {
  std::uint32_t m = 16, n = 16, k = 16;
};

Shape expect_shape(Builder& b) {
  static constexpr Shape kShapes[] = {{16, 16, 16}, {32, 8, 16}, {8, 32, 16}, {16, 16, 8},
                                      {8, 8, 4}};
  return kShapes[b.expect_one({"m16n16k16", "m32n8k16", "m8n32k16", "m16n16k8", "m8n8k4"})];
}

enum class Part : std::uint8_t { kA, kB, kC, kD };

/// Rows and columns of a part of D = A B + C.
struct Extents {
  std::uint32_t rows, columns;
};
Extents extents_of(Part part, Shape shape) {
  switch (part) {
    case Part::kA: return {shape.m, shape.k};
    case Part::kB: return {shape.k, shape.n};
    default: return {shape.m, shape.n};
  }
}

/// Registers of a fragment (PTX ISA, the table of wmma's fragments).
std::uint32_t register_count(Part part, Shape shape, Type type) {
  const Extents extents = extents_of(part, shape);
  const bool twice = type == Type::kF16 && (part == Part::kA || part == Part::kB);
  if (twice) return 8;
  return extents.rows * extents.columns * ptx::bytes_of(type) / kLanes / register_bytes(type);
}

void check_type(Builder& b, Part part, Shape shape, Type type) {
  const bool input = part == Part::kA || part == Part::kB;
  bool known = false;
  switch (type) {
    case Type::kF16: known = shape.k == 16; break;
    case Type::kBf16:
    case Type::kS8:
    case Type::kU8: known = input && shape.k == 16; break;
    case Type::kTf32: known = input && shape.k == 8; break;
    case Type::kF32: known = !input && shape.k != 4; break;
    case Type::kS32: known = !input && shape.k == 16; break;
    case Type::kF64: known = shape.k == 4; break;
    default: break;
  }
  if (!known) b.fail("Expected another shape or type of wmma");
  if (type == Type::kBf16 || type == Type::kTf32 || type == Type::kF64) b.require_target(80);
}

struct TransferForm : Detail {
  Extents extents{};
  Type type = Type::kF16;
  Space space = Space::kGeneric;
  bool row_major = true;
  std::uint32_t registers = 0;
  bool has_stride = false;
};

/// The addresses of the elements that the lanes have at this position of their fragments.
void element_addresses(const TransferForm& form, std::uint64_t base, std::uint64_t stride,
                       std::uint32_t index, std::uint64_t (&addresses)[kLanes]) {
  for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
    const std::uint32_t element = index * kLanes + lane;
    const std::uint64_t row = element / form.extents.columns;
    const std::uint64_t column = element % form.extents.columns;
    const std::uint64_t at = form.row_major ? row * stride + column : column * stride + row;
    addresses[lane] = base + at * ptx::bytes_of(form.type);
  }
}

struct Place {
  std::uint64_t base = 0;
  std::uint64_t stride = 0;
};

/// Reads address and stride, which all lanes must have alike; operands `at` and `at` + 1.
Place read_place(Warp& warp, const Op& op, const TransferForm& form, const Operand& address,
                 const Operand* stride) {
  std::uint64_t addresses[kLanes];
  read_addresses(warp, op, address, kAllLanes, addresses);
  Place place{addresses[0], form.row_major ? form.extents.columns : form.extents.rows};
  if (stride != nullptr) {
    warp.require_defined(op, *stride, kAllLanes, "as a stride");
    place.stride = warp.lanes_of<std::uint32_t>(*stride)[0];
  }
  const bool alike = std::all_of(addresses, addresses + kLanes,
                                 [&](std::uint64_t each) { return each == addresses[0]; });
  if (!alike) {
    warp.fault(HazardKind::kInvalidInstruction, op, 0, "lanes give different addresses");
  }
  return place;
}

std::uint32_t per_register(Type type) { return register_bytes(type) / ptx::bytes_of(type); }

Flow run_load(Warp& warp, const Op& op, LaneMask mask) {
  if (!warp.converged(kAllLanes, mask)) return Flow::kWait;
  require_whole_warp(warp, op, mask);
  const auto& form = *static_cast<const TransferForm*>(op.detail);
  const Operand* stride = form.has_stride ? &op.operands[form.registers + 1] : nullptr;
  const Place place = read_place(warp, op, form, op.operands[form.registers], stride);
  const std::uint32_t bytes = ptx::bytes_of(form.type);
  const std::uint32_t elements = form.extents.rows * form.extents.columns / kLanes;
  for (std::uint32_t r = 0; r < form.registers; ++r) warp.mark_defined(op.operands[r], kAllLanes);
  for (std::uint32_t index = 0; index < elements; ++index) {
    std::uint64_t addresses[kLanes];
    element_addresses(form, place.base, place.stride, index, addresses);
    LaneBytes lanes[kLanes];
    resolve(warp, op, kAllLanes,
            {.space = form.space, .access = Access::kRead, .bytes = bytes, .addresses = addresses,
             .collective = true},
            lanes);
    const Operand& to = op.operands[index / per_register(form.type)];
    const std::uint32_t offset = index % per_register(form.type) * bytes;
    std::byte* values = warp.lanes_of<std::byte>(to);
    LaneMask undefined = 0;
    for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
      std::memcpy(values + lane * to.bytes + offset, lanes[lane].data, bytes);
      if (lanes[lane].defined == nullptr) continue;
      const bool all = std::all_of(lanes[lane].defined, lanes[lane].defined + bytes,
                                   [](std::uint8_t bits) { return bits == 0xFF; });
      if (!all) undefined |= 1u << lane;
    }
    if (undefined != 0) {
      const auto lane = static_cast<std::uint32_t>(std::countr_zero(undefined));
      warp.mark_undefined(to, undefined, memory_origin(warp, lanes[lane]));
    }
  }
  return Flow::kNext;
}

Flow run_store(Warp& warp, const Op& op, LaneMask mask) {
  if (!warp.converged(kAllLanes, mask)) return Flow::kWait;
  require_whole_warp(warp, op, mask);
  const auto& form = *static_cast<const TransferForm*>(op.detail);
  const Operand* stride = form.has_stride ? &op.operands[form.registers + 1] : nullptr;
  const Place place = read_place(warp, op, form, op.operands[0], stride);
  const std::uint32_t bytes = ptx::bytes_of(form.type);
  const std::uint32_t elements = form.extents.rows * form.extents.columns / kLanes;
  for (std::uint32_t index = 0; index < elements; ++index) {
    std::uint64_t addresses[kLanes];
    element_addresses(form, place.base, place.stride, index, addresses);
    LaneBytes lanes[kLanes];
    resolve(warp, op, kAllLanes,
            {.space = form.space, .access = Access::kWrite, .bytes = bytes,
             .addresses = addresses, .collective = true},
            lanes);
    const Operand& from = op.operands[1 + index / per_register(form.type)];
    const std::uint32_t offset = index % per_register(form.type) * bytes;
    const std::byte* values = warp.lanes_of<std::byte>(from);
    const LaneMask undefined = warp.undefined_lanes(from, kAllLanes);
    for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
      std::memcpy(lanes[lane].data, values + lane * from.bytes + offset, bytes);
      if (lanes[lane].defined == nullptr) continue;
      const bool known = (undefined >> lane & 1) == 0;
      std::memset(lanes[lane].defined, known ? 0xFF : 0, bytes);
      if (!known) note_memory_origin(warp, lanes[lane], bytes, warp.origin_of(from));
    }
  }
  warp.block().note_progress();
  return Flow::kNext;
}

struct ProductForm : Detail {
  Shape shape;
  Type d = Type::kF32, a = Type::kF16, b = Type::kF16, c = Type::kF32;
  bool saturate = false;
  std::uint32_t first[4] = {};  // of d, a, b, c among the operands
  std::uint32_t count[4] = {};
};

std::uint64_t element_bits(Type type, double value) {
  switch (type) {
    case Type::kF16: return Half::round(value).bits;
    case Type::kF32: return std::bit_cast<std::uint32_t>(static_cast<float>(value));
    case Type::kF64: return std::bit_cast<std::uint64_t>(value);
    default: return static_cast<std::uint32_t>(static_cast<std::int64_t>(value));
  }
}

struct Matrix {
  std::vector<double> values;
  std::vector<bool> undefined;
  std::uint32_t columns = 0;
};

Matrix gather(Warp& warp, const Op& op, const ProductForm& form, std::uint32_t part, Type type,
              std::uint32_t& origin) {
  const Extents extents = extents_of(static_cast<Part>((part + 3) % 4), form.shape);
  const std::uint32_t bytes = ptx::bytes_of(type);
  Matrix matrix;
  matrix.columns = extents.columns;
  matrix.values.resize(extents.rows * extents.columns);
  matrix.undefined.resize(matrix.values.size());
  for (std::size_t e = 0; e < matrix.values.size(); ++e) {
    const auto index = static_cast<std::uint32_t>(e / kLanes);
    const auto lane = static_cast<std::uint32_t>(e % kLanes);
    const Operand& from = op.operands[form.first[part] + index / per_register(type)];
    std::uint64_t bits = 0;
    std::memcpy(&bits,
                warp.lanes_of<std::byte>(from) + lane * from.bytes +
                    index % per_register(type) * bytes,
                bytes);
    matrix.values[e] = element<double>(type, bits);
    if (warp.undefined_lanes(from, 1u << lane) != 0) {
      matrix.undefined[e] = true;
      origin = warp.origin_of(from);
    }
  }
  return matrix;
}

/// One element of the product; single precision rounds after every step, as mma does here.
double product_element(const ProductForm& form, const Matrix& a, const Matrix& b, double c,
                       std::uint32_t row, std::uint32_t column) {
  const bool single = form.d == Type::kF16 || form.d == Type::kF32;
  double sum = c;
  for (std::uint32_t k = 0; k < form.shape.k; ++k) {
    const double left = a.values[row * a.columns + k];
    const double right = b.values[k * b.columns + column];
    if (single) {
      sum = std::fma(static_cast<float>(left), static_cast<float>(right),
                     static_cast<float>(sum));
    } else {
      sum = std::fma(left, right, sum);
    }
  }
  if (form.saturate && form.d == Type::kS32) sum = std::clamp(sum, -2147483648.0, 2147483647.0);
  return sum;
}

Flow run_product(Warp& warp, const Op& op, LaneMask mask) {
  if (!warp.converged(kAllLanes, mask)) return Flow::kWait;
  require_whole_warp(warp, op, mask);
  const auto& form = *static_cast<const ProductForm*>(op.detail);
  std::uint32_t origin = 0;
  const Matrix a = gather(warp, op, form, 1, form.a, origin);
  const Matrix b = gather(warp, op, form, 2, form.b, origin);
  const Matrix c = gather(warp, op, form, 3, form.c, origin);
  const std::uint32_t bytes = ptx::bytes_of(form.d);
  for (std::uint32_t r = 0; r < form.count[0]; ++r) warp.mark_defined(op.operands[r], kAllLanes);
  for (std::uint32_t e = 0; e < form.shape.m * form.shape.n; ++e) {
    const std::uint32_t row = e / form.shape.n;
    const std::uint32_t column = e % form.shape.n;
    const std::uint64_t bits =
        element_bits(form.d, product_element(form, a, b, c.values[e], row, column));
    const std::uint32_t index = e / kLanes;
    const std::uint32_t lane = e % kLanes;
    const Operand& to = op.operands[index / per_register(form.d)];
    std::memcpy(warp.lanes_of<std::byte>(to) + lane * to.bytes +
                    index % per_register(form.d) * bytes,
                &bits, bytes);
    if (origin == 0) continue;
    bool undefined = c.undefined[e];
    for (std::uint32_t k = 0; k < form.shape.k && !undefined; ++k) {
      undefined = a.undefined[row * a.columns + k] || b.undefined[k * b.columns + column];
    }
    if (undefined) warp.mark_undefined(to, 1u << lane, origin);
  }
  warp.block().counters().at(warp.pc()).multiply_adds +=
      std::uint64_t{form.shape.m} * form.shape.n * form.shape.k;
  return Flow::kNext;
}

void add_fragment(Builder& b, const ptx::Operand& operand, Part part, Shape shape, Type type,
                  bool destination) {
  const std::vector<ptx::Operand> parts = b.parts_of(operand);
  const std::uint32_t count = register_count(part, shape, type);
  if (parts.size() != count) {
    b.fail("Expected " + std::to_string(count) + " registers but received " +
           std::to_string(parts.size()));
  }
  const std::uint32_t bytes = register_bytes(type);
  for (const ptx::Operand& each : parts) {
    if (destination) b.destination(each, bytes);
    else b.source(each, bytes == 8 ? Type::kB64 : Type::kB32);
  }
}

/// wmma.load.{a,b,c} and wmma.store.d.
void decode_transfer(Builder& b, bool load) {
  TransferForm& form = b.detail<TransferForm>();
  const Part part = load ? static_cast<Part>(b.expect_one({"a", "b", "c"})) : Part::kD;
  if (!load && !b.accept("d")) b.fail("Expected wmma.store.d");
  if (!b.accept("sync") || !b.accept("aligned")) b.fail("Expected .sync.aligned");
  form.row_major = b.expect_one({"row", "col"}) == 0;
  const Shape shape = expect_shape(b);
  form.space = b.accept_space().value_or(Space::kGeneric);
  form.type = b.expect_type();
  check_type(b, part, shape, form.type);
  form.extents = extents_of(part, shape);
  form.registers = register_count(part, shape, form.type);
  b.op().op_class = OpClass::kMatrixLoad;
  b.op().has_effects = true;
  b.op().execute = load ? &run_load : &run_store;
  if (load) {
    add_fragment(b, b.operand(0), part, shape, form.type, true);
    b.end_destinations();
    b.memory_address(b.operand(1));
  } else {
    b.memory_address(b.operand(0));
    add_fragment(b, b.operand(1), part, shape, form.type, false);
  }
  form.has_stride = b.operand_count() > 2;
  if (form.has_stride) b.source(b.operand(2), Type::kU32);
  b.note_access(form.space, ptx::bytes_of(form.type));
}

void decode_product(Builder& b) {
  ProductForm& form = b.detail<ProductForm>();
  if (!b.accept("sync") || !b.accept("aligned")) b.fail("Expected .sync.aligned");
  b.expect_one({"row", "col"});  // how A and B were loaded; a fragment no longer tells
  b.expect_one({"row", "col"});
  form.shape = expect_shape(b);
  const Type first = b.expect_type();
  const Type second = b.expect_type();
  // With f16 the types are those of d and c; else of d, a, b and c.
  if (b.has_modifiers() && ptx::type_named(b.next_modifier())) {
    form.d = first;
    form.a = second;
    form.b = b.expect_type();
    form.c = b.expect_type();
  } else {
    form.d = first;
    form.c = second;
  }
  form.saturate = b.accept("satfinite");
  const Type types[4] = {form.d, form.a, form.b, form.c};
  constexpr Part kParts[4] = {Part::kD, Part::kA, Part::kB, Part::kC};
  std::uint32_t at = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    check_type(b, kParts[i], form.shape, types[i]);
    form.first[i] = at;
    form.count[i] = register_count(kParts[i], form.shape, types[i]);
    at += form.count[i];
    add_fragment(b, b.operand(i), kParts[i], form.shape, types[i], i == 0);
    if (i == 0) b.end_destinations();
  }
  b.op().op_class = OpClass::kTensor;
  b.op().tensor_type = form.a;
  b.op().has_effects = true;
  b.op().execute = &run_product;
}

void decode_wmma(Builder& b) {
  switch (b.expect_one({"load", "store", "mma"})) {
    case 0: return decode_transfer(b, true);
    case 1: return decode_transfer(b, false);
    default: return decode_product(b);
  }
}

}  // namespace

std::span<const Entry> wmma_instructions() {
  static constexpr Entry kEntries[] = {{"wmma", decode_wmma}};
  return kEntries;
}

}  // namespace virtual_gpu::isa

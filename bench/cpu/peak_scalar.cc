// The peak of code for no instruction set in particular: a multiplication and an addition.
#include <cstdint>

namespace fusebert::cpu {
namespace {

struct Vec {
  float v;
  static Vec zero() { return {0}; }
  static Vec broadcast(float x) { return {x}; }
};

inline Vec operator+(Vec a, Vec b) { return {a.v + b.v}; }
inline Vec fma(Vec a, Vec b, Vec c) { return {a.v * b.v + c.v}; }
inline float sum(Vec a) { return a.v; }

}  // namespace
}  // namespace fusebert::cpu

#include "cpu/peak.h"
#include "cpu/peak_loop.h"

namespace fusebert::cpu {
namespace {

// Fewer than the 16 registers of the smallest register file.
constexpr int kChains = 12;

}  // namespace

extern const PeakLoop kScalarPeak = {"scalar", 2 * kChains, run_chains<Vec, kChains>};

}  // namespace fusebert::cpu

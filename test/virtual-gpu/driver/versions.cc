#include "driver/versions.h"

#include <cuda.h>

#include <algorithm>

#include "driver/faults.h"

namespace virtual_gpu {
namespace {

constexpr int kDriverVersion = std::max(13000, CUDA_VERSION);

struct Release {
  int driver;
  PtxVersion ptx;
};

// PTX ISA, section "Release Notes".
constexpr Release kReleases[] = {
    {10020, {6, 5}}, {11000, {7, 0}}, {11010, {7, 1}}, {11020, {7, 2}}, {11030, {7, 3}},
    {11040, {7, 4}}, {11050, {7, 5}}, {11060, {7, 6}}, {11070, {7, 7}}, {11080, {7, 8}},
    {12000, {8, 0}}, {12010, {8, 1}}, {12020, {8, 2}}, {12030, {8, 3}}, {12040, {8, 4}},
    {12050, {8, 5}}, {12070, {8, 6}}, {12080, {8, 7}}, {12090, {8, 8}}, {13000, {9, 0}},
    {13010, {9, 1}},
};

}  // namespace

int driver_version() { return Faults::instance().driver_version().value_or(kDriverVersion); }

PtxVersion newest_ptx(int driver_version) {
  PtxVersion newest;
  for (const Release& release : kReleases) {
    if (release.driver <= driver_version) newest = release.ptx;
  }
  return newest;
}

}  // namespace virtual_gpu

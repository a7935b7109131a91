// CPUID leaves 0x80000002 to 0x80000004 hold 48 bytes of name (AMD and Intel manuals, CPUID).
#include "cpu/processor_name.h"

#include <cstring>
#include <fstream>
#include <string>

#if FUSEBERT_X86_64
#include <cpuid.h>
#endif

namespace fusebert::cpu {
namespace {

std::string brand_string() {
#if FUSEBERT_X86_64
  constexpr unsigned kFirstLeaf = 0x80000002u;
  constexpr unsigned kLeaves = 3;
  unsigned registers[kLeaves][4] = {};
  for (unsigned i = 0; i < kLeaves; ++i) {
    unsigned* r = registers[i];
    if (__get_cpuid(kFirstLeaf + i, &r[0], &r[1], &r[2], &r[3]) == 0) return "";
  }
  char text[sizeof registers + 1] = {};
  std::memcpy(text, registers, sizeof registers);
  return text;
#else
  return "";
#endif
}

std::string from_proc() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(':');
    if (line.rfind("model name", 0) == 0 && colon != std::string::npos) {
      return line.substr(colon + 1);
    }
  }
  return "";
}

std::string trim(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

}  // namespace

std::string processor_name() {
  std::string name = trim(brand_string());
  if (name.empty()) name = trim(from_proc());
  return name.empty() ? "CPU" : name;
}

}  // namespace fusebert::cpu

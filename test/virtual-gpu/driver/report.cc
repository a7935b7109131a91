#include "driver/report.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>
#include <string>

namespace virtual_gpu {
namespace {

struct ClassSum {
  std::uint64_t warps = 0;
  std::uint64_t lanes = 0;
};

std::string json_string(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + '"';
}

std::string triple(const std::uint32_t (&values)[3]) {
  return '[' + std::to_string(values[0]) + ',' + std::to_string(values[1]) + ',' +
         std::to_string(values[2]) + ']';
}

/// "name":value, the commas between them.
class Fields {
 public:
  void add(const std::string& name, const std::string& value) {
    if (!text_.empty()) text_ += ',';
    text_ += json_string(name) + ':' + value;
  }
  void add(const std::string& name, std::uint64_t value) { add(name, std::to_string(value)); }
  std::string object() const { return '{' + text_ + '}'; }

 private:
  std::string text_;
};

std::string instructions(const Program& program, const Counters& counters) {
  std::array<ClassSum, static_cast<std::size_t>(OpClass::kCount)> sums{};
  for (std::size_t i = 0; i < program.ops.size(); ++i) {
    ClassSum& sum = sums[static_cast<std::size_t>(program.ops[i].op_class)];
    sum.warps += counters.by_op()[i].warps;
    sum.lanes += counters.by_op()[i].lanes;
  }
  Fields fields;
  for (std::size_t i = 0; i < sums.size(); ++i) {
    if (sums[i].warps == 0) continue;
    Fields both;
    both.add("warps", sums[i].warps);
    both.add("lanes", sums[i].lanes);
    fields.add(std::string(name_of(static_cast<OpClass>(i))), both.object());
  }
  return fields.object();
}

std::string tensor(const Program& program, const Counters& counters) {
  std::map<std::string, std::uint64_t> sums;
  for (std::size_t i = 0; i < program.ops.size(); ++i) {
    const std::uint64_t count = counters.by_op()[i].multiply_adds;
    if (count != 0) sums[std::string(ptx::name_of(program.ops[i].tensor_type))] += count;
  }
  Fields fields;
  for (const auto& [type, count] : sums) fields.add(type, count);
  return fields.object();
}

bool is_global(OpClass op_class) {
  return op_class == OpClass::kGlobalLoad || op_class == OpClass::kGlobalStore ||
         op_class == OpClass::kAsyncCopy || op_class == OpClass::kAtomic;
}

/// Sums over all instructions, and a list of the lines that have any of it.
std::string memory(const Program& program, const Counters& counters, bool shared) {
  OpCounter sum;
  std::string lines;
  for (std::size_t i = 0; i < program.ops.size(); ++i) {
    const OpCounter& counter = counters.by_op()[i];
    const std::uint64_t found = shared ? counter.wavefronts : counter.sectors;
    const std::uint64_t least = shared ? counter.least_wavefronts : counter.least_sectors;
    if (found == 0) continue;
    sum.wavefronts += found;
    sum.least_wavefronts += least;
    if (shared || is_global(program.ops[i].op_class)) sum.bytes += counter.bytes;
    Fields line;
    line.add("line", program.ops[i].line);
    line.add("source", program.ops[i].source.line);
    line.add(shared ? "wavefronts" : "sectors", found);
    line.add("least", least);
    if (!lines.empty()) lines += ',';
    lines += line.object();
  }
  Fields fields;
  fields.add(shared ? "wavefronts" : "sectors", sum.wavefronts);
  fields.add("least", sum.least_wavefronts);
  fields.add("bytes", sum.bytes);
  fields.add("lines", '[' + lines + ']');
  return fields.object();
}

std::uint64_t checksum(const std::string& text) {
  // FNV-1a, 64 bits: a name for a file, no more.
  std::uint64_t hash = 0xCBF29CE484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  return hash;
}

std::string ptx_file_of(const Module& module) {
  std::ostringstream name;
  name << std::hex << checksum(module.image) << ".ptx";
  return name.str();
}

}  // namespace

std::string report_of(const KernelLaunch& launch, const Counters& counters) {
  const Program& program = *launch.kernel->program;
  Fields fields;
  fields.add("kernel", json_string(program.name));
  fields.add("ptx", json_string(ptx_file_of(*launch.kernel->module)));
  fields.add("target", json_string(launch.kernel->module->text.target_name));
  fields.add("grid", triple(launch.shape.grid));
  fields.add("block", triple(launch.shape.block));
  fields.add("static_shared_bytes", program.shared_bytes);
  fields.add("dynamic_shared_bytes", launch.shape.dynamic_shared_bytes);
  fields.add("instructions", instructions(program, counters));
  fields.add("tensor_multiply_adds", tensor(program, counters));
  fields.add("shared", memory(program, counters, true));
  fields.add("global", memory(program, counters, false));
  return fields.object();
}

void append_report(const KernelLaunch& launch, const Counters& counters) {
  const char* path = std::getenv("VIRTUAL_GPU_REPORT");
  if (path == nullptr || *path == '\0') return;
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  const std::filesystem::path file(path);
  std::ofstream(file, std::ios::app) << report_of(launch, counters) << '\n';
  const std::filesystem::path text = file.parent_path() / ptx_file_of(*launch.kernel->module);
  if (!std::filesystem::exists(text)) std::ofstream(text) << launch.kernel->module->image;
}

}  // namespace virtual_gpu

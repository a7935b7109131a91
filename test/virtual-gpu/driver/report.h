// What launches did, as JSON: a line for each, appended to the file that VIRTUAL_GPU_REPORT names.
#pragma once

#include "driver/graph.h"
#include "machine/counters.h"

namespace virtual_gpu {

/// One line of JSON, without its end.
std::string report_of(const KernelLaunch& launch, const Counters& counters);

/// Appends the line to VIRTUAL_GPU_REPORT's file, if there is one. The module's PTX is written
/// beside it, once, under its checksum, so that ptxas can be asked about it later.
void append_report(const KernelLaunch& launch, const Counters& counters);

}  // namespace virtual_gpu

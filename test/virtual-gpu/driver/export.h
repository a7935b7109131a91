// How the functions of the driver API are declared: with C's names, visible from outside.
#pragma once

#include <cuda.h>

#define VIRTUAL_GPU_API extern "C" __attribute__((visibility("default"))) CUresult CUDAAPI

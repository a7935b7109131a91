"""As much of the CUDA driver API, through ctypes, as running a kernel takes."""

import ctypes
from pathlib import Path

import numpy as np

Pointer = ctypes.c_uint64


class CudaError(RuntimeError):
    """A call that did not return CUDA_SUCCESS."""


class Driver:
    """A context on device 0 of the driver that `library` is."""

    def __init__(self, library: Path) -> None:
        self.library = ctypes.CDLL(str(library))
        self.call('cuInit', 0)
        self.device = ctypes.c_int()
        self.call('cuDeviceGet', ctypes.byref(self.device), 0)
        self.open()

    def open(self) -> None:
        """A fresh context, in which no fault is left."""
        context = ctypes.c_void_p()
        self.call('cuDevicePrimaryCtxRetain', ctypes.byref(context), self.device)
        self.call('cuCtxSetCurrent', context)

    def close(self) -> None:
        """Ends the context, and with it what was allocated."""
        self.call('cuDevicePrimaryCtxRelease_v2', self.device)

    def call(self, name: str, *arguments: object) -> None:
        status = getattr(self.library, name)(*arguments)
        if status != 0:
            text = ctypes.c_char_p()
            self.library.cuGetErrorName(status, ctypes.byref(text))
            raise CudaError(f'{name}: {(text.value or b"?").decode()} ({status})')

    def upload(self, array: np.ndarray) -> Pointer:
        address = self.allocate(array.nbytes)
        self.call('cuMemcpyHtoD_v2', address, array.ctypes.data_as(ctypes.c_void_p),
                  ctypes.c_size_t(array.nbytes))
        return address

    def allocate(self, size: int) -> Pointer:
        address = Pointer()
        self.call('cuMemAlloc_v2', ctypes.byref(address), ctypes.c_size_t(size))
        return address

    def download(self, address: Pointer, like: np.ndarray) -> np.ndarray:
        result = np.empty_like(like)
        self.call('cuMemcpyDtoH_v2', result.ctypes.data_as(ctypes.c_void_p), address,
                  ctypes.c_size_t(result.nbytes))
        return result

    def free(self, address: Pointer) -> None:
        self.call('cuMemFree_v2', address)

    def launch(self, ptx: bytes, name: str, grid: tuple[int, int, int], threads: int,
               shared_bytes: int, arguments: list[object], cooperative: bool = False) -> None:
        """Loads the module, runs the kernel to its end, unloads."""
        module, function = ctypes.c_void_p(), ctypes.c_void_p()
        self.call('cuModuleLoadData', ctypes.byref(module), ptx)
        self.call('cuModuleGetFunction', ctypes.byref(function), module, name.encode())
        limit = 8  # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
        if shared_bytes > 48 << 10:
            self.call('cuFuncSetAttribute', function, limit, shared_bytes)
        pointers = (ctypes.c_void_p * len(arguments))(
            *(ctypes.cast(ctypes.pointer(value), ctypes.c_void_p) for value in arguments))
        if cooperative:
            self.call('cuLaunchCooperativeKernel', function, *grid, threads, 1, 1, shared_bytes,
                      None, pointers)
        else:
            self.call('cuLaunchKernel', function, *grid, threads, 1, 1, shared_bytes, None,
                      pointers, None)
        self.call('cuCtxSynchronize')
        self.call('cuModuleUnload', module)

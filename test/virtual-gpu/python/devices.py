"""Prints the devices of a CUDA driver and their limits as JSON: python devices.py LIBRARY"""

import ctypes
import json
import sys

from cuda import Driver

ATTRIBUTES = {  # of cuda.h's CUdevice_attribute
    'compute_capability_major': 75, 'compute_capability_minor': 76, 'multiprocessors': 16,
    'shared_per_block': 8, 'shared_per_block_optin': 97, 'shared_per_multiprocessor': 81,
    'threads_per_multiprocessor': 39, 'blocks_per_multiprocessor': 106, 'registers': 82,
}


def main() -> None:
    driver = Driver(sys.argv[1])
    count, version = ctypes.c_int(), ctypes.c_int()
    driver.call('cuDeviceGetCount', ctypes.byref(count))
    driver.call('cuDriverGetVersion', ctypes.byref(version))
    devices = []
    for ordinal in range(count.value):
        value = ctypes.c_int()
        limits = {}
        for name, number in ATTRIBUTES.items():
            driver.call('cuDeviceGetAttribute', ctypes.byref(value), number, ordinal)
            limits[name] = value.value
        devices.append(limits)
    print(json.dumps({'version': version.value, 'devices': devices}))


if __name__ == '__main__':
    main()

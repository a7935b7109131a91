"""Runs a kernel on arrays and compares with what NumPy says."""

import ctypes

import numpy as np

from cuda import Driver, Pointer

Arrays = dict[str, np.ndarray]


def argument(value: object, addresses: dict[str, Pointer]) -> object:
    """A kernel's argument: an array's address by its name, a float or an int of 32 bits."""
    if isinstance(value, str):
        return addresses[value]
    if isinstance(value, (int, float)):
        return ctypes.c_float(value) if isinstance(value, float) else ctypes.c_int32(value)
    return value


def error_of(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference as a share of the largest value."""
    difference = np.abs(found.astype(np.float64) - expected.astype(np.float64)).max()
    return float(difference / max(1e-30, np.abs(expected.astype(np.float64)).max()))


def worst_error(driver: Driver, ptx: bytes, kernel: str, grid: tuple[int, int, int], threads: int,
                shared_bytes: int, arguments: list[object], inputs: Arrays, expected: Arrays,
                cooperative: bool = False) -> float:
    """Runs the kernel; the largest error of all results.

    Results that are no inputs as well start undefined.
    """
    addresses = {name: driver.upload(array) for name, array in inputs.items()}
    for name, array in expected.items():
        if name not in addresses:
            addresses[name] = driver.allocate(array.nbytes)
    driver.launch(ptx, kernel, grid, threads, shared_bytes,
                  [argument(value, addresses) for value in arguments], cooperative)
    # NumPy's maximum keeps a NaN, Python's does not.
    worst = float(np.max([error_of(driver.download(addresses[name], array), array)
                          for name, array in expected.items()]))
    for address in addresses.values():
        driver.free(address)
    return worst


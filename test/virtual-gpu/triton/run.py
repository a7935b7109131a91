"""Runs the compiled cases on a CUDA driver and compares with NumPy.

    python run.py LIBRARY [NAME…]

LIBRARY is the driver: the virtual GPU's, or libcuda.so.1 on a machine that has one. Prints a line a
kernel; exits with 1 if a result is wrong or the driver reports an error.
"""

import ctypes
import json
import sys
from pathlib import Path

import numpy as np

from cases import CASES, Case
from cuda import Driver, Pointer

FOLDER = Path(__file__).parent / 'ptx'
SCRATCH = [Pointer(0), Pointer(0)]  # two pointers that Triton's kernels take and do not use here


def argument(value: object, addresses: dict[str, Pointer]) -> object:
    if isinstance(value, str):
        return addresses[value]
    return ctypes.c_float(value) if isinstance(value, float) else ctypes.c_int32(value)


def error_of(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference as a share of the largest value."""
    difference = np.abs(found.astype(np.float64) - expected.astype(np.float64)).max()
    return float(difference / max(1e-30, np.abs(expected.astype(np.float64)).max()))


def run(driver: Driver, case: Case, entry: dict) -> float:
    arrays = case.inputs(np.random.default_rng(1))
    expected = case.outputs(arrays)
    addresses = {name: driver.upload(array) for name, array in arrays.items()}
    for name, array in expected.items():
        if name not in addresses:
            addresses[name] = driver.allocate(array.nbytes)
    arguments = [argument(value, addresses) for value in case.arguments]
    driver.launch((FOLDER / entry['file']).read_bytes(), entry['kernel'], case.grid,
                  entry['threads'], entry['shared_bytes'], arguments + SCRATCH)
    worst = max(error_of(driver.download(addresses[name], array), array)
                for name, array in expected.items())
    for address in addresses.values():
        driver.free(address)
    return worst


def main() -> None:
    library, *names = sys.argv[1:]
    driver = Driver(Path(library))
    cases = {case.name: case for case in CASES}
    failed = False
    for entry in json.loads((FOLDER / 'manifest.json').read_text())['kernels']:
        if names and entry['case'] not in names and entry['file'] not in names:
            continue
        case = cases[entry['case']]
        worst = run(driver, case, entry)
        good = worst <= case.tolerance
        failed = failed or not good
        print(f'{"ok" if good else "WRONG":6}{entry["file"]:32}{worst:.1e} of {case.tolerance:.0e}',
              flush=True)
    raise SystemExit(1 if failed else 0)


if __name__ == '__main__':
    main()

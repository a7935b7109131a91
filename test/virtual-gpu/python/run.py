"""Runs kernels on a CUDA driver and compares with NumPy.

    python run.py LIBRARY triton [NAME…]
    python run.py LIBRARY samples [NAME…]

LIBRARY is the driver: the virtual GPU's, or libcuda.so.1 on a machine that has one. `triton` are
the kernels in triton/ptx; `samples` are compiled with nvcc first, into SAMPLES_FOLDER or a folder
of the machine's. Prints a line a kernel; exits with 1 if a result is wrong or the driver reports an
error.
"""

import sys
from pathlib import Path

from cuda import Driver
from suites import Target, targets_of


def run(driver: Driver, target: Target) -> bool:
    worst = target.error(driver)
    good = worst <= target.tolerance
    print(f'{"ok" if good else "WRONG":6}{target.name:32}{worst:.1e} of {target.tolerance:.0e}',
          flush=True)
    return good


def main() -> None:
    library, suite, *names = sys.argv[1:]
    targets = [target for target in targets_of(suite) if not names or target.name in names]
    driver = Driver(Path(library))
    results = [run(driver, target) for target in targets]
    raise SystemExit(0 if results and all(results) else 1)


if __name__ == '__main__':
    main()

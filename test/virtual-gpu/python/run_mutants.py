"""Runs every mutant of every kernel under up to five seeds and prints who was caught, and by what.

    VIRTUAL_GPU_MAX_INSTRUCTIONS=2000000 python run_mutants.py LIBRARY FOLDER [NAME…]

FOLDER takes the samples' PTX. A mutant is caught by a module that does not load, by a hazard, or by
a wrong result. Those that are not are listed.
"""

import os
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from cuda import CudaError, Driver
from mutate import Mutant, mutants
from suites import Target, sample_targets, triton_targets

SEEDS = range(1, 6)
HAZARD = re.compile(r'virtual GPU: ([a-z -]+?) in \w+,')


@dataclass(frozen=True)
class Verdict:
    by: str            # 'load', a hazard's name, 'result', or '' for a survivor
    seed: int


class Errors:
    """What the driver writes to the standard error, kept away from the table."""

    def __enter__(self) -> 'Errors':
        self.file = TemporaryFile()
        self.saved = os.dup(2)
        os.dup2(self.file.fileno(), 2)
        return self

    def __exit__(self, *_: object) -> None:
        os.dup2(self.saved, 2)
        os.close(self.saved)
        self.file.close()

    def take(self) -> str:
        self.file.seek(0)
        text = self.file.read().decode(errors='replace')
        self.file.seek(0)
        self.file.truncate()
        return text


def attempt(driver: Driver, target: Target, ptx: bytes, seed: int, errors: Errors) -> str:
    """How the module was caught, or an empty string."""
    driver.library.virtual_gpu_set_seed(seed)
    try:
        wrong = not target.error(driver, ptx) <= target.tolerance
        return 'result' if wrong else ''
    except CudaError as error:
        driver.close()
        driver.open()
        found = HAZARD.search(errors.take())
        return 'load' if 'cuModuleLoad' in str(error) else found.group(1) if found else 'error'


def verdict_of(driver: Driver, target: Target, mutant: Mutant, errors: Errors) -> Verdict:
    for seed in SEEDS:
        by = attempt(driver, target, mutant.text, seed, errors)
        if by:
            return Verdict(by, seed)
    return Verdict('', 0)


def main() -> None:
    library, folder, *names = sys.argv[1:]
    driver = Driver(Path(library))
    totals: Counter[str] = Counter()
    survivors = 0
    with Errors() as errors:
        for target in [*triton_targets(), *sample_targets(Path(folder))]:
            if names and target.name not in names:
                continue
            for seed in SEEDS:
                clean = attempt(driver, target, target.ptx, seed, errors)
                if clean:
                    raise SystemExit(f'{target.name} itself is caught: {clean}')
            counts: Counter[str] = Counter()
            for mutant in mutants(target.ptx):
                verdict = verdict_of(driver, target, mutant, errors)
                counts[verdict.by or 'SURVIVED'] += 1
                if not verdict.by:
                    survivors += 1
                    print(f'  {target.name}:{mutant.line} {mutant.kind}: {mutant.before}'
                          + (f'  ->  {mutant.after}' if mutant.after else ''))
            totals += counts
            print(f'{target.name}: {sum(counts.values())} mutants; '
                  + ', '.join(f'{by} {count}' for by, count in counts.most_common()), flush=True)
    print('all: ' + ', '.join(f'{by} {count}' for by, count in totals.most_common()))
    raise SystemExit(1 if survivors else 0)


if __name__ == '__main__':
    main()

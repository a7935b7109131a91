"""Runs every mutant of every kernel under up to five seeds; prints who was caught, and by what.

    python run_mutants.py LIBRARY triton|samples [MODULE…]

SAMPLES_FOLDER is as for run.py; VIRTUAL_GPU_MAX_INSTRUCTIONS=2000000 ends the mutants that never
would. A mutant is caught by a module that does not load, by a hazard, or by
a wrong result of one of the module's kernels. One that is not caught is equivalent if

  - its instruction gives the same result as the original's every time: both are computed and
    compared in a further run, under all seeds, or
  - equivalents.json says so, with a sentence of proof.

What is left survives, and makes this fail; so do more equivalents than one in ten, and a sentence
about a mutant that is caught or does not exist.
"""

import json
import os
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from cuda import CudaError, Driver
from mutate import Mutant, compared, mutants, trapped
from suites import Target, targets_of

SEEDS = range(1, 6)
MOST_EQUIVALENT = 0.1
HAZARD = re.compile(r'virtual GPU: ([a-z -]+?) in [\w$]+,')
SAME, PROVEN, UNREACHED, SURVIVED = 'same results', 'proven', 'unreached', 'SURVIVED'
EQUIVALENT = {SAME, PROVEN}


@dataclass(frozen=True)
class Suite:
    """A module and all runs of its kernels."""

    name: str
    ptx: bytes
    targets: list[Target]


def suites_of(targets: list[Target]) -> list[Suite]:
    by_module: dict[str, list[Target]] = {}
    for target in targets:
        by_module.setdefault(target.module, []).append(target)
    return [Suite(name, found[0].ptx, found) for name, found in by_module.items()]


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


@dataclass
class Laboratory:
    """Where modules are tried out."""

    driver: Driver
    errors: Errors

    def attempt(self, target: Target, ptx: bytes, seed: int) -> str:
        """How the module was caught, or an empty string."""
        self.driver.library.virtual_gpu_set_seed(seed)
        try:
            wrong = not target.error(self.driver, ptx) <= target.tolerance
            return 'wrong result' if wrong else ''
        except CudaError as error:
            self.driver.close()
            self.driver.open()
            text = self.errors.take()
            found = HAZARD.search(text)
            if found:
                return found.group(1)
            if 'read back by the host' in text:
                return 'undefined result'
            return 'load' if 'cuModuleLoad' in str(error) else str(error)

    def caught(self, suite: Suite, ptx: bytes) -> str:
        """The first way in which any kernel of the suite is caught under any seed."""
        for seed in SEEDS:
            for target in suite.targets:
                by = self.attempt(target, ptx, seed)
                if by:
                    return by
        return ''

    def verdict(self, suite: Suite, mutant: Mutant, proofs: dict[str, str]) -> str:
        by = self.caught(suite, mutant.text)
        if by:
            return by
        if mutant.name in proofs:
            return PROVEN
        if not self.caught(suite, trapped(suite.ptx, mutant)):
            return UNREACHED
        both = compared(suite.ptx, mutant)
        return SAME if both is not None and not self.caught(suite, both) else SURVIVED


def load_proofs() -> dict[str, dict[str, str]]:
    """By module and by mutant's name: the sentence that proves it equivalent."""
    return json.loads(Path(__file__).with_name('equivalents.json').read_text())


def main() -> None:
    library, suite_name, *names = sys.argv[1:]
    totals: Counter[str] = Counter()
    proofs, unused = load_proofs(), []
    with Errors() as errors:
        laboratory = Laboratory(Driver(Path(library)), errors)
        for suite in suites_of(targets_of(suite_name)):
            if names and suite.name not in names:
                continue
            clean = laboratory.caught(suite, suite.ptx)
            if clean:
                raise SystemExit(f'{suite.name} itself is caught: {clean}')
            counts: Counter[str] = Counter()
            known = proofs.get(suite.name, {})
            missing = set(known)
            for mutant in mutants(suite.ptx):
                verdict = laboratory.verdict(suite, mutant, known)
                counts[verdict] += 1
                if verdict == PROVEN:
                    missing.discard(mutant.name)
                if verdict in {UNREACHED, SURVIVED}:
                    print(f'  {verdict}: {mutant.name}')
            totals += counts
            unused += [f'{suite.name}: {name}' for name in missing]
            print(f'{suite.name}: {sum(counts.values())} mutants; '
                  + ', '.join(f'{by} {count}' for by, count in counts.most_common()), flush=True)
    count = sum(totals.values())
    equivalent = sum(totals[by] for by in EQUIVALENT)
    survivors = totals[UNREACHED] + totals[SURVIVED]
    print(f'all: {count} mutants, {count - equivalent - survivors} caught, {equivalent} equivalent '
          f'({equivalent / count:.1%}), {survivors} left; '
          + ', '.join(f'{by} {number}' for by, number in totals.most_common()))
    for name in unused:
        print(f'a proof without its mutant: {name}')
    raise SystemExit(1 if survivors or unused or equivalent > MOST_EQUIVALENT * count else 0)


if __name__ == '__main__':
    main()

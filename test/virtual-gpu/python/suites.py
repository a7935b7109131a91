"""All kernels of triton/ and samples/, in one list, each with its inputs and expected results."""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from cuda import Driver, Pointer
from running import Arrays, worst_error

FOLDER = Path(__file__).parents[1]


@dataclass(frozen=True)
class Target:
    """A kernel of a module, with what running.worst_error needs."""

    name: str
    module: str                # whose kernels share a PTX text
    ptx: bytes
    kernel: str
    grid: tuple[int, int, int]
    threads: int
    shared_bytes: int
    arguments: list[object]
    inputs: Arrays
    expected: Arrays
    tolerance: float
    cooperative: bool = False

    def error(self, driver: Driver, ptx: bytes | None = None) -> float:
        return worst_error(driver, ptx or self.ptx, self.kernel, self.grid, self.threads,
                           self.shared_bytes, self.arguments, self.inputs, self.expected,
                           self.cooperative)


def load(path: Path) -> ModuleType:
    """A module by its file: two folders have one named cases."""
    name = f'{path.parent.name}_{path.stem}'
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def triton_targets() -> list[Target]:
    cases = load(FOLDER / 'triton/cases.py').CASES
    scratch = [Pointer(0), Pointer(0)]  # which Triton's kernels take and do not use here
    targets = []
    for entry in json.loads((FOLDER / 'triton/ptx/manifest.json').read_text())['kernels']:
        file = entry['file']
        ptx = (FOLDER / 'triton/ptx' / file).read_bytes()
        for case in cases:
            if entry['case'] not in {case.name, case.of}:
                continue
            inputs = case.inputs(np.random.default_rng(1))
            name = file.replace(entry['case'], case.name)
            targets.append(Target(
                name, file, ptx, entry['kernel'], case.grid, entry['threads'],
                entry['shared_bytes'], case.arguments + scratch, inputs, case.outputs(inputs),
                case.tolerance))
    return targets


def compiled(source: Path, architecture: int, folder: Path) -> bytes:
    """The PTX of a .cu file; compiled by nvcc when it is new."""
    target = folder / f'{source.stem}.sm_{architecture}.ptx'
    if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
        folder.mkdir(parents=True, exist_ok=True)
        part = target.with_suffix('.part')
        done = subprocess.run(
            ['nvcc', '-std=c++17', '-lineinfo', f'-arch=compute_{architecture}', '-ptx', '-o',
             str(part), str(source)], capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(done.stdout + done.stderr)
        part.replace(target)
    return target.read_bytes()


def sample_targets(folder: Path) -> list[Target]:
    """The samples, compiled into `folder`."""
    targets = []
    for sample in load(FOLDER / 'samples/cases.py').SAMPLES:
        for architecture in sample.architectures:
            inputs = sample.inputs(np.random.default_rng(1))
            ptx = compiled(FOLDER / 'samples' / sample.file, architecture, folder)
            targets.append(Target(
                f'{sample.name or sample.kernel}.sm_{architecture}',
                f'{Path(sample.file).stem}.sm_{architecture}', ptx, sample.kernel, sample.grid,
                sample.threads, 0, sample.arguments, inputs, sample.outputs(inputs),
                sample.tolerance, sample.cooperative))
    return targets


def targets_of(suite: str) -> list[Target]:
    """`triton`, or `samples`, compiled into SAMPLES_FOLDER or a folder for temporary files."""
    if suite == 'triton':
        return triton_targets()
    folder = os.environ.get('SAMPLES_FOLDER') or os.path.join(tempfile.gettempdir(), 'samples-ptx')
    return sample_targets(Path(folder))

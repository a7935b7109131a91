"""Compiles the cases to PTX with Triton, which needs no GPU: ptx/*.ptx and ptx/manifest.json.

    python compile.py

Needs `triton` and `numpy`. What it writes is in the repository, so that the tests need neither a
compiler nor this script; the manifest records Triton's version.
"""

import json
import re
from pathlib import Path

import numpy as np
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

import kernels
from cases import CASES, Case

FOLDER = Path(__file__).parent / 'ptx'
TYPES = {np.dtype(np.float16): '*fp16', np.dtype(np.float32): '*fp32', np.dtype(np.int32): '*i32'}
ALIGNMENT = 16
WARP = 32


def signature_of(case: Case) -> tuple[dict[str, str], list[int]]:
    """Each argument's type, and which are multiples of ALIGNMENT, as pointers are."""
    arrays = case.inputs(np.random.default_rng(0))
    arrays.update(case.outputs(arrays))
    names = getattr(kernels, case.kernel).arg_names
    types, aligned = {}, []
    for index, (name, value) in enumerate(zip(names, case.arguments)):
        if isinstance(value, str):
            types[name] = TYPES[arrays[value].dtype]
            aligned.append(index)
        elif isinstance(value, float):
            types[name] = 'fp32'
        else:
            types[name] = 'i32'
            if value % ALIGNMENT == 0:
                aligned.append(index)
    types.update({name: 'constexpr' for name in case.constants})
    return types, aligned


def compiled(case: Case, architecture: int) -> dict[str, object]:
    types, aligned = signature_of(case)
    source = ASTSource(fn=getattr(kernels, case.kernel), signature=types,
                       constexprs=case.constants,
                       attrs={(i,): [['tt.divisibility', ALIGNMENT]] for i in aligned})
    options = {'num_warps': case.warps}
    kernel = triton.compile(source, target=GPUTarget('cuda', architecture, WARP), options=options)
    ptx = kernel.asm['ptx']
    # Debugging sections go; of files the names stay, not the folders of the machine that compiled.
    ptx = re.sub(r'\n\t\.section\t\.debug.*', '\n', ptx, flags=re.DOTALL)
    ptx = re.sub(r'(\t\.file\t\d+ )"(?:[^"]*/)?([^"/]*)"', r'\1"\2"', ptx)
    if architecture >= 80:
        missing = [word for word in case.must_contain if word not in ptx]
        assert not missing, f'{case.name}: Triton did not use {missing}'
    file = f'{case.name}.sm_{architecture}.ptx'
    (FOLDER / file).write_text(ptx)
    return {'case': case.name, 'file': file, 'kernel': kernel.metadata.name,
            'threads': WARP * kernel.metadata.num_warps, 'shared_bytes': kernel.metadata.shared}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    entries = [compiled(case, architecture)
               for case in CASES if not case.of for architecture in case.architectures]
    manifest = {'triton': triton.__version__, 'kernels': entries}
    (FOLDER / 'manifest.json').write_text(json.dumps(manifest, indent=2) + '\n')


if __name__ == '__main__':
    main()

"""What is compiled from kernels.py and must come out: inputs, NumPy's results, tolerances."""

from dataclasses import dataclass
from typing import Callable

import numpy as np

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Case:
    """A kernel with its constants, run on one set of inputs.

    `arguments` gives the kernel's arguments in order: arrays of `inputs`, numbers, and arrays of
    `outputs`, which start undefined unless `inputs` has them too.
    """

    name: str
    kernel: str
    constants: dict[str, int]
    grid: tuple[int, int, int]
    inputs: Callable[[np.random.Generator], Arrays]
    arguments: list[object]
    outputs: Callable[[Arrays], Arrays]
    tolerance: float = 0.0            # of the largest value
    warps: int = 4
    architectures: tuple[int, ...] = (75, 80)
    must_contain: tuple[str, ...] = ()  # with sm_80, where Triton uses tensor cores
    # The case whose PTX this one runs, on other inputs: multiples of 16 where that has them.
    of: str = ''


def half(generator: np.random.Generator, *shape: int) -> np.ndarray:
    return generator.standard_normal(shape).astype(np.float16)


def single(generator: np.random.Generator, *shape: int) -> np.ndarray:
    return generator.standard_normal(shape).astype(np.float32)


def matmul_case(name: str, m: int, n: int, k: int, block: tuple[int, int, int], stages: int,
                warps: int = 4, of: str = '') -> Case:
    rows = max(k, 16)  # of B in memory, that it is there for a product of no depth as well

    def outputs(arrays: Arrays) -> Arrays:
        a, b = arrays['a'][:, :k].astype(np.float32), arrays['b'][:k].astype(np.float32)
        return {'c': (a @ b).astype(np.float16)}

    contain = ['mma.sync', 'ldmatrix'] + (['cp.async'] if stages > 1 else [])
    return Case(name, 'matmul',
                dict(BLOCK_M=block[0], BLOCK_N=block[1], BLOCK_K=block[2], STAGES=stages),
                (-(-m // block[0]), -(-n // block[1]), 1),
                lambda g: {'a': half(g, m, rows), 'b': half(g, rows, n)},
                ['a', 'b', 'c', m, n, k, rows, n, n], outputs, 2e-3, warps,
                must_contain=tuple(contain), of=of)


def matmul_cases(name: str, size: tuple[int, int, int], other: tuple[int, int],
                 block: tuple[int, int, int], stages: int, warps: int = 4) -> list[Case]:
    """A kernel's size, and others on every side of what its loop's stages distinguish."""
    depth = block[2]
    depths = sorted({0, 16, *(stage * depth for stage in range(1, stages + 2)),
                     (stages + 1) * depth + 16})
    return [matmul_case(name, *size, block, stages, warps),
            *(matmul_case(f'{name}-depth-{k}', *other, k, block, stages, warps, of=name)
              for k in depths)]


def attention_case(name: str, heads: int, length: int, head_dim: int, stages: int,
                   of: str = '') -> Case:
    scale = head_dim ** -0.5

    def outputs(arrays: Arrays) -> Arrays:
        q, k, v = (arrays[part].astype(np.float32) for part in 'qkv')
        scores = q @ k.transpose(0, 2, 1) * scale
        powers = np.exp(scores - scores.max(-1, keepdims=True))
        return {'out': (powers / powers.sum(-1, keepdims=True) @ v).astype(np.float16)}

    return Case(name, 'attention', dict(HEAD=head_dim, BLOCK_Q=64, BLOCK_K=32, STAGES=stages),
                (-(-length // 64), heads, 1),
                lambda g: {part: half(g, heads, length, head_dim) for part in 'qkv'},
                ['q', 'k', 'v', 'out', length, scale], outputs, 4e-3,
                must_contain=('mma.sync', 'ldmatrix'), of=of)


def softmax_rows(arrays: Arrays) -> Arrays:
    powers = np.exp(arrays['x'] - arrays['x'].max(1, keepdims=True))
    return {'out': powers / powers.sum(1, keepdims=True)}


def layer_norm_rows(arrays: Arrays) -> Arrays:
    x = arrays['x'].astype(np.float64)
    normal = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    return {'out': (normal * arrays['weight'] + arrays['bias']).astype(np.float16)}


def histogram_of(arrays: Arrays) -> Arrays:
    return {'counts': np.bincount(arrays['x'], minlength=16).astype(np.int32),
            'sums': np.array([arrays['x'].sum()], np.float32)}


def add_case(name: str, count: int, of: str = '') -> Case:
    return Case(name, 'add', dict(BLOCK=256), (-(-count // 256), 1, 1),
                lambda g: {'x': single(g, count), 'y': single(g, count)}, ['x', 'y', 'out', count],
                lambda a: {'out': a['x'] + a['y']}, of=of)


CASES = [
    add_case('add', 1000),
    add_case('add-even', 1002, of='add'),
    *matmul_cases('matmul-64', (128, 64, 96), (144, 208), (64, 64, 32), 3),
    *matmul_cases('matmul-edges', (70, 50, 80), (37, 75), (32, 32, 16), 2),
    *matmul_cases('matmul-unstaged', (64, 64, 64), (144, 80), (64, 32, 32), 1),
    *matmul_cases('matmul-wide', (128, 128, 64), (144, 80), (128, 64, 64), 4, warps=8),
    attention_case('attention-32', 2, 100, 32, 2),
    *(attention_case(f'attention-32-length-{length}', 3, length, 32, 2, of='attention-32')
      for length in (1, 2, 10, 11, 12, 37)),
    attention_case('attention-64', 1, 64, 64, 2),
    *(attention_case(f'attention-64-length-{length}', 3, length, 64, 2, of='attention-64')
      for length in (16, 80, 160)),
    Case('softmax', 'softmax', dict(BLOCK=256), (5, 1, 1), lambda g: {'x': single(g, 5, 200)},
         ['x', 'out', 200, 200], softmax_rows, 1e-6),
    Case('layer-norm', 'layer_norm', dict(BLOCK=1024), (3, 1, 1),
         lambda g: {'x': half(g, 3, 768), 'weight': single(g, 768), 'bias': single(g, 768)},
         ['x', 'weight', 'bias', 'out', 768, 1e-5], layer_norm_rows, 1e-3),
    Case('scan', 'scan', dict(BLOCK=512), (1, 1, 1),
         lambda g: {'x': g.integers(-50, 50, 512).astype(np.int32)}, ['x', 'out'],
         lambda a: {'out': np.cumsum(a['x']).astype(np.int32)}),
    Case('sort', 'sort', dict(BLOCK=256), (1, 1, 1), lambda g: {'x': single(g, 256)},
         ['x', 'out'], lambda a: {'out': np.sort(a['x'])}),
    Case('histogram', 'histogram', dict(BLOCK=128), (8, 1, 1),
         lambda g: {'x': g.integers(0, 16, 1000).astype(np.int32),
                    'counts': np.zeros(16, np.int32), 'sums': np.zeros(1, np.float32)},
         ['x', 'counts', 'sums', 1000], histogram_of),
    *(Case(name, 'column_sums', dict(BLOCK_R=32, BLOCK_C=32), (3, 1, 1),
           lambda g: {'x': single(g, 100, 80)}, ['x', 'out', rows, 80],
           lambda a, rows=rows: {'out': a['x'][:rows].sum(0)}, 1e-6, of=of)
      for name, rows, of in (('column-sums', 100, ''), ('column-sums-empty', 0, 'column-sums'))),
]

"""The kernels of the samples: inputs, what NumPy says, tolerances."""

from dataclasses import dataclass
from typing import Callable

import numpy as np

from running import Arrays

THREADS, ITEMS = 128, 4


@dataclass(frozen=True)
class Sample:
    """A kernel of one of the .cu files; fields as in running.worst_error."""

    file: str
    kernel: str
    grid: tuple[int, int, int]
    inputs: Callable[[np.random.Generator], Arrays]
    arguments: list[object]
    outputs: Callable[[Arrays], Arrays]
    tolerance: float = 0.0
    threads: int = THREADS
    cooperative: bool = False
    architectures: tuple[int, ...] = (75, 80)
    name: str = ''  # where the kernel has several


def single(generator: np.random.Generator, *shape: int) -> np.ndarray:
    return generator.standard_normal(shape).astype(np.float32)


def whole(generator: np.random.Generator, *shape: int) -> np.ndarray:
    return generator.integers(-1000, 1000, shape).astype(np.int32)


def in_blocks(x: np.ndarray, size: int, fill: float) -> np.ndarray:
    padded = np.full(-(-len(x) // size) * size, fill, x.dtype)
    padded[:len(x)] = x
    return padded.reshape(-1, size)


def product(kernel: str, depth: int, a_type: type, c_type: type,
            architectures: tuple[int, ...] = (75, 80)) -> Sample:
    """[32, depth] × [depth, 64] in tiles of 16 × 16."""
    def inputs(generator: np.random.Generator) -> Arrays:
        def draw(*shape: int) -> np.ndarray:
            # Few bits, so that products are exact in every format.
            return (generator.integers(-8, 9, shape) / (1 if a_type is np.int8 else 4))\
                .astype(a_type)
        return {'a': draw(32, depth), 'b': draw(depth, 64)}

    return Sample('wmma.cu', kernel, (4, 2, 1), inputs, ['a', 'b', 'c', 64, depth],
                  lambda x: {'c': (x['a'].astype(np.float64) @ x['b'].astype(np.float64))
                             .astype(c_type)}, 0, 32, architectures=architectures,
                  name=f'{kernel}-{depth}')


SAMPLES = [
    Sample('cub.cu', 'block_reduce', (3, 1, 1), lambda g: {'x': single(g, 300)},
           ['x', 'sums', 300], lambda a: {'sums': in_blocks(a['x'], THREADS, 0).sum(1)}, 1e-6),
    # Many blocks, so that the largest is everywhere once.
    Sample('cub.cu', 'block_reduce_raking', (40, 1, 1), lambda g: {'x': whole(g, 5000)},
           ['x', 'largest', 5000], lambda a: {'largest': in_blocks(a['x'], THREADS, -9999).max(1)}),
    Sample('cub.cu', 'block_scan', (1, 1, 1), lambda g: {'x': whole(g, THREADS * ITEMS)},
           ['x', 'sums'], lambda a: {'sums': np.cumsum(a['x']).astype(np.int32)}),
    Sample('cub.cu', 'block_sort', (1, 1, 1), lambda g: {'x': single(g, THREADS * ITEMS)},
           ['x', 'sorted'], lambda a: {'sorted': np.sort(a['x'])}),
    Sample('groups.cu', 'tile_sums', (3, 1, 1), lambda g: {'x': single(g, 3 * THREADS)},
           ['x', 'sums'], lambda a: {'sums': a['x'].reshape(-1, 8).sum(1)}, 1e-6),
    Sample('groups.cu', 'count_positive', (3, 1, 1),
           lambda g: {'x': single(g, 300), 'count': np.zeros(1, np.int32)}, ['x', 'count', 300],
           lambda a: {'count': np.array([(a['x'] > 0).sum()], np.int32)}),
    Sample('groups.cu', 'share_of_sum', (6, 1, 1),
           lambda g: {'x': g.integers(1, 9, 6 * THREADS).astype(np.float32),
                      'sum': np.zeros(1, np.float32)}, ['x', 'sum', 'shares'],
           lambda a: {'shares': a['x'] / a['x'].sum()}, cooperative=True),
    Sample('groups.cu', 'reverse_blocks', (2, 1, 1), lambda g: {'x': whole(g, 512)}, ['x', 'out'],
           lambda a: {'out': a['x'].reshape(2, 256)[:, ::-1].reshape(-1)}),
]
# The compiler takes four tiles at a time and then the rest: less than four, four, and both.
for _depth in (48, 64, 112):
    SAMPLES += [product('wmma_half', _depth, np.float16, np.float32),
                product('wmma_half_sums', _depth, np.float16, np.float16),
                product('wmma_bytes', _depth, np.int8, np.int32),
                product('wmma_tensor32', _depth, np.float32, np.float32, (80,))]

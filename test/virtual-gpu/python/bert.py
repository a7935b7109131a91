"""A forward pass the size of BERT-Base through Triton's kernels: is the virtual GPU fast enough?

    python bert.py LIBRARY [LAYERS]

64 tokens, 12 layers, random weights; products, attention, sums and layer norms run on the device,
GELU and the layout of heads between them in NumPy. Prints the seconds and the largest error
against NumPy; exits with 1 where the result is wrong.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from cuda import Driver, Pointer
from running import argument, error_of
from suites import FOLDER

TOKENS, HIDDEN, HEADS, INNER = 64, 768, 12, 3072
HEAD = HIDDEN // HEADS
EPSILON = 1e-5
TOLERANCE = 2e-2  # fp16 between twelve layers
SCRATCH = [Pointer(0), Pointer(0)]  # which Triton's kernels take and do not use here
TILE = 64                           # of the product's rows and columns


class Kernels:
    """Triton's kernels for sm_80 by the names of their cases."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        entries = json.loads((FOLDER / 'triton/ptx/manifest.json').read_text())['kernels']
        self.entries = {entry['case']: entry for entry in entries
                        if entry['file'].endswith('.sm_80.ptx')}

    def run(self, case: str, grid: tuple[int, int, int], arguments: list[object],
            like: np.ndarray) -> np.ndarray:
        """Uploads the arrays among the arguments; what the kernel writes to 'out', like `like`."""
        entry, addresses = self.entries[case], {'out': self.driver.allocate(like.nbytes)}
        values = []
        for value in arguments:
            if isinstance(value, np.ndarray):
                addresses[str(id(value))] = self.driver.upload(np.ascontiguousarray(value))
                value = str(id(value))
            values.append(argument(value, addresses))
        self.driver.launch((FOLDER / 'triton/ptx' / entry['file']).read_bytes(), entry['kernel'],
                           grid, entry['threads'], entry['shared_bytes'], values + SCRATCH)
        result = self.driver.download(addresses['out'], like)
        for address in addresses.values():
            self.driver.free(address)
        return result

    def product(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        (m, k), n = a.shape, b.shape[1]
        return self.run('matmul-64', (-(-m // TILE), -(-n // TILE), 1),
                        [a, b, 'out', m, n, k, k, n, n], np.empty((m, n), np.float16))

    def attention(self, q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
        return self.run('attention-64', (-(-TOKENS // TILE), HEADS, 1),
                        [q, k, v, 'out', TOKENS, HEAD ** -0.5], q)

    def layer_norm(self, x: np.ndarray) -> np.ndarray:
        ones, zeros = np.ones(HIDDEN, np.float32), np.zeros(HIDDEN, np.float32)
        return self.run('layer-norm', (TOKENS, 1, 1), [x, ones, zeros, 'out', HIDDEN, EPSILON], x)


class Reference:
    """The same in NumPy, in fp32 with fp16 between."""

    def product(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a.astype(np.float32) @ b.astype(np.float32)).astype(np.float16)

    def attention(self, q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
        scores = q.astype(np.float32) @ k.astype(np.float32).transpose(0, 2, 1) * HEAD ** -0.5
        powers = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = powers / powers.sum(-1, keepdims=True) @ v.astype(np.float32)
        return mixed.astype(np.float16)

    def layer_norm(self, x: np.ndarray) -> np.ndarray:
        x = x.astype(np.float32)
        spread = np.sqrt(x.var(1, keepdims=True) + EPSILON)
        return ((x - x.mean(1, keepdims=True)) / spread).astype(np.float16)


def gelu(x: np.ndarray) -> np.ndarray:
    """The tanh form, Hendrycks and Gimpel (2016)."""
    wide = x.astype(np.float32)
    inner = np.sqrt(2 / np.pi) * (wide + 0.044715 * wide ** 3)
    return (0.5 * wide * (1 + np.tanh(inner))).astype(np.float16)


def split_heads(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x.reshape(TOKENS, HEADS, HEAD).transpose(1, 0, 2))


def forward(on: Kernels | Reference, x: np.ndarray, layers: list[list[np.ndarray]]) -> np.ndarray:
    for qkv, output, up, down in layers:
        q, k, v = (split_heads(part) for part in np.split(on.product(x, qkv), 3, axis=1))
        mixed = on.attention(q, k, v).transpose(1, 0, 2).reshape(TOKENS, HIDDEN)
        x = on.layer_norm(x + on.product(np.ascontiguousarray(mixed), output))
        x = on.layer_norm(x + on.product(gelu(on.product(x, up)), down))
    return x


def main() -> None:
    library, *count = sys.argv[1:]
    generator = np.random.default_rng(1)

    def weight(rows: int, columns: int) -> np.ndarray:
        return (generator.standard_normal((rows, columns)) * 0.02).astype(np.float16)

    shapes = ((HIDDEN, 3 * HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, INNER), (INNER, HIDDEN))
    layers = [[weight(*shape) for shape in shapes] for _ in range(int(count[0]) if count else 12)]
    x = generator.standard_normal((TOKENS, HIDDEN)).astype(np.float16)
    kernels = Kernels(Driver(Path(library)))
    start = time.monotonic()
    found = forward(kernels, x, layers)
    seconds = time.monotonic() - start
    error = error_of(found, forward(Reference(), x, layers))
    print(f'{len(layers)} layers, {TOKENS} tokens: {seconds:.1f} s, error {error:.1e}')
    raise SystemExit(0 if error <= TOLERANCE else 1)


if __name__ == '__main__':
    main()

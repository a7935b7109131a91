"""What torch does of the same operations, timed on the device. Without a GPU it runs on the CPU,
which says nothing about speed but exercises the code.
"""

import math
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

ON_GPU = torch.cuda.is_available()
DEVICE = "cuda" if ON_GPU else "cpu"
# As large as ours: more than any device's L2 cache.
ROTATED_BYTES = 192 << 20
MAX_SETS = 64
ROUND_SECONDS = 0.01
MAX_REPLAYS = 1000
WARM_UPS = 3

torch.set_grad_enabled(False)
torch.backends.cuda.matmul.allow_tf32 = False
torch.backends.cudnn.allow_tf32 = False


def describe() -> dict:
    versions = {"torch": torch.__version__, "cuda": torch.version.cuda, "device": DEVICE}
    if ON_GPU:
        properties = torch.cuda.get_device_properties(0)
        versions["name"] = properties.name
        versions["multiprocessors"] = properties.multi_processor_count
        versions["l2_cache_bytes"] = getattr(properties, "L2_cache_size", None)
        versions["cudnn"] = torch.backends.cudnn.version()
    return versions


def synchronize() -> None:
    if ON_GPU:
        torch.cuda.synchronize()


def release() -> None:
    """Gives cached memory back to the device, where another process may need it."""
    if ON_GPU:
        torch.cuda.synchronize()
        torch.cuda.empty_cache()


class Repeated:
    """run(0) to run(count - 1), again and again; on a GPU they are one CUDA graph, so that
    launches from Python do not count."""

    def __init__(self, run: Callable[[int], object], count: int = 1) -> None:
        self.run, self.count = run, count
        self.replay = self._capture() if ON_GPU else self._loop
        self.replay()
        synchronize()
        self.once_seconds = max(self._seconds_of(1), 1e-9)

    def _loop(self) -> None:
        for index in range(self.count):
            self.run(index)

    def _capture(self) -> Callable[[], None]:
        # Lazy initialization and compilation may not happen during a capture.
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for index in range(WARM_UPS):
                self.run(index % self.count)
        torch.cuda.current_stream().wait_stream(stream)
        synchronize()
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self._loop()
        return self.graph.replay

    def _seconds_of(self, replays: int) -> float:
        if not ON_GPU:
            begin = time.perf_counter()
            for _ in range(replays):
                self.replay()
            return time.perf_counter() - begin
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        self.replay()
        begin.record()
        for _ in range(replays):
            self.replay()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / 1e3

    def seconds(self, wanted_seconds: float = ROUND_SECONDS) -> float:
        """Of one run, back to back on the device."""
        replays = min(MAX_REPLAYS, max(1, math.ceil(wanted_seconds / self.once_seconds)))
        if not ON_GPU:
            replays = 1
        return self._seconds_of(replays) / (replays * self.count)


def sets_of(numbers: int) -> int:
    """How many sets of this many fp16 numbers rotate."""
    return min(MAX_SETS, ROTATED_BYTES // (2 * numbers) + 1) if ON_GPU else 2


def random(*shape: int, scale: float = 1.0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float16, device=DEVICE) * scale


def gemm(rows: int, columns: int, depth: int) -> Callable[[], float]:
    """GEMM and bias alone, in cuBLAS. Each set has an input, a weight and an output."""
    count = sets_of(rows * depth + columns * depth + rows * columns)
    inputs = [random(rows, depth) for _ in range(count)]
    weights = [random(columns, depth, scale=0.02) for _ in range(count)]
    bias = random(columns)
    # An output is let go only once the next one of its set is there, so outputs rotate, too.
    outputs: list[torch.Tensor | None] = [None] * count

    def run(index: int) -> None:
        outputs[index] = F.linear(inputs[index], weights[index], bias)

    return Repeated(run, count).seconds


def attention(sequences: int, length: int, heads: int, head_dim: int,
              backend: str) -> Callable[[], float]:
    """scaled_dot_product_attention of [sequences, heads, length, head_dim], without a mask."""
    shape = (sequences, heads, length, head_dim)
    count = sets_of(4 * math.prod(shape))
    inputs = [[random(*shape) for _ in range(3)] for _ in range(count)]
    outputs: list[torch.Tensor | None] = [None] * count
    chosen = {"flash": SDPBackend.FLASH_ATTENTION, "cudnn": SDPBackend.CUDNN_ATTENTION}[backend]

    def run(index: int) -> None:
        with sdpa_kernel(chosen):
            outputs[index] = F.scaled_dot_product_attention(*inputs[index])

    return Repeated(run, count).seconds


def packed_attention(lengths: list[int], heads: int, head_dim: int) -> Callable[[], float]:
    """Flash attention of packed sequences: [tokens, heads, head_dim] and boundaries."""
    from torch.nn.attention.varlen import varlen_attn

    shape = (sum(lengths), heads, head_dim)
    count = sets_of(4 * math.prod(shape))
    inputs = [[random(*shape) for _ in range(3)] for _ in range(count)]
    outputs: list[torch.Tensor | None] = [None] * count
    boundaries = cu_seqlens(lengths)
    longest = max(lengths)

    def run(index: int) -> None:
        outputs[index] = varlen_attn(*inputs[index], boundaries, boundaries, longest, longest)

    return Repeated(run, count).seconds


def cu_seqlens(lengths: list[int]) -> torch.Tensor:
    sums = torch.cumsum(torch.tensor([0, *lengths]), 0)
    return sums.to(dtype=torch.int32, device=DEVICE)


def layer_norm(rows: int, columns: int) -> Callable[[], float]:
    count = sets_of(2 * rows * columns)
    inputs = [random(rows, columns) for _ in range(count)]
    weight, bias = random(columns), random(columns)
    outputs: list[torch.Tensor | None] = [None] * count

    def run(index: int) -> None:
        outputs[index] = F.layer_norm(inputs[index], (columns,), weight, bias, 1e-12)

    return Repeated(run, count).seconds


def square_gemm(size: int) -> Callable[[], float]:
    left, right = random(size, size), random(size, size)
    out = torch.empty_like(left)
    return Repeated(lambda _: torch.mm(left, right.t(), out=out)).seconds


def copy(size_bytes: int) -> Callable[[], float]:
    source = torch.ones(size_bytes, dtype=torch.uint8, device=DEVICE)
    target = torch.empty_like(source)
    return Repeated(lambda _: target.copy_(source)).seconds

"""fusebert's CUDA kernels, through the C interface of kernels.h."""

import ctypes
import json
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

CALL_TIMEOUT_SECONDS = 120
ESTIMATE_REPEATS = 5
MAX_REPEATS = 2000


class KernelLibrary:
    """Calls run on a thread of their own: a CUDA context is current to a thread, and the other
    side's is not to be disturbed."""

    def __init__(self, path: Path, images: Path, quick: bool) -> None:
        self.round_seconds = 0.0 if quick else 0.01
        self.thread = ThreadPoolExecutor(max_workers=1)
        self.library = ctypes.CDLL(str(path.resolve()))
        self._declare()
        opened = self._on_thread(
            self.library.fusebert_bench_open, 0, str(images.resolve()).encode(), b"fp16"
        )
        if opened != 0:
            raise RuntimeError(f"the device does not open: {self._error()}")

    def _declare(self) -> None:
        int64, integer, text = ctypes.c_int64, ctypes.c_int, ctypes.c_char_p
        lengths = ctypes.POINTER(ctypes.c_int32)
        for name, result, arguments in (
            ("error", text, []),
            ("open", integer, [integer, text, text]),
            ("device", text, []),
            ("gemm", ctypes.c_double, [int64, int64, int64, text, integer, text, integer]),
            ("attention", ctypes.c_double, [lengths, int64, integer, integer, integer]),
            ("layer_norm", ctypes.c_double, [int64, int64, integer]),
        ):
            function = getattr(self.library, f"fusebert_bench_{name}")
            function.restype, function.argtypes = result, arguments

    def _on_thread(self, function: Callable, *arguments):
        return self.thread.submit(function, *arguments).result(CALL_TIMEOUT_SECONDS)

    def _error(self) -> str:
        return self._on_thread(self.library.fusebert_bench_error).decode(errors="replace")

    def device(self) -> dict:
        text = self._on_thread(self.library.fusebert_bench_device).decode(errors="replace")
        try:
            return json.loads(text)
        except ValueError:
            return {"text": text}

    def _timer(self, run: Callable[[int], float]) -> Callable[[], float]:
        """run(repeats) → seconds of one run, with as many repeats as fill a round."""

        def checked(repeats: int) -> float:
            seconds = self._on_thread(run, repeats)
            if not seconds >= 0:
                raise RuntimeError(self._error() or "no reason given")
            return seconds

        if self.round_seconds == 0:
            return lambda: checked(1)
        once = max(checked(ESTIMATE_REPEATS), 1e-9)
        repeats = min(MAX_REPEATS, max(ESTIMATE_REPEATS, math.ceil(self.round_seconds / once)))
        return lambda: checked(repeats)

    def gemm(self, rows: int, columns: int, depth: int, activation: str, residual: bool,
             tile: str = "") -> Callable[[], float]:
        function = self.library.fusebert_bench_gemm
        given = (rows, columns, depth, activation.encode(), int(residual), tile.encode())
        return self._timer(lambda repeats: function(*given, repeats))

    def attention(self, lengths: list[int], heads: int, head_dim: int) -> Callable[[], float]:
        function = self.library.fusebert_bench_attention
        array = (ctypes.c_int32 * len(lengths))(*lengths)
        return self._timer(
            lambda repeats: function(array, len(lengths), heads, head_dim, repeats)
        )

    def layer_norm(self, rows: int, columns: int) -> Callable[[], float]:
        function = self.library.fusebert_bench_layer_norm
        return self._timer(lambda repeats: function(rows, columns, repeats))

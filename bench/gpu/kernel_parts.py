"""The kernels one by one: GEMM, attention and LayerNorm beside torch's, and what the device can do
at most. A part returns the entries of the JSON file and prints its table's rows as they come.
"""

import random
from collections.abc import Iterator

from measuring import GIGA, TERA, Budget, alternate, errors_in, prepare, ratio, show

# name, columns, depth, activation, residual: BERT-Base's.
BERT_GEMMS = [
    ("qkv", 2304, 768, "none", False),
    ("attention output", 768, 768, "none", True),
    ("intermediate", 3072, 768, "gelu", False),
    ("output", 768, 3072, "none", True),
]
GEMM_ROWS = [128, 512, 2048, 8192, 32768]
ROWS_WITH_ALL_TILES = (2048, 8192)
TILES = ("large", "medium", "small")
ATTENTION_SHAPES = [(256, 32), (64, 128), (16, 512), (4, 2048)]
LAYER_NORM_ROWS = [2048, 8192]
HEADS, HEAD_DIM, HIDDEN = 12, 64, 768
RAGGED_SEED = 11


def ragged_lengths(count: int, shortest: int, longest: int, fill: float, seed: int) -> list[int]:
    """Lengths of which the mean is about `fill` of the longest, one of them the longest."""
    source = random.Random(seed)
    # (1 - u^a) has the mean a / (a + 1).
    mean = (fill * longest - shortest) / (longest - shortest)
    power = mean / (1 - mean)
    span = longest - shortest
    lengths = [shortest + round(span * (1 - source.random() ** power)) for _ in range(count)]
    lengths[source.randrange(count)] = longest
    return lengths


class KernelParts:
    """`ours`: a KernelLibrary, or None; `theirs`: the module torch_side, or None."""

    def __init__(self, ours, theirs, quick: bool, budget: Budget, errors: list, skipped: list):
        self.ours, self.theirs = ours, theirs
        self.quick, self.budget = quick, budget
        self.errors, self.skipped = errors, skipped
        self.rounds = 2 if quick else 5

    def _measure(self, where: str, makers: dict) -> dict:
        """Makers whose side is missing are entered as not available."""
        sides, results = {}, {}
        for name, make in makers.items():
            owner = self.ours if name.startswith("ours") else self.theirs
            if owner is None:
                results[name] = {"not_available": True}
            else:
                prepare(sides, name, make, results)
        results.update(alternate(sides, self.rounds))
        self.errors += errors_in(results, where)
        del sides
        if self.theirs is not None:
            self.theirs.release()
        return {name: results[name] for name in makers}

    def _late(self, where: str, until: float) -> bool:
        if not self.budget.past(until):
            return False
        self.skipped.append(f"{where}: no time left")
        return True

    def ceilings(self) -> dict:
        if self.theirs is None:
            return {"not_available": "torch"}
        size, copied = (128, 1 << 16) if self.quick else (8192, 1 << 30)
        makers = {
            "cublas_gemm": lambda: self.theirs.square_gemm(size),
            "copy": lambda: self.theirs.copy(copied),
        }
        results = self._measure("ceilings", makers)
        for name, key, work in (
            ("cublas_gemm", "tflops", 2 * size**3 / TERA),
            # Each byte is read and written.
            ("copy", "gigabytes_per_second", 2 * copied / GIGA),
        ):
            if "median" in results[name]:
                results[name][key] = work / results[name]["median"]
        print(f"ceilings: cuBLAS fp16 {size}³ "
              f"{show(results['cublas_gemm'].get('tflops'), '{:.1f}')} TFLOP/s, device copy "
              f"{show(results['copy'].get('gigabytes_per_second'), '{:.0f}')} GB/s read + written",
              flush=True)
        return results

    def _gemm_cases(self) -> list[tuple]:
        if self.quick:
            return [(16, "tiny", 64, 64, "gelu", True)]
        return [(rows, *gemm) for rows in GEMM_ROWS for gemm in BERT_GEMMS]

    def gemm(self, until: float) -> Iterator[dict]:
        print("\nGEMM, fp16. ours: with bias, activation and residual, launches queued back to "
              "back. cuBLAS: GEMM and bias only,\nin a CUDA graph. TFLOP/s, medians; ratio: ours "
              "as the policy chooses / cuBLAS; ±: (max - min) / median of both.\n"
              f"{'':16} {'M':>6} {'N':>5} {'K':>5} {'ours':>7} {'cuBLAS':>7} {'ratio':>6} "
              f"{'±%':>4}/{'±%':<4} {'large':>7} {'medium':>7} {'small':>7}", flush=True)
        for rows, name, columns, depth, activation, residual in self._gemm_cases():
            where = f"gemm {name} M={rows}"
            if self._late(where, until):
                continue
            tiles = TILES if self.quick or rows in ROWS_WITH_ALL_TILES else ()
            given = (rows, columns, depth, activation, residual)
            makers = {"ours": lambda given=given: self.ours.gemm(*given)}
            makers["cublas"] = lambda given=given: self.theirs.gemm(*given[:3])
            for tile in tiles:
                makers[f"ours_{tile}"] = (
                    lambda given=given, tile=tile: self.ours.gemm(*given, tile)
                )
            sides = self._measure(where, makers)
            flop = 2 * rows * columns * depth
            for side in sides.values():
                if side.get("median"):
                    side["tflops"] = flop / side["median"] / TERA
            entry = {
                "name": name, "rows": rows, "columns": columns, "depth": depth,
                "activation": activation, "residual": residual, "flop": flop, "sides": sides,
                "ratio": ratio(sides, "cublas", "ours"),
            }
            rates = [show(sides.get(side, {}).get("tflops"), "{:.1f}")
                     for side in ("ours", "cublas", *(f"ours_{tile}" for tile in TILES))]
            print(f"{name:16} {rows:6} {columns:5} {depth:5} {rates[0]:>7} {rates[1]:>7} "
                  f"{show(entry['ratio']):>6} {spreads(sides, 'ours', 'cublas')} "
                  + " ".join(f"{rate:>7}" for rate in rates[2:]), flush=True)
            yield entry

    def _attention_cases(self) -> list[tuple[str, list[int], int]]:
        if self.quick:
            return [("2 × 8", [8, 8], 1)]
        cases = [(f"{sequences} × {length}", [length] * sequences, HEADS)
                 for sequences, length in ATTENTION_SHAPES]
        ragged = ragged_lengths(32, 8, 512, 0.6, RAGGED_SEED)
        return [*cases, ("32 × 8..512", ragged, HEADS)]

    def attention(self, until: float) -> Iterator[dict]:
        print("\nAttention, fp16, head_dim 64. ours: packed [tokens, 3, heads, head_dim]. torch: "
              "[B, heads, S, head_dim], padded and\nwithout a mask; varlen: packed. µs, medians; "
              f"ratio: flash / ours.\n{'sequences':14} {'fill':>5} {'ours':>8} {'flash':>8} "
              f"{'cudnn':>8} {'varlen':>8} {'ratio':>6} {'±%':>4}/{'±%':<4} {'TFLOP/s':>8}",
              flush=True)
        for name, lengths, heads in self._attention_cases():
            where = f"attention {name}"
            if self._late(where, until):
                continue
            longest = max(lengths)
            ragged = min(lengths) != longest
            dense = (len(lengths), longest, heads, HEAD_DIM)
            packed = (lengths, heads, HEAD_DIM)
            makers = {
                "ours": lambda packed=packed: self.ours.attention(*packed),
                "flash": lambda dense=dense: self.theirs.attention(*dense, "flash"),
            }
            if self.theirs is not None and self.theirs.ON_GPU:
                makers["cudnn"] = lambda dense=dense: self.theirs.attention(*dense, "cudnn")
                if ragged:
                    makers["varlen"] = lambda packed=packed: self.theirs.packed_attention(*packed)
            sides = self._measure(where, makers)
            flop = sum(4 * length**2 * HEAD_DIM * heads for length in lengths)
            # Of the real tokens, whatever a side computes beside them.
            for side in sides.values():
                if side.get("median"):
                    side["tflops"] = flop / side["median"] / TERA
            fill = sum(lengths) / (len(lengths) * longest)
            entry = {
                "name": name, "lengths": lengths, "heads": heads, "head_dim": HEAD_DIM,
                "fill": fill, "flop": flop, "sides": sides,
                "ratio": ratio(sides, "flash", "ours"),
                "ratio_to_varlen": ratio(sides, "varlen", "ours"),
            }
            times = [microseconds(sides, side) for side in ("ours", "flash", "cudnn", "varlen")]
            print(f"{name:14} {fill:5.2f} " + " ".join(f"{time:>8}" for time in times)
                  + f" {show(entry['ratio']):>6} {spreads(sides, 'ours', 'flash')} "
                  f"{show(sides['ours'].get('tflops'), '{:.1f}'):>8}", flush=True)
            yield entry

    def layer_norm(self, until: float) -> Iterator[dict]:
        print(f"\nLayerNorm, fp16. GB/s of bytes read and written once.\n{'M':>6} {'columns':>7} "
              f"{'ours':>8} {'torch':>8} {'ratio':>6} {'±%':>4}/{'±%':<4}", flush=True)
        for rows, columns in [(16, 64)] if self.quick else [(r, HIDDEN) for r in LAYER_NORM_ROWS]:
            where = f"layer_norm M={rows}"
            if self._late(where, until):
                continue
            given = (rows, columns)
            sides = self._measure(where, {
                "ours": lambda given=given: self.ours.layer_norm(*given),
                "torch": lambda given=given: self.theirs.layer_norm(*given),
            })
            moved = 2 * 2 * rows * columns
            for side in sides.values():
                if side.get("median"):
                    side["gigabytes_per_second"] = moved / side["median"] / GIGA
            entry = {"rows": rows, "columns": columns, "bytes": moved, "sides": sides,
                     "ratio": ratio(sides, "torch", "ours")}
            rates = [show(sides[side].get("gigabytes_per_second"), "{:.0f}")
                     for side in ("ours", "torch")]
            print(f"{rows:6} {columns:7} {rates[0]:>8} {rates[1]:>8} {show(entry['ratio']):>6} "
                  f"{spreads(sides, 'ours', 'torch')}", flush=True)
            yield entry


def spreads(sides: dict, *names: str) -> str:
    shown = []
    for name in names:
        spread = sides.get(name, {}).get("spread")
        shown.append(show(None if spread is None else 100 * spread, "{:.0f}"))
    return f"{shown[0]:>4}/{shown[1]:<4}"


def microseconds(sides: dict, name: str) -> str:
    median = sides.get(name, {}).get("median")
    return show(None if median is None else 1e6 * median, "{:.1f}")

"""The whole encoder: fusebert in Node beside torch, on BERT-Base's geometry with the same seeded
weights. Vectors are compared before anything is timed.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kernel_parts import ragged_lengths, spreads
from measuring import (
    TERA, Budget, alternate, describe, errors_in, prepare, ratio, show, summarize,
)
from model_folder import BERT_BASE, TINY, flop_of, fp16_weights, token_ids, write_folder
from node_side import IN_FLIGHT, NodeBatch, NodeSide

CHECKED_LENGTHS = [1, 7, 16, 33, 64, 128, 200, 512]
LEAST_COSINE = 0.9999
# Of whole batches, where both sides round to fp16.
LEAST_BATCH_COSINE = 0.9998
# The most telling shapes first, should time run out.
UNIFORM = [(64, 128), (256, 128), (64, 512), (32, 32), (16, 128), (1, 16), (1, 32)]
RAGGED = {"count": 512, "shortest": 4, "longest": 128, "fill": 0.6, "seed": 7}
ROUND_SECONDS = 0.05
IDS_SEED = 42
TEXTS, TEXT_SEED, TEXT_LIMIT_SECONDS = 20_000, 5, 15
# No compilation starts in the last part of the encoder's time.
COMPILE_UNTIL = 0.85


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a.astype(np.float64), b.astype(np.float64)
    return (a * b).sum(-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))


class EncoderPart:
    """`theirs`: the module torch_encoder, or None; `onnx`: onnx_encoder, or None. `rates`: TFLOP/s
    of cuBLAS in this run."""

    def __init__(self, node: str, package: Path, folder: Path, theirs, onnx, quick: bool,
                 compiled: bool, options: dict, budget: Budget, rates: dict, errors: list,
                 skipped: list) -> None:
        self.node, self.package, self.folder = node, package, folder
        self.theirs, self.onnx, self.quick, self.compiled = theirs, onnx, quick, compiled
        self.options, self.budget, self.rates = options, budget, rates
        self.errors, self.skipped = errors, skipped
        self.rounds = 2 if quick else 5
        self.config = TINY if quick else BERT_BASE
        self.weights = fp16_weights(self.config)
        write_folder(folder, self.config, self.weights)
        self.side: NodeSide | None = None
        self.loaded: dict = {}
        self.encoder = self.onnx_encoder = None

    def start(self) -> NodeSide:
        """The Node process with the model; a new one if the last one ended."""
        if self.side is None or self.side.process.poll() is not None:
            self.side = NodeSide(self.node, self.package)
            self.loaded = self.side.load(self.folder, self.options)
        return self.side

    def close(self) -> None:
        if self.side is not None:
            self.side.close()
        self.side = None

    def load_onnx(self) -> None:
        if self.onnx is not None:
            self.onnx_encoder = self.onnx.OnnxEncoder(self.weights, self.config)

    def check(self) -> dict:
        """Vectors of texts of many lengths, against fp32 in torch. Raises when they differ."""
        limit = self.config["max_position_embeddings"]
        lengths = [length for length in CHECKED_LENGTHS if length <= limit]
        vocab_size = self.config["vocab_size"]
        ours = NodeBatch(self.start(), lengths, IDS_SEED, vocab_size, 0).vectors()
        result: dict = {"lengths": lengths, "finite": bool(np.isfinite(ours).all())}
        if not result["finite"]:
            raise RuntimeError("vectors are not finite")
        if self.theirs is None:
            return result | {"not_available": "torch"}
        torch = self.theirs.torch
        ids = token_ids(sum(lengths), IDS_SEED, vocab_size)
        reference = self.theirs.TorchEncoder(self.weights, self.config, torch.float32)
        expected = reference.vectors_one_by_one(ids, lengths)
        del reference
        self.encoder = self.theirs.TorchEncoder(self.weights, self.config, torch.float16)
        half = self.encoder.vectors_one_by_one(ids, lengths)
        result["cosines"] = cosines(ours, expected).tolist()
        result["cosines_of_torch_fp16"] = cosines(half, expected).tolist()
        # What other texts' vectors have: how much a cosine near 1 says.
        result["cosine_of_other_texts"] = float(cosines(expected[1:], expected[:-1]).max())
        result["max_difference"] = float(np.abs(ours - expected).max())
        result["max_difference_of_torch_fp16"] = float(np.abs(half - expected).max())
        least = min(result["cosines"])
        print(f"\nencoder: least cosine to torch fp32 {least:.7f} (torch fp16 "
              f"{min(result['cosines_of_torch_fp16']):.7f}; other texts "
              f"{result['cosine_of_other_texts']:.4f}), largest difference "
              f"{result['max_difference']:.1e} ({result['max_difference_of_torch_fp16']:.1e})",
              flush=True)
        if not least >= LEAST_COSINE:
            raise RuntimeError(f"cosine {least:.6f} to torch fp32, below {LEAST_COSINE}: {result}")
        return result

    def _shapes(self) -> list[tuple[str, list[int]]]:
        if self.quick:
            return [("2 × 8", [8, 8]), ("ragged 2 ≤ 8", [3, 8])]
        uniform = [(f"{count} × {length}", [length] * count) for count, length in UNIFORM]
        ragged = (f"ragged {RAGGED['count']} ≤ {RAGGED['longest']}", ragged_lengths(**RAGGED))
        return [*uniform[:2], ragged, *uniform[2:]]

    def _torch_sides(self, lengths: list[int], until: float, failed: dict) -> dict:
        """Batch of each flavour by name; a padded one as written is the first."""
        ids = token_ids(sum(lengths), IDS_SEED, self.config["vocab_size"])
        flavours = [("eager", False, False)]
        # Varlen attention has no CPU kernel.
        packs = min(lengths) != max(lengths) and self.theirs.ON_GPU
        flavours += [("packed", True, False)] if packs else []
        if self.compiled:
            flavours.append(("compiled", False, True))
            flavours += [("packed_compiled", True, True)] if packs else []
        batches: dict = {}
        for name, packed, compiled in flavours:
            if compiled and self.budget.past(COMPILE_UNTIL * until):
                failed[f"{name}_device"] = {"skipped": "no time left"}
                self.skipped.append(f"encoder {len(lengths)} sequences, {name}: no time left")
                continue
            prepare(batches, name, lambda packed=packed, compiled=compiled: self.theirs.Batch(
                self.encoder, ids, lengths, packed, compiled), failed)
        return batches

    def _compare(self, ours: np.ndarray, batches: dict) -> dict[str, float]:
        least = {name: float(cosines(ours, batch.vectors()).min())
                 for name, batch in batches.items()}
        if not all(cosine >= LEAST_BATCH_COSINE for cosine in least.values()):
            raise RuntimeError(f"cosines to others: {least}, below {LEAST_BATCH_COSINE}")
        return least

    def _measure(self, name: str, lengths: list[int], until: float) -> dict:
        vocab_size = self.config["vocab_size"]
        round_seconds = 0 if self.quick else ROUND_SECONDS
        failed: dict = {}
        batches = {} if self.encoder is None else self._torch_sides(lengths, until, failed)
        if self.onnx_encoder is not None:
            ids = token_ids(sum(lengths), IDS_SEED, vocab_size)
            prepare(batches, "onnx", lambda: self.onnx.Batch(self.onnx_encoder, ids, lengths),
                    failed)
        ours = NodeBatch(self.start(), lengths, IDS_SEED, vocab_size, round_seconds)
        tokens, flop = sum(lengths), flop_of(self.config, lengths)
        entry: dict = {
            "name": name, "sequences": len(lengths), "longest": max(lengths), "tokens": tokens,
            "fill": tokens / (len(lengths) * max(lengths)), "flop": flop,
            "least_cosines": self._compare(ours.vectors(), batches),
            "prepared_seconds": {key: batch.prepared_seconds for key, batch in batches.items()},
        }
        sides = {"ours_call": ours.call, "ours_throughput": ours.throughput}
        for key, batch in batches.items():
            sides[f"{key}_call"] = batch.call
            sides[f"{key}_device"] = lambda batch=batch: batch.device_seconds(round_seconds)
        results = alternate(sides, self.rounds) | failed
        self.errors += errors_in(results, f"encoder {name}")
        for side in results.values():
            if side.get("median"):
                side["tokens_per_second"] = tokens / side["median"]
                side["tflops"] = flop / side["median"] / TERA
        entry["sides"] = results
        for other in ("eager", "compiled", "packed", "packed_compiled", "onnx"):
            if other in batches:
                entry[f"ratio_to_{other}"] = ratio(results, f"{other}_device", "ours_throughput")
                entry[f"call_ratio_to_{other}"] = ratio(results, f"{other}_call", "ours_call")
        rate = results["ours_throughput"].get("tflops")
        for key, of in self.rates.items():
            entry[f"share_of_{key}"] = rate / of if rate and of else None
        return entry

    def shapes(self, until: float) -> Iterator[dict]:
        print("\nEncoder. ours: in Node, from packed ids to pooled vectors on the host. call: one "
              f"awaited call. many: {IN_FLIGHT} calls\nin flight (they may share batches), per "
              "call. torch, fp16, mean pooling, in a CUDA graph; ms: back to back on the\ndevice, "
              "without copies. ratio: torch's ms / many; call ratio: both from host to host. "
              "share: of cuBLAS in 8192³,\nof BERT-Base's GEMMs in cuBLAS.\n"
              f"{'sequences':16} {'fill':>4} {'call ms':>8} {'many ms':>8} {'tokens/s':>10} "
              f"{'eager':>8} {'compiled':>8} {'ratio':>5} {'ratio':>5} {'call':>5} "
              f"{'share':>5} {'share':>5} {'±%':>4}/{'±%':<4}", flush=True)
        for name, lengths in self._shapes():
            if self.budget.past(until):
                self.skipped.append(f"encoder {name}: no time left")
                continue
            try:
                entry = self._measure(name, lengths, until)
            except Exception as error:
                self.errors.append(f"encoder {name}: {describe(error)['error']}")
                print(f"{name:16} {describe(error)['error'][:120]}", flush=True)
                # After an error of the device, a process never runs on it again.
                self.close()
                yield {"name": name, **describe(error)}
                continue
            print_entry(entry)
            yield entry

    def text(self, until: float) -> dict:
        left = until * self.budget.total_seconds - self.budget.spent()
        if left < 2 and not self.quick:
            self.skipped.append("text: no time left")
            return {"skipped": "no time left"}
        result = self.start().ask(
            "text", max(30.0, left), options=self.options, count=4 if self.quick else TEXTS,
            seed=TEXT_SEED, rounds=1 if self.quick else self.rounds,
            limit_seconds=min(TEXT_LIMIT_SECONDS, left / 2),
        )
        texts = 4 if self.quick else TEXTS
        sides = {name: summarize(result[name]) for name in ("pipeline", "tokenizer", "model")}
        seconds = sides["pipeline"]["median"]
        entry = {
            "texts": texts, "tokens": result["tokens"], "sides": sides,
            "texts_per_second": texts / seconds, "tokens_per_second": result["tokens"] / seconds,
            "share_of_model": sides["model"]["median"] / seconds, "device": result["info"],
        }
        print(f"\ntext → pooled vectors, pipeline, {texts} texts, {result['tokens']} tokens: "
              f"{entry['texts_per_second']:.0f} texts/s, {entry['tokens_per_second']:.0f} "
              f"tokens/s, {100 * entry['share_of_model']:.1f} % of the model alone; tokenizer "
              f"alone {result['tokens'] / sides['tokenizer']['median']:.0f} tokens/s", flush=True)
        return entry


def print_entry(entry: dict) -> None:
    sides = entry["sides"]

    def milliseconds(name: str) -> str:
        median = sides.get(name, {}).get("median")
        return show(None if median is None else 1e3 * median, "{:.3f}")

    rate = sides["ours_throughput"].get("tokens_per_second")
    best = "compiled" if "call_ratio_to_compiled" in entry else "eager"
    print(f"{entry['name']:16} {entry['fill']:4.2f} {milliseconds('ours_call'):>8} "
          f"{milliseconds('ours_throughput'):>8} {show(rate, '{:.0f}'):>10} "
          f"{milliseconds('eager_device'):>8} {milliseconds('compiled_device'):>8} "
          f"{show(entry.get('ratio_to_eager')):>5} {show(entry.get('ratio_to_compiled')):>5} "
          f"{show(entry.get(f'call_ratio_to_{best}')):>5} "
          f"{show(entry.get('share_of_cublas_ceiling')):>5} "
          f"{show(entry.get('share_of_bert_gemms')):>5} "
          f"{spreads(sides, 'ours_throughput', 'eager_device')}", flush=True)
    for packed in ("packed", "packed_compiled"):
        if f"ratio_to_{packed}" in entry:
            print(f"{'':16} {packed.replace('_', ', ')} with varlen attention: "
                  f"{milliseconds(f'{packed}_device')} ms, ratio "
                  f"{show(entry[f'ratio_to_{packed}'])}", flush=True)
    if "ratio_to_onnx" in entry:
        print(f"{'':16} onnxruntime, padded: {milliseconds('onnx_device')} ms, ratio "
              f"{show(entry['ratio_to_onnx'])}", flush=True)

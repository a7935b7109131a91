"""The same encoder in onnxruntime, where it is installed with CUDA, and onnx: the fused graph of
bench/bert_onnx.py in fp16, mean pooling and L2, of padded batches. Without a GPU it runs in fp32 on
the CPU, which says nothing about speed but exercises the code.
"""

import time
from collections import Counter

import numpy as np
import onnxruntime

import model_folder  # noqa: F401  its path has bench/ from here on
from bert_onnx import PER_LAYER, build_onnx

CUDA = "CUDAExecutionProvider"
ON_GPU = CUDA in onnxruntime.get_available_providers()
MOST_RUNS = 200


class OnnxEncoder:
    def __init__(self, weights: dict, config: dict) -> None:
        model = build_onnx(config, weights, np.float16 if ON_GPU else np.float32, pooled=True)
        counts = Counter(node.op_type for node in model.graph.node)
        layers = config["num_hidden_layers"]
        assert all(counts[kind] >= layers * count for kind, count in PER_LAYER.items()), counts
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        providers = [CUDA] if ON_GPU else ["CPUExecutionProvider"]
        self.session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=providers)
        if ON_GPU and self.session.get_providers()[0] != CUDA:
            raise RuntimeError(f"onnxruntime runs on {self.session.get_providers()}")


class Batch:
    """One padded batch: ids on the host to vectors on the host, or everything on the device."""

    def __init__(self, encoder: OnnxEncoder, ids: np.ndarray, lengths: list[int]) -> None:
        begin = time.perf_counter()
        self.session = encoder.session
        kept = np.arange(max(lengths))[None] < np.array(lengths)[:, None]
        padded = np.zeros(kept.shape, np.int32)
        padded[kept] = ids
        self.inputs = {"input_ids": padded, "attention_mask": kept.astype(np.int32),
                       "token_type_ids": np.zeros_like(padded)}
        self.binding = self.session.io_binding()
        place = ("cuda", 0) if ON_GPU else ("cpu", 0)
        self.held = {name: onnxruntime.OrtValue.ortvalue_from_numpy(value, *place)
                     for name, value in self.inputs.items()}
        for name, value in self.held.items():
            self.binding.bind_ortvalue_input(name, value)
        self.binding.bind_output("pooled", *place)
        for _ in range(3):
            self._run(1)
        self.once_seconds = max(self._run(1), 1e-9)
        self.prepared_seconds = time.perf_counter() - begin

    def _run(self, runs: int) -> float:
        begin = time.perf_counter()
        for _ in range(runs):
            self.session.run_with_iobinding(self.binding)
        self.binding.synchronize_outputs()
        return time.perf_counter() - begin

    def device_seconds(self, wanted_seconds: float) -> float:
        """Of one run, inputs and outputs on the device; runs follow each other."""
        runs = min(MOST_RUNS, max(1, round(wanted_seconds / self.once_seconds)))
        return self._run(runs) / runs

    def call(self) -> float:
        begin = time.perf_counter()
        self.vectors()
        return time.perf_counter() - begin

    def vectors(self) -> np.ndarray:
        return self.session.run(["pooled"], self.inputs)[0]

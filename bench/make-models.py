#!/usr/bin/env python3
"""Writes the benchmarks' models into models/: each as a Hugging Face folder for fusebert, with the
same weights as an ONNX file whose graph is fused the way onnxruntime's own transformer optimizer
fuses BERT, one Attention and one BiasGelu node a layer, and as a folder for transformers.js. Each
file is loaded in onnxruntime and checked; those that are fused are in models/manifest.json.
"""

import argparse
import hashlib
import json
import math
import struct
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from bert_onnx import PER_LAYER, build_onnx
from competitors import export_transformers_js, write_tokenizer
from random_bert import BERT_BASE, SEED, Weights, random_weights, write_safetensors

HERE = Path(__file__).resolve().parent
MODELS = HERE / "models"
MINILM = HERE.parent.parent / "shared" / "models" / "all-minilm-l6-v2"
EMBEDDED = HERE.parent / "models" / "fusebert-mini"

# Positions of bert-base-uncased's special tokens, for a generated vocabulary.
SPECIAL_TOKENS = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]"}
# float32 against float64, as a maximum over all hidden states.
TOLERANCE = 5e-5
# By safetensors' names.
DTYPES = {"F32": "<f4", "F16": "<f2"}


def read_safetensors(path: Path) -> Weights:
    """The tensors of a file that are floating-point numbers, as float32."""
    data = np.memmap(path, dtype=np.uint8, mode="r")
    (length,) = struct.unpack("<Q", data[:8].tobytes())
    header = json.loads(data[8 : 8 + length].tobytes())
    weights: Weights = {}
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] not in DTYPES:
            continue
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        tensor = data[begin:end].view(DTYPES[entry["dtype"]]).reshape(entry["shape"])
        weights[name] = tensor.astype(np.float32, copy=False)
    return weights


def write_vocabulary(folder: Path, size: int) -> None:
    """bert-base-uncased's vocabulary where the real model is at hand, else one of made-up words."""
    source = MINILM / "vocab.txt"
    if source.exists() and size == 30522:
        (folder / "vocab.txt").write_bytes(source.read_bytes())
        return
    letters = "abcdefghijklmnopqrstuvwxyz"
    tokens = [SPECIAL_TOKENS.get(i, f"[unused{i}]") for i in range(999)]
    tokens += list("!\"#$%&'()*+,-./0123456789:;<=>?@[\\]^_`" + letters + "{|}~")
    tokens += [f"##{letter}" for letter in letters]
    number = 0
    while len(tokens) < size:
        word, rest = "", number + 26
        while rest:
            rest, letter = divmod(rest, 26)
            word += letters[letter]
        tokens.append(f"##{word}" if number % 4 == 3 else word)
        number += 1
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")


def write_folder(folder: Path, config: dict, weights: Weights) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    tokenizer = {"do_lower_case": True, "tokenizer_class": "BertTokenizer", "model_max_length": 512}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer, indent=2) + "\n")
    write_vocabulary(folder, config["vocab_size"])
    write_tokenizer(folder)
    write_safetensors(folder / "model.safetensors", weights)


def layer_norm(x: np.ndarray, weights: Weights, name: str, epsilon: float) -> np.ndarray:
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred * centred).mean(-1, keepdims=True) + epsilon)
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def reference(config: dict, weights: Weights, ids: np.ndarray) -> np.ndarray:
    """BertModel's forward pass for one text without padding, in float64: [S] → [S, hidden]."""
    epsilon, heads = config["layer_norm_eps"], config["num_attention_heads"]
    erf = np.vectorize(math.erf)

    def linear(x: np.ndarray, name: str) -> np.ndarray:
        return x @ weights[f"{name}.weight"].astype(np.float64).T + weights[f"{name}.bias"]

    def split(x: np.ndarray) -> np.ndarray:
        return x.reshape(len(x), heads, -1).swapaxes(0, 1)

    x = weights["embeddings.word_embeddings.weight"][ids].astype(np.float64)
    x = x + weights["embeddings.position_embeddings.weight"][: len(ids)]
    x = x + weights["embeddings.token_type_embeddings.weight"][0]
    x = layer_norm(x, weights, "embeddings.LayerNorm", epsilon)
    for i in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{i}"
        q, k, v = (
            split(linear(x, f"{layer}.attention.self.{part}")) for part in ("query", "key", "value")
        )
        scores = q @ k.swapaxes(1, 2) / math.sqrt(q.shape[-1])
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
        context = (scores @ v).swapaxes(0, 1).reshape(x.shape)
        name = f"{layer}.attention.output"
        x = layer_norm(x + linear(context, f"{name}.dense"), weights, f"{name}.LayerNorm", epsilon)
        inner = linear(x, f"{layer}.intermediate.dense")
        inner = inner * 0.5 * (1 + erf(inner / math.sqrt(2)))
        name = f"{layer}.output"
        x = layer_norm(x + linear(inner, f"{name}.dense"), weights, f"{name}.LayerNorm", epsilon)
    return x


def verify(path: Path, config: dict, weights: Weights) -> tuple[dict[str, int], float]:
    """Runs the file in onnxruntime on two texts of different lengths, padded, and compares.

    Returns the operator counts of the graph as onnxruntime runs it, after its own optimization, and
    the maximum absolute difference from the float64 reference."""
    lengths = (23, 9)
    rng = np.random.default_rng(SEED + 1)
    rows = [rng.integers(1000, config["vocab_size"], length) for length in lengths]
    ids = np.zeros((len(rows), max(lengths)), np.int32)
    mask = np.zeros_like(ids)
    for row, values in enumerate(rows):
        ids[row, : len(values)], mask[row, : len(values)] = values, 1
    inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = f"{folder}/optimized.onnx"
        options.log_severity_level = 3  # It warns that the optimized file is for this machine.
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        optimized = onnx.load(options.optimized_model_filepath, load_external_data=False)
    counts = dict(sorted(Counter(node.op_type for node in optimized.graph.node).items()))
    (output,) = session.run(["last_hidden_state"], inputs)
    difference = max(
        float(np.abs(output[row, : len(values)] - reference(config, weights, values)).max())
        for row, values in enumerate(rows)
    )
    return counts, difference


def make(name: str, config: dict, weights: Weights) -> dict:
    """Writes and verifies models/<name>.onnx. Returns the manifest's entry for it."""
    path = MODELS / f"{name}.onnx"
    onnx.save_model(build_onnx(config, weights), path)
    counts, difference = verify(path, config, weights)
    layers = config["num_hidden_layers"]
    for kind, count in PER_LAYER.items():
        if counts.get(kind, 0) != layers * count:
            raise SystemExit(f"{path.name}: {counts.get(kind, 0)} {kind} for {layers} layers")
    if not difference <= TOLERANCE:
        raise SystemExit(f"{path.name}: differs from the reference by {difference:.2e}")
    print(f"{path.name}: {layers} layers, {counts}, max difference {difference:.1e}")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "file": path.name,
        "bytes": path.stat().st_size,
        "sha256": digest,
        "num_hidden_layers": layers,
        "operators": counts,
        "max_difference": difference,
    }


def make_of_folder(name: str, folder: Path) -> dict:
    """The same from a Hugging Face folder. Returns the manifest's entry."""
    config = json.loads((folder / "config.json").read_text())
    entry = make(name, config, read_safetensors(folder / "model.safetensors"))
    target = MODELS / "transformers.js" / name
    difference = export_transformers_js(folder, target, TOLERANCE)
    print(f"transformers.js/{name}: max difference from PyTorch {difference:.1e}")
    return entry


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minilm", type=Path, default=MINILM, help="folder of all-MiniLM-L6-v2")
    arguments = parser.parse_args()
    MODELS.mkdir(exist_ok=True)
    versions = {"onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__}
    manifest: dict = {"versions": {"numpy": np.__version__, **versions}, "models": {}}
    models = manifest["models"]

    weights = random_weights(BERT_BASE)
    write_folder(MODELS / "bert-base", BERT_BASE, weights)
    models["bert-base"] = make("bert-base", BERT_BASE, weights)
    models["fusebert-mini"] = make_of_folder("fusebert-mini", EMBEDDED)
    if (arguments.minilm / "model.safetensors").exists():
        models["minilm"] = make_of_folder("minilm", arguments.minilm)
    else:
        print(f"no all-MiniLM-L6-v2 at {arguments.minilm}: it is left out")
    (MODELS / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


if __name__ == "__main__":
    main()

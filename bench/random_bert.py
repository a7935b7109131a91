"""BERT encoders of seeded weights, as the benchmarks on CPUs and on GPUs share them, and the format
that they are written in.
"""

import json
import struct
from pathlib import Path

import numpy as np

BERT_BASE = {
    "architectures": ["BertModel"],
    "model_type": "bert",
    "hidden_act": "gelu",
    "hidden_size": 768,
    "initializer_range": 0.02,
    "intermediate_size": 3072,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 512,
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "pad_token_id": 0,
    "position_embedding_type": "absolute",
    "type_vocab_size": 2,
    "vocab_size": 30522,
}
SEED = 20_240_229
# Of safetensors, by NumPy's names.
DTYPES = {"float32": "F32", "float16": "F16"}

Weights = dict[str, np.ndarray]


def random_weights(config: dict) -> Weights:
    """Seeded weights of BERT's initializer; biases and LayerNorms are not left at 0 and 1, so that
    an implementation that forgets one is caught."""
    rng = np.random.default_rng(SEED)
    std = np.float32(config["initializer_range"])
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    weights: Weights = {}

    def normal(name: str, *shape: int) -> None:
        weights[name] = rng.standard_normal(shape, dtype=np.float32) * std

    def linear(name: str, rows: int, columns: int) -> None:
        normal(f"{name}.weight", rows, columns)
        normal(f"{name}.bias", rows)

    def layer_norm(name: str) -> None:
        normal(f"{name}.weight", hidden)
        weights[f"{name}.weight"] += np.float32(1)
        normal(f"{name}.bias", hidden)

    normal("embeddings.word_embeddings.weight", config["vocab_size"], hidden)
    normal("embeddings.position_embeddings.weight", config["max_position_embeddings"], hidden)
    normal("embeddings.token_type_embeddings.weight", config["type_vocab_size"], hidden)
    layer_norm("embeddings.LayerNorm")
    for i in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{i}"
        for part in ("query", "key", "value"):
            linear(f"{layer}.attention.self.{part}", hidden, hidden)
        linear(f"{layer}.attention.output.dense", hidden, hidden)
        layer_norm(f"{layer}.attention.output.LayerNorm")
        linear(f"{layer}.intermediate.dense", inner, hidden)
        linear(f"{layer}.output.dense", hidden, inner)
        layer_norm(f"{layer}.output.LayerNorm")
    return weights


def write_safetensors(path: Path, weights: Weights) -> None:
    """The safetensors format: a little-endian length, a JSON header, the tensors end to end."""
    header: dict = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, tensor in weights.items():
        header[name] = {
            "dtype": DTYPES[tensor.dtype.name],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + tensor.nbytes],
        }
        offset += tensor.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in weights.values():
            file.write(np.ascontiguousarray(tensor, dtype=tensor.dtype.newbyteorder("<")).data)

"""A BERT encoder with seeded weights, as the folder of a Hugging Face model and as arrays, and ids
that Node and Python generate alike.
"""

import json
import struct
from pathlib import Path

import numpy as np

SEED = 20_240_229
SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
FIRST_ID = len(SPECIAL_TOKENS)
LETTERS = "abcdefghijklmnopqrstuvwxyz"

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
    "type_vocab_size": 2,
    "vocab_size": 30522,
}
TINY = BERT_BASE | {
    "hidden_size": 64, "intermediate_size": 128, "max_position_embeddings": 64,
    "num_attention_heads": 1, "num_hidden_layers": 2, "vocab_size": 256,
}

Weights = dict[str, np.ndarray]


def flop_of(config: dict, lengths: list[int]) -> int:
    """Of the GEMMs and the attention of real tokens, 2 for a multiplication and addition."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    layers = config["num_hidden_layers"]
    of_token = layers * 2 * (4 * hidden * hidden + 2 * hidden * inner)
    of_pair = layers * 4 * hidden
    return sum(length * of_token + length * length * of_pair for length in lengths)


def random_weights(config: dict) -> Weights:
    """Seeded fp16 weights; biases and LayerNorms are not left at 0 and 1, so that a side that
    forgets one is caught."""
    generator = np.random.default_rng(SEED)
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    weights: Weights = {}

    def normal(name: str, *shape: int, mean: float = 0.0) -> None:
        values = generator.standard_normal(shape, dtype=np.float32)
        weights[name] = (values * np.float32(0.02) + np.float32(mean)).astype(np.float16)

    def linear(name: str, rows: int, columns: int) -> None:
        normal(f"{name}.weight", rows, columns)
        normal(f"{name}.bias", rows)

    def layer_norm(name: str) -> None:
        normal(f"{name}.weight", hidden, mean=1.0)
        normal(f"{name}.bias", hidden)

    normal("embeddings.word_embeddings.weight", config["vocab_size"], hidden)
    normal("embeddings.position_embeddings.weight", config["max_position_embeddings"], hidden)
    normal("embeddings.token_type_embeddings.weight", config["type_vocab_size"], hidden)
    layer_norm("embeddings.LayerNorm")
    for index in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{index}"
        for part in ("query", "key", "value"):
            linear(f"{layer}.attention.self.{part}", hidden, hidden)
        linear(f"{layer}.attention.output.dense", hidden, hidden)
        layer_norm(f"{layer}.attention.output.LayerNorm")
        linear(f"{layer}.intermediate.dense", inner, hidden)
        linear(f"{layer}.output.dense", hidden, inner)
        layer_norm(f"{layer}.output.LayerNorm")
    return weights


def write_safetensors(path: Path, weights: Weights) -> None:
    """A little-endian length, a JSON header, the tensors end to end."""
    header: dict = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, tensor in weights.items():
        header[name] = {"dtype": "F16", "shape": list(tensor.shape),
                        "data_offsets": [offset, offset + tensor.nbytes]}
        offset += tensor.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in weights.values():
            file.write(np.ascontiguousarray(tensor, dtype="<f2").data)


def write_vocabulary(path: Path, size: int) -> None:
    """Special tokens, letters and made-up words, a fourth of them continuations."""
    tokens = [*SPECIAL_TOKENS, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    number = 26
    while len(tokens) < size:
        word, rest = "", number
        while rest:
            rest, letter = divmod(rest, 26)
            word += LETTERS[letter]
        tokens.append(f"##{word}" if number % 4 == 3 else word)
        number += 1
    path.write_text("\n".join(tokens[:size]) + "\n", encoding="utf-8")


def write_folder(folder: Path, config: dict, weights: Weights) -> None:
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    tokenizer = {"do_lower_case": True, "tokenizer_class": "BertTokenizer",
                 "model_max_length": config["max_position_embeddings"]}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer, indent=2) + "\n")
    write_vocabulary(folder / "vocab.txt", config["vocab_size"])
    write_safetensors(folder / "model.safetensors", weights)


def token_ids(count: int, seed: int, vocab_size: int) -> np.ndarray:
    """Ids from a linear congruential generator of 32 bits; encoder.mjs has the same one."""
    ids = np.empty(count, np.int32)
    state = seed
    for index in range(count):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        ids[index] = FIRST_ID + (state >> 8) % (vocab_size - FIRST_ID)
    return ids

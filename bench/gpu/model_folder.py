"""A BERT encoder with seeded weights, as the folder of a Hugging Face model and as arrays, and ids
that Node and Python generate alike.
"""

import json
import sys
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[1]))
from random_bert import BERT_BASE, Weights, random_weights, write_safetensors  # noqa: E402

SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
FIRST_ID = len(SPECIAL_TOKENS)
LETTERS = "abcdefghijklmnopqrstuvwxyz"

TINY = BERT_BASE | {
    "hidden_size": 64, "intermediate_size": 128, "max_position_embeddings": 64,
    "num_attention_heads": 1, "num_hidden_layers": 2, "vocab_size": 256,
}


def flop_of(config: dict, lengths: list[int]) -> int:
    """Of the GEMMs and the attention of real tokens, 2 for a multiplication and addition."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    layers = config["num_hidden_layers"]
    of_token = layers * 2 * (4 * hidden * hidden + 2 * hidden * inner)
    of_pair = layers * 4 * hidden
    return sum(length * of_token + length * length * of_pair for length in lengths)


def fp16_weights(config: dict) -> Weights:
    """Those of random_weights, rounded."""
    return {name: values.astype(np.float16) for name, values in random_weights(config).items()}


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

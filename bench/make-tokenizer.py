#!/usr/bin/env python3
"""Trains a byte-level BPE tokenizer of RoBERTa's size and form (50,265 entries, GPT-2's split, its
special tokens) on corpus/english.txt, and writes it to models/byte-level-bpe/. It serves to compare
speeds: both sides run the same file.
"""

import json
import sys
from pathlib import Path

from tokenizers import (
    AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers,
)

HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpus" / "english.txt"
FOLDER = HERE / "models" / "byte-level-bpe"
VOCABULARY_SIZE = 50_265
# RoBERTa's, whose ids come first, and the mask last.
SPECIAL_TOKENS = ["<s>", "<pad>", "</s>", "<unk>"]
MASK = AddedToken("<mask>", lstrip=True, special=True)
MAX_TOKENS = 512


def train() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE - 1,
        min_frequency=2,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train([str(CORPUS)], trainer)
    tokenizer.add_special_tokens([MASK])
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False
    )
    return tokenizer


def main() -> None:
    if not CORPUS.exists():
        sys.exit(f"no {CORPUS}: run make-corpus.mjs first")
    tokenizer = train()
    if tokenizer.get_vocab_size() != VOCABULARY_SIZE:
        sys.exit(f"{tokenizer.get_vocab_size()} entries came out, not {VOCABULARY_SIZE}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(FOLDER / "tokenizer.json"))
    names = {"bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "sep_token": "</s>"}
    names |= {"pad_token": "<pad>", "unk_token": "<unk>", "mask_token": "<mask>"}
    config = {"tokenizer_class": "RobertaTokenizer", "model_max_length": MAX_TOKENS, **names}
    config |= {"add_prefix_space": False, "trim_offsets": True}
    (FOLDER / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    print(f"{FOLDER.name}: {VOCABULARY_SIZE} entries")


if __name__ == "__main__":
    main()

"""A small byte-level vocabulary of RoBERTa's for the golden models, and the ways in which its files
lie in folders.
"""

import json
from functools import cache

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from generate import write_json

VOCABULARY = 320
FIRST = ["<s>", "<pad>", "</s>", "<unk>"]
MASK = "<mask>"
# What merges are learned from.
SENTENCES = [
    "I feel a lot better today, and sleep a lot.",
    "The sleeping Zoë isn't in Łódź, is it better?",
    "I do not feel that the day is better; I'd dream a lot of naïve days.",
    "Is it not the better day? The sleepers never feel better.",
]


@cache
def trained():
    """vocab.json's and merges.txt's content."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - 1,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=FIRST,
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES * 2, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    vocab = {**model["vocab"], MASK: VOCABULARY - 1}
    assert len(vocab) == VOCABULARY == len(set(vocab.values()))
    return vocab, model["merges"]


def write_vocab_json(folder):
    """vocab.json and merges.txt, and the mask's flags as the files of transformers 4 have them."""
    vocab, merges = trained()
    text = json.dumps(vocab, ensure_ascii=False)
    (folder / "vocab.json").write_text(text, encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    mask = {"content": MASK, "single_word": False, "lstrip": True, "rstrip": False,
            "normalized": False}
    write_json(folder / "special_tokens_map.json", {"mask_token": mask})


def write_tokenizer_json(folder, max_length, add_prefix_space=False, **config):
    """tokenizer.json as the hub's RoBERTa models have it, and tokenizer_config.json."""
    vocab, merges = trained()
    tokenizer = Tokenizer(
        models.BPE(
            vocab=vocab,
            merges=[tuple(pair) for pair in merges],
            continuing_subword_prefix="",
            end_of_word_suffix="",
        )
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in FIRST])
    tokenizer.add_special_tokens([AddedToken(MASK, lstrip=True, special=True)])
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", vocab["</s>"]),
        ("<s>", vocab["<s>"]),
        trim_offsets=True,
        add_prefix_space=add_prefix_space,
    )
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    mask = {"__type": "AddedToken", "content": MASK, "lstrip": True, "normalized": False,
            "rstrip": False, "single_word": False, "special": True}
    write_json(
        folder / "tokenizer_config.json",
        {
            "add_prefix_space": add_prefix_space,
            "mask_token": mask,
            "model_max_length": max_length,
            "tokenizer_class": "RobertaTokenizer",
            **config,
        },
    )

"""Makes test/golden/sentence: tiny seeded sentence-transformers models with every module that
fusebert computes, saved by that library, each with the vectors that it computes in float32.

Usage: pip install -r requirements-sentence.txt && python sentence.py
Format: test/golden/README.md. Each text runs alone, on one thread.
"""

import copy
import json
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import sentence_transformers
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import LayerNorm, Pooling
from transformers import BertConfig, BertModel, BertTokenizer, RobertaConfig, RobertaModel

import byte_level
from generate import OUTPUT, as_base64, geometry, randomise, versions, vocabulary, write_json
from heads import make_naive

SENTENCE = OUTPUT / "sentence"
HIDDEN = 32
VOCABULARY = 97
# The tokens of one are [CLS] and [SEP] alone; one is cut.
TEXTS = ["i feel a lot better today", "not", "", "sleep is a lot, and the lot is 42!", "a " * 60]
# Not the order in which old files list them.
EVERY_POOLING = ["mean", "lasttoken", "cls", "weightedmean", "max", "mean_sqrt_len_tokens"]


@dataclass
class GoldenSentence:
    """One model folder: what follows the transformer, and the calls that are made of it."""

    name: str
    modules: list
    calls: list = field(default_factory=lambda: [{}])
    more: dict = field(default_factory=dict)
    safetensors: bool = True
    roberta: bool = False


MODELS = [
    GoldenSentence("poolings", [Pooling(HIDDEN, EVERY_POOLING)]),
    GoldenSentence(
        "dense", [Pooling(HIDDEN, "mean"), Dense(HIDDEN, 24), Normalize()]
    ),
    GoldenSentence(
        "layer-norm",
        [
            Pooling(HIDDEN, ["cls", "mean"]),
            LayerNorm(2 * HIDDEN),
            Dense(2 * HIDDEN, 19, bias=False, activation_function=torch.nn.Identity()),
            Normalize(),
            Dense(19, 7, activation_function=torch.nn.GELU()),
        ],
        safetensors=False,
    ),
    GoldenSentence(
        "prompts",
        [Pooling(HIDDEN, EVERY_POOLING, include_prompt=False), Normalize()],
        calls=[{}, {"prompt_name": "passage"}, {"prompt_name": "document"}, {"prompt": "today "}],
        more=dict(
            prompts={"query": "the lot is ", "passage": "sleep: "}, default_prompt_name="query"
        ),
    ),
    GoldenSentence(
        "prompts-pooled",
        [Pooling(HIDDEN, "mean")],
        calls=[{}, {"prompt_name": "query"}],
        more=dict(prompts={"query": "the lot is "}),
    ),
    GoldenSentence("roberta", [Pooling(HIDDEN, "mean"), Normalize()], roberta=True),
]


def bert():
    numbers = {**geometry(HIDDEN, 2, 37, 1), "vocab_size": VOCABULARY}
    return BertModel(BertConfig(**numbers, attn_implementation="eager"), add_pooling_layer=True)


def roberta():
    numbers = {**geometry(HIDDEN, 2, 37, 2), "vocab_size": byte_level.VOCABULARY}
    padding = byte_level.FIRST.index("<pad>")
    numbers["max_position_embeddings"] += padding + 1
    more = {"type_vocab_size": 1, "layer_norm_eps": 1e-5, "pad_token_id": padding}
    return RobertaModel(RobertaConfig(**numbers, **more, attn_implementation="eager"))


def transformer(seed, is_roberta):
    model = roberta() if is_roberta else bert()
    randomise(model, 0.2, seed)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        if is_roberta:
            byte_level.write_tokenizer_json(Path(folder), 40)
        else:
            vocab = Path(folder) / "vocab.txt"
            vocab.write_text("\n".join(vocabulary(VOCABULARY)) + "\n", encoding="utf-8")
            BertTokenizer(str(vocab), model_max_length=40).save_pretrained(folder)
        # Read from there, so that it is a model like any other.
        return Transformer(folder, max_seq_length=20)


def vectors_of(model, options):
    rows = [model.encode([text], convert_to_tensor=True, **options)[0] for text in TEXTS]
    return torch.stack(rows)


def values_of(model, calls):
    vectors = [vectors_of(model, options) for options in calls]
    results = [
        {"options": options, "result": as_base64(rows)} for options, rows in zip(calls, vectors)
    ]
    return {"texts": TEXTS, "columns": vectors[0].shape[1], "calls": results}


def naive_error(model, calls):
    """How far vectors are off with the transformer as make_naive has it, all else in float64."""
    exact = copy.deepcopy(model).double()
    naive = copy.deepcopy(exact)
    naive[0].model = make_naive(naive[0].model)
    errors = [vectors_of(naive, options) - vectors_of(exact, options) for options in calls]
    return max(error.abs().max().item() for error in errors)


def main():
    torch.set_num_threads(1)
    shutil.rmtree(SENTENCE, ignore_errors=True)
    entries = []
    for index, golden in enumerate(MODELS):
        folder = SENTENCE / golden.name
        folder.mkdir(parents=True)
        model = SentenceTransformer(
            modules=[transformer(5000 + 10 * index, golden.roberta), *golden.modules],
            device="cpu",
            **golden.more,
        )
        for offset, module in enumerate(golden.modules):
            randomise(module, 0.3, 5001 + 10 * index + offset)
        model.eval()
        model.save(str(folder), create_model_card=False, safe_serialization=golden.safetensors)
        values = values_of(model, golden.calls)
        lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in values.items()]
        (folder / "expected.json").write_text(
            "{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8"
        )
        naive_fp16 = naive_error(model, golden.calls)
        entries.append({"name": golden.name, "naive_fp16": naive_fp16})
        print(golden.name, values["columns"], naive_fp16)
    made_with = {**versions(), "sentence-transformers": sentence_transformers.__version__}
    write_json(SENTENCE / "manifest.json", {"versions": made_with, "models": entries})


if __name__ == "__main__":
    main()

"""Makes test/golden/pipelines: tiny seeded BERT models with tokenizers, each with what Python's
transformers pipelines answer to a list of calls.

Usage: pip install -r requirements.txt && python pipelines.py
Format: test/golden/README.md. On one thread, in float32; scores have seven significant digits.
"""

import json
import shutil
from dataclasses import dataclass, field

import torch
import transformers
from transformers import BertConfig, BertTokenizer, pipeline

from generate import OUTPUT, geometry, randomise, versions, vocabulary, write_json

PIPELINES = OUTPUT / "pipelines"
VOCABULARY = 97
# More than the largest top_k that is selected natively.
LARGER_VOCABULARY = 300
LIMIT = 40
# Neighbours in an order differ by more than twice what the tests allow a score to be off.
SMALLEST_GAP = 3e-5


@dataclass
class GoldenPipeline:
    """One model folder: its task, what its config says beside the geometry, and the calls."""

    name: str
    task: str
    config: dict
    calls: list
    vocab_size: int = VOCABULARY
    weight_scale: float = 0.4
    tokenizer_json: bool = False
    model: str = field(init=False)

    def __post_init__(self):
        masked = self.task == "fill-mask"
        self.model = "BertForMaskedLM" if masked else "BertForSequenceClassification"


LONG = "I feel better today, and sleep a lot. " * 6
FILL_CALLS = [
    ("I feel a [MASK] better today.", {}),
    ("I feel [MASK] lot better today!", {"top_k": 1}),
    ("[MASK]", {"top_k": 97}),
    ("Today is not [MASK], is it?", {"top_k": 3, "targets": ["sleep", "lot", "better", "the"]}),
    ("Today is not [MASK].", {"targets": "sleep"}),
    # Not in the vocabulary: by their first tokens, two of which are the same, and one has none.
    ("Not [MASK]-ing", {"targets": ["Sleep", "sleeping", "zebra", "zoo", " "]}),
    ("I [MASK] a [MASK] better, don't I?", {"top_k": 2}),
    ("[MASK] [MASK]", {"targets": ["the", "i", "##ing"], "top_k": 5}),
    # Padding tokens of the text itself are not in the sequences.
    ("a [PAD] [MASK] b [UNK] [MASK]", {"top_k": 1}),
    (["I feel [MASK] today.", "The [MASK] is a [MASK].", "[MASK] sleep?"], {"top_k": 2}),
    ("[MASK]: " + LONG, {"top_k": 2, "tokenizer_kwargs": {"truncation": True, "max_length": 40}}),
    ("the [MASK] " + LONG, {"top_k": 1, "tokenizer_kwargs": {"truncation": True, "max_length": 9}}),
]

PAIR = {"text": "I feel better today.", "text_pair": "I sleep a lot."}
OTHER_PAIR = {"text": "Is it?", "text_pair": "It is not the better day, and I do not feel a thing."}
LONG_PAIR = {"text": LONG, "text_pair": "I sleep. " * 10}
CLASSIFY_CALLS = [
    ("I feel a lot better today.", {}),
    ("I do not sleep.", {"top_k": None}),
    ("", {"top_k": None}),
    ("I do not sleep.", {"top_k": 2}),
    (["I sleep.", "The day is better!", "Not a lot"], {}),
    (["I sleep.", "The day is better!"], {"top_k": 2}),
    (["I sleep.", "The day is better!"], {"top_k": None}),
    ("I sleep a lot.", {"function_to_apply": "softmax", "top_k": None}),
    ("I sleep a lot.", {"function_to_apply": "sigmoid", "top_k": None}),
    ("I sleep a lot.", {"function_to_apply": "none", "top_k": None}),
    (PAIR, {}),
    ([PAIR, OTHER_PAIR], {"top_k": None}),
    (LONG, {"top_k": None, "truncation": True, "max_length": LIMIT}),
    (LONG_PAIR, {"top_k": None, "truncation": True, "max_length": LIMIT}),
    (LONG_PAIR, {"top_k": None, "truncation": True, "max_length": 11}),
]


def labels(*names):
    return {"id2label": dict(enumerate(names)), "label2id": {n: i for i, n in enumerate(names)}}


EMOTIONS = labels("joy", "sadness", "anger", "fear", "surprise")
MODELS = [
    GoldenPipeline("fill-mask", "fill-mask", {}, FILL_CALLS),
    GoldenPipeline(
        "fill-mask-tokenizer-json",
        "fill-mask",
        {"tie_word_embeddings": False},
        FILL_CALLS[:2] + FILL_CALLS[3:9],
        vocab_size=LARGER_VOCABULARY,
        weight_scale=0.45,
        tokenizer_json=True,
    ),
    GoldenPipeline("softmax", "text-classification", EMOTIONS, CLASSIFY_CALLS),
    GoldenPipeline(
        "multi-label",
        "text-classification",
        {"problem_type": "multi_label_classification", **EMOTIONS},
        CLASSIFY_CALLS,
    ),
    GoldenPipeline("one-label", "text-classification", {"num_labels": 1}, CLASSIFY_CALLS),
    GoldenPipeline(
        "regression",
        "text-classification",
        {"problem_type": "regression", "num_labels": 1},
        CLASSIFY_CALLS,
    ),
]


def rounded(value):
    """Checks the gaps between scores of each list, and shortens the scores."""
    if isinstance(value, dict):
        return {key: float(f"{x:.7g}") if key == "score" else x for key, x in value.items()}
    if "token" in value[0] and len(value) < VOCABULARY:
        for first, second in zip(value, value[1:]):
            assert first["score"] - second["score"] > SMALLEST_GAP, (first, second)
    return [rounded(each) for each in value]


def answer(run, inputs, options):
    result = run(inputs, **options)
    # The one answer without a list: transformers.js has no such.
    return rounded([result] if isinstance(result, dict) else result)


def as_options(options):
    """Python's options in fusebert's spelling, where texts are always cut."""
    flat = {**options, **options.get("tokenizer_kwargs", {})}
    spelling = {key: value for key, value in flat.items() if key != "tokenizer_kwargs"}
    spelling.pop("truncation", None)
    return spelling


def save(golden, folder, seed):
    folder.mkdir(parents=True)
    numbers = {**geometry(16, 1, 29, 1), "vocab_size": golden.vocab_size}
    config = BertConfig(**{**numbers, "max_position_embeddings": LIMIT}, **golden.config)
    model = getattr(transformers, golden.model)(config).eval()
    randomise(model, golden.weight_scale, seed)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    words = folder / "vocab.txt"
    words.write_text("\n".join(vocabulary(golden.vocab_size)) + "\n", encoding="utf-8")
    if golden.tokenizer_json:
        BertTokenizer.from_pretrained(folder).save_pretrained(folder)
        words.unlink()


def main():
    torch.set_num_threads(1)
    shutil.rmtree(PIPELINES, ignore_errors=True)
    for index, golden in enumerate(MODELS):
        folder = PIPELINES / golden.name
        save(golden, folder, 5000 + 10 * index)
        run = pipeline(golden.task, model=str(folder), device="cpu")
        lines = []
        for inputs, options in golden.calls:
            result = answer(run, inputs, options)
            call = {"inputs": inputs, "options": as_options(options), "result": result}
            lines.append(" " + json.dumps(call, ensure_ascii=False))
        text = "[\n" + ",\n".join(lines) + "\n]\n"
        (folder / "expected.json").write_text(text, encoding="utf-8")
        print(golden.name, len(golden.calls))
    entries = [{"name": golden.name, "task": golden.task} for golden in MODELS]
    write_json(PIPELINES / "manifest.json", {"versions": versions(), "models": entries})


if __name__ == "__main__":
    main()

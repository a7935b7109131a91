"""Makes test/golden/pipelines: tiny seeded models of each family with tokenizers, each with what
Python's transformers pipelines answer to a list of calls.

Usage: pip install -r requirements.txt && python pipelines.py [NAME…]
With names only those models are made anew.
Format: test/golden/README.md. On one thread, in float32; scores have seven significant digits.
"""

import json
import shutil
import sys
from dataclasses import dataclass, field
from functools import partial

import torch
import transformers
from transformers import (
    BertConfig,
    BertTokenizer,
    DistilBertConfig,
    ElectraConfig,
    RobertaConfig,
    pipeline,
)

import byte_level
from generate import OUTPUT, geometry, randomise, versions, vocabulary, write_json
from generate import config_of as family_config
from heads import make_naive
from steady import steady_answers
from token_calls import BYTE_LEVEL_CALLS, TOKEN_CALLS, TOKEN_LABELS

PIPELINES = OUTPUT / "pipelines"
VOCABULARY = 97
CLASSES = {
    "fill-mask": "BertForMaskedLM",
    "text-classification": "BertForSequenceClassification",
    "token-classification": "BertForTokenClassification",
    "zero-shot-classification": "BertForSequenceClassification",
}
# More than the largest top_k that is selected natively.
LARGER_VOCABULARY = 300
LIMIT = 40
# Neighbours in an order differ by more than twice what the tests allow a score to be off.
SMALLEST_GAP = 3e-5
# What tests of fp16 allow.
TIMES_THE_ERROR = 2
MOST_SEEDS = 2000


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
    family: str = "Bert"
    # pytorch_model.bin instead of model.safetensors.
    torch: bool = False
    # What tokenizer_config.json says beside the usual.
    tokenizer: dict = field(default_factory=dict)
    # Another seed is tried until fp16 would give the same answers but for their scores, and until
    # all these strings are among them.
    steady: bool = False
    # The first to be tried; 0: one of its own.
    seed: int = 0
    among: tuple = ()


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

# The mask takes the space before it, words bring their own.
ROBERTA_FILL_CALLS = [
    ("I feel a <mask> better today.", {}),
    ("I feel<mask> lot better today!", {"top_k": 1}),
    ("<mask>", {"top_k": 12}),
    ("Today is not  <mask> , is it?", {"top_k": 3, "targets": [" sleep", "lot", "Ġbetter", "the"]}),
    ("Today is not <mask>.", {"targets": "sleep"}),
    ("Not <mask>-ing", {"targets": ["Sleep", " sleeping", "zebra", "zoo", " ", "Zoë", "<unk>"]}),
    ("I <mask> a <mask> better , don't I ?", {"top_k": 2}),
    ("a <pad> <mask> b <unk> </s><mask>", {"top_k": 1}),
    ("a <pad> <mask> b<s> <unk> it 's", {"top_k": 2}),
    (["I feel <mask> today.", "Łódź is a <mask> 🎉.", "<mask> sleep?"], {"top_k": 2}),
    ("<mask>: " + LONG, {"top_k": 2, "tokenizer_kwargs": {"truncation": True, "max_length": 40}}),
]

PAIR = {"text": "I feel better today.", "text_pair": "I sleep a lot."}
OTHER_PAIR = {"text": "Is it?", "text_pair": "It is not the better day, and I do not feel a thing."}
LONG_PAIR = {"text": LONG, "text_pair": "I sleep. " * 10}
# Both longer than the limit; an odd token is the longer one's.
LONG_PAIRS = [
    {"text": LONG, "text_pair": "I sleep. " * 15},
    {"text": "I sleep. " * 15, "text_pair": LONG},
]
# Is none.
EMPTY_PAIR = {"text": "I feel better today.", "text_pair": ""}
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
    (LONG_PAIRS, {"top_k": None, "truncation": True, "max_length": LIMIT}),
    (LONG_PAIRS, {"top_k": None, "truncation": True, "max_length": LIMIT - 1}),
    (EMPTY_PAIR, {"top_k": None}),
    ([EMPTY_PAIR, PAIR], {"top_k": None}),
]

# No more than the limit leaves to the texts: transformers' pipeline takes its own from the files.
ZERO_SHOT_CALLS = [
    ("I feel better today.", {"candidate_labels": ["sleep", "a day", "not better", "2 things"]}),
    ("I feel better today.", {"candidate_labels": "sleep, a day,, not better ,2 things"}),
    ("I do not sleep.", {"candidate_labels": ["sleep", "the day", "i"], "multi_label": True}),
    ("I do not sleep.", {"candidate_labels": "sleep"}),
    (
        ["I sleep.", "The day is better!"],
        {"candidate_labels": ["sleep", "lot"], "hypothesis_template": "I feel {} and a lot"},
    ),
    (
        ["I sleep.", "Zoë 🎉"],
        {"candidate_labels": ["a", "sleep"], "hypothesis_template": "{}", "multi_label": True},
    ),
    (LONG, {"candidate_labels": ["sleep", "better", "a day", "zoo"]}),
]


def labels(*names):
    return {"id2label": dict(enumerate(names)), "label2id": {n: i for i, n in enumerate(names)}}


EMOTIONS = labels("joy", "sadness", "anger", "fear", "surprise")
MODELS = [
    GoldenPipeline("fill-mask", "fill-mask", {}, FILL_CALLS, steady=True),
    GoldenPipeline(
        "fill-mask-tokenizer-json",
        "fill-mask",
        {"tie_word_embeddings": False},
        FILL_CALLS[:2] + FILL_CALLS[3:9],
        vocab_size=LARGER_VOCABULARY,
        weight_scale=0.45,
        tokenizer_json=True,
        steady=True,
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
    GoldenPipeline(
        "entities",
        "token-classification",
        labels(*TOKEN_LABELS["entities"]),
        TOKEN_CALLS,
        weight_scale=0.6,
        steady=True,
        seed=5338,
        among=(*TOKEN_LABELS["entities"], "PER", "LOC"),
    ),
    GoldenPipeline(
        "parts-of-speech",
        "token-classification",
        labels(*TOKEN_LABELS["parts of speech"]),
        TOKEN_CALLS,
        weight_scale=0.6,
        tokenizer_json=True,
        steady=True,
        seed=5107,
        among=(*TOKEN_LABELS["parts of speech"],),
    ),
    GoldenPipeline(
        "entailment-last",
        "zero-shot-classification",
        labels("contradiction", "neutral", "entailment"),
        ZERO_SHOT_CALLS,
        steady=True,
    ),
    GoldenPipeline(
        "entailment-first",
        "zero-shot-classification",
        labels("ENTAILMENT", "NOT_ENTAILMENT"),
        ZERO_SHOT_CALLS,
        steady=True,
    ),
]


ROBERTA = [
    GoldenPipeline(
        "roberta-fill-mask",
        "fill-mask",
        {},
        ROBERTA_FILL_CALLS,
        tokenizer_json=True,
        tokenizer={"clean_up_tokenization_spaces": True},
        steady=True,
    ),
    GoldenPipeline(
        "roberta-fill-mask-vocab-json",
        "fill-mask",
        {"tie_word_embeddings": False},
        ROBERTA_FILL_CALLS,
        torch=True,
        steady=True,
    ),
    GoldenPipeline(
        "roberta-softmax", "text-classification", EMOTIONS, CLASSIFY_CALLS, tokenizer_json=True
    ),
    GoldenPipeline(
        "roberta-entities",
        "token-classification",
        labels(*TOKEN_LABELS["entities"]),
        BYTE_LEVEL_CALLS,
        weight_scale=0.6,
        tokenizer_json=True,
        tokenizer={"add_prefix_space": True},
        steady=True,
        among=(*TOKEN_LABELS["entities"], "PER", "LOC"),
    ),
    GoldenPipeline(
        "roberta-parts-of-speech",
        "token-classification",
        labels(*TOKEN_LABELS["parts of speech"]),
        BYTE_LEVEL_CALLS,
        weight_scale=0.6,
        steady=True,
        among=(*TOKEN_LABELS["parts of speech"],),
    ),
    GoldenPipeline(
        "roberta-entailment",
        "zero-shot-classification",
        labels("CONTRADICTION", "NEUTRAL", "ENTAILMENT"),
        ZERO_SHOT_CALLS,
        tokenizer_json=True,
        steady=True,
    ),
]
# The greatest error of a few numbers says little of how far numbers are off.
MANY_SCORES = (
    ["I sleep a lot.", "It is not the better day.", "Zoë and I", "Is it the thing?"],
    {"candidate_labels": ["a", "sleep", "day", "better", "not", "things"], "multi_label": True},
)

# A call of each kind: what is called is tested above, here it is the families' heads and configs.
SOME_CLASSIFY_CALLS = [*CLASSIFY_CALLS[:4], CLASSIFY_CALLS[6], *CLASSIFY_CALLS[10:13]]
ROBERTA_LABELS = [
    GoldenPipeline(
        "roberta-regression",
        "text-classification",
        {"problem_type": "regression", "num_labels": 1},
        SOME_CLASSIFY_CALLS,
    ),
    GoldenPipeline(
        "roberta-multi-label",
        "text-classification",
        {"problem_type": "multi_label_classification", **EMOTIONS},
        SOME_CLASSIFY_CALLS,
    ),
]
for golden in ROBERTA + ROBERTA_LABELS:
    golden.family = "Roberta"
    golden.vocab_size = byte_level.VOCABULARY


def others(family):
    """The tasks of a family that has BERT's tokenizer."""
    prefix = family.lower()
    entailment = labels("ENTAILMENT", "NEUTRAL", "CONTRADICTION")
    return [
        GoldenPipeline(
            f"{prefix}-fill-mask", "fill-mask", {}, FILL_CALLS[:2] + FILL_CALLS[3:7],
            family=family, steady=True,
        ),
        GoldenPipeline(
            f"{prefix}-softmax", "text-classification", EMOTIONS, SOME_CLASSIFY_CALLS,
            family=family,
        ),
        GoldenPipeline(
            f"{prefix}-entities",
            "token-classification",
            labels(*TOKEN_LABELS["entities"]),
            TOKEN_CALLS[:6],
            weight_scale=0.6,
            family=family,
            steady=True,
        ),
        GoldenPipeline(
            f"{prefix}-entailment",
            "zero-shot-classification",
            entailment,
            [*ZERO_SHOT_CALLS, MANY_SCORES],
            family=family,
            steady=True,
        ),
    ]


MODELS += ROBERTA + ROBERTA_LABELS + others("DistilBert") + others("Electra")


def shorter(score):
    return [*map(shorter, score)] if isinstance(score, list) else float(f"{score:.7g}")


def are_apart(value, error=0.0):
    """Whether neighbouring words of each list differ enough, the whole vocabulary excepted, and the
    first two by more than fp16 may turn round."""
    if isinstance(value, dict):
        return True
    if value and "token" in value[0] and len(value) < VOCABULARY:
        gaps = [first["score"] - second["score"] for first, second in zip(value, value[1:])]
        return all(gap > SMALLEST_GAP for gap in gaps) and all(
            gap > TIMES_THE_ERROR * error for gap in gaps[:1]
        )
    return all(are_apart(each, error) for each in value)


def rounded(value):
    if isinstance(value, dict):
        return {key: shorter(x) if key in ("score", "scores") else x for key, x in value.items()}
    return [rounded(each) for each in value]


def answer(run, inputs, options):
    options = dict(options)
    if run.task != "text-classification" and run.task != "fill-mask":
        run.tokenizer.model_max_length = options.pop("max_length", LIMIT)
    result = run(inputs, **options)
    # The one answer without a list: transformers.js has no such.
    alone = isinstance(result, dict) and run.task == "text-classification"
    return [result] if alone else result


def as_options(options):
    """Python's options in fusebert's spelling, where texts are always cut."""
    flat = {**options, **options.get("tokenizer_kwargs", {})}
    spelling = {key: value for key, value in flat.items() if key != "tokenizer_kwargs"}
    spelling.pop("truncation", None)
    return spelling


def fill(golden, model, seed):
    randomise(model, golden.weight_scale, seed)
    if golden.task == "token-classification":
        with torch.no_grad():
            # What all tokens have in common is taken off, so that each has its own label.
            hidden = model.base_model(torch.arange(5, LIMIT)[None]).last_hidden_state[0]
            model.classifier.bias.copy_(-model.classifier.weight @ hidden.mean(dim=0))


def save(golden, model, folder):
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    if golden.torch:
        (folder / "model.safetensors").unlink()
        weights = folder / "pytorch_model.bin"
        # What the pipeline has loaded may be a view of the file.
        weights.unlink(missing_ok=True)
        torch.save(model.state_dict(), weights)


def config_of(golden):
    numbers = {**geometry(16, 1, 29, 1), "vocab_size": golden.vocab_size}
    families = {"Bert": BertConfig, "DistilBert": DistilBertConfig, "Electra": ElectraConfig}
    if golden.family in families:
        numbers["max_position_embeddings"] = LIMIT
        if golden.family == "Electra":
            numbers["embedding_size"] = numbers["hidden_size"]
        return family_config(families[golden.family], {**numbers, **golden.config})
    padding = byte_level.FIRST.index("<pad>")
    numbers["max_position_embeddings"] = LIMIT + padding + 1
    more = {"type_vocab_size": 1, "layer_norm_eps": 1e-5, "pad_token_id": padding}
    return RobertaConfig(**numbers, **more, **golden.config)


def save_tokenizer(golden, folder):
    if golden.family == "Roberta" and golden.tokenizer_json:
        byte_level.write_tokenizer_json(folder, LIMIT, **golden.tokenizer)
        return
    if golden.family == "Roberta":
        byte_level.write_vocab_json(folder)
        return
    words = folder / "vocab.txt"
    words.write_text("\n".join(vocabulary(golden.vocab_size)) + "\n", encoding="utf-8")
    if golden.tokenizer_json:
        BertTokenizer.from_pretrained(folder).save_pretrained(folder)
        words.unlink()


def by_word(result):
    """The whole vocabulary in the order of its tokens, anything else as it is."""
    if len(result) < VOCABULARY or "token" not in result[0]:
        return result
    return sorted(result, key=lambda word: word["token"])


def make(golden, folder, seed):
    """Saves a model; answers to all calls, and how far those in fp16 would be off."""
    folder.mkdir(parents=True)
    name = CLASSES[golden.task].replace("Bert", golden.family)
    model = getattr(transformers, name)(config_of(golden)).eval()
    fill(golden, model, seed)
    save(golden, model, folder)
    save_tokenizer(golden, folder)
    run = pipeline(golden.task, model=str(folder), device="cpu")

    def ask(run):
        return (answer(run, inputs, options) for inputs, options in golden.calls)

    seeds = range(seed, seed + (MOST_SEEDS if golden.steady else 1))
    results = steady_answers(
        run, partial(fill, golden), ask, seeds, golden.among, are_apart, by_word
    )
    assert are_apart(results[0])
    if golden.steady:
        save(golden, run.model, folder)
    return results


def known_entries():
    manifest = PIPELINES / "manifest.json"
    if not manifest.exists():
        return {}
    models = json.loads(manifest.read_text(encoding="utf-8"))["models"]
    return {entry["name"]: entry for entry in models}


def main(names):
    torch.set_num_threads(1)
    entries = known_entries()
    for index, golden in enumerate(MODELS):
        if names and golden.name not in names:
            continue
        folder = PIPELINES / golden.name
        shutil.rmtree(folder, ignore_errors=True)
        results, naive_fp16 = make(golden, folder, golden.seed or 5000 + 10 * index)
        lines = []
        for (inputs, options), result in zip(golden.calls, results):
            call = {
                "inputs": inputs, "options": as_options(options), "result": rounded(result)
            }
            lines.append(" " + json.dumps(call, ensure_ascii=False))
        text = "[\n" + ",\n".join(lines) + "\n]\n"
        (folder / "expected.json").write_text(text, encoding="utf-8")
        entries[golden.name] = {
            "name": golden.name, "task": golden.task, "naive_fp16": naive_fp16
        }
        print(golden.name, len(golden.calls), naive_fp16)
    models = [entries[golden.name] for golden in MODELS if golden.name in entries]
    write_json(PIPELINES / "manifest.json", {"versions": versions(), "models": models})


if __name__ == "__main__":
    main(sys.argv[1:])

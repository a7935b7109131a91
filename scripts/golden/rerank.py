"""Makes test/golden/sentence-transformers: tiny seeded cross-encoders in each way of naming the
function that makes scores of logits, a bi-encoder, and what CrossEncoder.rank and util.cos_sim of
sentence-transformers give.

Usage: pip install -r sentence-transformers-requirements.txt &&
python rerank.py
Format: test/golden/README.md. On one thread, in float32; scores have seven significant digits.
"""

import copy
import json
import shutil

import sentence_transformers
import torch
from sentence_transformers import CrossEncoder, SentenceTransformer, util
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    RobertaConfig,
    RobertaForSequenceClassification,
)

import byte_level
from generate import OUTPUT, geometry, randomise, versions, vocabulary, write_json
from heads import make_naive

ROOT = OUTPUT / "sentence-transformers"
VOCABULARY = 97
LIMIT = 40
SMALLEST_GAP = 1e-3

QUERY = "Do I sleep better today?"
DOCUMENTS = [
    "I feel a lot better.",
    "The day is not the better thing. " * 6,
    "",
    "Zoë sleeps 🎉",
    "Sleeping and sleeping",
    "2 or 3 things",
]
SOURCES = [QUERY, "Is the day better? " * 8, "a"]

# What config.json has beside the geometry.
CROSS_ENCODERS = {
    "cross-encoder": {},
    "cross-encoder-identity": {
        "sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"}
    },
    "cross-encoder-legacy": {
        "sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity"
    },
    "cross-encoder-sigmoid": {
        "sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Sigmoid"}
    },
}
ROBERTA = "cross-encoder-roberta"
# As CrossEncoder.save_pretrained writes a folder: the function is in another file then.
SAVED = "cross-encoder-saved"
# The same with a prompt, which stands before the query.
PROMPTED = "cross-encoder-prompt"
PROMPTS = {
    PROMPTED: {"prompts": {"nights": "The day is not "}, "default_prompt_name": "nights"},
}


def shorter(value):
    return float(f"{float(value):.7g}")


def bert_config():
    numbers = {**geometry(16, 1, 29, 1), "vocab_size": VOCABULARY}
    return BertConfig(**{**numbers, "max_position_embeddings": LIMIT}, num_labels=1)


def roberta_config():
    padding = byte_level.FIRST.index("<pad>")
    numbers = {**geometry(16, 1, 29, 1), "vocab_size": byte_level.VOCABULARY}
    numbers["max_position_embeddings"] = LIMIT + padding + 1
    more = {"type_vocab_size": 1, "layer_norm_eps": 1e-5, "pad_token_id": padding}
    return RobertaConfig(**numbers, **more, num_labels=1)


def make_cross_encoder_model(name):
    if name == ROBERTA:
        return RobertaForSequenceClassification(roberta_config())
    return BertForSequenceClassification(bert_config())


def save(model, folder, more):
    model.save_pretrained(folder)
    if model.config.model_type == "roberta":
        byte_level.write_tokenizer_json(folder, LIMIT)
        return
    words = "\n".join(vocabulary(VOCABULARY)) + "\n"
    (folder / "vocab.txt").write_text(words, encoding="utf-8")
    write_json(folder / "tokenizer_config.json", {"model_max_length": LIMIT})
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    write_json(folder / "config.json", {**config, **more})


def write_expected(folder, values):
    text = json.dumps(values, ensure_ascii=False, indent=1) + "\n"
    (folder / "expected.json").write_text(text, encoding="utf-8")


def with_naive_transformer(encoder):
    """The same with its transformer as make_naive has it, and float64 behind that."""
    naive = copy.deepcopy(encoder).double()
    naive[0].model = make_naive(naive[0].model)
    return naive


def save_again(encoder, folder):
    shutil.rmtree(folder)
    encoder.save_pretrained(str(folder))
    (folder / "README.md").unlink()


def make_cross_encoder(name, more, seed):
    """Tries seeds until neighbours in the order differ clearly. How far naive scores are off."""
    folder = ROOT / name
    for attempt in range(1000):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        model = make_cross_encoder_model(name).eval()
        randomise(model, 0.4, seed + attempt)
        save(model, folder, more)
        encoder = CrossEncoder(str(folder), device="cpu", **PROMPTS.get(name, {}))
        ranked = encoder.rank(QUERY, DOCUMENTS, return_documents=True)
        scores = [float(each["score"]) for each in ranked]
        if min(a - b for a, b in zip(scores, scores[1:])) > SMALLEST_GAP:
            break
    result = [
        {"index": int(each["corpus_id"]), "score": shorter(each["score"]), "text": each["text"]}
        for each in ranked
    ]
    if name in (SAVED, PROMPTED):
        save_again(encoder, folder)
    write_expected(folder, {"query": QUERY, "documents": DOCUMENTS, "result": result})
    naive = with_naive_transformer(encoder).rank(QUERY, DOCUMENTS)
    by_document = {each["corpus_id"]: float(each["score"]) for each in naive}
    error = max(abs(each["score"] - by_document[each["index"]]) for each in result)
    print(name, scores, error)
    return error


def make_bi_encoder(seed):
    """How far naive cosines are off."""
    folder = ROOT / "bi-encoder"
    folder.mkdir(parents=True)
    model = BertModel(bert_config()).eval()
    randomise(model, 0.4, seed)
    save(model, folder, {})
    encoder = SentenceTransformer(str(folder), device="cpu")
    cosines = util.cos_sim(encoder.encode(SOURCES), encoder.encode(DOCUMENTS))
    result = [[shorter(value) for value in row] for row in cosines.tolist()]
    write_expected(folder, {"sources": SOURCES, "sentences": DOCUMENTS, "result": result})
    naive = with_naive_transformer(encoder)
    error = util.cos_sim(naive.encode(SOURCES), naive.encode(DOCUMENTS)) - cosines
    print("bi-encoder", result, error.abs().max().item())
    return error.abs().max().item()


def main():
    torch.set_num_threads(1)
    shutil.rmtree(ROOT, ignore_errors=True)
    seeds = {name: 7000 + 1000 * index for index, name in enumerate(CROSS_ENCODERS)}
    seeds[ROBERTA] = 13000
    seeds[SAVED] = 14000
    seeds[PROMPTED] = 15000
    configs = {**CROSS_ENCODERS, SAVED: CROSS_ENCODERS["cross-encoder-legacy"]}
    cross_encoders = [
        {"name": name, "naive_fp16": make_cross_encoder(name, configs.get(name, {}), seed)}
        for name, seed in seeds.items()
    ]
    bi_encoder = {"name": "bi-encoder", "naive_fp16": make_bi_encoder(12000)}
    known = {**versions(), "sentence-transformers": sentence_transformers.__version__}
    manifest = {"versions": known, "cross_encoders": cross_encoders, "bi_encoder": bi_encoder}
    write_json(ROOT / "manifest.json", manifest)


if __name__ == "__main__":
    main()

"""Makes test/golden/question-answering and those of RoBERTa beside it: tiny seeded models, and what
Python's pipeline answers to a list of questions. transformers 5 has no such pipeline: this
wants an environment of its own.

Usage: pip install -r question-answering-requirements.txt && python question_answering.py [NAME…]
With names only those models are made anew. Format: test/golden/README.md.
On one thread, in float32; scores have seven significant digits.
"""

import json
import shutil
import sys

import torch
from transformers import (
    BertConfig,
    BertForQuestionAnswering,
    RobertaConfig,
    RobertaForQuestionAnswering,
    pipeline,
)

import byte_level
from generate import OUTPUT, geometry, randomise, versions, vocabulary, write_json
from steady import steady_answers

VOCABULARY = 97
LIMIT = 64
# Starts and ends that are clear.
SHARPER = 3
SEEDS = range(6000, 8000)

SHORT = "Zoë sleeps a lot 🎉 in Łódź, and I feel better today."
LONG = (
    "I do not feel that the day is better. Sleepers 🎉🎉 in Łódź dream a lot; Zoë's naïve, "
    "is it not? 日本 is better, and today the sleeping feel 2 or 3 things. "
)
QUESTION = "Is it better?"
OTHER = "And who sleeps in Łódź?"
NARROW = {"max_seq_len": 24, "doc_stride": 6}

CALLS = [
    (QUESTION, SHORT, {}),
    (QUESTION, SHORT, {"top_k": 3}),
    (OTHER, SHORT, {"align_to_words": False}),
    (OTHER, SHORT, {"align_to_words": False, "top_k": 4}),
    (OTHER, SHORT, {"max_answer_len": 1, "top_k": 2}),
    (QUESTION, SHORT, {"handle_impossible_answer": True, "top_k": 2}),
    (QUESTION, "Zoë", {}),
    (QUESTION, LONG, {}),
    (QUESTION, LONG, NARROW),
    (OTHER, LONG, {**NARROW, "top_k": 5}),
    (OTHER, LONG, {**NARROW, "top_k": 3, "align_to_words": False}),
    (OTHER, LONG, {**NARROW, "handle_impossible_answer": True}),
    (QUESTION, LONG, {"max_seq_len": 40, "doc_stride": 20, "max_answer_len": 30, "top_k": 2}),
    ([QUESTION, OTHER], [SHORT, LONG], {}),
    ([QUESTION, OTHER], LONG, {"top_k": 2, **NARROW}),
]

# Words end before a contraction and where letters change to digits or punctuation; a context may
# begin with spaces, have several between words, and special tokens of its own.
SPACES = "  Zoë's  day isn't\n better,it's  2or 3 days \u00a0 of<mask>!!<s> 🎉🎉sleep"
# Questions have more tokens here.
WINDOWS = {"max_seq_len": 44, "doc_stride": 8}
BYTE_LEVEL_CALLS = [
    (QUESTION, SHORT, {"top_k": 3}),
    (OTHER, SHORT, {"align_to_words": False, "top_k": 4}),
    (OTHER, SHORT, {"max_answer_len": 1, "top_k": 2}),
    (QUESTION, SHORT, {"handle_impossible_answer": True, "top_k": 2}),
    (QUESTION, "Zoë", {}),
    (QUESTION, LONG, {}),
    (OTHER, LONG, {**WINDOWS, "top_k": 5}),
    (OTHER, LONG, {**WINDOWS, "top_k": 3, "align_to_words": False}),
    (OTHER, LONG, {**WINDOWS, "handle_impossible_answer": True}),
    ([QUESTION, OTHER], [SHORT, LONG], {}),
    (OTHER, SPACES, {"top_k": 8}),
    (QUESTION, SPACES, {"top_k": 8, "align_to_words": False}),
    (QUESTION, SPACES, {"top_k": 6, **WINDOWS}),
    (QUESTION, SPACES, {"top_k": 12, "max_answer_len": 3}),
]


def answer(run, question, context, options):
    many = isinstance(question, list)
    if many and isinstance(context, str):
        context = [context] * len(question)
    result = run(question=question, context=context, **options)
    return result


def rounded(value):
    if isinstance(value, dict):
        return {key: float(f"{x:.7g}") if key == "score" else x for key, x in value.items()}
    return [rounded(each) for each in value]


def fill(model, seed):
    randomise(model, 0.4, seed)
    with torch.no_grad():
        model.qa_outputs.weight.mul_(SHARPER)


def make_bert(folder):
    numbers = {**geometry(16, 1, 29, 1), "vocab_size": VOCABULARY}
    config = BertConfig(**{**numbers, "max_position_embeddings": LIMIT})
    words = "\n".join(vocabulary(VOCABULARY)) + "\n"
    (folder / "vocab.txt").write_text(words, encoding="utf-8")
    write_json(folder / "tokenizer_config.json", {"model_max_length": LIMIT})
    return BertForQuestionAnswering(config)


def make_roberta(folder, **tokenizer):
    padding = byte_level.FIRST.index("<pad>")
    numbers = {**geometry(16, 1, 29, 1), "vocab_size": byte_level.VOCABULARY}
    numbers["max_position_embeddings"] = LIMIT + padding + 1
    more = {"type_vocab_size": 1, "layer_norm_eps": 1e-5, "pad_token_id": padding}
    byte_level.write_tokenizer_json(folder, LIMIT, **tokenizer)
    return RobertaForQuestionAnswering(RobertaConfig(**numbers, **more))


def make_prefixed(folder):
    return make_roberta(folder, add_prefix_space=True)


MODELS = {
    "question-answering": (make_bert, CALLS, SEEDS),
    "roberta-question-answering": (make_roberta, BYTE_LEVEL_CALLS, range(16000, 26000)),
    "roberta-question-answering-prefixed": (
        make_prefixed, BYTE_LEVEL_CALLS[-5:], range(26000, 36000)
    ),
}


def make(name):
    make_model, calls, seeds = MODELS[name]
    folder = OUTPUT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    make_model(folder).eval().save_pretrained(folder)
    run = pipeline("question-answering", model=str(folder), device="cpu")

    def ask(run):
        return (answer(run, *call) for call in calls)

    results, naive_fp16 = steady_answers(run, fill, ask, seeds)
    run.model.save_pretrained(folder)
    lines = []
    for (question, context, options), result in zip(calls, results):
        call = {
            "question": question,
            "context": context,
            "options": options,
            "result": rounded(result),
        }
        lines.append(" " + json.dumps(call, ensure_ascii=False))
    (folder / "expected.json").write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
    write_json(folder / "manifest.json", {"versions": versions(), "naive_fp16": naive_fp16})
    print(name, len(calls), naive_fp16)


def main(names):
    torch.set_num_threads(1)
    for name in names or MODELS:
        make(name)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Makes test/golden/question-answering: a tiny seeded BERT model, and what Python's pipeline
answers to a list of questions. transformers 5 has no such pipeline: this wants an environment of
its own.

Usage: pip install -r question-answering-requirements.txt && python question_answering.py
Format: test/golden/README.md. On one thread, in float32; scores have seven significant digits.
"""

import json
import shutil

import torch
from transformers import BertConfig, BertForQuestionAnswering, pipeline

from generate import OUTPUT, geometry, randomise, versions, vocabulary, write_json
from steady import steady_answers

FOLDER = OUTPUT / "question-answering"
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


def ask(run):
    return (answer(run, *call) for call in CALLS)


def main():
    torch.set_num_threads(1)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    numbers = {**geometry(16, 1, 29, 1), "vocab_size": VOCABULARY}
    model = BertForQuestionAnswering(
        BertConfig(**{**numbers, "max_position_embeddings": LIMIT})
    ).eval()
    model.save_pretrained(FOLDER)
    words = "\n".join(vocabulary(VOCABULARY)) + "\n"
    (FOLDER / "vocab.txt").write_text(words, encoding="utf-8")
    write_json(FOLDER / "tokenizer_config.json", {"model_max_length": LIMIT})
    run = pipeline("question-answering", model=str(FOLDER), device="cpu")
    results, naive_fp16 = steady_answers(run, fill, ask, SEEDS)
    run.model.save_pretrained(FOLDER)
    lines = []
    for (question, context, options), result in zip(CALLS, results):
        call = {
            "question": question,
            "context": context,
            "options": options,
            "result": rounded(result),
        }
        lines.append(" " + json.dumps(call, ensure_ascii=False))
    (FOLDER / "expected.json").write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
    write_json(FOLDER / "manifest.json", {"versions": versions(), "naive_fp16": naive_fp16})
    print(len(CALLS), naive_fp16)


if __name__ == "__main__":
    main()

"""Makes test/golden/clean-up.json: seeded texts with what clean_up_tokenization of transformers
makes of them, and ids of a golden vocabulary with what its BERT tokenizer decodes.

Usage: pip install -r requirements.txt && python clean_up.py
Format: test/golden/README.md.
"""

import json
import random

from transformers import AutoTokenizer
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from generate import OUTPUT, versions

TOKENIZER = "pipelines/fill-mask-tokenizer-json"
TEXTS = 300
ROWS = 100
MOST_PIECES = 12
PIECES = [
    " ", " ", " ", "  ", ".", "?", "!", ",", "'", " ' ", " .", " ?", " !", " ,", " n't", " 'm",
    " 's", " 've", " 're", " 'll", " 'd", " 'S", "n't", "'s", "do", "is", "I", "we", "sleep",
    " better", "\n", "\t.", "\u00a0.", " ;", " :", " -", "...", " ...", "’s", " ’s", "Łódź", "🎉",
]


def seeded_texts(generator):
    for _ in range(TEXTS):
        count = generator.randint(1, MOST_PIECES)
        yield "".join(generator.choice(PIECES) for _ in range(count))


def seeded_rows(generator, tokenizer):
    """Ids, many of them of what clean-up is about."""
    often = tokenizer.convert_tokens_to_ids([*".?!,'", "s", "m", "n", "t", "i", "is", "not"])
    every = range(len(tokenizer))
    for _ in range(ROWS):
        count = generator.randint(0, MOST_PIECES)
        choices = [often if generator.random() < 0.7 else every for _ in range(count)]
        yield [generator.choice(choice) for choice in choices]


def lines(values):
    return ",\n".join("  " + json.dumps(value, ensure_ascii=False) for value in values)


def main():
    generator = random.Random(8000)
    tokenizer = AutoTokenizer.from_pretrained(OUTPUT / TOKENIZER)
    texts = [
        [text, PreTrainedTokenizerBase.clean_up_tokenization(tokenizer, text)]
        for text in seeded_texts(generator)
    ]
    rows = []
    for ids in seeded_rows(generator, tokenizer):
        options = {"skip_special_tokens": generator.random() < 0.5}
        cleaned = tokenizer.decode(ids, clean_up_tokenization_spaces=True, **options)
        rows.append({"ids": ids, **options, "text": cleaned})
    content = (
        f'{{\n "versions": {json.dumps(versions())},\n "tokenizer": {json.dumps(TOKENIZER)},\n'
        f' "texts": [\n{lines(texts)}\n ],\n "rows": [\n{lines(rows)}\n ]\n}}\n'
    )
    (OUTPUT / "clean-up.json").write_text(content, encoding="utf-8")
    print(len(texts), sum(a != b for a, b in texts), len(rows))


if __name__ == "__main__":
    main()

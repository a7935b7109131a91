"""Writes the model's card from the records of its training and evaluation.

    python card.py

Reads training.json and evaluation.json beside it, so that no figure in the card is typed by hand.
"""

import json
from pathlib import Path

import sources as catalogue

HERE = Path(__file__).resolve().parent
CARD = HERE.parents[1] / 'models/fusebert-mini/README.md'
PARTS = {'heldout': 'held out, from the sources trained on', 'unseen': 'from sources never seen'}
MEASURES = {
    'spearman, random pairs': 'rank correlation of cosines, {pairs:,} random pairs',
    'spearman, near pairs': 'the same, {pairs:,} pairs of near texts',
    'spearman, half of each': 'the same, half random and half near',
    'ten nearest': 'overlap of the ten nearest among {texts:,} texts',
}

TEMPLATE = '''---
language: en
license: apache-2.0
library_name: fusebert
pipeline_tag: feature-extraction
tags: [sentence-similarity, sentence-transformers, bert]
---

# fusebert-mini

A small encoder for English sentences and short posts: BERT with {layers} layers, hidden size
{hidden}, {heads} heads, the standard uncased vocabulary of 30,522 entries, fp16,
{megabytes:.1f} MB. It comes inside the npm package fusebert, so that the first run needs no
download, and was distilled from
[all-MiniLM-L6-v2](https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2) (Apache-2.0),
from which it also has its vocabulary.

Vectors have {hidden} numbers: the mean over the tokens, divided by its L2 norm. Texts longer than
256 tokens are cut.

## What it is for

Trying out, tests, and light use: a search over notes, duplicates in a list, a first look at a file
of posts.

## What it is not

- Not as good as its teacher, as the figures below show. For work that matters take
  `sentence-transformers/all-MiniLM-L6-v2` (English sentences), `BAAI/bge-base-en-v1.5` (retrieval),
  or a model of your field.
- Not for languages other than English.
- Not for clinical work. For English posts about mental health there is
  [`mental/mental-bert-base-uncased`](https://huggingface.co/mental/mental-bert-base-uncased); as
  its card says, its predictions are no psychiatric diagnosis, and these vectors are even less.
- Not a judge of truth, sentiment or negation: "I can sleep" and "I cannot sleep" are near.
- Not free of the prejudices of news, newsgroups and posts, and of its teacher.

## How near it comes to its teacher

Measured by `scripts/default-model/evaluate.py`; in brackets 95 % intervals (bootstrap over texts).
For scale, the plain average of the teacher's own word embeddings.

{tables}

Held-out texts share no run of six words with training. Texts are sentences, posts, headlines,
definitions and paragraphs; pairs and pools are drawn from all of them together.

## How it was trained

{steps:,} steps over {epochs} epochs of {texts:,} texts ({tokens:,} tokens), on two CPU cores, with
`scripts/default-model/make.py`; its README and `docs/decisions/009-embedded-model.md` say how and
why. The loss matches the teacher's vectors and tokens through projections, the similarities within
a batch, and who is near whom. Seed {seed}; settings, versions and checksums are in
`scripts/default-model/training.json`.

The texts of which these are an even sample, by the package that carries them, with the licence
that the package states:

{sources}

The model contains no text. No labels were used.

## Licence

Apache-2.0.
'''


def table(part: str, measures: dict[str, dict[str, object]]) -> str:
    rows = [f'| {PARTS[part]} | fusebert-mini | average of words |', '|---|---|---|']
    for name, found in measures.items():
        cells = []
        for model in ('student', 'word average'):
            low, high = found[model]['interval']
            cells.append(f'{found[model]["value"]:.3f} [{low:.3f}, {high:.3f}]')
        rows.append(f'| {MEASURES[name].format(**found)} | {cells[0]} | {cells[1]} |')
    return '\n'.join(rows)


def source_table(counts: dict[str, int]) -> str:
    """Counts of the whole corpus by archive; the model was trained on an even sample of it."""
    rows = ['| package | texts | licence |', '|---|---|---|']
    for archive in catalogue.ARCHIVES:
        names = [source.name for source in catalogue.SOURCES if source.archive == archive.name]
        texts = sum(counts.get(name, 0) for name in names)
        shown = f'{texts:,}' if texts else 'none, evaluated on'
        title = f'{archive.registry} {archive.name} {archive.version}'.strip()
        rows.append(f'| {title}: {", ".join(names)} | {shown} | {archive.licence} |')
    return '\n'.join(rows)


def main() -> None:
    training = json.loads((HERE / 'training.json').read_text())
    evaluation = json.loads((HERE / 'evaluation.json').read_text())
    geometry = training['geometry']
    weights = CARD.parent / 'model.safetensors'
    CARD.write_text(TEMPLATE.format(
        layers=geometry['num_hidden_layers'], hidden=geometry['hidden_size'],
        heads=geometry['num_attention_heads'], megabytes=weights.stat().st_size / 1e6,
        tables='\n\n'.join(table(part, found) for part, found in evaluation.items()),
        steps=training['steps'], epochs=training['epochs'], texts=training['texts'],
        tokens=training['tokens'], seed=training['seed'],
        sources=source_table(training['corpus']['train']['sources'])), encoding='utf-8')


if __name__ == '__main__':
    main()

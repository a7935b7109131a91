"""Makes the corpus: clean, split, deduplicate, hold out, tokenize.

Texts are held out by document, decided by a hash of the document. Documents may quote each other,
so a training text that shares a run of SHINGLE_WORDS words with a held-out one is dropped from
training, and no text stands on both sides in other case or punctuation. Shorter texts that differ
in a word may: what comes from sources of which nothing was trained on is the stricter measure.
"""

import hashlib
import json
import random
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterable, Iterator

import numpy as np
from tokenizers import Tokenizer

from files import sha256_of

MAX_TOKENS = 256  # the teacher's own limit
HELD_OUT_PER_MILLE = 30  # of documents; the smoke run, which has few, holds out more
PARAGRAPH_SHARE = 0.06  # share of texts that are several sentences in a row, up to the limit
SHINGLE_WORDS = 6
MIN_CHARACTERS, MAX_CHARACTERS = 3, 2_000
FUNCTION_WORDS = frozenset(
    'the of and to a in is that it for was on with as be by at are this from or an i you he she we '
    'they my your his her our their not have has had do does what how who can will would there if '
    'but so me no all about which when were been than its'.split())

SENTENCE_END = re.compile(r'(?<=[.!?])["\')\]]*\s+(?=["\'(\[]?[A-Z0-9])')
MARKUP = re.compile(r'<[^<>]{1,80}>')
MIN_LETTERS = 0.75  # of a text's characters, blanks included
WORDS_TO_JUDGE, WORDS_PER_FUNCTION_WORD = 8, 12


@dataclass
class Corpus:
    """Texts with the name of the source of each."""

    texts: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)

    def add(self, text: str, source: str) -> None:
        self.texts.append(text)
        self.sources.append(source)


def hash_of(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), 'little')


def clean(text: str) -> str:
    text = MARKUP.sub(' ', text)
    return ' '.join(text.split()).strip(' "\'`*-|')


def is_english(text: str) -> bool:
    """A cheap filter: mostly ASCII letters, and function words once the text is long enough."""
    letters = sum('a' <= c <= 'z' or 'A' <= c <= 'Z' or c == ' ' for c in text)
    if letters < MIN_LETTERS * len(text):
        return False
    words = text.lower().split()
    found = sum(word in FUNCTION_WORDS for word in words)
    return len(words) < WORDS_TO_JUDGE or found * WORDS_PER_FUNCTION_WORD >= len(words)


def sentences(document: str) -> list[str]:
    """The cleaned English sentences of a document, in order."""
    lines = (part for line in document.split('\n') for part in SENTENCE_END.split(line))
    return [text for text in map(clean, lines)
            if MIN_CHARACTERS <= len(text) <= MAX_CHARACTERS and is_english(text)]


def texts_of(document: str, generator: random.Random) -> Iterator[str]:
    """Its sentences, and now and then a paragraph of several."""
    parts = sentences(document)
    start = 0
    while start < len(parts):
        size = generator.randint(2, 10) if generator.random() < PARAGRAPH_SHARE else 1
        yield ' '.join(parts[start:start + size])
        start += size


def normalized(text: str) -> str:
    return ' '.join(re.findall(r'[a-z0-9]+', text.lower()))


def shingles(text: str) -> Iterator[int]:
    """A hash of every run of SHINGLE_WORDS words; the same only within one process."""
    words = normalized(text).split()
    for start in range(len(words) - SHINGLE_WORDS + 1):
        yield hash(tuple(words[start:start + SHINGLE_WORDS]))


def sample(documents: Iterable[str], limit: int, seed: int, seen: set[int],
           held_out_per_mille: int = HELD_OUT_PER_MILLE) -> list[tuple[str, bool]]:
    """At most `limit` new texts, chosen by hash, each with whether its document is held out."""
    generator = random.Random(seed)
    found: list[tuple[int, str, bool]] = []
    for document in documents:
        held_out = hash_of(document) % 1000 < held_out_per_mille
        for text in texts_of(document, generator):
            key = hash_of(normalized(text))
            if key not in seen:
                seen.add(key)
                found.append((key, text, held_out))
    found.sort(key=lambda item: item[0])
    return [(text, held_out) for _, text, held_out in found[:limit]]


def without_overlap(train: Corpus, held_out: Corpus) -> tuple[Corpus, int]:
    """`train` without texts that share a shingle with `held_out`, and how many those were."""
    kept, banned = Corpus(), {key for text in held_out.texts for key in shingles(text)}
    for text, source in zip(train.texts, train.sources):
        if banned.isdisjoint(shingles(text)):
            kept.add(text, source)
    return kept, len(train.texts) - len(kept.texts)


def write(corpus: Corpus, tokenizer: Tokenizer, stem: Path) -> dict[str, object]:
    """Writes `stem`.jsonl, .ids.npy (uint16, flat) and .cu_seqlens.npy (int64), shortest first.

    Sorted by length, a slice of the corpus is a batch with next to no padding.
    """
    encodings = tokenizer.encode_batch_fast(corpus.texts)
    lengths = np.array([len(encoding.ids) for encoding in encodings])
    order = np.argsort(lengths, kind='stable')
    ids = np.concatenate([np.array(encodings[i].ids, np.uint16) for i in order])
    cu_seqlens = np.concatenate([[0], np.cumsum(lengths[order])])
    with stem.with_suffix('.jsonl').open('w', encoding='utf-8') as file:
        for i in order:
            file.write(json.dumps({'text': corpus.texts[i], 'source': corpus.sources[i]}) + '\n')
    np.save(stem.with_suffix('.cu_seqlens.npy'), cu_seqlens)
    np.save(stem.with_suffix('.ids.npy'), ids)
    counts: dict[str, int] = {}
    for source in corpus.sources:
        counts[source] = counts.get(source, 0) + 1
    return {'texts': len(order), 'tokens': int(cu_seqlens[-1]),
            'sha256': sha256_of(stem.with_suffix('.jsonl')), 'sources': counts}


def load(stem: Path) -> tuple[np.ndarray, np.ndarray]:
    """Token ids (uint16, flat) and cu_seqlens (int64) of a part of the corpus."""
    return (np.load(stem.with_suffix('.ids.npy'), mmap_mode='r'),
            np.load(stem.with_suffix('.cu_seqlens.npy')))


def teacher_tokenizer(teacher: Path) -> Tokenizer:
    """The teacher's tokenizer, cutting at its own limit and padding nothing."""
    tokenizer = Tokenizer.from_file(str(teacher / 'tokenizer.json'))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer

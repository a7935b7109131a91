"""Runs the teacher over the training texts, once; the student learns from what it says.

The teacher runs in fusebert itself: it is given the texts, not token ids, and gives a vector for
every token in fp32, half as fast again as PyTorch. Evaluation runs the teacher in PyTorch.
"""

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import numpy as np

import corpus as corpora
from encoder import Geometry
from files import write_text

TOKENS_SCRIPT = Path(__file__).with_name('tokens.mjs')
SHARD_TEXTS = 10_000  # about half a minute
INT8_MAX = 127


@dataclass(frozen=True)
class Answers:
    """What the teacher said of the corpus; rows of texts that it was not asked about are zero.

    Of a token's vector only the direction is kept, in 8 bits a number: all in fp32 would be 30 GB.
    """

    vectors: np.ndarray  # float16 [texts, hidden], the mean over tokens, of unit length
    tokens: np.ndarray   # int8 [T, hidden], each row scaled to its largest number
    texts: np.ndarray    # which rows of `vectors` are filled, ascending

    @property
    def hidden_size(self) -> int:
        return self.vectors.shape[1]


def sample_texts(count: int, limit: int, seed: int) -> np.ndarray:
    """At most `limit` of `count` texts in a fixed random order: an even sample of the corpus."""
    return np.random.default_rng(seed).permutation(count)[:limit]


def run_teacher(teacher: Path, lines: list[bytes], folder: Path) -> np.ndarray:
    """Float32 [tokens of all lines, hidden]; `lines` are JSONL records."""
    texts, output = folder / 'shard.jsonl', folder / 'shard.f32'
    texts.write_bytes(b''.join(lines))
    subprocess.run(['node', str(TOKENS_SCRIPT), str(teacher), str(texts), str(output)], check=True)
    return np.fromfile(output, np.float32).reshape(-1, Geometry.load(teacher).hidden_size)


def means(tokens: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The mean of each text's rows, of unit length: what all-MiniLM-L6-v2 calls its vector."""
    sums = np.add.reduceat(tokens, np.cumsum(lengths) - lengths)
    return sums / np.linalg.norm(sums, axis=1, keepdims=True)


def open_rows(path: Path, shape: tuple[int, int], kind: type, fresh: bool) -> np.ndarray:
    return np.lib.format.open_memmap(path, mode='w+' if fresh else 'r+', dtype=kind, shape=shape)


def label(teacher: Path, stem: Path, work: Path, limit: int, seed: int,
          log: Callable[[str], None]) -> Answers:
    """Asks the teacher about at most `limit` texts of the corpus at `stem`.

    Writes teacher.*.npy to `work`, going on where an earlier call stopped.
    """
    with stem.with_suffix('.jsonl').open('rb') as file:
        lines = file.readlines()
    _, cu_seqlens = corpora.load(stem)
    hidden_size = Geometry.load(teacher).hidden_size
    progress = work / 'teacher.done'
    done = int(progress.read_text()) if progress.exists() else 0
    order = sample_texts(len(lines), limit, seed)
    answers = Answers(
        open_rows(work / 'teacher.vectors.npy', (len(lines), hidden_size), np.float16, done == 0),
        open_rows(work / 'teacher.tokens.npy', (int(cu_seqlens[-1]), hidden_size), np.int8,
                  done == 0),
        np.sort(order))
    shards = [order[first:first + SHARD_TEXTS] for first in range(0, len(order), SHARD_TEXTS)]
    start = time.monotonic()
    for index, shard in enumerate(shards[done:], done):
        found = run_teacher(teacher, [lines[i] for i in shard], work)
        lengths = cu_seqlens[shard + 1] - cu_seqlens[shard]
        if len(found) != lengths.sum():
            raise SystemExit('fusebert and the tokenizers package do not cut these texts alike')
        rows = np.concatenate([np.arange(cu_seqlens[i], cu_seqlens[i + 1]) for i in shard])
        scales = np.abs(found).max(1, keepdims=True) / INT8_MAX
        answers.vectors[shard] = means(found, lengths)
        answers.tokens[rows] = np.rint(found / scales)
        answers.vectors.flush()
        answers.tokens.flush()
        write_text(progress, str(index + 1))
        pace = (time.monotonic() - start) / (index + 1 - done)
        left = pace * (len(shards) - index - 1) / 60
        log(f'teacher: shard {index + 1:,} of {len(shards):,}, {left:.0f} min left')
    return answers

"""Embeds the training texts with the teacher, once; the student learns from these vectors.

The teacher runs in fusebert itself: it is given the texts, not token ids, and gives fp32 vectors,
half as fast again as PyTorch in fp32. Evaluation runs the teacher in PyTorch.
"""

import subprocess
import time
from pathlib import Path
from typing import Callable

import numpy as np

from encoder import Geometry
from files import write_text

FUSEBERT = Path(__file__).resolve().parents[2] / 'dist/cli/main.js'
SHARD_TEXTS = 10_000  # about half a minute


def sample_texts(count: int, limit: int, seed: int) -> np.ndarray:
    """At most `limit` of `count` texts in a fixed random order: an even sample of the corpus."""
    return np.random.default_rng(seed).permutation(count)[:limit]


def embed_shard(teacher: Path, lines: list[bytes], folder: Path) -> np.ndarray:
    """Float32 [len(lines), hidden], of unit length; `lines` are JSONL records."""
    texts, vectors = folder / 'shard.jsonl', folder / 'shard.npy'
    texts.write_bytes(b''.join(lines))
    subprocess.run(['node', str(FUSEBERT), 'embed', '--model', str(teacher), '--input', str(texts),
                    '--output', str(vectors), '--normalize', '--no-progress'], check=True)
    return np.load(vectors)


def label(teacher: Path, stem: Path, target: Path, limit: int, seed: int,
          log: Callable[[str], None]) -> tuple[np.ndarray, np.ndarray]:
    """Writes float16 [texts, hidden] to `target`, going on where an earlier call stopped.

    Returns it and the indices of the texts whose rows are filled.
    """
    with stem.with_suffix('.jsonl').open('rb') as file:
        lines = file.readlines()
    hidden_size = Geometry.load(teacher).hidden_size
    progress = target.with_suffix('.done')
    done = int(progress.read_text()) if progress.exists() else 0
    vectors = np.lib.format.open_memmap(target, mode='r+' if done else 'w+', dtype=np.float16,
                                        shape=(len(lines), hidden_size))
    order = sample_texts(len(lines), limit, seed)
    shards = [order[first:first + SHARD_TEXTS] for first in range(0, len(order), SHARD_TEXTS)]
    start = time.monotonic()
    for index, shard in enumerate(shards[done:], done):
        vectors[shard] = embed_shard(teacher, [lines[i] for i in shard], target.parent)
        vectors.flush()
        write_text(progress, str(index + 1))
        pace = (time.monotonic() - start) / (index + 1 - done)
        left = pace * (len(shards) - index - 1) / 60
        log(f'teacher: shard {index + 1:,} of {len(shards):,}, {left:.0f} min left')
    return vectors, np.sort(order)

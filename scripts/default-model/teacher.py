"""Embeds the training texts with the teacher, once; the student learns from these vectors.

Products are computed in bfloat16 where the processor has them, which moves a cosine by about
0.001 and doubles the speed. Evaluation never uses these vectors: it runs the teacher in fp32.
"""

import time
from pathlib import Path
from typing import Callable

import numpy as np
import torch
from torch.nn import functional as F

from corpus import write_text
from encoder import Encoder, batches

MAX_TOKENS = 8192


def plan_batches(cu_seqlens: np.ndarray, limit: int, seed: int) -> list[tuple[int, int]]:
    """At most `limit` batches of the corpus in a fixed random order: an even sample of it."""
    cuts = batches(cu_seqlens, MAX_TOKENS)
    return [cuts[i] for i in np.random.default_rng(seed).permutation(len(cuts))[:limit]]


def label(teacher: Path, ids: np.ndarray, cu_seqlens: np.ndarray, target: Path, limit: int,
          seed: int, save_seconds: float,
          log: Callable[[str], None]) -> tuple[np.ndarray, np.ndarray]:
    """Writes float16 [texts, hidden] to `target`, going on where an earlier call stopped.

    Returns it and the indices of the texts whose rows are filled.
    """
    encoder = Encoder.load(teacher)
    shape = (len(cu_seqlens) - 1, encoder.geometry.hidden_size)
    progress = target.with_suffix('.done')
    done = int(progress.read_text()) if progress.exists() else 0
    vectors = np.lib.format.open_memmap(
        target, mode='r+' if done else 'w+', dtype=np.float16, shape=shape)
    plan = plan_batches(cu_seqlens, limit, seed)
    saved, start = time.monotonic(), time.monotonic()
    with torch.inference_mode(), torch.autocast('cpu', torch.bfloat16):
        for count, (first, last) in enumerate(plan[done:], done + 1):
            run = torch.from_numpy(ids[cu_seqlens[first]:cu_seqlens[last]].astype(np.int64))
            lengths = torch.from_numpy(cu_seqlens[first + 1:last + 1] - cu_seqlens[first:last])
            vectors[first:last] = F.normalize(encoder(run, lengths)).numpy()
            if time.monotonic() - saved > save_seconds or count == len(plan):
                vectors.flush()
                write_text(progress, str(count))
                saved = time.monotonic()
                left = (saved - start) / (count - done) * (len(plan) - count) / 60
                log(f'teacher: batch {count:,} of {len(plan):,}, {left:.0f} min left')
    return vectors, np.sort(np.concatenate([np.arange(*cut) for cut in plan]))

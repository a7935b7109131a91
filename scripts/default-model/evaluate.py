"""How near the student comes to the teacher on text it was not trained on.

    python evaluate.py --model FOLDER --teacher FOLDER --work FOLDER [--json FILE]

Two measures, each with a 95 % bootstrap interval over texts (Efron's percentile method):

- Spearman's rank correlation between the student's and the teacher's cosines over pairs of texts;
- of the ten nearest of a text among 5,000, how many student and teacher share.

Exits with 1 when the student misses LEAST on a part, or is not ahead of the words there.

For scale, the same for the plain average of the teacher's own word embeddings, which is a bag of
words without any training.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor
from torch.nn import functional as F

import corpus as corpora
from encoder import Encoder, Packing, embed

STUDENT, WORDS = 'student', 'word average'
# Below these the model would not be worth its name.
LEAST = {'spearman, random pairs': 0.80, 'ten nearest': 0.40}
POOL, PAIRS, NEIGHBOURS, RESAMPLES = 5_000, 20_000, 10, 1_000
MIN_TOKENS = 4  # two besides [CLS] and [SEP]
NEAR_RANKS = 100  # a near pair is a text and one of its so many nearest in the pool


def word_average(teacher: Encoder, ids: np.ndarray, cu_seqlens: np.ndarray) -> Tensor:
    """The mean word embedding of each text's tokens without [CLS] and [SEP], L2-normalized."""
    rows = teacher.embeddings.word_embeddings.weight.detach()
    lengths = torch.from_numpy(np.diff(cu_seqlens))
    inside = np.ones(len(ids), bool)
    inside[cu_seqlens[:-1]] = inside[cu_seqlens[1:] - 1] = False
    kept = torch.from_numpy(np.asarray(ids)[inside].astype(np.int64))
    return F.normalize(Packing(lengths - 2).mean(rows[kept]))


def random_pairs(count: int, generator: np.random.Generator) -> np.ndarray:
    """PAIRS different pairs of different texts."""
    left = generator.integers(0, count, 2 * PAIRS)
    right = (left + generator.integers(1, count, 2 * PAIRS)) % count
    pairs = np.unique(np.sort(np.stack([left, right], 1), 1), axis=0)
    return pairs[generator.permutation(len(pairs))[:PAIRS]]


def near_pairs(truth: Tensor, generator: np.random.Generator) -> np.ndarray:
    """PAIRS pairs of a text and one of the NEAR_RANKS that the teacher finds nearest to it."""
    nearest = nearest_of(truth, min(NEAR_RANKS, len(truth) - 1))
    left = generator.integers(0, len(truth), PAIRS)
    return np.stack([left, nearest[left, generator.integers(0, nearest.shape[1], PAIRS)]], 1)


def nearest_of(vectors: Tensor, count: int) -> np.ndarray:
    """Indices [texts, count] of the nearest other texts, nearest first."""
    similarity = vectors @ vectors.T
    similarity.fill_diagonal_(-2)
    return similarity.topk(count, dim=1).indices.numpy()


def interval(values: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def summary(values: dict[str, float], resampled: dict[str, np.ndarray]) -> dict[str, object]:
    """Both models' value with its interval, and the interval of what the student is ahead by."""
    ahead = resampled[STUDENT] - resampled[WORDS]
    return {**{name: {'value': values[name], 'interval': interval(resampled[name])}
               for name in values},
            'ahead': {'value': values[STUDENT] - values[WORDS], 'interval': interval(ahead)}}


def correlation(models: dict[str, Tensor], truth: Tensor, pairs: np.ndarray,
                generator: np.random.Generator) -> dict[str, object]:
    """Spearman's rho of each model over the pairs; texts are resampled, since pairs share them."""
    expected = cosines_of(truth, pairs)
    found = {name: cosines_of(vectors, pairs) for name, vectors in models.items()}
    resampled: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(RESAMPLES):
        weight = np.bincount(generator.integers(0, len(truth), len(truth)), minlength=len(truth))
        chosen = np.repeat(np.arange(len(pairs)), weight[pairs[:, 0]] * weight[pairs[:, 1]])
        for name, cosines in found.items():
            resampled[name].append(spearmanr(cosines[chosen], expected[chosen]).statistic)
    values = {name: float(spearmanr(cosines, expected).statistic)
              for name, cosines in found.items()}
    return {**summary(values, {n: np.array(v) for n, v in resampled.items()}), 'pairs': len(pairs)}


def cosines_of(vectors: Tensor, pairs: np.ndarray) -> np.ndarray:
    return (vectors[pairs[:, 0]] * vectors[pairs[:, 1]]).sum(1).numpy()


def overlap(models: dict[str, Tensor], truth: Tensor,
            generator: np.random.Generator) -> dict[str, object]:
    """The share of the NEIGHBOURS nearest that model and teacher agree on, averaged over texts.

    The interval is over texts, among the same pool.
    """
    theirs = nearest_of(truth, NEIGHBOURS)
    shares = {name: np.array([len(np.intersect1d(a, b)) / NEIGHBOURS
                              for a, b in zip(nearest_of(vectors, NEIGHBOURS), theirs)])
              for name, vectors in models.items()}
    draws = generator.integers(0, len(truth), (RESAMPLES, len(truth)))
    resampled = {name: share[draws].mean(1) for name, share in shares.items()}
    values = {name: float(share.mean()) for name, share in shares.items()}
    return {**summary(values, resampled), 'texts': len(truth)}


def evaluate_part(student: Encoder, teacher: Encoder, stem: Path, seed: int) -> dict[str, object]:
    """All measures on one part of the corpus: POOL texts of it, drawn with the seed."""
    generator = np.random.default_rng(seed)
    ids, cu_seqlens = corpora.load(stem)
    # The student's words start from the teacher's vector of each, so one word alone is no test.
    usable = np.flatnonzero(np.diff(cu_seqlens) >= MIN_TOKENS)
    chosen = np.sort(generator.permutation(usable)[:POOL])
    parts = [ids[cu_seqlens[i]:cu_seqlens[i + 1]] for i in chosen]
    ids, cu_seqlens = np.concatenate(parts), np.cumsum([0, *map(len, parts)])
    truth = embed(teacher, ids, cu_seqlens)
    models = {STUDENT: embed(student, ids, cu_seqlens),
              WORDS: word_average(teacher, ids, cu_seqlens)}
    near, far = near_pairs(truth, generator), random_pairs(len(truth), generator)
    half = np.concatenate([near[:PAIRS // 2], far[:PAIRS // 2]])
    return {'spearman, random pairs': correlation(models, truth, far, generator),
            'spearman, near pairs': correlation(models, truth, near, generator),
            'spearman, half of each': correlation(models, truth, half, generator),
            'ten nearest': overlap(models, truth, generator)}


def verdict(report: dict[str, dict[str, object]]) -> bool:
    """Whether every part reaches LEAST and is ahead of the words outside the interval."""
    passed = True
    for part, measures in report.items():
        for measure, least in LEAST.items():
            found = measures[measure]
            good = found[STUDENT]['value'] >= least and found['ahead']['interval'][0] > 0
            print(f'{part}, {measure}: at least {least:.2f} and ahead of the words: '
                  f'{"yes" if good else "NO"}')
            passed = passed and good
    return passed


def show(report: dict[str, dict[str, object]]) -> None:
    for part, measures in report.items():
        for measure, found in measures.items():
            for name in (STUDENT, WORDS, 'ahead'):
                low, high = found[name]['interval']
                print(f'{part:8} {measure:24} {name:13} {found[name]["value"]:6.3f} '
                      f'[{low:.3f}, {high:.3f}]')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    root = Path(__file__).resolve().parents[2]
    parser.add_argument('--model', type=Path, default=root / 'models/fusebert-mini')
    parser.add_argument('--teacher', type=Path, default=root / '../shared/models/all-minilm-l6-v2')
    parser.add_argument('--work', type=Path, required=True, help='the folder that make.py filled')
    parser.add_argument('--json', type=Path, help='also write the figures here')
    parser.add_argument('--seed', type=int, default=1)
    args = parser.parse_args()
    student, teacher = Encoder.load(args.model), Encoder.load(args.teacher)
    report = {part: evaluate_part(student, teacher, args.work / part, args.seed)
              for part in ('heldout', 'unseen') if (args.work / f'{part}.jsonl').exists()}
    show(report)
    if args.json:
        args.json.write_text(json.dumps(report, indent=2) + '\n')
    raise SystemExit(0 if verdict(report) else 1)


if __name__ == '__main__':
    main()

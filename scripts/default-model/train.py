"""Distils the teacher into the student.

For a batch with student vectors s, learned projections P and Q to the teacher's size, and teacher
vectors t, all L2-normalized, and with x and y what student and teacher put out for each token, the
loss is

    VECTORS * mean(1 - cos(P s, t))                          the vectors themselves
  + TOKENS * mean(1 - cos(Q x, y))                           what they are means of
  + SIMILARITY * mean((s s'^T - t t'^T)^2)                   similarities to other texts
  + NEIGHBOURS * KL(softmax(t t'^T / TAU) || softmax(s s'^T / TAU))   who is near whom

where s' and t' are the vectors of the batch and, without gradient, of the texts before it (Memory).
The second is the similarity-preserving distillation of Tung and Mori (2019), the third the
relational form that keeps the order of near neighbours, which a squared error hardly sees; the
queue of earlier vectors is that of He et al. (MoCo, 2020). The tokens tell each word its own part
in a text, which the mean leaves open (hidden states as targets: Jiao et al., TinyBERT, 2020).
"""

import math
import time
from pathlib import Path
from typing import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from encoder import Encoder, Geometry, Packing, batches, embed, fast_products
from teacher import Answers

GEOMETRY = Geometry(hidden_size=192, num_hidden_layers=2, num_attention_heads=6,
                    intermediate_size=576)
EXCLUDED = -10.0  # below any cosine: a text is no neighbour of itself
INITIAL_DEVIATION = 0.02  # BERT's initializer_range
MIN_BATCH_TEXTS = 8  # fewer say nothing about similarities
CLS, SEP = 101, 102  # in the standard uncased vocabulary
BATCH_TOKENS = 2048
AXES_TEXTS = 20_000  # of which the principal axes are taken
CHUNK_TEXTS = 16_384  # texts that are sorted by length together, so that batches are even
LEARNING_RATE = 1e-3
WARMUP_STEPS = 200
WEIGHT_DECAY = 0.01
CLIP_NORM = 1.0
MEMORY_TEXTS = 4096
VECTORS, TOKENS, SIMILARITY, NEIGHBOURS, TAU = 3.0, 3.0, 30.0, 0.1, 0.05


def principal_axes(rows: Tensor, size: int) -> Tensor:
    """The first `size` axes of the rows' variance: [size, columns], orthonormal."""
    return torch.linalg.svd(rows - rows.mean(0), full_matrices=False).Vh[:size]


def vectors_of_tokens(teacher: Encoder) -> Tensor:
    """The teacher's vector of every entry of the vocabulary alone, between [CLS] and [SEP]."""
    count = teacher.geometry.vocab_size
    ids = np.stack([np.full(count, CLS), np.arange(count), np.full(count, SEP)], 1)
    with fast_products():
        return embed(teacher, ids.reshape(-1), 3 * np.arange(count + 1)).float()


class Projections(nn.Module):
    """From the student's size to the teacher's: of vectors, of tokens. Only training needs them."""

    def __init__(self, student_size: int, teacher_size: int) -> None:
        super().__init__()
        self.vectors = nn.Linear(student_size, teacher_size)
        self.tokens = nn.Linear(student_size, teacher_size)


def initialize(student: Encoder, projections: Projections, teacher: Encoder,
               vectors: Tensor) -> None:
    """Lets the student's words lie as the teacher's do, and the projections lead back there.

    All use the principal axes of `vectors`, some of the teacher's vectors of the corpus.
    """
    for parameter in student.parameters():
        if parameter.dim() == 2:
            nn.init.normal_(parameter, std=INITIAL_DEVIATION)
    basis = principal_axes(vectors, student.geometry.hidden_size)
    words = vectors_of_tokens(teacher)
    with torch.no_grad():
        student.embeddings.word_embeddings.weight.copy_((words - words.mean(0)) @ basis.T)
        student.embeddings.position_embeddings.weight.zero_()
        student.embeddings.token_type_embeddings.weight.zero_()
        for projection in (projections.vectors, projections.tokens):
            projection.weight.copy_(basis.T)
            projection.bias.copy_(vectors.mean(0))


class Memory:
    """Vectors of the last MEMORY_TEXTS texts, newest last: the student's of then, the teacher's.

    A batch holds texts of one length; only through these is it compared with others.
    """

    def __init__(self, student_size: int, teacher_size: int) -> None:
        self.student, self.teacher = torch.empty(0, student_size), torch.empty(0, teacher_size)

    def add(self, student: Tensor, teacher: Tensor) -> None:
        """student, teacher: [B, hidden] of unit length."""
        self.student = torch.cat([self.student, student.detach()])[-MEMORY_TEXTS:]
        self.teacher = torch.cat([self.teacher, teacher])[-MEMORY_TEXTS:]


def loss_of(s: Tensor, t: Tensor, projection: nn.Linear, memory: Memory) -> Tensor:
    """All of the loss but the tokens'. s: [B, student's hidden], t: [B, teacher's]; unit length."""
    vector = (1 - (F.normalize(projection(s)) * t).sum(1)).mean()
    ours, theirs = s @ torch.cat([s, memory.student]).T, t @ torch.cat([t, memory.teacher]).T
    similarity = F.mse_loss(ours, theirs)
    itself = torch.eye(*ours.shape, dtype=torch.bool)
    ours, theirs = (m.masked_fill(itself, EXCLUDED) / TAU for m in (ours, theirs))
    neighbours = F.kl_div(F.log_softmax(ours, 1), F.log_softmax(theirs, 1), log_target=True,
                          reduction='batchmean')
    return VECTORS * vector + SIMILARITY * similarity + NEIGHBOURS * neighbours


def token_loss(x: Tensor, y: Tensor, projection: nn.Linear) -> Tensor:
    """The tokens' part. x: [T, student's hidden], y: [T, teacher's hidden]."""
    return TOKENS * (1 - F.cosine_similarity(projection(x), y, dim=1)).mean()


def epoch_batches(lengths: np.ndarray, epoch: int, seed: int) -> list[np.ndarray]:
    """Batches of one epoch: shuffled, then of even length within chunks, then shuffled again."""
    generator = np.random.default_rng([seed, epoch])
    order, found = generator.permutation(len(lengths)), []
    for first in range(0, len(order), CHUNK_TEXTS):
        chunk = order[first:first + CHUNK_TEXTS]
        chunk = chunk[np.argsort(lengths[chunk], kind='stable')]
        sums = np.concatenate([[0], np.cumsum(lengths[chunk])])
        found += [chunk[a:b] for a, b in batches(sums, BATCH_TOKENS) if b - a >= MIN_BATCH_TEXTS]
    return [found[i] for i in generator.permutation(len(found))]


def gather(ids: np.ndarray, cu_seqlens: np.ndarray, texts: np.ndarray) -> tuple[Tensor, Tensor]:
    """The packed batch of these texts: token ids [T] and lengths [B], int64."""
    parts = [ids[cu_seqlens[i]:cu_seqlens[i + 1]] for i in texts]
    lengths = torch.tensor([len(part) for part in parts])
    return torch.from_numpy(np.concatenate(parts).astype(np.int64)), lengths


def rate_at(step: int, steps: int) -> float:
    """Linear warm-up, then half a cosine down to zero."""
    if step < WARMUP_STEPS:
        return (step + 1) / WARMUP_STEPS
    return 0.5 * (1 + math.cos(math.pi * (step - WARMUP_STEPS) / max(1, steps - WARMUP_STEPS)))


class Trainer:
    """The student, its optimizer, and where in the run they are; saves and restores all of it."""

    def __init__(self, teacher: Path, answers: Answers, checkpoint: Path, seed: int) -> None:
        torch.manual_seed(seed)
        self.answers = answers
        self.student = Encoder(GEOMETRY)
        self.projections = Projections(GEOMETRY.hidden_size, answers.hidden_size)
        self.memory = Memory(GEOMETRY.hidden_size, answers.hidden_size)
        if not checkpoint.exists():
            some = np.sort(np.random.default_rng(seed).permutation(answers.texts)[:AXES_TEXTS])
            initialize(self.student, self.projections, Encoder.load(teacher), self.vectors(some))
        self.parameters = [*self.student.parameters(), *self.projections.parameters()]
        decayed = [p for p in self.parameters if p.dim() == 2]
        others = [p for p in self.parameters if p.dim() != 2]
        self.optimizer = torch.optim.AdamW(
            [{'params': decayed, 'weight_decay': WEIGHT_DECAY},
             {'params': others, 'weight_decay': 0.0}], lr=LEARNING_RATE, fused=True)
        self.checkpoint, self.seed, self.step = checkpoint, seed, 0
        if checkpoint.exists():
            state = torch.load(checkpoint, weights_only=True)
            self.student.load_state_dict(state['student'])
            self.projections.load_state_dict(state['projections'])
            self.optimizer.load_state_dict(state['optimizer'])
            self.memory.add(*state['memory'])
            self.step = state['step']

    def vectors(self, texts: np.ndarray) -> Tensor:
        """The teacher's vectors of these texts: fp32 [B, hidden], of unit length."""
        return F.normalize(torch.from_numpy(self.answers.vectors[texts].astype(np.float32)))

    def tokens(self, cu_seqlens: np.ndarray, texts: np.ndarray) -> Tensor:
        """The directions of the teacher's tokens of these texts: fp32 [T, hidden], any length."""
        parts = [self.answers.tokens[cu_seqlens[i]:cu_seqlens[i + 1]] for i in texts]
        return torch.from_numpy(np.concatenate(parts)).float()

    def save(self) -> None:
        """Replaces the checkpoint; one is always whole."""
        part = self.checkpoint.with_suffix('.part')
        torch.save({'student': self.student.state_dict(), 'step': self.step,
                    'projections': self.projections.state_dict(),
                    'optimizer': self.optimizer.state_dict(),
                    'memory': (self.memory.student, self.memory.teacher)}, part)
        part.rename(self.checkpoint)

    def update(self, ids: Tensor, lengths: Tensor, vectors: Tensor, tokens: Tensor,
               steps: int) -> float:
        """One step on a packed batch; returns its loss."""
        for group in self.optimizer.param_groups:
            group['lr'] = LEARNING_RATE * rate_at(self.step, steps)
        packing = Packing(lengths)
        with fast_products():
            states = self.student.states(ids, packing)
        unit = F.normalize(packing.mean(states))
        loss = (loss_of(unit, vectors, self.projections.vectors, self.memory)
                + token_loss(states.float(), tokens, self.projections.tokens))
        self.memory.add(unit, vectors)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, CLIP_NORM)
        self.optimizer.step()
        self.step += 1
        return float(loss.detach())

    def run(self, ids: np.ndarray, cu_seqlens: np.ndarray, epochs: int, save_seconds: float,
            log: Callable[[str], None]) -> Encoder:
        """Trains to the end of the last epoch, saving as it goes."""
        chosen = self.answers.texts
        lengths = np.diff(cu_seqlens)[chosen]
        plan = [chosen[batch] for epoch in range(epochs)
                for batch in epoch_batches(lengths, epoch, self.seed)]
        if self.step > 0:
            log(f'student: going on at step {self.step:,} of {len(plan):,}')
        saved, begun, first = time.monotonic(), time.monotonic(), self.step
        recent: list[float] = []
        for texts in plan[self.step:]:
            recent.append(self.update(*gather(ids, cu_seqlens, texts), self.vectors(texts),
                                      self.tokens(cu_seqlens, texts), len(plan)))
            if time.monotonic() - saved > save_seconds:
                self.save()
                saved = time.monotonic()
                pace = (saved - begun) / (self.step - first)
                log(f'student: step {self.step:,} of {len(plan):,}, loss '
                    f'{np.mean(recent):.4f}, {pace * (len(plan) - self.step) / 60:.0f} min left')
                recent = []
        self.save()
        return self.student.eval()

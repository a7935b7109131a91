"""A BERT encoder over packed tokens in PyTorch: the teacher and the student are both one.

Parameters carry the names of Hugging Face's BertModel, so that a state dict is a checkpoint. The
texts of a batch lie behind one another (`cu_seqlens` as in flash-attention), so only attention
ever sees padding. That is about twice as fast on short texts as padding everything.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Geometry:
    """The fields of config.json that shape the network."""

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    vocab_size: int = 30_522
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12

    @staticmethod
    def load(folder: Path) -> 'Geometry':
        config = json.loads((folder / 'config.json').read_text())
        return Geometry(**{name: config[name] for name in asdict(Geometry(1, 1, 1, 1))})


BFLOAT16_UNITS = ('avx512_bf16', 'amx_bf16', 'bf16')  # the last is Arm's


def fast_products() -> torch.autocast:
    """Products in bfloat16 where the processor has them; elsewhere they would be emulated."""
    found = torch.cpu.get_capabilities()
    return torch.autocast('cpu', torch.bfloat16,
                          enabled=any(found.get(unit, False) for unit in BFLOAT16_UNITS))


class Embeddings(nn.Module):
    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        hidden = geometry.hidden_size
        self.word_embeddings = nn.Embedding(geometry.vocab_size, hidden)
        self.position_embeddings = nn.Embedding(geometry.max_position_embeddings, hidden)
        self.token_type_embeddings = nn.Embedding(geometry.type_vocab_size, hidden)
        self.LayerNorm = nn.LayerNorm(hidden, eps=geometry.layer_norm_eps)

    def forward(self, ids: Tensor, positions: Tensor) -> Tensor:
        """ids, positions: int64 [T] -> [T, hidden]; every token has type 0."""
        summed = self.word_embeddings(ids) + self.position_embeddings(positions)
        return self.LayerNorm(summed + self.token_type_embeddings.weight[0])


def block(**parts: nn.Module) -> nn.Module:
    """A module that only holds others, to spell a checkpoint's nested names."""
    module = nn.Module()
    for name, part in parts.items():
        module.add_module(name, part)
    return module


def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """softmax(q k^T / sqrt(head_dim)) v; torch's fused one is ten times slower backwards here."""
    if not torch.is_grad_enabled():
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, float('-inf'))
    return scores.softmax(-1).to(v.dtype) @ v


class Layer(nn.Module):
    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        hidden, eps = geometry.hidden_size, geometry.layer_norm_eps
        self.heads = geometry.num_attention_heads
        query, key, value = (nn.Linear(hidden, hidden) for _ in range(3))
        self.attention = block(
            self=block(query=query, key=key, value=value),
            output=block(dense=nn.Linear(hidden, hidden), LayerNorm=nn.LayerNorm(hidden, eps=eps)))
        self.intermediate = block(dense=nn.Linear(hidden, geometry.intermediate_size))
        self.output = block(dense=nn.Linear(geometry.intermediate_size, hidden),
                            LayerNorm=nn.LayerNorm(hidden, eps=eps))

    def forward(self, x: Tensor, packing: 'Packing') -> Tensor:
        part = getattr(self.attention, 'self')
        q, k, v = (packing.pad(project(x), self.heads)
                   for project in (part.query, part.key, part.value))
        mixed = packing.flatten(attention(q, k, v, packing.mask))
        x = self.attention.output.LayerNorm(x + self.attention.output.dense(mixed))
        inner = F.gelu(self.intermediate.dense(x))
        return self.output.LayerNorm(x + self.output.dense(inner))


class Packing:
    """Where the tokens of a packed batch lie: [T, hidden] <-> [B, heads, S, head_dim]."""

    def __init__(self, lengths: Tensor) -> None:
        self.batch, self.longest = len(lengths), int(lengths.max())
        inside = torch.arange(self.longest)[None, :] < lengths[:, None]
        self.ragged = not bool(inside.all())
        self.mask = inside[:, None, None, :] if self.ragged else None
        self.rows = inside.flatten().nonzero().squeeze(1)
        self.positions = torch.arange(self.longest).expand(self.batch, -1).reshape(-1)[self.rows]
        self.owners = torch.arange(self.batch).repeat_interleave(lengths)
        self.lengths = lengths

    def pad(self, x: Tensor, heads: int) -> Tensor:
        if self.ragged:
            padded = x.new_zeros(self.batch * self.longest, x.shape[1])
            x = padded.index_copy(0, self.rows, x)
        return x.view(self.batch, self.longest, heads, -1).transpose(1, 2)

    def flatten(self, x: Tensor) -> Tensor:
        flat = x.transpose(1, 2).reshape(self.batch * self.longest, -1)
        return flat[self.rows] if self.ragged else flat

    def mean(self, x: Tensor) -> Tensor:
        """The mean of each text's rows: [T, hidden] -> [B, hidden], in fp32."""
        sums = torch.zeros(self.batch, x.shape[1]).index_add(0, self.owners, x.float())
        return sums / self.lengths[:, None]


class Encoder(nn.Module):
    """Token ids to mean-pooled vectors, as sentence-transformers' Transformer + Pooling."""

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        self.geometry = geometry
        self.embeddings = Embeddings(geometry)
        self.encoder = block(layer=nn.ModuleList(
            Layer(geometry) for _ in range(geometry.num_hidden_layers)))

    def states(self, ids: Tensor, packing: Packing) -> Tensor:
        """The last layer's output for every token: ids int64 [T] -> [T, hidden_size]."""
        x = self.embeddings(ids, packing.positions)
        for layer in self.encoder.layer:
            x = layer(x, packing)
        return x

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """ids: int64 [T], lengths: int64 [B] -> float32 [B, hidden_size], not normalized."""
        packing = Packing(lengths)
        return packing.mean(self.states(ids, packing))

    @staticmethod
    def load(folder: Path) -> 'Encoder':
        encoder = Encoder(Geometry.load(folder))
        tensors = load_file(folder / 'model.safetensors')
        wanted = {name: tensors[name].float() for name in encoder.state_dict()}
        encoder.load_state_dict(wanted)
        return encoder.eval()


def batches(cu_seqlens, max_tokens: int) -> list[tuple[int, int]]:
    """Cuts a corpus into runs of texts of at most `max_tokens` tokens: (first, past the last)."""
    cuts, first = [], 0
    for index in range(1, len(cu_seqlens)):
        if cu_seqlens[index] - cu_seqlens[first] > max_tokens and index - 1 > first:
            cuts.append((first, index - 1))
            first = index - 1
    cuts.append((first, len(cu_seqlens) - 1))
    return cuts


@torch.inference_mode()
def embed(encoder: Encoder, ids, cu_seqlens, max_tokens: int = 8192) -> Tensor:
    """All texts of a packed corpus, in fp32: [B, hidden_size], L2-normalized."""
    rows = []
    for first, last in batches(cu_seqlens, max_tokens):
        run = torch.from_numpy(ids[cu_seqlens[first]:cu_seqlens[last]].astype('int64'))
        lengths = torch.from_numpy(cu_seqlens[first + 1:last + 1] - cu_seqlens[first:last])
        rows.append(F.normalize(encoder(run, lengths)))
    return torch.cat(rows)

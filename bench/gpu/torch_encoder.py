"""The same encoder in plain torch: fused QKV, scaled_dot_product_attention, mean pooling and L2, of
padded batches with or without a mask, or of packed sequences with varlen attention. It runs in a
CUDA graph, as written or with every part of it compiled by torch.compile.
"""

import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

import torch_side
from torch_side import DEVICE, ON_GPU, Repeated

# Each shape is a compilation of its own.
RECOMPILATIONS = 64


def embed(ids, positions, tables, eps):
    words, of_positions, types, gamma, beta = tables
    x = words[ids] + of_positions[positions] + types[0]
    return F.layer_norm(x, x.shape[-1:], gamma, beta, eps)


def after_attention(x, context, weights, eps):
    _, _, out, out_bias, gamma, beta, up, up_bias, down, down_bias, last_gamma, last_beta = weights
    x = F.layer_norm(x + F.linear(context, out, out_bias), x.shape[-1:], gamma, beta, eps)
    inner = F.gelu(F.linear(x, up, up_bias))
    x = x + F.linear(inner, down, down_bias)
    return F.layer_norm(x, x.shape[-1:], last_gamma, last_beta, eps)


def padded_layer(x, weights, heads, eps, mask):
    """x [B, S, hidden]; mask [B, 1, 1, S], true for tokens, or None."""
    batch, length, hidden = x.shape
    qkv = F.linear(x, weights[0], weights[1]).view(batch, length, 3, heads, hidden // heads)
    query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
    context = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    context = context.transpose(1, 2).reshape(batch, length, hidden)
    return after_attention(x, context, weights, eps)


def packed_layer(x, weights, heads, eps, boundaries, longest):
    """x [tokens, hidden]; boundaries [B + 1]."""
    from torch.nn.attention.varlen import varlen_attn

    tokens, hidden = x.shape
    qkv = F.linear(x, weights[0], weights[1]).view(tokens, 3, heads, hidden // heads)
    query, key, value = qkv.unbind(1)
    context = varlen_attn(query, key, value, boundaries, boundaries, longest, longest)
    return after_attention(x, context.reshape(tokens, hidden), weights, eps)


def pool(x, mask):
    """Mean of the tokens, divided by its norm: [B, hidden] in fp32."""
    x = x.float()
    if mask is None:
        return F.normalize(x.mean(1), dim=-1)
    kept = mask[:, 0, 0, :, None].float()
    return F.normalize((x * kept).sum(1) / kept.sum(1), dim=-1)


def pool_packed(x, sequence, lengths):
    sums = torch.zeros(len(lengths), x.shape[-1], device=x.device)
    sums.index_add_(0, sequence, x.float())
    return F.normalize(sums / lengths[:, None], dim=-1)


class TorchEncoder:
    def __init__(self, weights: dict[str, np.ndarray], config: dict, dtype: torch.dtype) -> None:
        def get(name: str) -> torch.Tensor:
            return torch.from_numpy(weights[name]).to(device=DEVICE, dtype=dtype)

        def both(name: str) -> list[torch.Tensor]:
            return [get(f"{name}.weight"), get(f"{name}.bias")]

        tables = ("word_embeddings", "position_embeddings", "token_type_embeddings")
        self.tables = [get(f"embeddings.{name}.weight") for name in tables]
        self.tables += both("embeddings.LayerNorm")
        self.layers = []
        for index in range(config["num_hidden_layers"]):
            layer = f"encoder.layer.{index}"
            parts = [both(f"{layer}.attention.self.{part}") for part in ("query", "key", "value")]
            self.layers.append([
                torch.cat([weight for weight, _ in parts]), torch.cat([bias for _, bias in parts]),
                *both(f"{layer}.attention.output.dense"),
                *both(f"{layer}.attention.output.LayerNorm"),
                *both(f"{layer}.intermediate.dense"), *both(f"{layer}.output.dense"),
                *both(f"{layer}.output.LayerNorm"),
            ])
        self.heads, self.eps = config["num_attention_heads"], config["layer_norm_eps"]
        self.plain = {function.__name__: function
                      for function in (embed, padded_layer, packed_layer, pool, pool_packed)}
        self.compiled: dict[str, Callable] = {}

    def functions(self, compiled: bool) -> dict[str, Callable]:
        if not compiled:
            return self.plain
        if not self.compiled:
            import torch._dynamo

            torch._dynamo.config.recompile_limit = RECOMPILATIONS
            # One compilation serves all layers: their weights are arguments.
            self.compiled = {name: torch.compile(function, dynamic=False)
                             for name, function in self.plain.items()}
        return self.compiled

    def padded(self, ids, positions, mask, compiled: bool = False) -> torch.Tensor:
        run = self.functions(compiled)
        x = run["embed"](ids, positions, self.tables, self.eps)
        for weights in self.layers:
            x = run["padded_layer"](x, weights, self.heads, self.eps, mask)
        return run["pool"](x, mask)

    def packed(self, ids, positions, boundaries, longest, sequence, lengths,
               compiled: bool = False) -> torch.Tensor:
        run = self.functions(compiled)
        x = run["embed"](ids, positions, self.tables, self.eps)
        for weights in self.layers:
            x = run["packed_layer"](x, weights, self.heads, self.eps, boundaries, longest)
        return run["pool_packed"](x, sequence, lengths)

    def vectors_one_by_one(self, ids: np.ndarray, lengths: list[int]) -> np.ndarray:
        """Each sequence alone, without padding: the reference."""
        rows, begin = [], 0
        for length in lengths:
            one = torch.from_numpy(ids[begin:begin + length].astype(np.int64)).to(DEVICE)
            positions = torch.arange(length, device=DEVICE)
            rows.append(self.padded(one[None], positions, None))
            begin += length
        return torch.cat(rows).cpu().numpy()


class Batch:
    """One batch in one of the flavours: padded or packed, as written or compiled."""

    def __init__(self, encoder: TorchEncoder, ids: np.ndarray, lengths: list[int],
                 packed: bool = False, compiled: bool = False) -> None:
        begin = time.perf_counter()
        flat = torch.from_numpy(ids.astype(np.int64))
        count, longest = len(lengths), max(lengths)
        if packed:
            self.host_ids = flat
            positions = torch.cat([torch.arange(length) for length in lengths]).to(DEVICE)
            sequence = torch.repeat_interleave(torch.arange(count), torch.tensor(lengths))
            sequence = sequence.to(DEVICE)
            boundaries = torch_side.cu_seqlens(lengths)
            divisors = torch.tensor(lengths, dtype=torch.float32, device=DEVICE)

            def forward() -> torch.Tensor:
                return encoder.packed(self.ids, positions, boundaries, longest, sequence, divisors,
                                      compiled)
        else:
            kept = torch.arange(longest)[None] < torch.tensor(lengths)[:, None]
            self.host_ids = torch.zeros(count, longest, dtype=torch.int64)
            self.host_ids[kept] = flat
            positions = torch.arange(longest, device=DEVICE)
            mask = None if bool(kept.all()) else kept[:, None, None, :].to(DEVICE)

            def forward() -> torch.Tensor:
                return encoder.padded(self.ids, positions, mask, compiled)

        self.ids = self.host_ids.to(DEVICE)
        if ON_GPU:
            self.host_ids = self.host_ids.pin_memory()

        def run(_: int) -> None:
            self.output = forward()

        self.repeated = Repeated(run)
        self.result = torch.empty(self.output.shape, pin_memory=ON_GPU)
        self.prepared_seconds = time.perf_counter() - begin

    def device_seconds(self, wanted_seconds: float) -> float:
        """Of one run, back to back on the device."""
        return self.repeated.seconds(wanted_seconds)

    def call(self) -> float:
        """Seconds from ids on the host to vectors on the host."""
        begin = time.perf_counter()
        self.ids.copy_(self.host_ids, non_blocking=True)
        self.repeated.replay()
        self.result.copy_(self.output, non_blocking=True)
        torch_side.synchronize()
        return time.perf_counter() - begin

    def vectors(self) -> np.ndarray:
        self.call()
        return self.result.numpy().copy()

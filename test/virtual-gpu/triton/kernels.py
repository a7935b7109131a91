"""The Triton kernels that the virtual GPU is proven with: the sources, nothing of their PTX."""

import triton
import triton.language as tl


@triton.jit
def add(x, y, out, count, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    tl.store(out + at, tl.load(x + at, mask=inside) + tl.load(y + at, mask=inside), mask=inside)


@triton.jit
def matmul(a, b, c, M, N, K, stride_a, stride_b, stride_c, BLOCK_M: tl.constexpr,
           BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, STAGES: tl.constexpr):
    row = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    column = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    inner = tl.arange(0, BLOCK_K)
    sums = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
    for k in tl.range(0, K, BLOCK_K, num_stages=STAGES):
        left = tl.load(a + row[:, None] * stride_a + (k + inner)[None, :],
                       mask=(row[:, None] < M) & ((k + inner)[None, :] < K), other=0.0)
        right = tl.load(b + (k + inner)[:, None] * stride_b + column[None, :],
                        mask=((k + inner)[:, None] < K) & (column[None, :] < N), other=0.0)
        sums = tl.dot(left, right, sums)
    inside = (row[:, None] < M) & (column[None, :] < N)
    tl.store(c + row[:, None] * stride_c + column[None, :], sums.to(c.dtype.element_ty),
             mask=inside)


@triton.jit
def softmax(x, out, columns, stride, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    values = tl.load(x + row * stride + at, mask=at < columns, other=-float('inf'))
    powers = tl.exp(values - tl.max(values, 0))
    tl.store(out + row * stride + at, powers / tl.sum(powers, 0), mask=at < columns)


@triton.jit
def layer_norm(x, weight, bias, out, columns, eps, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    inside = at < columns
    values = tl.load(x + row * columns + at, mask=inside, other=0.0).to(tl.float32)
    mean = tl.sum(values, 0) / columns
    centred = tl.where(inside, values - mean, 0.0)
    deviation = tl.sqrt(tl.sum(centred * centred, 0) / columns + eps)
    result = centred / deviation * tl.load(weight + at, mask=inside) + tl.load(bias + at,
                                                                              mask=inside)
    tl.store(out + row * columns + at, result.to(out.dtype.element_ty), mask=inside)


@triton.jit
def attention(q, k, v, out, length, scale, HEAD: tl.constexpr, BLOCK_Q: tl.constexpr,
              BLOCK_K: tl.constexpr, STAGES: tl.constexpr):
    head = tl.program_id(1) * length * HEAD
    row = tl.program_id(0) * BLOCK_Q + tl.arange(0, BLOCK_Q)
    d = tl.arange(0, HEAD)
    queries = tl.load(q + head + row[:, None] * HEAD + d[None, :], mask=row[:, None] < length,
                      other=0.0)
    highest = tl.full((BLOCK_Q,), -float('inf'), tl.float32)
    total = tl.zeros((BLOCK_Q,), tl.float32)
    sums = tl.zeros((BLOCK_Q, HEAD), tl.float32)
    for first in tl.range(0, length, BLOCK_K, num_stages=STAGES):
        key = first + tl.arange(0, BLOCK_K)
        keys = tl.load(k + head + key[None, :] * HEAD + d[:, None], mask=key[None, :] < length,
                       other=0.0)
        scores = tl.dot(queries, keys) * scale
        scores = tl.where(key[None, :] < length, scores, -float('inf'))
        higher = tl.maximum(highest, tl.max(scores, 1))
        powers = tl.exp(scores - higher[:, None])
        shrink = tl.exp(highest - higher)
        total = total * shrink + tl.sum(powers, 1)
        values = tl.load(v + head + key[:, None] * HEAD + d[None, :], mask=key[:, None] < length,
                         other=0.0)
        sums = tl.dot(powers.to(values.dtype), values, sums * shrink[:, None])
        highest = higher
    tl.store(out + head + row[:, None] * HEAD + d[None, :],
             (sums / total[:, None]).to(out.dtype.element_ty), mask=row[:, None] < length)


@triton.jit
def scan(x, out, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    tl.store(out + at, tl.cumsum(tl.load(x + at), 0))


@triton.jit
def sort(x, out, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    tl.store(out + at, tl.sort(tl.load(x + at)))


@triton.jit
def histogram(x, counts, sums, count, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    values = tl.load(x + at, mask=inside, other=0)
    tl.atomic_add(counts + values, 1, mask=inside)
    tl.atomic_add(sums, tl.sum(tl.where(inside, values, 0).to(tl.float32), 0))


@triton.jit
def column_sums(x, out, rows, columns, BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr):
    column = tl.program_id(0) * BLOCK_C + tl.arange(0, BLOCK_C)
    total = tl.zeros((BLOCK_C,), tl.float32)
    for first in range(0, rows, BLOCK_R):
        row = first + tl.arange(0, BLOCK_R)
        inside = (row[:, None] < rows) & (column[None, :] < columns)
        total += tl.sum(tl.load(x + row[:, None] * columns + column[None, :], mask=inside,
                                other=0.0), 0)
    tl.store(out + column, total, mask=column < columns)

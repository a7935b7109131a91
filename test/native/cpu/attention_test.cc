// Attention of every instruction set against a naive one in double precision, and the promise that
// a query row's bits do not depend on which rows are computed with it.
#include "cpu/kernel_test_support.h"

namespace fusebert::cpu {
namespace {

struct Sequence {
  int64_t length, heads, head_dim;
  TestMatrix qkv, context;

  Sequence(int64_t tokens, int64_t head_count, int64_t dim, uint64_t seed, float deviation = 1.0f)
      : length(tokens),
        heads(head_count),
        head_dim(dim),
        qkv(tokens, 3 * head_count * dim),
        context(tokens, head_count * dim) {
    Random random(seed);
    qkv.fill(random, deviation);
  }

  void run(const Kernels& kernels, int64_t head, int64_t begin, int64_t end, TestMatrix& out) {
    const int64_t floats = kernels.attention_scratch_floats(length, head_dim);
    std::vector<float> scratch(static_cast<size_t>(floats) + 1, canary());
    const AttentionArguments arguments = {qkv.data.data(),  out.data.data(), length,
                                          heads * head_dim, head_dim,        qkv.stride,
                                          out.stride};
    kernels.attention(arguments, head, begin, end, scratch.data());
    EXPECT_TRUE(is_canary(scratch.back()));
  }
  void run(const Kernels& kernels) {
    for (int64_t head = 0; head < heads; ++head) run(kernels, head, 0, length, context);
  }

  // Row `row` of head `head`, [head_dim], in double precision.
  std::vector<double> expected(int64_t head, int64_t row) const {
    const int64_t hidden = heads * head_dim;
    const float* q = qkv.row(row) + head * head_dim;
    std::vector<double> weights(static_cast<size_t>(length));
    double top = -INFINITY, total = 0;
    for (int64_t s = 0; s < length; ++s) {
      const float* key = qkv.row(s) + hidden + head * head_dim;
      double dot = 0;
      for (int64_t i = 0; i < head_dim; ++i) dot += static_cast<double>(q[i]) * key[i];
      weights[static_cast<size_t>(s)] = dot / std::sqrt(static_cast<double>(head_dim));
      top = std::max(top, weights[static_cast<size_t>(s)]);
    }
    for (double& weight : weights) total += weight = std::exp(weight - top);
    std::vector<double> out(static_cast<size_t>(head_dim));
    for (int64_t s = 0; s < length; ++s) {
      const float* value = qkv.row(s) + 2 * hidden + head * head_dim;
      for (int64_t i = 0; i < head_dim; ++i) {
        out[static_cast<size_t>(i)] += weights[static_cast<size_t>(s)] / total * value[i];
      }
    }
    return out;
  }

  void expect_close(double tolerance) const {
    for (int64_t head = 0; head < heads; ++head) {
      for (int64_t row = 0; row < length; ++row) {
        const std::vector<double> want = expected(head, row);
        for (int64_t i = 0; i < head_dim; ++i) {
          ASSERT_NEAR(context.row(row)[head * head_dim + i], want[static_cast<size_t>(i)],
                      tolerance)
              << "head " << head << " row " << row << " of " << length << ", dim " << head_dim;
        }
      }
    }
  }
};

class AttentionKernels : public KernelTest {};
FUSEBERT_FOR_EVERY_ISA(AttentionKernels);

TEST_P(AttentionKernels, AgreesWithDoublePrecision) {
  for (const int64_t head_dim : {16, 20, 24, 31, 32, 48, 64, 80, 96, 128}) {
    for (const int64_t length : {1, 2, 15, 33, 70}) {
      Sequence sequence(length, 2, head_dim, static_cast<uint64_t>(head_dim * 1000 + length));
      sequence.run(kernels());
      sequence.expect_close(2e-6);
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(AttentionKernels, AgreesOnALongSequence) {
  Sequence sequence(300, 1, 32, 9);
  sequence.run(kernels());
  sequence.expect_close(2e-6);
}

TEST_P(AttentionKernels, SurvivesScoresThatWouldOverflowTheExponential) {
  Sequence sequence(40, 1, 16, 10, 30.0f);
  sequence.run(kernels());
  sequence.expect_close(2e-3);  // scores of about 4,000 carry absolute errors of 1e-4
}

TEST_P(AttentionKernels, BitsOfARowDoNotDependOnTheCut) {
  Random random(4);
  for (const int64_t length : {7, 64, 150, 2100}) {
    Sequence sequence(length, 1, 24, 12);
    // The long sequence is cut to its last rows only: enough to cross blocks of query rows.
    const int64_t begin = length > 200 ? length - 40 : 0;
    sequence.run(kernels(), 0, begin, length, sequence.context);
    TestMatrix cut(length, 24);
    for (int64_t row = begin; row < length;) {
      const int64_t end = std::min(length, row + pick(random, 1, 40));
      sequence.run(kernels(), 0, row, end, cut);
      row = end;
    }
    EXPECT_TRUE(same_bits(sequence.context, cut));
  }
}

TEST_P(AttentionKernels, WritesOnlyItsHeadsColumns) {
  Sequence sequence(13, 3, 20, 13);
  sequence.run(kernels(), 1, 4, 9, sequence.context);
  for (int64_t r = 0; r < 13; ++r) {
    for (int64_t j = 0; j < sequence.context.stride; ++j) {
      const bool inside = r >= 4 && r < 9 && j >= 20 && j < 40;
      ASSERT_EQ(is_canary(sequence.context.row(r)[j]), !inside);
    }
  }
}

}  // namespace
}  // namespace fusebert::cpu

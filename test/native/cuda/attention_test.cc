// The attention kernels: ragged batches of short and long sequences for each head_dim; the same
// bits alone and in a batch; and a kernel whose mask is wrong on purpose.
#include "cuda/kernels/attention/attention.h"

#include <cmath>
#include <numeric>

#include "cuda/device.h"
#include "cuda/oracle.h"

namespace fusebert::cuda::testing {
namespace {

using Lengths = std::vector<std::int32_t>;

std::vector<std::int32_t> starts_of(const Lengths& lengths) {
  std::vector<std::int32_t> starts{0};
  for (const std::int32_t length : lengths) starts.push_back(starts.back() + length);
  return starts;
}

// A batch with its numbers.
struct Case {
  Lengths lengths;
  std::size_t heads, head_dim;
  Numbers query_key_value;  // [tokens, 3 · heads · head_dim]

  std::size_t width() const { return heads * head_dim; }
  std::size_t tokens() const {
    return static_cast<std::size_t>(std::accumulate(lengths.begin(), lengths.end(), 0));
  }
};

Case make_case(std::mt19937_64& random, Lengths lengths, std::size_t heads,
               std::size_t head_dim, double deviation = 1.0) {
  Case made{std::move(lengths), heads, head_dim, {}};
  made.query_key_value = random_numbers(random, made.tokens() * 3 * made.width(), deviation);
  return made;
}

// In fp64, of one query row of a sequence.
void attend(const Case& each, const Numbers& x, std::size_t first, std::size_t length,
            std::size_t head, std::size_t query, Numbers& out) {
  const std::size_t row = 3 * each.width(), d = each.head_dim;
  const auto at = [&](std::size_t token, std::size_t part) {
    return &x[(first + token) * row + part * each.width() + head * d];
  };
  Numbers weights(length);
  double most = -INFINITY, sum = 0.0;
  for (std::size_t key = 0; key < length; ++key) {
    weights[key] = std::inner_product(at(query, 0), at(query, 0) + d, at(key, 1), 0.0) /
                   std::sqrt(static_cast<double>(d));
    most = std::max(most, weights[key]);
  }
  for (double& weight : weights) sum += weight = std::exp(weight - most);
  double* context = &out[(first + query) * each.width() + head * d];
  for (std::size_t key = 0; key < length; ++key) {
    for (std::size_t i = 0; i < d; ++i) context[i] += weights[key] / sum * at(key, 2)[i];
  }
}

Numbers context_of(const Case& each, const Numbers& x) {
  Numbers out(each.tokens() * each.width(), 0.0);
  std::size_t first = 0;
  for (const std::int32_t signed_length : each.lengths) {
    const auto length = static_cast<std::size_t>(signed_length);
    for (std::size_t head = 0; head < each.heads; ++head) {
      for (std::size_t query = 0; query < length; ++query) {
        attend(each, x, first, length, head, query, out);
      }
    }
    first += length;
  }
  return out;
}

// What the kernels make of the case; `change` may falsify how it is cut, and rows that are then
// left out keep what `context` has.
template <class Change>
Halves run(const Case& each, const Element& element, const Array<std::uint16_t>& context,
           const Change& change) {
  Device& device = Device::get();
  const int head_dim = static_cast<int>(each.head_dim), heads = static_cast<int>(each.heads);
  AttentionCut cut;
  cut_attention(starts_of(each.lengths), heads, head_dim, cut);
  change(cut);
  const Array<std::uint16_t> in(round_all(element, each.query_key_value));
  const Array<AttentionPlan> plan(std::vector<AttentionPlan>{cut.plan});
  const Array<AttentionItem> items(cut.items);
  auto kernels = AttentionKernels::load(device.module("attention", element.name), head_dim);
  EXPECT_TRUE(kernels.ok()) << kernels.status().message();
  AttentionParams params;
  params.plan = plan.data();
  params.items = items.data();
  params.query_key_value = in.data();
  params.context = context.data();
  params.heads = heads;
  params.scale = 1.0f / std::sqrt(static_cast<float>(each.head_dim));
  // A few blocks too many, as a graph of a bucket has.
  constexpr int kSpare = 3;
  const Status status = kernels.value().launch(device.stream(), cut.short_blocks() + kSpare,
                                               cut.long_blocks + kSpare, params);
  EXPECT_TRUE(status.ok()) << status.message();
  return context.download();
}

Halves run(const Case& each, const Element& element) {
  const Array<std::uint16_t> context(each.tokens() * each.width());
  return run(each, element, context, [](AttentionCut&) {});
}

void check(const Case& each, const Element& element) {
  const Halves found = run(each, element);
  const Numbers naive =
      rounded(element, context_of(each, rounded(element, each.query_key_value)));
  EXPECT_ACCURATE(values_of(element, found), context_of(each, each.query_key_value), naive);
}

TEST(Attention, RaggedShortSequences) {
  std::mt19937_64 random(3);
  check(make_case(random, {1, 5, 16, 17, 33, 60, 64, 65, 100, 128, 2}, 3, 64), kFp16);
  check(make_case(random, {31, 128, 1}, 2, 32), kFp16);
  check(make_case(random, {1, 40, 64, 16}, 3, 128), kFp16);
}

TEST(Attention, LongSequences) {
  std::mt19937_64 random(5);
  check(make_case(random, {129, 200, 5}, 2, 64), kFp16);
  check(make_case(random, {131}, 1, 32), kFp16);
  check(make_case(random, {65, 130}, 1, 128), kFp16);
}

TEST(Attention, LongestOfBert) {
  std::mt19937_64 random(7);
  check(make_case(random, {512}, 1, 64), kFp16);
}

TEST(Attention, ScoresFarApart) {
  std::mt19937_64 random(11);
  check(make_case(random, {40, 150}, 2, 64, 4.0), kFp16);
}

TEST(Attention, Bf16) {
  if (!Device::get().has_bf16()) GTEST_SKIP() << "not below sm_80";
  std::mt19937_64 random(13);
  check(make_case(random, {20, 140}, 2, 64), kBf16);
}

TEST(Attention, ASequenceAloneGivesTheSameBits) {
  std::mt19937_64 random(17);
  const Case batch = make_case(random, {20, 130, 64, 7, 128}, 3, 64);
  const Halves together = run(batch, kFp16);
  std::size_t first = 0;
  for (const std::int32_t length : batch.lengths) {
    const auto count = static_cast<std::size_t>(length);
    Case alone{{length}, batch.heads, batch.head_dim, {}};
    const auto begin = batch.query_key_value.begin() +
                       static_cast<std::ptrdiff_t>(first * 3 * batch.width());
    alone.query_key_value.assign(begin, begin + static_cast<std::ptrdiff_t>(
                                                    count * 3 * batch.width()));
    const auto from = together.begin() + static_cast<std::ptrdiff_t>(first * batch.width());
    const Halves expected(from, from + static_cast<std::ptrdiff_t>(count * batch.width()));
    EXPECT_EQ(run(alone, kFp16), expected) << length;
    first += count;
  }
}

TEST(Attention, AWrongMaskIsFound) {
  std::mt19937_64 random(19);
  for (const std::int32_t length : {50, 200}) {
    const Case each = make_case(random, {length, 3}, 2, 64);
    const Numbers exact = context_of(each, each.query_key_value);
    const Numbers naive = rounded(kFp16, context_of(each, rounded(kFp16, each.query_key_value)));
    // The queries of the first sequence do not see its last key; the row of the last query, which
    // is left out with it, is right.
    const Array<std::uint16_t> context(round_all(kFp16, naive));
    const Halves found = run(each, kFp16, context, [](AttentionCut& cut) {
      for (AttentionItem& item : cut.items) item.length -= item.first_token == 0 ? 1 : 0;
    });
    EXPECT_FALSE(is_accurate(values_of(kFp16, found), exact, naive)) << length;
  }
}

TEST(Attention, PadsHeads) {
  EXPECT_EQ(padded_head_dim(16), 32);
  EXPECT_EQ(padded_head_dim(48), 64);
  EXPECT_EQ(padded_head_dim(64), 64);
  EXPECT_EQ(padded_head_dim(96), 128);
  EXPECT_EQ(padded_head_dim(129), 0);
}

}  // namespace
}  // namespace fusebert::cuda::testing

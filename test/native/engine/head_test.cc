// Logits through the engine: requests with different wishes at once, in batches that cut them
// anywhere, get what the backend says of their tokens alone.
#include <gtest/gtest.h>

#include <future>

#include "cpu/cpu_backend.h"
#include "cpu/test_batch.h"
#include "cpu/test_checkpoint.h"
#include "cpu/test_heads.h"
#include "engine/engine.h"
#include "engine/submit.h"

namespace fusebert {
namespace {

constexpr int32_t kMask = 3;

Geometry geometry_with(HeadRows rows) {
  Geometry g;
  g.vocab_size = 30;
  g.hidden_size = 16;
  g.num_attention_heads = 1;
  g.num_hidden_layers = 1;
  g.intermediate_size = 20;
  g.max_position_embeddings = 12;
  g.type_vocab_size = 2;
  g.head = Head{rows, HeadDense::kTanh, false, false, 6};
  return g;
}

std::unique_ptr<Backend> load(const Geometry& geometry, const TestCheckpoint& checkpoint,
                              int64_t max_batch_tokens = 0) {
  BackendOptions options;
  options.threads = 1;
  options.max_batch_tokens = max_batch_tokens;
  auto loaded = cpu::load_cpu_backend(options, geometry, *checkpoint.table);
  EXPECT_TRUE(loaded.ok()) << loaded.status().message();
  return loaded.ok() ? std::move(loaded.value()) : nullptr;
}

OutputOptions wish(int32_t token, bool logits, int32_t top) {
  OutputOptions output;
  output.logits = logits;
  output.top_logits = top;
  output.head_token = token;
  return output;
}

void check(HeadRows rows) {
  const Geometry g = geometry_with(rows);
  const TestCheckpoint checkpoint(g, 1);
  const auto alone = load(g, checkpoint);
  Engine engine(load(g, checkpoint, 1));  // as many as the longest sequence has
  ASSERT_EQ(engine.backend().describe().max_batch_tokens, g.max_position_embeddings);
  cpu::Random random(2);
  const OutputOptions wishes[] = {wish(kEveryToken, true, 0), wish(kMask, true, 0),
                                  wish(kMask, false, 4), wish(kEveryToken, true, 2)};
  struct Call {
    cpu::Batch batch;
    OutputOptions output;
    std::future<EncodeResult> result;
  };
  std::vector<Call> calls;
  for (int i = 0; i < 20; ++i) {
    const cpu::Batch batch = cpu::random_batch(random, g, cpu::pick(random, 1, 9));
    const OutputOptions& output = wishes[cpu::pick(random, 0, 3)];
    calls.push_back({batch, output, test::submit(engine, batch, output)});
  }
  for (Call& call : calls) {
    const EncodeResult found = call.result.get();
    ASSERT_TRUE(found.status.ok()) << found.status.message();
    const cpu::HeadLogits expected = cpu::encode_head(*alone, call.batch, call.output.head_token,
                                                      call.output.top_logits);
    EXPECT_EQ(found.logits, call.output.logits ? expected.logits : std::vector<float>());
    EXPECT_EQ(found.top_columns, expected.top_columns);
    EXPECT_EQ(found.top_values, expected.top_values);
    const bool top = call.output.top_logits > 0;
    EXPECT_EQ(found.log_sum_exp, top ? expected.log_sum_exp : std::vector<float>());
    const bool of_one = rows == HeadRows::kAll && call.output.head_token == kMask;
    EXPECT_EQ(found.head_tokens, of_one ? expected.rows : std::vector<int32_t>());
    EXPECT_EQ(found.cu_seqlens, call.batch.cu_seqlens);
  }
}

TEST(EngineHead, RowsOfTokensGoToTheirRequests) { check(HeadRows::kAll); }
TEST(EngineHead, RowsOfSequencesGoToTheirRequests) { check(HeadRows::kFirst); }

TEST(EngineHead, RefusesWhatTheModelDoesNotHave) {
  Geometry g = geometry_with(HeadRows::kAll);
  const TestCheckpoint checkpoint(g, 3);
  const auto refused = [&](const OutputOptions& output) {
    Engine engine(load(g, checkpoint));
    EncodeRequest request;
    request.encoded.input_ids = {5};
    request.encoded.token_type_ids = {0};
    request.encoded.cu_seqlens = {0, 1};
    request.output = output;
    return engine.submit(std::move(request), [](EncodeResult) {}).status().code();
  };
  EXPECT_EQ(refused(wish(kEveryToken, false, 7)), StatusCode::kInvalidArgument);
  EXPECT_EQ(refused(wish(kEveryToken, false, -1)), StatusCode::kInvalidArgument);
  EXPECT_EQ(refused(wish(kEveryToken, false, 6)), StatusCode::kOk);
  g.head.reset();
  EXPECT_EQ(refused(wish(kEveryToken, true, 0)), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace fusebert

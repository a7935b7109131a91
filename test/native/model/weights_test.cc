// The table of tensors: bounds, dtypes, strides, and values that may not be there.
#include "model/weights.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>

namespace fusebert {
namespace {

class WeightTableTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/fusebert-weights-XXXXXX";
    const int fd = mkstemp(name);
    ASSERT_GE(fd, 0);
    close(fd);
    path_ = name;
  }
  void TearDown() override { unlink(path_.c_str()); }

  template <typename T>
  void write(const std::vector<T>& values) {
    size_bytes_ = static_cast<int64_t>(values.size() * sizeof(T));
    std::ofstream(path_, std::ios::binary)
        .write(reinterpret_cast<const char*>(values.data()), size_bytes_);
  }

  Result<std::unique_ptr<WeightTable>> open(TensorEntry tensor) {
    return WeightTable::open({{path_, size_bytes_}}, {std::move(tensor)});
  }

  std::string path_;
  int64_t size_bytes_ = 0;
};

TEST_F(WeightTableTest, CopiesRowsOfEveryDtype) {
  write(std::vector<float>{1, 2, 3, 4, 5, 6});
  auto f32 = open({"w", DType::kF32, {3, 2}, {2, 1}, 0, 0});
  ASSERT_TRUE(f32.ok());
  std::vector<float> out(4);
  ASSERT_TRUE(f32.value()->copy_rows("w", 1, 2, out.data()).ok());
  EXPECT_EQ(out, (std::vector<float>{3, 4, 5, 6}));

  write(std::vector<uint16_t>{0x3c00, 0xc000, 0x3555, 0x0001});  // 1, -2, 1/3, 2^-24 in f16
  auto f16 = open({"w", DType::kF16, {2, 2}, {2, 1}, 0, 0});
  ASSERT_TRUE(f16.ok());
  ASSERT_TRUE(f16.value()->copy_rows("w", 0, 2, out.data()).ok());
  EXPECT_EQ(out[0], 1.0f);
  EXPECT_EQ(out[1], -2.0f);
  EXPECT_NEAR(out[2], 1.0f / 3, 1e-4);
  EXPECT_EQ(out[3], 0x1p-24f);

  write(std::vector<uint16_t>{0x3f80, 0xc000});  // 1, -2 in bf16
  auto bf16 = open({"w", DType::kBF16, {2}, {1}, 0, 0});
  ASSERT_TRUE(bf16.ok());
  ASSERT_TRUE(bf16.value()->copy_rows("w", 0, 1, out.data()).ok());
  EXPECT_EQ(out[0], 1.0f);
  EXPECT_EQ(out[1], -2.0f);
}

TEST_F(WeightTableTest, MakesStridedTensorsContiguous) {
  write(std::vector<float>{1, 2, 3, 4, 5, 6});
  auto table = open({"w", DType::kF32, {3, 2}, {1, 3}, 0, 0});  // the transpose of [2, 3]
  ASSERT_TRUE(table.ok());
  std::vector<float> out(6);
  ASSERT_TRUE(table.value()->copy_rows("w", 0, 3, out.data()).ok());
  EXPECT_EQ(out, (std::vector<float>{1, 4, 2, 5, 3, 6}));
}

TEST_F(WeightTableTest, GivesTheElementsOfTensorsWithoutGaps) {
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  write(values);
  // Rows 1 and 2 of [3, 2]; a dimension of 1 may have any stride.
  for (const std::vector<int64_t>& shape : {std::vector<int64_t>{2, 2}, {4}, {1, 4}}) {
    const auto strides = shape.size() == 1 ? std::vector<int64_t>{1}
                         : shape[0] == 1   ? std::vector<int64_t>{77, 1}
                                           : std::vector<int64_t>{2, 1};
    const auto table = open({"w", DType::kF32, shape, strides, 0, 8});
    ASSERT_TRUE(table.ok()) << table.status().message();
    const auto elements = table.value()->contiguous("w");
    ASSERT_TRUE(elements.ok());
    ASSERT_EQ(elements.value().bytes.size(), 4 * sizeof(float));
    EXPECT_EQ(std::memcmp(elements.value().bytes.data(), values.data() + 2, 4 * sizeof(float)), 0);
    EXPECT_EQ(table.value()->contiguous("x").status().code(), StatusCode::kTensorMissing);
  }
  const auto transposed = open({"w", DType::kF32, {3, 2}, {1, 3}, 0, 0});
  ASSERT_TRUE(transposed.ok());
  ASSERT_TRUE(transposed.value()->contiguous("w").ok());
  EXPECT_TRUE(transposed.value()->contiguous("w").value().bytes.empty());
}

TEST_F(WeightTableTest, RefusesWhatLiesOutsideTheFile) {
  write(std::vector<float>{1, 2, 3, 4});
  const auto code = [this](TensorEntry tensor) { return open(std::move(tensor)).status().code(); };
  constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(code({"w", DType::kF32, {5}, {1}, 0, 0}), StatusCode::kTensorShape);
  EXPECT_EQ(code({"w", DType::kF32, {4}, {1}, 0, 4}), StatusCode::kTensorShape);
  EXPECT_EQ(code({"w", DType::kF32, {4}, {1}, 0, -4}), StatusCode::kTensorShape);
  EXPECT_EQ(code({"w", DType::kF32, {4}, {-1}, 0, 12}), StatusCode::kTensorShape);
  EXPECT_EQ(code({"w", DType::kF32, {-1}, {1}, 0, 0}), StatusCode::kTensorShape);
  EXPECT_EQ(code({"w", DType::kF32, {2, 2}, {kHuge, 1}, 0, 0}), StatusCode::kTensorShape);
  EXPECT_EQ(code({"w", DType::kF32, {kHuge, kHuge}, {kHuge, kHuge}, 0, 0}),
            StatusCode::kTensorShape);
  EXPECT_EQ(code({"w", DType::kF32, {2, 2}, {1}, 0, 0}), StatusCode::kTensorShape);
  EXPECT_EQ(code({"w", DType::kF32, {4}, {1}, 0, kHuge}), StatusCode::kTensorShape);
  EXPECT_EQ(code({"w", DType::kF32, {4}, {1}, 1, 0}), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({"w", DType::kF32, {4}, {1}, -1, 0}), StatusCode::kInvalidArgument);
}

TEST_F(WeightTableTest, ReportsNanAndInfinityWithTheTensorsName) {
  for (float bad : {std::numeric_limits<float>::quiet_NaN(),
                    std::numeric_limits<float>::infinity(),
                    -std::numeric_limits<float>::infinity()}) {
    write(std::vector<float>{1, 2, bad, 4});
    auto table = open({"encoder.w", DType::kF32, {2, 2}, {2, 1}, 0, 0});
    ASSERT_TRUE(table.ok());
    std::vector<float> out(4);
    EXPECT_TRUE(table.value()->copy_rows("encoder.w", 0, 1, out.data()).ok());
    const Status status = table.value()->copy_rows("encoder.w", 0, 2, out.data());
    EXPECT_EQ(status.code(), StatusCode::kTensorValue);
    EXPECT_NE(status.message().find("encoder.w"), std::string::npos);
  }
}

TEST_F(WeightTableTest, RequiresTheExactShape) {
  write(std::vector<float>{1, 2, 3, 4});
  auto table = open({"w", DType::kF32, {2, 2}, {2, 1}, 0, 0});
  ASSERT_TRUE(table.ok());
  EXPECT_TRUE(table.value()->require("w", {2, 2}).ok());
  EXPECT_EQ(table.value()->require("w", {4}).code(), StatusCode::kTensorShape);
  EXPECT_EQ(table.value()->require("v", {4}).code(), StatusCode::kTensorMissing);
  float out[4];
  EXPECT_EQ(table.value()->copy_rows("v", 0, 1, out).code(), StatusCode::kTensorMissing);
  EXPECT_EQ(table.value()->copy_rows("w", 1, 2, out).code(), StatusCode::kInternal);
}

TEST_F(WeightTableTest, TellsWhenAFileChangedUnderIt) {
  write(std::vector<float>(4096, 1.0f));
  auto table = open({"w", DType::kF32, {64, 64}, {64, 1}, 0, 0});
  ASSERT_TRUE(table.ok());
  ASSERT_EQ(truncate(path_.c_str(), 0), 0);
  std::vector<float> out(4096);
  EXPECT_TRUE(table.value()->copy_rows("w", 0, 64, out.data()).ok());
  EXPECT_EQ(table.value()->check_unchanged().code(), StatusCode::kFileRead);
}

TEST(RequiredTensors, CountsThoseOfTheGeometry) {
  Geometry geometry;
  geometry.hidden_size = 64;
  geometry.num_hidden_layers = 3;
  geometry.num_attention_heads = 2;
  EXPECT_EQ(required_tensors(geometry).size(), 5u + 3 * 16);
  geometry.has_pooler = true;
  EXPECT_EQ(required_tensors(geometry).size(), 5u + 3 * 16 + 2);
}

TEST(Geometry, RefusesWhatDoesNotDivideOrIsOutOfBounds) {
  Geometry good{100, 64, 2, 2, 128, 32, 2, kNoPaddingIdx, 1e-12f, Activation::kGelu, false, {}};
  EXPECT_TRUE(validate(good).ok());
  const auto refused = [&good](auto change) {
    Geometry bad = good;
    change(bad);
    return validate(bad).code() == StatusCode::kConfig;
  };
  EXPECT_TRUE(refused([](Geometry& g) { g.num_attention_heads = 3; }));
  EXPECT_TRUE(refused([](Geometry& g) { g.num_attention_heads = 8; }));   // head_dim 8
  EXPECT_TRUE(refused([](Geometry& g) { g.hidden_size = 512; }));         // head_dim 256
  EXPECT_TRUE(refused([](Geometry& g) { g.num_attention_heads = 0; }));
  EXPECT_TRUE(refused([](Geometry& g) { g.vocab_size = 0; }));
  EXPECT_TRUE(refused([](Geometry& g) { g.intermediate_size = -1; }));
  EXPECT_TRUE(refused([](Geometry& g) { g.layer_norm_eps = -1; }));
}

}  // namespace
}  // namespace fusebert

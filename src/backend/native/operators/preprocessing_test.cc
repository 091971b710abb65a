#include <gtest/gtest.h>

#include "backend/native/operators/operator_under_test.h"

namespace punctual::native {
namespace {

using test::Given;
using test::Numbers;
using test::OperatorUnderTest;

std::vector<float> ValuesOf(const Result<std::vector<Given>>& outputs) {
  EXPECT_TRUE(outputs.has_value()) << (outputs.has_error() ? outputs.error().message : "");
  const auto values = outputs.value()[0]->values<float>();
  return {values.begin(), values.end()};
}

OperatorUnderTest Scaler(std::vector<float> offset, std::vector<float> scale) {
  return {.type = "Scaler",
          .opset = 1,
          .domain = "ai.onnx.ml",
          .attributes = {{"offset", std::move(offset)}, {"scale", std::move(scale)}}};
}

TEST(PreprocessingTest, ScalersTakeOffsetsOffAndScale) {
  const Given x = Numbers<float>({2, 2}, {1, 2, 3, 4});
  EXPECT_EQ(ValuesOf(Scaler({1, 2}, {10, 100}).Run({x})), (std::vector<float>{0, 0, 20, 200}));
  EXPECT_EQ(ValuesOf(Scaler({1}, {10}).Run({x})), (std::vector<float>{0, 10, 20, 30}));
  EXPECT_EQ(ValuesOf(Scaler({1}, {0.5f}).Run({Numbers<std::int64_t>({2}, {2, 3})})), (std::vector<float>{0.5f, 1}));
  EXPECT_EQ(Scaler({1, 2, 3}, {1}).Run({x}).error().code, Code::kInvalidArgument);
}

TEST(PreprocessingTest, NormalizersDivideRowsByTheirNorm) {
  const Given x = Numbers<float>({2, 2}, {3, -4, 0, 0});
  const auto run = [&](const char* norm) {
    OperatorUnderTest op{.type = "Normalizer", .opset = 1, .domain = "ai.onnx.ml"};
    op.attributes["norm"] = std::string(norm);
    return op.Run({x});
  };
  EXPECT_EQ(ValuesOf(run("MAX")), (std::vector<float>{1, -4.0f / 3, 0, 0}));
  EXPECT_EQ(ValuesOf(run("L1")), (std::vector<float>{3.0f / 7, -4.0f / 7, 0, 0}));
  EXPECT_EQ(ValuesOf(run("L2")), (std::vector<float>{0.6f, -0.8f, 0, 0}));
  EXPECT_EQ(run("L3").error().code, Code::kFailedPrecondition);
}

TEST(PreprocessingTest, ZipMapsAreTheProbabilities) {
  OperatorUnderTest op{.type = "ZipMap", .opset = 1, .domain = "ai.onnx.ml"};
  op.attributes["classlabels_int64s"] = std::vector<std::int64_t>{5, 6};
  const Given x = Numbers<float>({2, 2}, {0.25f, 0.75f, 1, 0});
  EXPECT_EQ(ValuesOf(op.Run({x})), (std::vector<float>{0.25f, 0.75f, 1, 0}));
  op.attributes["classlabels_int64s"] = std::vector<std::int64_t>{5, 6, 7};
  EXPECT_EQ(op.Run({x}).error().code, Code::kInvalidArgument);
}

}  // namespace
}  // namespace punctual::native

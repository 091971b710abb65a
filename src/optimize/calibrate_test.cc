#include "optimize/calibrate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "optimize/random_samples_for_test.h"
#include "support/onnx_models.h"
#include "support/random_onnx_graph.h"

namespace punctual::optimize {
namespace {

using ::testing::HasSubstr;
using ::testing::Key;
using ::testing::UnorderedElementsAre;

// y = Relu(x A + b) B: x [N, 2].
std::string TwoLayers(RandomOnnxGraph graph = RandomOnnxGraph("two_layers")) {
  graph.Input("x", {2});
  const std::string a = graph.Floats({2, 2}, {1, 0, 0, -2}), b = graph.Floats({2}, {0.5f, 0});
  graph.Add("Gemm", {"x", a, b}, {}, {"sums"});
  graph.Add("Relu", {"sums"}, {}, {"hidden"});
  graph.Add("Gemm", {"hidden", graph.Floats({2, 1}, {1, 1})}, {}, {"y"});
  graph.Output("y", {1});
  return graph.Bytes();
}

Result<Observations> Calibrated(const std::string& onnx, const Samples& samples) {
  return Calibrate(onnx, samples, test::All(samples));
}

TEST(CalibrateTest, WatchesWhatLayersRead) {
  const Samples samples = test::SamplesOf("x", {1, 2}, {1, 2, -3, 4, 5, -0.5f});
  const Observations observations = Calibrated(TwoLayers(), samples).value();
  EXPECT_THAT(observations, UnorderedElementsAre(Key("x"), Key("hidden")));
  EXPECT_EQ(observations.at("x").low(), -3);
  EXPECT_EQ(observations.at("x").high(), 5);
  EXPECT_EQ(observations.at("x").count(), 6u);
  // Sums are 1.5, -4; -2.5, -8; 5.5, 1.
  EXPECT_EQ(observations.at("hidden").low(), 0);
  EXPECT_EQ(observations.at("hidden").high(), 5.5);
}

TEST(CalibrateTest, OnlyTheChosenSamplesCount) {
  const Samples samples = test::SamplesOf("x", {1, 2}, {1, 2, -3, 4, 5, -0.5f});
  const std::vector<std::size_t> chosen = {0, 2};
  EXPECT_EQ(Calibrate(TwoLayers(), samples, chosen)->at("x").low(), -0.5);
}

TEST(CalibrateTest, OfManySamplesEverySoManyAreRun) {
  std::vector<float> values;
  for (int i = 0; i < 100; ++i) values.insert(values.end(), {static_cast<float>(i), 1});
  const Samples samples = test::SamplesOf("x", {1, 2}, values);
  std::size_t reported = 0;
  const auto observations = Calibrate(TwoLayers(), samples, test::All(samples),
                                      {.most = 10, .progress = [&](std::size_t done, std::size_t of) {
                                         reported = done;
                                         EXPECT_EQ(of, 10u);
                                       }});
  EXPECT_EQ(reported, 10u);
  EXPECT_EQ(observations->at("x").count(), 20u);
  EXPECT_EQ(observations->at("x").high(), 90);
}

TEST(CalibrateTest, WhatOnlyArrangesNumbersIsNotWatchedItself) {
  RandomOnnxGraph graph("arranged");
  graph.Input("x", {2, 3});
  graph.Add("Transpose", {"x"}, {{"perm", OnnxDims{0, 2, 1}}}, {"turned"});
  graph.Add("Conv", {"turned", graph.Weights({4, 3, 1}, 3)}, {}, {"sums"});
  graph.Add("Flatten", {"sums"}, {}, {"flat"});
  graph.Add("Gemm", {"flat", graph.Weights({8, 3}, 8)}, {}, {"y"});
  graph.Output("y", {3});
  const Samples samples = test::RandomSamples("x", {1, 2, 3}, 5);
  EXPECT_THAT(Calibrated(graph.Bytes(), samples).value(), UnorderedElementsAre(Key("x"), Key("sums")));
}

TEST(CalibrateTest, AValueThatIsAnOutputOfTheFileIsWatchedThere) {
  RandomOnnxGraph graph("seen");
  graph.Input("x", {2});
  graph.Add("Relu", {"x"}, {}, {"hidden"});
  graph.Add("Gemm", {"hidden", graph.Weights({2, 3}, 2)}, {}, {"y"});
  graph.Output("y", {3});
  graph.Output("hidden", {2});
  const Samples samples = test::SamplesOf("x", {1, 2}, {1, -2, 3, 4});
  EXPECT_EQ(Calibrated(graph.Bytes(), samples)->at("hidden").high(), 4);
}

TEST(CalibrateTest, AValueThatIsTheSameInAllSamplesHasNoRange) {
  // The second number is above zero: its Relu gives zero, and the first is always 1.
  const Samples samples = test::SamplesOf("x", {1, 2}, {-1, 2, -1, 3});
  const Observations observations = Calibrated(TwoLayers(), samples).value();
  EXPECT_THAT(ChooseRanges(observations, RangeMethod::kMinMax), UnorderedElementsAre(Key("x")));
}

TEST(CalibrateTest, AValueThatIsNotFiniteNamesItAndTheSample) {
  RandomOnnxGraph graph("logarithms");
  graph.Input("x", {2});
  graph.Add("Log", {"x"}, {}, {"logarithms"});
  graph.Add("Gemm", {"logarithms", graph.Weights({2, 3}, 2)}, {}, {"y"});
  graph.Output("y", {3});
  const auto error = Calibrated(graph.Bytes(), test::SamplesOf("x", {1, 2}, {1, 2, -1, 2})).error();
  EXPECT_EQ(error.code, Code::kOutOfRange);
  EXPECT_THAT(error.message, HasSubstr("\"logarithms\": is not finite for sample 1"));
}

TEST(CalibrateTest, SamplesThatDoNotFitTheModelAreRefused) {
  const Samples samples = test::RandomSamples("x", {1, 2}, 3);
  EXPECT_THAT(Calibrate(TwoLayers(), samples, {}).error().message, HasSubstr("none to calibrate on"));
  EXPECT_THAT(Calibrated(TwoLayers(), test::RandomSamples("x", {1, 3}, 3)).error().message,
              HasSubstr("its input \"x\" FP32 [1,2] does not fit"));
  EXPECT_THAT(Calibrated(TwoLayers(), test::RandomSamples("z", {1, 2}, 3)).error().message,
              HasSubstr("nothing for its input \"x\""));
}

TEST(CalibrateTest, FilesThatCannotBeQuantisedAreRefusedWithWhatToDo) {
  const Samples samples = test::RandomSamples("x", {1, 2}, 3);
  const auto error = [&](const std::string& onnx) { return Calibrated(onnx, samples).error(); };
  EXPECT_EQ(error("no model").code, Code::kInvalidArgument);
  EXPECT_THAT(error("no model").message, HasSubstr("is no ONNX file"));
  EXPECT_THAT(error(TwoLayers(RandomOnnxGraph("old", 11))).message, HasSubstr("opset 11"));
  EXPECT_THAT(error(TwoLayers(RandomOnnxGraph("old", 11))).message, HasSubstr("convert_version"));
  EXPECT_THAT(error(test::SquareModel(2)).message, HasSubstr("no layer that can be quantised"));
  EXPECT_THAT(error(test::QuantizedModel(2, 3, CodeType::kInt8, {{0.1f, 0}})).message,
              HasSubstr("quantised already; start from the file in float"));
}

TEST(CalibrateTest, BrokenWeightsNameTheLayer) {
  RandomOnnxGraph graph("diverged");
  graph.Input("x", {2});
  graph.Add("Gemm", {"x", graph.Floats({2, 1}, {1, std::numeric_limits<float>::quiet_NaN()})}, {}, {"y"});
  graph.Output("y", {1});
  const auto error = Calibrated(graph.Bytes(), test::RandomSamples("x", {1, 2}, 3)).error();
  EXPECT_EQ(error.code, Code::kInvalidArgument);
  EXPECT_THAT(error.message, HasSubstr("layer \"Gemm_0\": weights \"constant_1\" holds NaN"));

  RandomOnnxGraph damaged("damaged");
  damaged.Input("x", {2});
  damaged.Add("Gemm", {"x", damaged.Floats({2, 4}, {1, 2})}, {}, {"y"});
  damaged.Output("y", {4});
  EXPECT_THAT(Calibrated(damaged.Bytes(), test::RandomSamples("x", {1, 2}, 3)).error().message,
              HasSubstr("not as many numbers as its shape says"));
}

TEST(CalibrateTest, WeightsOutsideOfTheFileAreRefused) {
  RandomOnnxGraph graph("apart");
  graph.Input("x", {2});
  graph.Add("Gemm", {"x", graph.Floats({2, 1}, {})}, {}, {"y"});
  graph.Output("y", {1});
  auto& tensor = *graph.graph().mutable_initializer(0);
  tensor.clear_raw_data();
  tensor.set_data_location(onnx::TensorProto::EXTERNAL);
  const auto error = Calibrated(graph.Bytes(), test::RandomSamples("x", {1, 2}, 3)).error();
  EXPECT_EQ(error.code, Code::kFailedPrecondition);
  EXPECT_THAT(error.message, HasSubstr("outside of the file; save the model with its weights inside"));
}

TEST(CalibrateTest, ADimensionThatIsOpenIsNamed) {
  RandomOnnxGraph graph("open");
  graph.Input("x", {2, 2});
  graph.graph().mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(1)->set_dim_param(
      "steps");
  graph.Add("MatMul", {"x", graph.Weights({2, 3}, 2)}, {}, {"y"});
  graph.Output("y", {2, 3});
  const auto error = Calibrated(graph.Bytes(), test::RandomSamples("x", {1, 2, 2}, 3)).error();
  EXPECT_EQ(error.code, Code::kFailedPrecondition);
  EXPECT_THAT(error.message, HasSubstr("input \"x\""));
  EXPECT_THAT(error.message, HasSubstr("only the first dimension may be open"));
}

}  // namespace
}  // namespace punctual::optimize

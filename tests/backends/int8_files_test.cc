// What the quantiser makes of the shipped models, in three engines: they load it, compute it with integers where they
// can, and agree on the answers.
//
// Why they do not agree on every bit: a sum becomes a code by a product with a scale and a rounding. The native backend
// does that with integers, halves up; ONNX Runtime and OpenVINO with floats, halves to even, and they do not take the
// same layers and their activations together, so that there are codes in one where another has floats. A code more or
// less is what it comes to, and a class changes only where two were all but equally likely.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <iostream>
#include <map>
#include <numeric>
#include <set>

#include "backend/native/graph/onnx_reader.h"
#include "backend/native/operators/operator.h"
#include "backend/native/passes/passes.h"
#include "backends/book_samples.h"
#include "model/backend.h"
#include "model/backend_choice.h"
#include "model/input_codes.h"
#include "optimize/random_samples_for_test.h"
#include "optimize/sensitivity.h"
#include "support/random_onnx_graph.h"

namespace punctual {
namespace {

using optimize::Samples;

constexpr std::size_t kFit = 400, kJudged = 1200;

struct Made {
  std::string in_float, int8;
  std::size_t layers = 0;  // with codes
  optimize::ValueRanges ranges;
  Samples questions;
  std::vector<std::size_t> judged;
};

// Its chain of layers without biases is one that OpenVINO 2026.4.1 computes wrongly unless told not to make it one
// kernel (openvino_backend.cc).
test::ShippedModel WidePerceptron() {
  constexpr std::int64_t kInputs = 16, kWide = 256;
  RandomOnnxGraph graph("wide");
  std::string at = graph.Input("book", {kInputs});
  at = graph.Add("Relu", {graph.Add("MatMul", {at, graph.Weights({kInputs, kWide}, kInputs)})});
  at = graph.Add("Relu", {graph.Add("MatMul", {at, graph.Weights({kWide, kWide}, kWide)})});
  at = graph.Add("MatMul", {at, graph.Weights({kWide, 3}, kWide)});
  graph.Add("Softmax", {at}, {{"axis", std::int64_t{-1}}}, {"probabilities"});
  graph.Output("probabilities", {3});
  return {graph.Bytes(), test::RandomSamples("book", {1, kInputs}, kFit + kJudged)};
}

// Calibrated on the first questions; the rest judge.
const Made& MadeOf(const std::string& name) {
  static std::map<std::string, Made> all;
  if (const auto found = all.find(name); found != all.end()) return found->second;
  Made& made = all[name];
  test::ShippedModel shipped = name == "wide" ? WidePerceptron() : test::LoadShippedModel(name, kFit + kJudged);
  made.in_float = std::move(shipped.onnx);
  made.questions = std::move(shipped.questions);
  std::vector<std::size_t> fit(kFit);
  std::iota(fit.begin(), fit.end(), std::size_t{0});
  for (std::size_t i = kFit; i < made.questions.count(); ++i) made.judged.push_back(i);
  const auto observations = optimize::Calibrate(made.in_float, made.questions, fit).value();
  made.ranges = ChooseRanges(observations, optimize::RangeMethod::kMinMax);
  auto file = optimize::Quantize(made.in_float, made.ranges).value();
  made.int8 = std::move(file.onnx);
  for (const optimize::LayerReport& layer : file.layers) made.layers += layer.reason.empty();
  std::cout << name << ": " << made.layers << " of " << file.layers.size() << " layers have codes, the file "
            << 100 * made.int8.size() / made.in_float.size() << " % of the bytes\n";
  return made;
}

// Probabilities of each judged question.
std::vector<std::array<float, 3>> Answers(const std::string& backend, const std::string& onnx, const Made& made) {
  const auto model = FindBackend(backend).value()->Compile({onnx, "model", "fp32", "CPU"}).value();
  const auto session = model->NewSession(1).value();
  std::vector<std::array<float, 3>> answers;
  for (const std::size_t i : made.judged) {
    std::ranges::copy(made.questions.Of(0, i), session->input(0).begin());
    EXPECT_TRUE(session->Run().has_value());
    answers.emplace_back();
    EXPECT_EQ(session->output(0).size(), sizeof(answers.back()));
    std::memcpy(answers.back().data(), session->output(0).data(), sizeof(answers.back()));
  }
  return answers;
}

struct Agreement {
  double same_class = 0;  // share of the questions
  double apart = 0;       // mean distance of two probabilities
};

Agreement Compare(const std::vector<std::array<float, 3>>& a, const std::vector<std::array<float, 3>>& b) {
  Agreement agreement;
  for (std::size_t i = 0; i < a.size(); ++i) {
    agreement.same_class += std::max_element(a[i].begin(), a[i].end()) - a[i].begin() ==
                            std::max_element(b[i].begin(), b[i].end()) - b[i].begin();
    for (std::size_t k = 0; k < 3; ++k) agreement.apart += std::abs(static_cast<double>(a[i][k]) - b[i][k]) / 3;
  }
  const auto count = static_cast<double>(a.size());
  return {agreement.same_class / count, agreement.apart / count};
}

class Int8FilesTest : public testing::TestWithParam<const char*> {};

TEST_P(Int8FilesTest, EveryLayerWithCodesIsComputedWithIntegers) {
  const Made& made = MadeOf(GetParam());
  native::Graph graph = native::ReadOnnx(made.int8, "model").value().graph;
  native::Optimize(graph);
  std::size_t integer = 0;
  for (const native::Node& node : graph.nodes)
    integer += node.op->type == "QuantizedGemm" || node.op->type == "QuantizedConv";
  EXPECT_GT(integer, 0u);
  EXPECT_EQ(integer, made.layers);
}

// OpenVINO 2026.4.1 computes deeplob's convolution over all levels (1 x 10, its input's zero is no code 0) wrongly on
// CPUs with AMX; with ONEDNN_MAX_CPU_ISA=AVX512_CORE_VNNI it agrees. What cannot be mended here must not be served.
void ExpectNotTaken(const std::string& backend, const Made& made) {
  const CompileRequest request{made.int8, "model", "fp32", "CPU"};
  const auto chosen = ChooseBackend("auto", request, "");
  EXPECT_EQ(chosen->backend, "native");
  EXPECT_EQ(chosen->reason, backend + " gives other answers to the same inputs");
  EXPECT_TRUE(ChooseBackend(backend, request, "").has_error());
}

TEST_P(Int8FilesTest, TheEnginesAgree) {
  const Made& made = MadeOf(GetParam());
  ASSERT_GE(made.judged.size(), 1000u);
  const auto native = Answers("native", made.int8, made);
  for (const char* const other : {"openvino", "onnxruntime"}) {
    const Agreement agreement = Compare(native, Answers(other, made.int8, made));
    std::cout << GetParam() << ", native and " << other << ": the same class in " << 100 * agreement.same_class
              << " %, probabilities " << agreement.apart << " apart\n";
    if (other == std::string("openvino") && GetParam() == std::string("deeplob") && agreement.same_class < 0.995) {
      ExpectNotTaken(other, made);
      continue;
    }
    EXPECT_GE(agreement.same_class, 0.995) << other;
    EXPECT_LE(agreement.apart, 0.01) << other;
  }
}

TEST_P(Int8FilesTest, AnswersStayCloseToThoseInFloat) {
  const Made& made = MadeOf(GetParam());
  const Agreement agreement = Compare(Answers("native", made.in_float, made), Answers("native", made.int8, made));
  std::cout << GetParam() << ", in float and with codes: the same class in " << 100 * agreement.same_class
            << " %, probabilities " << agreement.apart << " apart\n";
  EXPECT_GE(agreement.same_class, 0.95);
  EXPECT_GT(agreement.apart, 0);  // codes were there
}

TEST_P(Int8FilesTest, LayersInFloatMakeUpForWhatCodesCost) {
  const Made& made = MadeOf(GetParam());
  const auto in_float = Answers("native", made.in_float, made);
  const optimize::JudgeFile judge = [&](std::string_view onnx) -> Result<double> {
    return Compare(in_float, Answers("native", std::string(onnx), made)).same_class;
  };
  const double with_all = judge(made.int8).value();
  const auto found = optimize::FindLayersForCodes(made.in_float, made.ranges, judge, {.levels = {0.992}}).value();
  const optimize::LayersInFloat& with = found.files.back();
  std::cout << GetParam() << ": from " << 100 * with_all << " to " << 100 * with.fidelity << " % with "
            << with.layers.size() << " layers in float, after " << found.trials << " trials\n";
  EXPECT_EQ(found.of_all, with_all);
  EXPECT_TRUE(found.good_enough);
  const std::set<std::string> left(with.layers.begin(), with.layers.end());
  const auto file = optimize::Quantize(made.in_float, made.ranges, {.in_float = left}).value();
  EXPECT_EQ(judge(file.onnx).value(), with.fidelity);
}

// An answer is then a function of the input's codes, and may be shared exactly (model/input_codes.h).
TEST_P(Int8FilesTest, TheInputIsReadAsCodesAlone) {
  const Made& made = MadeOf(GetParam());
  EXPECT_TRUE(InputCodes::FromOnnx(made.int8, made.questions.inputs).has_value());
  EXPECT_FALSE(InputCodes::FromOnnx(made.in_float, made.questions.inputs).has_value());
}

INSTANTIATE_TEST_SUITE_P(Shipped, Int8FilesTest, testing::Values("mlp", "tcn", "deeplob", "wide"),
                         [](const auto& of) { return std::string(of.param); });

}  // namespace
}  // namespace punctual

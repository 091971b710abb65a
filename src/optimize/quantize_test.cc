#include "optimize/quantize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "model/backend.h"
#include "optimize/onnx_file.h"
#include "optimize/random_samples_for_test.h"
#include "support/random_onnx_graph.h"

namespace punctual::optimize {
namespace {

using ::testing::HasSubstr;

onnx::ModelProto Parsed(std::string_view onnx) {
  onnx::ModelProto model;
  EXPECT_TRUE(model.ParseFromArray(onnx.data(), static_cast<int>(onnx.size())));
  return model;
}

// The node that computes the value; null: none.
const onnx::NodeProto* Producer(const onnx::GraphProto& graph, const std::string& value) {
  for (const onnx::NodeProto& node : graph.node())
    for (const std::string& output : node.output())
      if (output == value) return &node;
  return nullptr;
}

const onnx::NodeProto& NodeOf(const onnx::GraphProto& graph, const std::string& output) {
  const onnx::NodeProto* const node = Producer(graph, output);
  EXPECT_NE(node, nullptr) << output;
  return *node;
}

// What `value` was before it went through codes; empty: it did not.
std::string BeforeCodes(const onnx::GraphProto& graph, const std::string& value) {
  const onnx::NodeProto* const dequantize = Producer(graph, value);
  if (dequantize == nullptr || !Is(*dequantize, "DequantizeLinear")) return {};
  const onnx::NodeProto* const quantize = Producer(graph, dequantize->input(0));
  return quantize == nullptr ? "" : quantize->input(0);
}

template <class T>
std::vector<T> Numbers(const onnx::GraphProto& graph, const std::string& name) {
  for (const onnx::TensorProto& tensor : graph.initializer())
    if (tensor.name() == name) {
      std::vector<T> numbers(tensor.raw_data().size() / sizeof(T));
      std::memcpy(numbers.data(), tensor.raw_data().data(), tensor.raw_data().size());
      return numbers;
    }
  ADD_FAILURE() << "no initialiser " << name;
  return {};
}

// Codes of the constant that a DequantizeLinear makes `value` from.
template <class T>
std::vector<T> CodesBehind(const onnx::GraphProto& graph, const std::string& value) {
  return Numbers<T>(graph, NodeOf(graph, value).input(0));
}

std::size_t CountOf(const onnx::GraphProto& graph, std::string_view type) {
  return static_cast<std::size_t>(
      std::count_if(graph.node().begin(), graph.node().end(), [&](const auto& node) { return Is(node, type); }));
}

std::vector<float> Answer(const std::string& onnx, const Samples& samples, std::size_t at_once = 1) {
  const auto model = FindBackend("native").value()->Compile({onnx, "model", "fp32", "CPU"}).value();
  const auto session = model->NewSession(at_once).value();
  std::vector<float> answers;
  for (std::size_t i = 0; i + at_once <= samples.count(); i += at_once) {
    for (std::size_t k = 0; k < at_once; ++k) {
      const auto from = samples.Of(0, i + k);
      std::ranges::copy(from, session->input(0).begin() + static_cast<std::ptrdiff_t>(k * from.size()));
    }
    EXPECT_TRUE(session->Run().has_value());
    const std::size_t before = answers.size(), count = session->output(0).size() / sizeof(float);
    answers.resize(before + count);
    std::memcpy(answers.data() + before, session->output(0).data(), count * sizeof(float));
  }
  return answers;
}

QuantizedFile QuantizedOn(const std::string& onnx, const Samples& samples, const QuantizeOptions& options = {}) {
  const auto observations = Calibrate(onnx, samples, test::All(samples), {.also_behind = options.also_behind}).value();
  return Quantize(onnx, ChooseRanges(observations, RangeMethod::kMinMax), options).value();
}

// Calibrated and asked on random samples: how far answers are off, as a share of their own spread.
double ErrorOf(const std::string& onnx, const Samples& samples, const QuantizedFile& file) {
  const std::vector<float> expected = Answer(onnx, samples), given = Answer(file.onnx, samples);
  EXPECT_EQ(expected.size(), given.size());
  double error = 0, power = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    error += std::pow(expected[i] - given[i], 2);
    power += std::pow(expected[i], 2);
  }
  return std::sqrt(error / power);
}

void ExpectCloseAnswers(const RandomOnnxGraph& graph, const Samples& samples, std::size_t layers) {
  const QuantizedFile file = QuantizedOn(graph.Bytes(), samples);
  const auto in_codes = std::count_if(file.layers.begin(), file.layers.end(),
                                      [](const LayerReport& layer) { return layer.reason.empty(); });
  EXPECT_EQ(static_cast<std::size_t>(in_codes), layers);
  const double error = ErrorOf(graph.Bytes(), samples, file);
  EXPECT_LT(error, 0.05);
  EXPECT_GT(error, 0.001);  // codes were there
}

std::string Perceptron(const std::vector<std::int64_t>& widths) {
  RandomOnnxGraph graph("perceptron");
  std::string at = graph.Input("x", {widths[0]});
  for (std::size_t i = 1; i < widths.size(); ++i) {
    const bool is_last = i + 1 == widths.size();
    at = graph.Add("Gemm", {at, graph.Weights({widths[i - 1], widths[i]}, widths[i - 1]), graph.Bias(widths[i])}, {},
                   is_last ? std::vector<std::string>{"y"} : std::vector<std::string>{});
    if (!is_last) at = graph.Add("Relu", {at});
  }
  graph.Output("y", {widths.back()});
  return graph.Bytes();
}

TEST(QuantizeTest, LayersReadCodesAndHaveWeightsOfSevenBits) {
  const std::string onnx = Perceptron({8, 16, 3});
  const QuantizedFile file = QuantizedOn(onnx, test::RandomSamples("x", {1, 8}, 50));
  const onnx::ModelProto model = Parsed(file.onnx);
  const onnx::GraphProto& graph = model.graph();
  const onnx::NodeProto& first = NodeOf(graph, "Gemm_0");
  EXPECT_EQ(BeforeCodes(graph, first.input(0)), "x");
  EXPECT_EQ(BeforeCodes(graph, NodeOf(graph, "y").input(0)), "Relu_1");
  EXPECT_EQ(Numbers<std::uint8_t>(graph, NodeOf(graph, NodeOf(graph, "y").input(0)).input(2)),
            (std::vector<std::uint8_t>{0}));

  // Each channel's largest weight has the largest code; each weight is off by half a step at most.
  const auto before = Parsed(onnx);
  const auto weights = Numbers<float>(before.graph(), "constant_1"),
             bias = Numbers<float>(before.graph(), "constant_2");
  const onnx::NodeProto& dequantize = NodeOf(graph, first.input(1));
  const auto codes = Numbers<std::int8_t>(graph, dequantize.input(0));
  const auto scales = Numbers<float>(graph, dequantize.input(1));
  ASSERT_EQ(scales.size(), 16u);
  ASSERT_EQ(codes.size(), weights.size());
  for (std::size_t channel = 0; channel < 16; ++channel) {
    int largest = 0;
    for (std::size_t i = channel; i < codes.size(); i += 16) {
      largest = std::max(largest, std::abs(int{codes[i]}));
      EXPECT_NEAR(codes[i] * scales[channel], weights[i], 0.5001f * scales[channel]);
    }
    EXPECT_EQ(largest, 64);
  }
  // A bias is in steps of the sums.
  const onnx::NodeProto& of_bias = NodeOf(graph, first.input(2));
  const auto steps = Numbers<std::int32_t>(graph, of_bias.input(0));
  const auto bias_scales = Numbers<float>(graph, of_bias.input(1));
  const float x_scale = Numbers<float>(graph, NodeOf(graph, first.input(0)).input(1))[0];
  for (std::size_t channel = 0; channel < 16; ++channel) {
    EXPECT_FLOAT_EQ(bias_scales[channel], x_scale * scales[channel]);
    EXPECT_NEAR(steps[channel] * bias_scales[channel], bias[channel], 0.5001f * bias_scales[channel]);
  }
}

TEST(QuantizeTest, AnswersStayClose) {
  RandomOnnxGraph graph("gemms");
  graph.Input("x", {12});
  std::string at = graph.Add("Gemm", {"x", graph.Weights({24, 12}, 12), graph.Bias(24)},
                             {{"transB", std::int64_t{1}}, {"alpha", 0.5f}, {"beta", 3.0f}});
  at = graph.Add("Relu", {at});
  at = graph.Add("Gemm", {at, graph.Weights({24, 16}, 24), graph.Floats({}, {0.7f})}, {{"beta", -1.0f}});
  at = graph.Add("LeakyRelu", {at}, {{"alpha", 0.1f}});
  at = graph.Add("Gemm", {at, graph.Weights({16, 8}, 16), graph.Random({1, 8}, 0.5f)});
  at = graph.Add("MatMul", {at, graph.Weights({8, 6}, 8)});
  at = graph.Add("Add", {at, graph.Bias(6)});
  graph.Add("Gemm", {at, graph.Weights({6, 3}, 6)}, {}, {"y"});
  graph.Output("y", {3});
  ExpectCloseAnswers(graph, test::RandomSamples("x", {1, 12}, 200), 5);
}

TEST(QuantizeTest, ConvolutionsOverOneAndTwoDimensionsStayClose) {
  for (const bool is_flat : {false, true}) {
    RandomOnnxGraph graph("convolutions");
    const OnnxDims places = is_flat ? OnnxDims{20} : OnnxDims{10, 8};
    const auto dims = [&](std::int64_t to, std::int64_t from) {
      return is_flat ? OnnxDims{to, from, 3} : OnnxDims{to, from, 3, 2};
    };
    OnnxDims x = {2};
    x.insert(x.end(), places.begin(), places.end());
    graph.Input("x", x);
    std::string at = graph.Add("Conv", {"x", graph.Weights(dims(16, 2), 12), graph.Bias(16)},
                               {{"pads", is_flat ? OnnxDims{2, 0} : OnnxDims{2, 0, 0, 0}}});
    at = graph.Add("Relu", {at});
    at = graph.Add("MaxPool", {at}, {{"kernel_shape", is_flat ? OnnxDims{2} : OnnxDims{2, 1}}});
    at = graph.Add("Conv", {at, graph.Weights(dims(8, 16), 96)}, {{"strides", is_flat ? OnnxDims{2} : OnnxDims{2, 1}}});
    at = graph.Add("LeakyRelu", {at}, {{"alpha", 0.01f}});
    at = graph.Add("GlobalAveragePool", {at});
    at = graph.Add("Flatten", {at});
    graph.Add("Gemm", {at, graph.Weights({8, 3}, 8), graph.Bias(3)}, {}, {"y"});
    graph.Output("y", {3});
    Shape shape = {1};
    shape.insert(shape.end(), x.begin(), x.end());
    ExpectCloseAnswers(graph, test::RandomSamples("x", shape, 100), 3);
  }
}

TEST(QuantizeTest, CodesStandBeforeWhatOnlyArrangesNumbersAndOnBothSidesOfTransposeAndMaxPool) {
  RandomOnnxGraph graph("arranged");
  graph.Input("x", {6, 2});
  graph.Add("Transpose", {"x"}, {{"perm", OnnxDims{0, 2, 1}}}, {"turned"});
  graph.Add("Conv", {"turned", graph.Weights({4, 2, 1}, 2)}, {}, {"sums"});
  graph.Add("Relu", {"sums"}, {}, {"hidden"});
  graph.Add("MaxPool", {"hidden"}, {{"kernel_shape", OnnxDims{2}}, {"strides", OnnxDims{2}}}, {"pooled"});
  graph.Add("Flatten", {"pooled"}, {}, {"flat"});
  graph.Add("Gemm", {"flat", graph.Weights({12, 3}, 12)}, {}, {"y"});
  graph.Output("y", {3});
  const auto model = Parsed(QuantizedOn(graph.Bytes(), test::RandomSamples("x", {1, 6, 2}, 20)).onnx);
  const onnx::GraphProto& coded = model.graph();
  EXPECT_EQ(BeforeCodes(coded, NodeOf(coded, "sums").input(0)), "turned");
  EXPECT_EQ(BeforeCodes(coded, NodeOf(coded, "turned").input(0)), "x");
  EXPECT_EQ(NodeOf(coded, "y").input(0), "flat");
  EXPECT_EQ(BeforeCodes(coded, NodeOf(coded, "flat").input(0)), "pooled");
  EXPECT_EQ(BeforeCodes(coded, NodeOf(coded, "pooled").input(0)), "hidden");
  // The same codes on both sides.
  const auto scale = [&](const std::string& value) { return NodeOf(coded, NodeOf(coded, value).input(0)).input(1); };
  EXPECT_EQ(scale("flat"), scale("pooled"));
}

TEST(QuantizeTest, WhoElseReadsAValueReadsItInFloat) {
  RandomOnnxGraph graph("residual");
  graph.Input("x", {8});
  graph.Add("Tanh", {"x"}, {}, {"state"});
  graph.Add("Reshape", {"state", graph.Integers({-1, 8})}, {}, {"same"});
  graph.Add("Gemm", {"same", graph.Weights({8, 8}, 8)}, {}, {"change"});
  graph.Add("Add", {"same", "change"}, {}, {"sum"});
  graph.Add("Gemm", {"sum", graph.Weights({8, 3}, 8)}, {}, {"y"});
  graph.Output("y", {3});
  graph.Output("sum", {8});
  const auto model = Parsed(QuantizedOn(graph.Bytes(), test::RandomSamples("x", {1, 8}, 20)).onnx);
  EXPECT_EQ(NodeOf(model.graph(), "sum").input(0), "same");
  EXPECT_EQ(NodeOf(model.graph(), "same").input(0), "state");
  EXPECT_EQ(BeforeCodes(model.graph(), NodeOf(model.graph(), "change").input(0)), "same");
  EXPECT_EQ(BeforeCodes(model.graph(), NodeOf(model.graph(), "y").input(0)), "sum");
}

TEST(QuantizeTest, SeveralLayersThatReadAValueShareItsCodes) {
  RandomOnnxGraph graph("siblings");
  graph.Input("x", {8});
  const std::string weights = graph.Weights({8, 8}, 8);
  graph.Add("Gemm", {"x", weights}, {}, {"one"});
  graph.Add("Gemm", {"x", weights}, {}, {"other"});
  graph.Add("Gemm", {"x", weights}, {{"alpha", 0.5f}}, {"half"});
  graph.Add("Sum", {"one", "other", "half"}, {}, {"y"});
  graph.Output("y", {8});
  const Samples samples = test::RandomSamples("x", {1, 8}, 50);
  const auto model = Parsed(QuantizedOn(graph.Bytes(), samples).onnx);
  EXPECT_EQ(CountOf(model.graph(), "QuantizeLinear"), 1u);
  // The weights stand there once; half of them has the same codes, in steps of half the size.
  std::size_t constants_of_codes = 0;
  for (const onnx::TensorProto& tensor : model.graph().initializer())
    constants_of_codes += tensor.data_type() == onnx::TensorProto::INT8 && tensor.dims_size() == 2;
  EXPECT_EQ(constants_of_codes, 1u);
  ExpectCloseAnswers(graph, samples, 3);
}

TEST(QuantizeTest, ConstantsMayComeFromNodes) {
  RandomOnnxGraph graph("constants");
  graph.Input("x", {4});
  const std::string weights = graph.Weights({4, 3}, 4);
  onnx::NodeProto& constant = *graph.graph().add_node();
  constant.set_op_type("Constant");
  constant.add_output("from_node");
  constant.add_attribute()->set_name("value");
  constant.mutable_attribute(0)->set_type(onnx::AttributeProto::TENSOR);
  *constant.mutable_attribute(0)->mutable_t() = graph.graph().initializer(0);
  graph.graph().clear_initializer();
  graph.Add("Identity", {"from_node"}, {}, {"same"});
  graph.Add("Gemm", {"x", "same", graph.Bias(3)}, {}, {"y"});
  graph.Output("y", {3});
  const Samples samples = test::RandomSamples("x", {1, 4}, 50);
  ExpectCloseAnswers(graph, samples, 1);
  const auto model = Parsed(QuantizedOn(graph.Bytes(), samples).onnx);
  EXPECT_EQ(CountOf(model.graph(), "Constant") + CountOf(model.graph(), "Identity"), 0u);
}

// y = `type`(x, ...) as `add` puts it into a graph, before a Gemm that can be quantised; the reason why it is not.
std::string ReasonFor(const OnnxDims& x, const std::function<void(RandomOnnxGraph&)>& add) {
  RandomOnnxGraph graph("left");
  graph.Input("x", x);
  add(graph);
  graph.Add("ReduceMean", {"given"}, {{"axes", OnnxDims{1}}, {"keepdims", std::int64_t{0}}}, {"mean"});
  graph.Add("Reshape", {"mean", graph.Integers({1, -1})}, {}, {"rows"});
  graph.Add("Gemm", {"z", graph.Weights({4, 3}, 4)}, {}, {"y"});
  graph.Input("z", {4});
  graph.Output("y", {3});
  graph.Output("rows", {1});
  const auto layers = ListLayers(graph.Bytes()).value();
  EXPECT_EQ(layers.size(), 2u);
  EXPECT_EQ(layers[1].reason, "");
  return layers[0].reason;
}

TEST(QuantizeTest, LayersThatCannotHaveCodesStayInFloatWithTheReason) {
  const auto conv = [](const OnnxDims& weights, std::vector<OnnxAttribute> attributes) {
    return [=](RandomOnnxGraph& graph) { graph.Add("Conv", {"x", graph.Random(weights, 1)}, attributes, {"given"}); };
  };
  EXPECT_THAT(ReasonFor({4, 9}, conv({4, 2, 3}, {{"group", std::int64_t{2}}})), HasSubstr("groups"));
  EXPECT_THAT(ReasonFor({4, 9}, conv({4, 4, 3}, {{"auto_pad", std::string("SAME_UPPER")}})), HasSubstr("SAME_UPPER"));
  EXPECT_THAT(ReasonFor({2, 4, 4, 4}, conv({4, 2, 1, 1, 1}, {})), HasSubstr("over 3 dimensions"));
  EXPECT_THAT(ReasonFor({4},
                        [](RandomOnnxGraph& graph) {
                          graph.Add("Gemm", {"x", graph.Random({1, 3}, 1)}, {{"transA", std::int64_t{1}}}, {"given"});
                        }),
              HasSubstr("transA"));
  EXPECT_THAT(ReasonFor({4},
                        [](RandomOnnxGraph& graph) {
                          graph.Add("Gemm", {"x", graph.Random({4, 3}, 1), graph.Random({5, 3}, 1)}, {}, {"given"});
                        }),
              HasSubstr("another for each row"));
  EXPECT_THAT(ReasonFor({4, 4},
                        [](RandomOnnxGraph& graph) {
                          graph.Add("MatMul", {"x", "x"}, {}, {"given"});
                        }),
              HasSubstr("not constant"));
  EXPECT_THAT(ReasonFor({2, 4, 4},
                        [](RandomOnnxGraph& graph) {
                          graph.Add("MatMul", {"x", graph.Random({2, 4, 4}, 1)}, {}, {"given"});
                        }),
              HasSubstr("3 dimensions"));
  EXPECT_THAT(
      ReasonFor(
          {4},
          [](RandomOnnxGraph& graph) {
            const std::string half = graph.Constant(onnx::TensorProto::FLOAT16, {4, 3}, std::vector<std::uint16_t>(12));
            graph.Add("MatMul", {"x", half}, {}, {"given"});
          }),
      HasSubstr("FLOAT16"));
}

TEST(QuantizeTest, ALayerWhoseInputIsAlwaysTheSameStaysInFloat) {
  RandomOnnxGraph graph("dead");
  graph.Input("x", {2});
  graph.Add("Gemm", {"x", graph.Floats({2, 2}, {1, 0, 0, 1}), graph.Floats({2}, {-100, -100})}, {}, {"sums"});
  graph.Add("Relu", {"sums"}, {}, {"dead"});
  graph.Add("Gemm", {"dead", graph.Weights({2, 3}, 2)}, {}, {"y"});
  graph.Output("y", {3});
  const QuantizedFile file = QuantizedOn(graph.Bytes(), test::RandomSamples("x", {1, 2}, 20));
  ASSERT_EQ(file.layers.size(), 2u);
  EXPECT_EQ(file.layers[0].reason, "");
  EXPECT_THAT(file.layers[1].reason, HasSubstr("\"dead\" was the same number in all samples"));
}

TEST(QuantizeTest, LayersThatAreToStayInFloatDo) {
  const std::string onnx = Perceptron({8, 16, 3});
  const Samples samples = test::RandomSamples("x", {1, 8}, 20);
  const QuantizedFile file = QuantizedOn(onnx, samples, {.in_float = {"Gemm_0"}});
  EXPECT_THAT(file.layers[0].reason, HasSubstr("to be faithful enough"));
  EXPECT_EQ(file.layers[1].reason, "");
  const auto model = Parsed(file.onnx);
  EXPECT_EQ(NodeOf(model.graph(), "Gemm_0").input(0), "x");
  EXPECT_THAT(Quantize(onnx, {}, {.in_float = {"Gemm_7"}}).error().message,
              HasSubstr("no layer \"Gemm_7\"; it has Gemm_0, Gemm_2"));
  EXPECT_THAT(Quantize(onnx, {}, {.in_float = {"Gemm_0", "Gemm_2"}}).error().message,
              HasSubstr("\"Gemm_0\": to be faithful enough"));
}

TEST(QuantizeTest, LayersWithoutANameOfTheirOwnHaveTheirOutputs) {
  auto model = Parsed(Perceptron({8, 16, 3}));
  for (onnx::NodeProto& node : *model.mutable_graph()->mutable_node()) node.set_name("same");
  const auto layers = ListLayers(model.SerializeAsString()).value();
  EXPECT_EQ(layers[0].name, "Gemm_0");
  EXPECT_EQ(layers[1].name, "y");
}

TEST(QuantizeTest, WeightsOfZerosAndBiasesBeyondTheSumsAreStillRight) {
  RandomOnnxGraph graph("extremes");
  graph.Input("x", {4});
  // Channels: all zeros; weights that are nothing beside the bias; ordinary ones.
  const std::string weights = graph.Floats({4, 3}, {0, 1e-9f, 1, 0, -1e-9f, -1, 0, 0, 0.5f, 0, 1e-9f, 2});
  graph.Add("Gemm", {"x", weights, graph.Floats({3}, {2, 1000, 0.25f})}, {}, {"y"});
  graph.Output("y", {3});
  const Samples samples = test::RandomSamples("x", {1, 4}, 30);
  const std::vector<float> expected = Answer(graph.Bytes(), samples);
  const std::vector<float> given = Answer(QuantizedOn(graph.Bytes(), samples).onnx, samples);
  for (std::size_t i = 0; i < given.size(); ++i) EXPECT_NEAR(given[i], expected[i], i % 3 == 2 ? 0.1 : 1e-3) << i;
}

TEST(QuantizeTest, AQuarterOfTheFileIsLeft) {
  RandomOnnxGraph graph("mostly_weights");
  graph.Input("x", {256});
  std::string at = "x";
  for (int i = 0; i < 3; ++i)
    at = graph.Add("Relu", {graph.Add("Gemm", {at, graph.Weights({256, 256}, 256), graph.Bias(256)})});
  graph.Add("Identity", {at}, {}, {"y"});
  graph.Output("y", {256});
  const std::string onnx = graph.Bytes();
  const QuantizedFile file = QuantizedOn(onnx, test::RandomSamples("x", {1, 256}, 10));
  EXPECT_LT(static_cast<double>(file.onnx.size()), 0.265 * static_cast<double>(onnx.size()));
}

TEST(QuantizeTest, TheInterfaceStaysAsItWas) {
  const std::string onnx = Perceptron({8, 16, 3});
  const Samples samples = test::RandomSamples("x", {1, 8}, 12);
  const QuantizedFile file = QuantizedOn(onnx, samples);
  const auto before = Parsed(onnx), after = Parsed(file.onnx);
  ASSERT_EQ(after.graph().input_size(), 1);
  ASSERT_EQ(after.graph().output_size(), 1);
  EXPECT_EQ(after.graph().input(0).SerializeAsString(), before.graph().input(0).SerializeAsString());
  EXPECT_EQ(after.graph().output(0).SerializeAsString(), before.graph().output(0).SerializeAsString());
  // The batch is open, and its members do not change each other.
  EXPECT_EQ(Answer(file.onnx, samples, 4), Answer(file.onnx, samples, 1));
}

TEST(QuantizeTest, ConstantsThatOldFilesListAmongTheInputsGoWithTheirLayers) {
  auto model = Parsed(Perceptron({8, 16, 3}));
  model.set_ir_version(3);
  for (const onnx::TensorProto& tensor : model.graph().initializer()) {
    onnx::ValueInfoProto& input = *model.mutable_graph()->add_input();
    input.set_name(tensor.name());
    auto& type = *input.mutable_type()->mutable_tensor_type();
    type.set_elem_type(tensor.data_type());
    for (const std::int64_t dimension : tensor.dims()) type.mutable_shape()->add_dim()->set_dim_value(dimension);
  }
  const Samples samples = test::RandomSamples("x", {1, 8}, 12);
  const QuantizedFile file = QuantizedOn(model.SerializeAsString(), samples);
  EXPECT_EQ(Parsed(file.onnx).graph().input_size(), 1);
  EXPECT_LT(ErrorOf(model.SerializeAsString(), samples, file), 0.03);
}

TEST(QuantizeTest, NewNamesMeetNoneOfTheFiles) {
  auto model = Parsed(Perceptron({8, 16, 3}));
  for (onnx::NodeProto& node : *model.mutable_graph()->mutable_node())
    for (auto* const names : {node.mutable_input(), node.mutable_output()})
      for (std::string& name : *names) name = name == "Gemm_0" ? "q0" : name == "Relu_1" ? "q3" : name;
  const Samples samples = test::RandomSamples("x", {1, 8}, 12);
  const QuantizedFile file = QuantizedOn(model.SerializeAsString(), samples);
  EXPECT_LT(ErrorOf(model.SerializeAsString(), samples, file), 0.03);
}

TEST(QuantizeTest, TheSameQuestionGivesTheSameBytes) {
  const std::string onnx = Perceptron({8, 16, 3});
  const Samples samples = test::RandomSamples("x", {1, 8}, 12);
  EXPECT_EQ(QuantizedOn(onnx, samples).onnx, QuantizedOn(onnx, samples).onnx);
}

TEST(QuantizeTest, CodesBehindLayersAreForThoseWhoWantThem) {
  RandomOnnxGraph graph("behind");
  graph.Input("x", {2, 9});
  graph.Add("Conv", {"x", graph.Weights({4, 2, 3}, 6)}, {}, {"sums"});
  graph.Add("LeakyRelu", {"sums"}, {{"alpha", 0.1f}}, {"hidden"});
  graph.Add("GlobalAveragePool", {"hidden"}, {}, {"pooled"});
  graph.Add("Flatten", {"pooled"}, {}, {"flat"});
  graph.Add("Gemm", {"flat", graph.Weights({4, 3}, 4)}, {}, {"y"});
  graph.Output("y", {3});
  const Samples samples = test::RandomSamples("x", {1, 2, 9}, 50);
  const auto plain = Parsed(QuantizedOn(graph.Bytes(), samples).onnx);
  EXPECT_EQ(NodeOf(plain.graph(), "hidden").input(0), "sums");
  EXPECT_EQ(NodeOf(plain.graph(), "pooled").input(0), "hidden");
  const QuantizedFile file = QuantizedOn(graph.Bytes(), samples, {.also_behind = true});
  const auto behind = Parsed(file.onnx);
  EXPECT_EQ(BeforeCodes(behind.graph(), NodeOf(behind.graph(), "hidden").input(0)), "sums");
  EXPECT_EQ(BeforeCodes(behind.graph(), NodeOf(behind.graph(), "pooled").input(0)), "hidden");
  EXPECT_LT(ErrorOf(graph.Bytes(), samples, file), 0.05);
}

}  // namespace
}  // namespace punctual::optimize

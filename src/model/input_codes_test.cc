#include "model/input_codes.h"

#include <gmock/gmock.h>
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "market/random.h"
#include "model/backend.h"
#include "support/onnx_models.h"

namespace punctual {
namespace {

using ::testing::HasSubstr;
using Step = InputQuantizer::Step;

constexpr int kWidth = 8;
const std::vector<TensorSpec> kBook = {{"book", DType::kFloat32, {1, kWidth}}};

// A quantised model, changed before it is written.
template <class Change>
std::string Changed(Change&& change,
                    const std::string& file = test::QuantizedModel(kWidth, 3, CodeType::kUint8, {{0.05f, 128}})) {
  onnx::ModelProto model;
  EXPECT_TRUE(model.ParseFromString(file));
  change(model, *model.mutable_graph());
  return model.SerializeAsString();
}

onnx::NodeProto& AddNode(onnx::GraphProto& graph, const std::string& type, const std::vector<std::string>& inputs,
                         const std::string& output) {
  onnx::NodeProto& node = *graph.add_node();
  node.set_op_type(type);
  for (const auto& input : inputs) node.add_input(input);
  node.add_output(output);
  return node;
}

void SetInt(onnx::NodeProto& node, const std::string& name, std::int64_t value) {
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::INT);
  attribute.set_i(value);
}

template <class Change>
std::string Refusal(Change&& change) {
  const auto codes = InputCodes::FromOnnx(Changed(change), kBook);
  if (codes.has_value()) return "it was taken";
  EXPECT_EQ(codes.error().code, Code::kFailedPrecondition);
  return codes.error().message;
}

std::vector<std::byte> CodesOf(const InputCodes& codes, const std::vector<float>& values) {
  std::vector<std::byte> bytes(codes.CodeBytes(0));
  codes.Encode(0, values, bytes);
  return bytes;
}

struct Kind {
  CodeType type;
  std::vector<Step> steps;
};
std::vector<Step> OneAColumn() {
  std::vector<Step> steps;
  for (int i = 0; i < kWidth; ++i) steps.push_back({0.013f * static_cast<float>(i + 1), 100 + 5 * i});
  return steps;
}
std::vector<Kind> KindsOf8Bits() {
  return {{CodeType::kUint8, {{0.05f, 128}}}, {CodeType::kUint8, OneAColumn()}, {CodeType::kInt8, {{0.037f, -3}}}};
}

// A model and a session of it.
struct Served {
  explicit Served(const Kind& kind) : Served(test::QuantizedModel(kWidth, 3, kind.type, kind.steps)) {}
  explicit Served(const std::string& file)
      : codes(InputCodes::FromOnnx(file, kBook).value()),
        compiled(FindBackend("openvino").value()->Compile({file, "m/1/model.onnx", "fp32", "CPU"}).value()),
        session(compiled->NewSession(1).value()) {}

  std::vector<std::byte> CodesOf(const std::vector<float>& x) const { return punctual::CodesOf(codes, x); }
  std::vector<std::byte> Answer(const std::vector<float>& x) const {
    std::memcpy(session->input(0).data(), x.data(), x.size() * sizeof(float));
    EXPECT_TRUE(session->Run().has_value());
    const auto output = session->output(0);
    return {output.begin(), output.end()};
  }

  InputCodes codes;
  std::unique_ptr<CompiledModel> compiled;
  std::unique_ptr<Session> session;
};

TEST(InputCodesTest, InputsOfTheSameCodesHaveTheSameAnswerToTheBit) {
  Random random(1);
  for (const Kind& kind : KindsOf8Bits()) {
    const Served served(kind);
    std::vector<std::byte> answer_before;
    int other_answers = 0;
    for (int round = 0; round < 300; ++round) {
      std::vector<float> x, same;
      for (std::size_t i = 0; i < kWidth; ++i) {
        const float scale = kind.steps[i % kind.steps.size()].scale;
        // Some beyond what can be told; away from the edges, where the backend may round otherwise than ONNX.
        const float whole = std::nearbyint(static_cast<float>(random.Uniform() * 16 - 8) / scale);
        const auto within = [&] { return (whole + static_cast<float>(random.Uniform() * 0.8 - 0.4)) * scale; };
        x.push_back(within());
        same.push_back(within());
      }
      std::vector<float> canonical = x;
      served.codes.Canonicalise(0, canonical);
      ASSERT_EQ(served.CodesOf(x), served.CodesOf(same));
      ASSERT_EQ(served.CodesOf(x), served.CodesOf(canonical));
      const auto answer = served.Answer(canonical);
      ASSERT_EQ(answer, served.Answer(x));
      ASSERT_EQ(answer, served.Answer(same));
      other_answers += answer != answer_before;
      answer_before = answer;
    }
    EXPECT_EQ(other_answers, 300);  // they are not equal because everything is
  }
}

TEST(InputCodesTest, CanonicalInputsAreAnsweredAsTheFileDefines) {
  std::vector<Kind> kinds = KindsOf8Bits();
  kinds.push_back({CodeType::kUint16, {{0.0002f, 32768}}});
  kinds.push_back({CodeType::kInt16, {{0.0003f, 0}}});
  Random random(2);
  for (const Kind& kind : kinds) {
    const Served served(kind);
    const bool is_signed = kind.type == CodeType::kInt8 || kind.type == CodeType::kInt16;
    const double count = kind.type == CodeType::kUint8 || kind.type == CodeType::kInt8 ? 256 : 65536;
    for (int round = 0; round < 300; ++round) {
      std::vector<float> x, defined;
      for (std::size_t i = 0; i < kWidth; ++i) {
        const auto [scale, zero_point] = kind.steps[i % kind.steps.size()];
        const double low = is_signed ? -count / 2 : 0;
        // At the edges of codes too, and beyond the first and the last.
        const double code =
            low + static_cast<double>(random.Below(static_cast<std::uint64_t>(count * 1.2))) - count / 10;
        x.push_back(static_cast<float>(code + (random.Chance(0.5) ? 0.5 : random.Uniform() - 0.5) - zero_point) *
                    scale);
        const double rounded = static_cast<double>(std::nearbyint(x.back() / scale)) + zero_point;
        defined.push_back(
            (static_cast<float>(std::clamp(rounded, low, low + count - 1)) - static_cast<float>(zero_point)) * scale);
      }
      served.codes.Canonicalise(0, x);
      const auto answer = served.Answer(x);
      const auto expected = test::LinearModelReference(defined, 3);
      for (std::size_t o = 0; o < 3; ++o) {
        float value = 0;
        std::memcpy(&value, answer.data() + o * sizeof value, sizeof value);
        ASSERT_NEAR(value, expected[o], 2e-6);
      }
    }
  }
}

TEST(InputCodesTest, TheBackendQuantizesCanonicalValuesToOurCodes) {
  // The codes themselves are the output, as INT32.
  const std::string file = Changed([](onnx::ModelProto&, onnx::GraphProto& graph) {
    SetInt(AddNode(graph, "Cast", {"codes"}, "numbers"), "to", onnx::TensorProto::INT32);
    *graph.mutable_output(0)->mutable_name() = "numbers";
    graph.mutable_output(0)->mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::INT32);
    graph.mutable_output(0)->mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(1)->set_dim_value(
        kWidth);
  });
  const Served served(file);
  Random random(3);
  for (int round = 0; round < 500; ++round) {
    std::vector<float> x;
    // Beyond what can be told (-6.4 to 6.35) too, and on the edges of codes.
    for (int i = 0; i < kWidth; ++i)
      x.push_back(static_cast<float>(i % 2 == 0 ? random.Uniform() * 20 - 10
                                                : (static_cast<double>(random.Below(300)) - 149.5) * 0.05));
    const auto ours = served.CodesOf(x);
    served.codes.Canonicalise(0, x);
    const auto theirs = served.Answer(x);
    for (std::size_t i = 0; i < kWidth; ++i) {
      std::int32_t number = 0;
      std::memcpy(&number, theirs.data() + i * sizeof number, sizeof number);
      ASSERT_EQ(number, std::to_integer<int>(ours[i])) << x[i];
    }
  }
}

TEST(InputCodesTest, AnInputThatOthersReadTooIsNotToldByItsCodes) {
  EXPECT_THAT(Refusal([](auto&, auto& graph) { AddNode(graph, "Relu", {"book"}, "r").set_name("relu_1"); }),
              HasSubstr("input \"book\" is also read by node \"relu_1\" (Relu)"));
  EXPECT_THAT(Refusal([](auto&, auto& graph) { graph.mutable_node()->begin()->set_op_type("Identity"); }),
              HasSubstr("input \"book\" is read by node \"quantize\" (Identity)"));
  EXPECT_THAT(Refusal([](auto&, auto& graph) { graph.mutable_node(0)->set_domain("com.somebody"); }),
              HasSubstr("is read by node \"quantize\""));
  EXPECT_THAT(Refusal([](auto&, auto& graph) { graph.add_output()->set_name("book"); }),
              HasSubstr("is also an output"));
  EXPECT_THAT(Refusal([](auto&, auto& graph) { graph.mutable_node(0)->set_input(0, "scale"); }),
              HasSubstr("is read by no node"));
  EXPECT_THAT(Refusal([](auto&, auto& graph) { graph.mutable_node(0)->set_input(1, "book"); }),
              HasSubstr("is also a parameter of node \"quantize\""));
  EXPECT_THAT(Refusal([](auto& model, auto&) { model.add_functions()->set_name("QuantizeLinear"); }),
              HasSubstr("is read by node \"quantize\""));
}

TEST(InputCodesTest, AReaderInsideOfABranchIsFound) {
  const auto branch = [](bool as_output, bool nested) {
    return Refusal([&](auto&, onnx::GraphProto& graph) {
      onnx::AttributeProto& attribute = *AddNode(graph, "If", {"condition"}, "y").add_attribute();
      attribute.set_name("then_branch");
      attribute.set_type(onnx::AttributeProto::GRAPH);
      onnx::GraphProto* inside = attribute.mutable_g();
      if (nested) inside = AddNode(*inside, "Loop", {}, "z").add_attribute()->add_graphs();
      if (as_output)
        inside->add_output()->set_name("book");
      else
        AddNode(*inside, "Relu", {"book"}, "r");
    });
  };
  for (const bool as_output : {false, true})
    for (const bool nested : {false, true})
      EXPECT_THAT(branch(as_output, nested), HasSubstr("is read inside of node \"y\" (If)"));
}

TEST(InputCodesTest, ScalesThatAreNotConstantAreRefused) {
  EXPECT_THAT(Refusal([](auto&, auto& graph) { graph.add_input()->set_name("scale"); }), HasSubstr("scale is not"));
  EXPECT_THAT(Refusal([](auto&, auto& graph) { graph.mutable_node(0)->set_input(1, "product"); }),
              HasSubstr("node \"quantize\" (QuantizeLinear): its scale is not a constant"));
  EXPECT_THAT(Refusal([](auto&, auto& graph) { graph.add_input()->set_name("zero_point"); }), HasSubstr("zero point"));
  EXPECT_THAT(Refusal([](auto&, auto& graph) { *graph.add_initializer() = onnx::TensorProto(graph.initializer(0)); }),
              HasSubstr("scale is not"));
  EXPECT_THAT(
      Refusal([](auto&, auto& graph) { graph.mutable_initializer(0)->set_data_location(onnx::TensorProto::EXTERNAL); }),
      HasSubstr("scale is not"));
  EXPECT_THAT(Refusal([](auto&, auto& graph) { graph.mutable_initializer(0)->set_raw_data("\1\2\3"); }),
              HasSubstr("scale is not"));
  EXPECT_THAT(Refusal([](auto&, auto& graph) { graph.mutable_initializer(0)->set_float_data(0, 0); }),
              HasSubstr("the scale 0"));
  EXPECT_THAT(
      Refusal([](auto&, auto& graph) { graph.mutable_initializer(1)->set_data_type(onnx::TensorProto::FLOAT16); }),
      HasSubstr("8 or 16 bits"));
}

TEST(InputCodesTest, ShapesAndVersionsThatAreNotKnownAreRefused) {
  EXPECT_THAT(Refusal([](auto& model, auto&) { model.mutable_opset_import(0)->set_version(9); }), HasSubstr("opset 9"));
  EXPECT_THAT(Refusal([](auto& model, auto&) { model.mutable_opset_import(0)->set_version(23); }),
              HasSubstr("opset 23; 10 to 21"));
  EXPECT_THAT(Refusal([](auto&, auto& graph) { SetInt(*graph.mutable_node(0), "block_size", 4); }),
              HasSubstr("attribute block_size"));
  EXPECT_THAT(Refusal([](auto&, auto& graph) { SetInt(*graph.mutable_node(0), "precision", 1); }),
              HasSubstr("attribute precision"));
  const auto two_scales = [](int axis) {
    return [axis](auto&, onnx::GraphProto& graph) {
      SetInt(*graph.mutable_node(0), "axis", axis);
      for (int i = 0; i < 2; ++i) graph.mutable_initializer(i)->add_dims(2);
      graph.mutable_initializer(0)->add_float_data(1);
      graph.mutable_initializer(1)->add_int32_data(1);
    };
  };
  EXPECT_THAT(Refusal(two_scales(1)), HasSubstr("do not fit the input's shape, [1,8]"));
  EXPECT_THAT(Refusal(two_scales(-1)), HasSubstr("do not fit"));
  EXPECT_THAT(Refusal(two_scales(7)), HasSubstr("do not fit"));
}

TEST(InputCodesTest, InputsOfOtherTypesAndNamesAreRefused) {
  const std::string file = test::QuantizedModel(kWidth, 3, CodeType::kUint8, {{0.05f, 128}});
  const auto refusal = [&](const TensorSpec& spec) {
    return InputCodes::FromOnnx(file, std::vector{kBook[0], spec}).error().message;
  };
  EXPECT_THAT(refusal({"count", DType::kInt64, {1}}), HasSubstr("input \"count\" is not FP32"));
  EXPECT_THAT(refusal({"other", DType::kFloat32, {1}}), HasSubstr("input \"other\" is not one of the file's own"));
  const auto none = InputCodes::FromOnnx("this is not an ONNX file", kBook);
  EXPECT_EQ(none.error().code, Code::kInvalidArgument);
  EXPECT_TRUE(InputCodes::FromOnnx(test::LinearModel(kWidth, 3), kBook).has_error());
}

TEST(InputCodesTest, SeveralQuantisersOfTheSameConstantsAreOne) {
  const auto second = [](float scale) {
    return [scale](auto&, onnx::GraphProto& graph) {
      onnx::TensorProto& tensor = *graph.add_initializer();
      tensor = graph.initializer(0);
      tensor.set_name("scale_2");
      tensor.set_float_data(0, scale);
      AddNode(graph, "QuantizeLinear", {"book", "scale_2", "zero_point"}, "codes_2");
    };
  };
  EXPECT_TRUE(InputCodes::FromOnnx(Changed(second(0.05f)), kBook).has_value());
  EXPECT_THAT(Refusal(second(0.06f)),
              HasSubstr("in two ways, by node \"quantize\" (QuantizeLinear) and node \"codes_2\""));
}

TEST(InputCodesTest, ConstantsMayBeNodesOrRawAndTheZeroPointMayBeLeftOut) {
  const auto expected = InputCodes::FromOnnx(Changed([](auto&, auto&) {}), kBook).value();
  const std::vector<float> x = {0, 1, -1, 0.049f, 6, -6, 99, -99};
  const auto codes_of = [&](auto change) { return CodesOf(InputCodes::FromOnnx(Changed(change), kBook).value(), x); };
  EXPECT_EQ(CodesOf(expected, x), codes_of([](auto&, onnx::GraphProto& graph) {
              const onnx::TensorProto scale = graph.initializer(0);
              graph.mutable_initializer()->DeleteSubrange(0, 1);
              onnx::AttributeProto& value = *AddNode(graph, "Constant", {}, "scale").add_attribute();
              value.set_name("value");
              value.set_type(onnx::AttributeProto::TENSOR);
              *value.mutable_t() = scale;
            }));
  EXPECT_EQ(CodesOf(expected, x), codes_of([](auto&, onnx::GraphProto& graph) {
              const float scale = 0.05f;
              graph.mutable_initializer(0)->clear_float_data();
              graph.mutable_initializer(0)->set_raw_data(&scale, sizeof scale);
              graph.mutable_initializer(1)->clear_int32_data();
              graph.mutable_initializer(1)->set_raw_data("\x80");
            }));
  const auto unsigned_codes =
      codes_of([](auto&, onnx::GraphProto& graph) { graph.mutable_node(0)->mutable_input()->RemoveLast(); });
  EXPECT_EQ(unsigned_codes[1], std::byte{20});
  EXPECT_EQ(unsigned_codes[2], std::byte{0});
  EXPECT_EQ(unsigned_codes[6], std::byte{255});
  const auto signed_codes = codes_of([](onnx::ModelProto& model, onnx::GraphProto& graph) {
    model.mutable_opset_import(0)->set_version(21);
    graph.mutable_node(0)->mutable_input()->RemoveLast();
    SetInt(*graph.mutable_node(0), "output_dtype", onnx::TensorProto::INT8);
  });
  EXPECT_EQ(signed_codes[2], std::byte{0xEC});  // -20
  EXPECT_EQ(signed_codes[7], std::byte{0x80});  // -128
}

// A tree ensemble of one split a node, all leaves left out: what is told apart is in the splits.
std::string TreeModel(const std::vector<std::tuple<int, std::string, float>>& splits,
                      const std::string& also_read_by = "") {
  onnx::ModelProto model;
  model.set_ir_version(8);
  model.add_opset_import()->set_version(13);
  auto& ml = *model.add_opset_import();
  ml.set_domain("ai.onnx.ml");
  ml.set_version(3);
  auto& input = *model.mutable_graph()->add_input();
  input.set_name("book");
  input.mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT);
  onnx::NodeProto& node = AddNode(*model.mutable_graph(), "TreeEnsembleRegressor", {"book"}, "y");
  node.set_domain("ai.onnx.ml");
  auto& ids = *node.add_attribute();
  auto& values = *node.add_attribute();
  auto& modes = *node.add_attribute();
  ids.set_name("nodes_featureids");
  values.set_name("nodes_values");
  modes.set_name("nodes_modes");
  for (const auto& [feature, mode, threshold] : splits) {
    ids.add_ints(feature);
    modes.add_strings(mode);
    values.add_floats(threshold);
  }
  if (!also_read_by.empty()) AddNode(*model.mutable_graph(), also_read_by, {"book", "s", "z"}, "also");
  return model.SerializeAsString();
}

TEST(InputCodesTest, OfTreesTheyAreTheBinsBetweenTheSplits) {
  const auto codes = InputCodes::FromOnnx(
      TreeModel({{0, "BRANCH_LEQ", 1.0f}, {0, "LEAF", 9.0f}, {7, "BRANCH_LT", -2.5f}, {7, "BRANCH_GT", 3.0f}}), kBook);
  ASSERT_TRUE(codes.has_value()) << codes.error().message;
  const auto same = [&](const std::vector<float>& a, const std::vector<float>& b) {
    return CodesOf(*codes, a) == CodesOf(*codes, b);
  };
  EXPECT_EQ(codes->CodeBytes(0), 32u);
  EXPECT_TRUE(same({1, 0, 0, 0, 0, 0, 0, -2.5f}, {-9, 5, 6, 7, 8, 9, 10, 3}));
  EXPECT_FALSE(same({1, 0, 0, 0, 0, 0, 0, 0}, {std::nextafter(1.0f, 2.0f), 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_FALSE(same({1, 0, 0, 0, 0, 0, 0, 3}, {1, 0, 0, 0, 0, 0, 0, std::nextafter(3.0f, 4.0f)}));
  EXPECT_FALSE(same({1, 0, 0, 0, 0, 0, 0, -2.5f}, {1, 0, 0, 0, 0, 0, 0, std::nextafter(-2.5f, -3.0f)}));
}

TEST(InputCodesTest, TreesThatAreNotKnownAreRefused) {
  const auto refusal = [](const std::string& file) { return InputCodes::FromOnnx(file, kBook).error().message; };
  EXPECT_THAT(refusal(TreeModel({{8, "BRANCH_LEQ", 1.0f}})), HasSubstr("whose trees are not known"));
  EXPECT_THAT(refusal(TreeModel({{0, "BRANCH_MEMBER", 1.0f}})), HasSubstr("whose trees are not known"));
  EXPECT_THAT(refusal(TreeModel({{0, "BRANCH_LEQ", std::nanf("")}})), HasSubstr("whose trees are not known"));
  EXPECT_THAT(refusal(TreeModel({}, "QuantizeLinear")), HasSubstr("is also read by node \"also\" (QuantizeLinear)"));
  const std::vector<TensorSpec> rows = {{"book", DType::kFloat32, {1, 2, 4}}};
  EXPECT_THAT(InputCodes::FromOnnx(TreeModel({}), rows).error().message, HasSubstr("not one row of features"));
}

}  // namespace
}  // namespace punctual

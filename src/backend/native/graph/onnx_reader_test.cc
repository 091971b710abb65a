#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "backend/native/graph/model_text.h"
#include "backend/native/operators/operator.h"
#include "backend/native/plan/plan.h"

namespace punctual::native::test {
namespace {

using ::testing::ElementsAre;

std::string Chain(const std::string& before) { return before + " " + kX + " " + kXToY + " " + kY; }

TEST(OnnxReaderTest, AnOpenFirstDimensionBecomesTheBatch) {
  ReadOptions options;
  options.batch = 8;
  const auto read = Read(Chain(""), options).value();
  EXPECT_TRUE(read.batch_is_open);
  EXPECT_THAT(read.graph.values[read.graph.inputs.at(0)].dims, ElementsAre(8, 3));
  EXPECT_THAT(read.graph.values[read.graph.outputs.at(0)].dims, ElementsAre(8, 3));
  EXPECT_EQ(read.graph.nodes.at(0).op, FindOperator("", "Identity", 17));
  EXPECT_EQ(read.graph.nodes[0].opset, 17);
  EXPECT_EQ(read.graph.nodes[0].name, "same");
}

TEST(OnnxReaderTest, ABatchIsOpenOnlyIfItIsForEveryInput) {
  const std::string fixed =
      R"(input { name: "z" type { tensor_type { elem_type: 7 shape { dim { dim_value: 2 } } } } })";
  EXPECT_FALSE(Read(Chain(fixed)).value().batch_is_open);
  EXPECT_FALSE(Read(R"(initializer { name: "y" data_type: 1 float_data: 1 dims: 1 } output { name: "y" })")
                   .value()
                   .batch_is_open);
}

TEST(OnnxReaderTest, OtherOpenDimensionsAreRefused) {
  ExpectWrong(
      R"(input { name: "x" type { tensor_type { elem_type: 1 shape { dim { dim_value: 1 } dim { dim_param: "T" } } } } })" +
          std::string(kXToY) + kY,
      "of shape [1,?]: only the first dimension may be open");
}

TEST(OnnxReaderTest, WhatIsNoModelIsRefused) {
  ExpectError(ReadOnnx("no protobuf", "m.onnx"), Code::kInvalidArgument, "is no ONNX file");
  ExpectError(ReadOnnx("", "m.onnx"), Code::kInvalidArgument, "is no ONNX file");
  ExpectWrong("", "has no outputs");
  ReadOptions options;
  options.batch = 0;
  ExpectError(Read(Chain(""), options), Code::kInvalidArgument, "a batch of 0");
}

TEST(OnnxReaderTest, InputsMustBeTensorsOfKnownTypesAndShapes) {
  const auto with = [](const std::string& type) {
    return "input { name: \"x\" " + type + " } " + kXToY + std::string(kY);
  };
  ExpectUnsupported(with("type { sequence_type { elem_type { tensor_type { elem_type: 1 } } } }"), "is no tensor");
  ExpectUnsupported(with(""), "is no tensor");
  ExpectUnsupported(with("type { tensor_type { elem_type: 8 shape {} } }"), "is of type string");
  ExpectUnsupported(with("type { tensor_type { elem_type: 10 shape {} } }"), "is of type float16");
  ExpectWrong(with("type { tensor_type { elem_type: 1 } }"), "has no shape");
  ExpectWrong(with("type { tensor_type { elem_type: 1 shape { dim { dim_value: -2 } } } }"), "negative dimension");
  ExpectWrong(with("type { tensor_type { elem_type: 1 shape { dim { dim_value: 4294967296 } dim { dim_value: "
                   "4294967296 } } } }"),
              "elements");
  std::string nine;
  for (int i = 0; i < 9; ++i) nine += "dim { dim_value: 1 } ";
  ExpectWrong(with("type { tensor_type { elem_type: 1 shape { " + nine + " } } }"), "more than 8");
  ExpectWrong("input { type { tensor_type { elem_type: 1 shape {} } } }", "an input has no name");
}

TEST(OnnxReaderTest, ANameBelongsToOneValue) {
  ExpectWrong(Chain(kX), "two values are named \"x\"");
  ExpectWrong(Chain(kXToY), "two values are named \"y\"");
  ExpectWrong(std::string(kX) + R"(node { op_type: "Identity" input: "x" output: "x" })", "two values are named \"x\"");
  const std::string w = R"(initializer { name: "w" data_type: 1 float_data: 1 dims: 1 } )";
  ExpectWrong(Chain(w + w), "two values are named \"w\"");
  ExpectWrong(Chain("initializer { data_type: 1 float_data: 1 dims: 1 }"), "an initialiser has no name");
  ExpectWrong(Chain("") + kY, "listed twice");
}

TEST(OnnxReaderTest, InitialisersMayBeListedAmongTheInputs) {
  const auto read = Read(std::string(kX) +
                         R"(input { name: "w" type { tensor_type { elem_type: 1 } } }
                            initializer { name: "w" data_type: 1 float_data: 1 float_data: 2 float_data: 3 dims: 3 }
                            node { op_type: "Identity" input: "w" output: "y" } output { name: "y" })")
                        .value();
  EXPECT_EQ(read.graph.inputs.size(), 1u);
  EXPECT_THAT(read.graph.values[read.graph.outputs[0]].constant->values<float>(), ElementsAre(1, 2, 3));
}

TEST(OnnxReaderTest, NodesAreBroughtIntoAnOrder) {
  const auto read = Read(std::string(kX) + R"(node { op_type: "Identity" input: "b" output: "y" }
                                              node { op_type: "Identity" input: "a" output: "b" }
                                              node { op_type: "Identity" input: "x" output: "a" })" +
                         kY)
                        .value();
  std::vector<std::string> names;
  for (const Node& node : read.graph.nodes) names.push_back(node.name);
  EXPECT_THAT(names, ElementsAre("a", "b", "y"));
}

TEST(OnnxReaderTest, CirclesAreRefused) {
  ExpectWrong(std::string(kX) + R"(node { op_type: "Identity" input: "b" output: "a" }
                                   node { op_type: "Identity" input: "a" output: "b" })" +
                  kXToY + kY,
              "the nodes form a circle");
}

TEST(OnnxReaderTest, WhatNobodyComputesIsRefused) {
  ExpectWrong(std::string(kX) + R"(node { op_type: "Identity" input: "w" output: "y" })" + kY, "reads \"w\"");
  ExpectWrong(std::string(kX) + kXToY + R"(output { name: "z" })", "output \"z\" is computed by no node");
  ExpectWrong(std::string(kX) + R"(node { op_type: "Identity" input: "x" })" + kY, "has no outputs");
}

TEST(OnnxReaderTest, UnknownOperatorsAreNamed) {
  ExpectUnsupported(
      std::string(kX) + R"(node { op_type: "NonZero" name: "n" input: "x" output: "y" })" + kY,
      "node \"n\" (NonZero): the native backend has no operator NonZero of domain \"ai.onnx\" in opset 17");
  ExpectError(
      Read(ModelOf(std::string(kX) + R"(node { op_type: "Identity" domain: "punctual" input: "x" output: "y" })" + kY,
                   R"(opset_import { domain: "punctual" version: 1 })")),
      Code::kFailedPrecondition, "of domain \"punctual\"");
}

TEST(OnnxReaderTest, AnOperatorThatOtherOpsetsHaveIsNamedWithThem) {
  ExpectError(
      Read(ModelOf(std::string(kX) + R"(node { op_type: "Mul" name: "n" input: "x" input: "x" output: "y" })" + kY,
                   "opset_import { version: 6 }")),
      Code::kFailedPrecondition,
      "(Mul): native knows Mul from opset 7 on; the file is of opset 6: export it with a newer one");
}

TEST(OnnxReaderTest, OpsetsAreKnownByDomain) {
  ExpectError(Read(ModelOf(Chain(""), "")), Code::kInvalidArgument, "does not say which opset");
  ExpectError(Read(ModelOf(Chain(""), "opset_import { version: 0 }")), Code::kInvalidArgument, "opset 0");
  ExpectError(Read(ModelOf(Chain(""), "opset_import { version: 99 }")), Code::kFailedPrecondition, "opset 99");
  ExpectError(Read(ModelOf(Chain(""), R"(opset_import { version: 9 } opset_import { domain: "ai.onnx" version: 9 })")),
              Code::kInvalidArgument, "two opsets");
  EXPECT_TRUE(Read(ModelOf(Chain(""), R"(opset_import { domain: "ai.onnx" version: 9 }
                                         opset_import { domain: "other" version: 99 })"))
                  .has_value());
}

TEST(OnnxReaderTest, FunctionsOfTheFileAreRefused) {
  ExpectError(Read(ModelOf(Chain(""), R"(opset_import { version: 17 } functions { name: "Identity" })")),
              Code::kFailedPrecondition, "is a function that the file defines");
}

TEST(OnnxReaderTest, GraphsInsideOfNodesAreRefused) {
  ExpectUnsupported(std::string(kX) + kY + R"(node { op_type: "Identity" input: "x" output: "y"
                                              attribute { name: "body" type: GRAPH g {} } })",
                    "attribute \"body\" is a graph");
}

TEST(OnnxReaderTest, AttributesMustBeOfAKind) {
  const auto with = [](const std::string& attributes) {
    return std::string(kX) + kY + "node { op_type: \"Flatten\" input: \"x\" output: \"y\" " + attributes + " }";
  };
  const std::string axis = R"(attribute { name: "axis" type: INT i: 1 } )";
  EXPECT_TRUE(Read(with(axis)).has_value());
  ExpectWrong(with(axis + axis), "stands there twice");
  ExpectWrong(with(R"(attribute { name: "axis" i: 1 })"), "has no type");
  ExpectWrong(with(R"(attribute { name: "axis" type: FLOAT f: 1 })"), "of another kind");
  ExpectUnsupported(with(R"(attribute { name: "axis" type: INT ref_attr_name: "a" })"), "function's attribute");
  ExpectUnsupported(with(R"(attribute { name: "axis" type: SPARSE_TENSOR })"), "of a kind that is not supported");
  ExpectUnsupported(with(R"(attribute { name: "axes" type: INT i: 1 })"), "attribute \"axes\" is not supported");
}

TEST(OnnxReaderTest, DeclaredOutputsMustFitWhatComesOut) {
  const auto with = [](const std::string& type) {
    return std::string(kX) + kXToY + "output { name: \"y\" type { " + type + " } }";
  };
  EXPECT_TRUE(Read(with("tensor_type { elem_type: 1 shape { dim {} dim { dim_value: 3 } } }")).has_value());
  ExpectWrong(with("tensor_type { elem_type: 7 }"), "is declared int64, but float comes out");
  ExpectWrong(with("tensor_type { elem_type: 1 shape { dim {} dim { dim_value: 4 } } }"),
              "is declared [?,4], but [1,3] comes out");
  ExpectWrong(with("tensor_type { elem_type: 1 shape { dim { dim_value: 1 } } }"), "is declared [1]");
}

TEST(OnnxReaderTest, StringLabelsAreRefused) {
  ExpectUnsupported(std::string(kX) + kXToY + R"(output { name: "y" type { tensor_type { elem_type: 8 } } })",
                    "holds strings, which cannot be served");
  ExpectUnsupported(std::string(kX) + kXToY + R"(output { name: "y" type { sequence_type { elem_type { map_type {
                      key_type: 8 value_type { tensor_type { elem_type: 1 } } } } } } })",
                    "holds strings, which cannot be served");
}

TEST(OnnxReaderTest, OutputsThatAnOperatorDoesNotKnowAreRefused) {
  ExpectUnsupported(std::string(kX) + kY + R"(node { op_type: "Identity" input: "x" output: "y" output: "z" })",
                    "output 1 is not supported");
}

TEST(OnnxReaderTest, LimitsHold) {
  ReadOptions options;
  options.limits.max_nodes = 0;
  ExpectError(Read(Chain(""), options), Code::kInvalidArgument, "has 1 nodes, more than 0");
  options = {};
  options.limits.max_elements = 5;
  options.batch = 2;
  ExpectError(Read(Chain(""), options), Code::kInvalidArgument, "more than 5 elements");
  options.batch = std::numeric_limits<std::int64_t>::max();
  ExpectError(Read(Chain(""), options), Code::kInvalidArgument, "more than 5 elements");
  options = {};
  options.limits.max_kept_bytes = 1000;
  ExpectError(Read(std::string(kX) + R"(
                     initializer { name: "s" data_type: 7 int64_data: 1000 dims: 1 }
                     node { op_type: "ConstantOfShape" input: "s" output: "y" })" +
                       kY,
                   options),
              Code::kInvalidArgument, "a constant of shape [1000] takes more than 1000 bytes");
}

TEST(OnnxReaderTest, ShapesThatTheFileCalculatesAreKnown) {
  ReadOptions options;
  options.batch = 4;
  // [4, 3] to [4 * 3]: the shape is of the input's, and goes through a Slice and a Concat.
  const auto read = Read(std::string(kX) + R"(
      initializer { name: "zero" data_type: 7 int64_data: 0 dims: 1 }
      initializer { name: "one" data_type: 7 int64_data: 1 dims: 1 }
      initializer { name: "rest" data_type: 7 int64_data: -1 dims: 1 }
      node { op_type: "Shape" input: "x" output: "shape" }
      node { op_type: "Slice" input: "shape" input: "zero" input: "one" output: "batch" }
      node { op_type: "Concat" input: "batch" input: "rest" input: "one" output: "to"
             attribute { name: "axis" type: INT i: 0 } }
      node { op_type: "Reshape" input: "x" input: "to" output: "y" } output { name: "y" })",
                         options)
                        .value();
  EXPECT_THAT(read.graph.values[read.graph.outputs[0]].dims, ElementsAre(4, 3, 1));
}

TEST(OnnxReaderTest, AttributesThatAnOperatorDoesNotKnowAreRefused) {
  const auto with = [](const std::string& attribute) {
    return std::string(kX) + kY + R"(node { op_type: "LeakyRelu" input: "x" output: "y" attribute { )" + attribute +
           " } }";
  };
  EXPECT_TRUE(Read(with(R"(name: "alpha" type: FLOAT f: 0.5)")).has_value());
  ExpectUnsupported(with(R"(name: "alhpa" type: FLOAT f: 0.5)"), "attribute \"alhpa\" is not supported");
  ExpectWrong(with(R"(name: "alpha" type: INT i: 1)"), "attribute \"alpha\" is of another kind");
}

TEST(OnnxReaderTest, TheFirstOutputMayBeLeftOut) {
  const auto read = Read(std::string(kX) + R"(
      initializer { name: "scale" data_type: 1 float_data: 1 float_data: 1 float_data: 1 dims: 3 }
      node { op_type: "LayerNormalization" input: "x" input: "scale" output: "" output: "mean" }
      output { name: "mean" })")
                        .value();
  const ValueId first = read.graph.nodes.at(0).outputs.at(0);
  ASSERT_NE(first, kNoValue);
  EXPECT_THAT(read.graph.values[first].dims, ElementsAre(1, 3));
  EXPECT_TRUE(Plan::Make(read.graph).has_value());
}

// Passes and plans make something of them for each node that reads them.
TEST(OnnxReaderTest, ConstantsCountForEachNodeThatReadsThem) {
  const std::string graph = std::string(kX) + R"(
      initializer { name: "c" data_type: 1 float_data: 1 float_data: 1 float_data: 1 dims: 3 }
      node { op_type: "Add" input: "x" input: "c" output: "z" }
      node { op_type: "Mul" input: "z" input: "c" output: "y" } )" +
                            kY;
  ReadOptions options;
  options.limits.max_kept_bytes = 24;
  EXPECT_TRUE(Read(graph, options).has_value());
  options.limits.max_kept_bytes = 23;
  ExpectError(Read(graph, options), Code::kInvalidArgument, "the constants up to here take more than 23 bytes");
}

}  // namespace
}  // namespace punctual::native::test

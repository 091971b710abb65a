#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backend/native/graph/model_text.h"

namespace punctual::native::test {
namespace {

using ::testing::ElementsAre;

// A model that gives back one initialiser.
Result<ReadModel> ReadWeight(const std::string& tensor) {
  return Read(std::string(kX) + "initializer { name: \"w\" " + tensor + " } output { name: \"w\" }");
}

template <class T>
std::vector<T> WeightOf(const std::string& tensor) {
  const auto read = ReadWeight(tensor);
  if (read.has_error()) {
    ADD_FAILURE() << read.error().message;
    return {};
  }
  const auto& constant = read->graph.values[read->graph.outputs[0]].constant;
  EXPECT_EQ(constant->type(), kElementType<T>);
  return {constant->values<T>().begin(), constant->values<T>().end()};
}

TEST(OnnxTensorTest, EveryTypeIsReadListedAndRaw) {
  EXPECT_THAT(WeightOf<float>("data_type: 1 dims: 2 float_data: [1.5, -2]"), ElementsAre(1.5f, -2.0f));
  EXPECT_THAT(WeightOf<float>(R"(data_type: 1 dims: 1 raw_data: "\000\000\200\077")"), ElementsAre(1.0f));
  EXPECT_THAT(WeightOf<double>("data_type: 11 dims: 2 double_data: [1.5, -2]"), ElementsAre(1.5, -2.0));
  EXPECT_THAT(WeightOf<double>(R"(data_type: 11 dims: 1 raw_data: "\000\000\000\000\000\000\360\077")"),
              ElementsAre(1.0));
  EXPECT_THAT(WeightOf<std::int32_t>("data_type: 6 dims: 2 int32_data: [7, -7]"), ElementsAre(7, -7));
  EXPECT_THAT(WeightOf<std::int32_t>(R"(data_type: 6 dims: 1 raw_data: "\001\002\000\000")"), ElementsAre(513));
  EXPECT_THAT(WeightOf<std::int64_t>("data_type: 7 dims: 2 int64_data: [7, -7]"), ElementsAre(7, -7));
  EXPECT_THAT(WeightOf<std::int64_t>(R"(data_type: 7 dims: 1 raw_data: "\001\000\000\000\000\000\000\000")"),
              ElementsAre(1));
  EXPECT_THAT(WeightOf<std::int8_t>("data_type: 3 dims: 2 int32_data: [127, -128]"), ElementsAre(127, -128));
  EXPECT_THAT(WeightOf<std::int8_t>(R"(data_type: 3 dims: 2 raw_data: "\377\001")"), ElementsAre(-1, 1));
  EXPECT_THAT(WeightOf<std::uint8_t>("data_type: 2 dims: 2 int32_data: [255, 0]"), ElementsAre(255, 0));
  EXPECT_THAT(WeightOf<std::uint8_t>(R"(data_type: 2 dims: 2 raw_data: "\377\001")"), ElementsAre(255, 1));
}

TEST(OnnxTensorTest, TruthsAreZeroOrOne) {
  for (const char* tensor :
       {"data_type: 9 dims: 3 int32_data: [0, 1, 7]", R"(data_type: 9 dims: 3 raw_data: "\000\001\007")"}) {
    const auto read = ReadWeight(tensor).value();
    EXPECT_EQ(read.graph.values[read.graph.outputs[0]].type, ElementType::kBool);
    EXPECT_THAT(read.graph.values[read.graph.outputs[0]].constant->values<std::uint8_t>(), ElementsAre(0, 1, 1));
  }
}

TEST(OnnxTensorTest, HalvesAreWidened) {
  // 1, -2, the least above 0, the largest below it, the largest.
  EXPECT_THAT(WeightOf<float>("data_type: 10 dims: 5 int32_data: [15360, 49152, 1, 33791, 31743]"),
              ElementsAre(1.0f, -2.0f, 0x1p-24f, -1023 * 0x1p-24f, 65504.0f));
  EXPECT_THAT(WeightOf<float>(R"(data_type: 10 dims: 1 raw_data: "\000\074")"), ElementsAre(1.0f));
  ExpectError(ReadWeight("data_type: 10 dims: 1 int32_data: 65536"), Code::kInvalidArgument, "is no float16");
  ExpectError(ReadWeight("data_type: 10 dims: 1 int32_data: 31744"), Code::kInvalidArgument, "infinite");
}

TEST(OnnxTensorTest, AnEmptyTensorAndAScalarAreTensors) {
  EXPECT_TRUE(WeightOf<float>("data_type: 1 dims: 0").empty());
  EXPECT_THAT(WeightOf<float>("data_type: 1 float_data: 3"), ElementsAre(3.0f));
}

TEST(OnnxTensorTest, DataMustFitTheShape) {
  const auto wrong = [](const std::string& tensor, const std::string& says) {
    ExpectError(ReadWeight(tensor), Code::kInvalidArgument, "initialiser \"w\" " + says);
  };
  wrong("data_type: 1 dims: 2 float_data: 1", "has 1 numbers, its shape needs 2");
  wrong("data_type: 1 dims: 2", "has 0 numbers, its shape needs 2");
  wrong("data_type: 1 dims: 2 int32_data: [1, 2]", "has 0 numbers");
  wrong(R"(data_type: 1 dims: 2 raw_data: "12345")", "has 5 bytes of data, its shape needs 8");
  wrong(R"(data_type: 1 dims: 1 raw_data: "1234" float_data: 1)", "has its numbers twice");
  wrong("data_type: 1 dims: -1", "has shape [-1] has a negative dimension");
  wrong("data_type: 1 dims: 4611686018427387904 dims: 4", "has shape");
  wrong("data_type: 1 dims: 4611686018427387904 dims: 0", "has shape");
  wrong("data_type: 1 dims: [1,1,1,1,1,1,1,1,1] float_data: 1", "has 9 dimensions, more than 8");
  wrong("data_type: 3 dims: 1 int32_data: 128", "has the number 128");
  wrong("data_type: 2 dims: 1 int32_data: -1", "has the number -1");
}

TEST(OnnxTensorTest, WeightsMustBeFinite) {
  ExpectError(ReadWeight("data_type: 1 dims: 2 float_data: [1, nan]"), Code::kInvalidArgument,
              "initialiser \"w\" holds NaN");
  ExpectError(ReadWeight("data_type: 1 dims: 1 float_data: -inf"), Code::kInvalidArgument, "holds infinite numbers");
  ExpectError(ReadWeight("data_type: 11 dims: 1 double_data: nan"), Code::kInvalidArgument, "holds NaN");
}

TEST(OnnxTensorTest, AConstantMayBeInfiniteButNotNan) {
  const auto with = [](const std::string& number) {
    return std::string(kX) + kY +
           R"(node { op_type: "Constant" output: "y" attribute { name: "value" type: TENSOR
              t { data_type: 1 float_data: )" +
           number + " } } }";
  };
  EXPECT_TRUE(Read(with("-inf")).has_value());
  ExpectWrong(with("nan"), "attribute \"value\" holds NaN");
}

TEST(OnnxTensorTest, WhatIsNotHereIsRefused) {
  const auto unsupported = [](const std::string& tensor, const std::string& says) {
    ExpectError(ReadWeight(tensor), Code::kFailedPrecondition, says);
  };
  unsupported(R"(data_type: 1 dims: 1 data_location: EXTERNAL external_data { key: "location" value: "/etc/passwd" })",
              "is kept outside of the file");
  unsupported(R"(data_type: 1 dims: 1 float_data: 1 external_data { key: "location" })", "is kept outside of the file");
  unsupported("data_type: 1 dims: 1 float_data: 1 segment { begin: 0 end: 1 }", "is stored in segments");
  unsupported("data_type: 8 dims: 1 string_data: \"a\"", "is of type string");
  unsupported("data_type: 13 dims: 1 uint64_data: 1", "is of type uint64");
  unsupported("data_type: 99 dims: 1", "is of type type 99");
  ExpectUnsupported("sparse_initializer { values { name: \"s\" } }", "has sparse initialisers");
}

}  // namespace
}  // namespace punctual::native::test

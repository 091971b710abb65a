#include "backend/native/graph/model_text.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

namespace punctual::native::test {

using ::testing::HasSubstr;

onnx::ModelProto ModelOf(const std::string& graph, const std::string& around) {
  onnx::ModelProto model;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString("graph { " + graph + " } " + around, &model)) << graph;
  return model;
}

Result<ReadModel> Read(const onnx::ModelProto& model, const ReadOptions& options) {
  return ReadOnnx(model.SerializeAsString(), "m.onnx", options);
}

Result<ReadModel> Read(const std::string& graph, const ReadOptions& options) { return Read(ModelOf(graph), options); }

void ExpectError(const Result<ReadModel>& read, Code code, const std::string& says) {
  ASSERT_TRUE(read.has_error()) << "expected: " << says;
  EXPECT_EQ(read.error().code, code) << read.error().message;
  EXPECT_THAT(read.error().message, HasSubstr("m.onnx: "));
  EXPECT_THAT(read.error().message, HasSubstr(says));
}

void ExpectWrong(const std::string& graph, const std::string& says) {
  ExpectError(Read(graph), Code::kInvalidArgument, says);
}

void ExpectUnsupported(const std::string& graph, const std::string& says) {
  ExpectError(Read(graph), Code::kFailedPrecondition, says);
}

}  // namespace punctual::native::test

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <cmath>
#include <cstring>
#include <thread>

#include "model/backend.h"
#include "support/onnx_models.h"

namespace punctual {
namespace {

using ::testing::HasSubstr;

Result<std::unique_ptr<CompiledModel>> Compile(const std::string& onnx, const std::string& variant = "fp32",
                                               const std::string& device = "CPU") {
  return FindBackend("openvino").value()->Compile({onnx, "m/1/model.onnx", variant, device});
}

void Fill(Session& session, const std::vector<float>& values) {
  std::memcpy(session.input(0).data(), values.data(), values.size() * sizeof(float));
}

std::vector<float> Output(const Session& session) {
  const auto bytes = session.output(0);
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

TEST(OpenVinoBackendTest, ReadsTheSignatureWithBatchOne) {
  auto model = Compile(test::LinearModel(8, 3));
  ASSERT_TRUE(model.has_value()) << model.error().message;
  const Signature& signature = (*model)->signature();
  ASSERT_EQ(signature.inputs.size(), 1u);
  EXPECT_EQ(signature.inputs[0].name, "book");
  EXPECT_EQ(signature.inputs[0].shape, (Shape{1, 8}));
  EXPECT_EQ(signature.outputs[0].name, "probabilities");
  EXPECT_EQ(signature.outputs[0].shape, (Shape{1, 3}));
}

TEST(OpenVinoBackendTest, SessionsComputeTheModelInParallel) {
  auto model = Compile(test::LinearModel(16, 3)).value();
  std::vector<std::unique_ptr<Session>> sessions;
  for (int i = 0; i < 3; ++i) sessions.push_back(model->NewSession(1).value());
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < sessions.size(); ++t)
    threads.emplace_back([&, t] {
      for (int round = 0; round < 200; ++round) {
        std::vector<float> x;
        for (int i = 0; i < 16; ++i) x.push_back(static_cast<float>(std::sin(i + round * 3 + static_cast<int>(t))));
        Fill(*sessions[t], x);
        ASSERT_TRUE(sessions[t]->Run().has_value());
        const auto expected = test::LinearModelReference(x, 3);
        const auto got = Output(*sessions[t]);
        for (std::size_t o = 0; o < 3; ++o) ASSERT_NEAR(got[o], expected[o], 1e-6);
      }
    });
  for (auto& thread : threads) thread.join();
}

TEST(OpenVinoBackendTest, ABatchAnswersEachOfItsMembers) {
  auto model = Compile(test::LinearModel(16, 3)).value();
  auto batch = model->NewSession(4).value();
  std::vector<float> all;
  for (int i = 0; i < 64; ++i) all.push_back(static_cast<float>(std::sin(i)));
  ASSERT_EQ(batch->input(0).size(), all.size() * sizeof(float));
  Fill(*batch, all);
  ASSERT_TRUE(batch->Run().has_value());
  const std::vector<float> got = Output(*batch);
  ASSERT_EQ(got.size(), 12u);
  for (std::size_t member = 0; member < 4; ++member) {
    const auto from = all.begin() + static_cast<std::ptrdiff_t>(16 * member);
    const auto expected = test::LinearModelReference({from, from + 16}, 3);
    for (std::size_t o = 0; o < 3; ++o) EXPECT_NEAR(got[3 * member + o], expected[o], 1e-6);
  }
}

TEST(OpenVinoBackendTest, AModelOfOneQuestionAtATimeHasNoBatch) {
  auto model = Compile(test::FixedBatchModel(4)).value();
  EXPECT_TRUE(model->NewSession(1).has_value());
  const auto batch = model->NewSession(2);
  ASSERT_TRUE(batch.has_error());
  EXPECT_EQ(batch.error().code, Code::kFailedPrecondition);
  EXPECT_THAT(batch.error().message, HasSubstr("no open batch"));
}

TEST(OpenVinoBackendTest, Fp32IsComputedInFp32) {
  // bf16 keeps 8 bits of a number: its error on these sums would be about 1e-3.
  auto model = Compile(test::LinearModel(512, 3, 40)).value();
  auto session = model->NewSession(1).value();
  std::vector<float> x;
  for (int i = 0; i < 512; ++i) x.push_back(static_cast<float>(std::sin(i * 1.7)));
  Fill(*session, x);
  ASSERT_TRUE(session->Run().has_value());
  const auto expected = test::LinearModelReference(x, 3, 40);
  for (std::size_t o = 0; o < 3; ++o) EXPECT_NEAR(Output(*session)[o], expected[o], 1e-6);
}

TEST(OpenVinoBackendTest, AFileThatIsNoModelIsRefusedWithItsPath) {
  auto model = Compile("this is not an ONNX file");
  ASSERT_TRUE(model.has_error());
  EXPECT_EQ(model.error().code, Code::kInvalidArgument);
  EXPECT_THAT(model.error().message, HasSubstr("m/1/model.onnx"));
}

TEST(OpenVinoBackendTest, AnOperatorThatItHasNotIsNamed) {
  onnx::ModelProto model;
  ASSERT_TRUE(model.ParseFromString(test::LogModel(3)));
  for (onnx::NodeProto& node : *model.mutable_graph()->mutable_node()) node.set_op_type("Foo");
  const auto compiled = Compile(model.SerializeAsString());
  ASSERT_TRUE(compiled.has_error());
  EXPECT_EQ(compiled.error().message,
            "m/1/model.onnx: openvino: cannot be read: No conversion rule found for operations: Foo-13");
}

// OpenVINO's own reader does not come back from them.
TEST(OpenVinoBackendTest, NodesThatWaitForEachOtherAreRefused) {
  onnx::ModelProto model;
  ASSERT_TRUE(model.ParseFromString(test::LogModel(3)));
  onnx::NodeProto& first = *model.mutable_graph()->add_node();
  first.set_op_type("Relu");
  first.set_name("first");
  first.add_input("b");
  first.add_output("a");
  onnx::NodeProto& second = *model.mutable_graph()->add_node();
  second = first;
  second.set_input(0, "a");
  second.set_output(0, "b");
  const auto refused = Compile(model.SerializeAsString());
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().code, Code::kInvalidArgument);
  EXPECT_EQ(refused.error().message,
            "m/1/model.onnx: openvino: Relu \"first\" waits for itself: the nodes form a circle");

  // The same inside of another node.
  onnx::ModelProto outer;
  ASSERT_TRUE(outer.ParseFromString(test::LogModel(3)));
  onnx::NodeProto& branch = *outer.mutable_graph()->add_node();
  branch.set_op_type("If");
  onnx::AttributeProto& then = *branch.add_attribute();
  then.set_type(onnx::AttributeProto::GRAPH);
  *then.mutable_g() = model.graph();
  EXPECT_THAT(Compile(outer.SerializeAsString()).error().message, HasSubstr("form a circle"));
}

TEST(OpenVinoBackendTest, ATruncatedFileIsRefused) {
  const std::string whole = test::LinearModel(64, 3);
  for (const std::size_t size : {whole.size() / 4, whole.size() / 2, whole.size() - 1}) {
    auto model = Compile(whole.substr(0, size));
    EXPECT_TRUE(model.has_error() || (*model)->NewSession(1).has_error()) << size;
  }
}

TEST(OpenVinoBackendTest, ADeviceThatIsNotThereIsNamedWithThoseThatAre) {
  auto model = Compile(test::LinearModel(8, 3), "fp32", "NPU");
  ASSERT_TRUE(model.has_error());
  EXPECT_EQ(model.error().code, Code::kFailedPrecondition);
  EXPECT_THAT(model.error().message, HasSubstr("CPU"));
}

TEST(OpenVinoBackendTest, AnUnknownBackendListsTheKnown) {
  EXPECT_THAT(FindBackend("tensorflow").error().message, HasSubstr("openvino"));
}

}  // namespace
}  // namespace punctual

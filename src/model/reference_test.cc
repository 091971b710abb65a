// A variant of a model and the float file that its answers are compared with, as a repository loads them.
#include "model/reference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/repository.h"
#include "support/onnx_models.h"
#include "support/temporary_repository.h"

namespace punctual {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::StartsWith;

constexpr const char* kWatched = "variant = \"int8\"\nshadow_share = 0.5\n";

class ReferenceTest : public ::testing::Test {
 protected:
  // model.onnx is the float file.
  void Add(const std::string& onnx, const std::string& int8, const std::string& more = kWatched) {
    repository_.Write("m/1/int8.onnx", int8);
    repository_.AddModel("m", "1", "backend = \"openvino\"\n" + test::ImbalanceManifest(2, more), onnx);
  }
  int Reload() { return models_.Reload().value(); }
  RepositoryEntry Entry() { return models_.Models()->at("m"); }
  std::shared_ptr<const ServedModel> Served() { return Entry().served; }
  std::string FloatPath() const { return repository_.path() + "/m/1/model.onnx"; }

  test::TemporaryRepository repository_;
  LoadOptions options_{.pool_sessions = 2, .caller_sessions = 2, .inline_below = std::chrono::milliseconds(1)};
  Repository models_{repository_.path(), options_};
};

// What has been asked of it, as not every CPU computes in bf16. It computes all in float.
std::vector<std::pair<std::string, std::string>> compiled;  // file and precision
Backend* openvino = nullptr;

class AnyPrecision final : public Backend {
 public:
  Result<std::unique_ptr<CompiledModel>> Compile(const CompileRequest& request) override {
    compiled.emplace_back(request.where, request.precision);
    CompileRequest in_float = request;
    in_float.precision = "fp32";
    return openvino->Compile(in_float);
  }
};

std::vector<float> AnswerOf(const ServedModel& model) {
  const std::vector<NamedTensor> inputs = {{"book", Tensor::Float32({1, 2}, std::vector<float>{0.5f, -1})}};
  const Outputs outputs =
      model.Infer([&](const MemberInputs& into) { return ServedModel::FillTensors(into, inputs); }).value();
  const auto values = outputs[0].values<float>();
  return {values.begin(), values.end()};
}

void ExpectLinear(const ServedModel& model, double weight) {
  const std::vector<double> expected = test::LinearModelReference({0.5f, -1}, 3, weight);
  const std::vector<float> got = AnswerOf(model);
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], expected[i], 1e-5);
}

TEST_F(ReferenceTest, AVariantIsComparedWithTheFloatFileBesideIt) {
  Add(test::LinearModel(2, 3, 4), test::LinearModel(2, 3, 1));
  ASSERT_EQ(Reload(), 1);
  ASSERT_NE(Served(), nullptr) << Entry().error;
  EXPECT_THAT(Served()->comparison()->compared(), ElementsAre(StandIn::kInt8));
  ASSERT_NE(Served()->reference(), nullptr);
  const ServedModel& reference = *Served()->reference();
  ExpectLinear(*Served(), 1);
  ExpectLinear(reference, 4);
  EXPECT_EQ(reference.identity()->variant, "fp32");
  EXPECT_EQ(reference.backend(), "openvino");
}

TEST_F(ReferenceTest, Bf16IsComparedWithTheSameFileInFloat) {
  openvino = FindBackend("openvino").value();
  RegisterBackend("any precision", []() -> std::unique_ptr<Backend> { return std::make_unique<AnyPrecision>(); });
  repository_.AddModel("m", "1", "backend = \"any precision\"\nvariant = \"bf16\"\nshadow_share = 1\n",
                       test::LinearModel(2, 3));
  Reload();
  ASSERT_NE(Served(), nullptr) << Entry().error;
  EXPECT_THAT(Served()->comparison()->compared(), ElementsAre(StandIn::kBf16));
  EXPECT_EQ(Served()->reference()->identity()->variant, "fp32");
  ExpectLinear(*Served()->reference(), 1);
  EXPECT_THAT(compiled, ElementsAre(Pair(FloatPath(), "bf16"), Pair(FloatPath(), "fp32")));
}

TEST_F(ReferenceTest, TheFloatModelHasNothingThatServingTakes) {
  const std::string semantic = "[semantic]\nkind = \"approximate\"\ngrid = [0.1]\ntolerance = 1\nmax_error_share = 1\n";
  repository_.Write("m/1/signals.csv",
                    "symbol,computed_at_ns,probabilities_0,probabilities_1,probabilities_2\nA,1,0,0,1\n");
  repository_.Write("m/1/int8.onnx", test::LinearModel(2, 3));
  repository_.AddModel("m", "1", test::ImbalanceManifest(2, std::string("student = \"s\"\n") + kWatched) + semantic,
                       test::LinearModel(2, 3));
  Reload();
  ASSERT_NE(Served(), nullptr) << Entry().error;
  EXPECT_THAT(Served()->comparison()->compared(), ElementsAre(StandIn::kStudent, StandIn::kInt8));
  EXPECT_TRUE(Served()->signals().contains("A"));
  EXPECT_NE(Served()->audit(), nullptr);
  const ServedModel& reference = *Served()->reference();
  EXPECT_FALSE(reference.signals().contains("A"));
  EXPECT_EQ(reference.audit(), nullptr);
  EXPECT_EQ(reference.input_grid(), nullptr);
  EXPECT_EQ(reference.comparison(), nullptr);
  EXPECT_EQ(reference.reference(), nullptr);
  EXPECT_FALSE(reference.quick());
  EXPECT_FALSE(reference.runs_inline());
  EXPECT_EQ(reference.batches().most(), 1u);
  // One session: whoever asks meanwhile is told so.
  (void)reference.Infer([&](const MemberInputs&) -> Result<void> {
    const Result<Outputs> second = reference.Infer([](const MemberInputs&) { return Result<void>(); });
    EXPECT_EQ(second.has_error() ? second.error().code : Code::kOk, Code::kResourceExhausted);
    return {};
  });
}

TEST_F(ReferenceTest, WithoutAShareOrInFloatThereIsNone) {
  for (const char* manifest : {"variant = \"int8\"\n", "student = \"s\"\nshadow_share = 1\n"}) {
    Add("none, if it is int8 that serves", test::LinearModel(2, 3), manifest);
    if (std::string_view(manifest).starts_with("student")) repository_.Write("m/1/model.onnx", test::LinearModel(2, 3));
    Reload();
    ASSERT_NE(Served(), nullptr) << Entry().error;
    EXPECT_EQ(Entry().error, "");
    EXPECT_EQ(Served()->reference(), nullptr);
  }
}

TEST_F(ReferenceTest, WhatItIsComparedWithIsNoPartOfAnAnswersKey) {
  Add(test::LinearModel(2, 3, 4), test::LinearModel(2, 3), "variant = \"int8\"\n");
  Reload();
  const Digest alone = Served()->digest();
  Add(test::LinearModel(2, 3, 4), test::LinearModel(2, 3));
  ASSERT_EQ(Reload(), 1);
  ASSERT_NE(Served()->reference(), nullptr);
  EXPECT_EQ(Served()->digest(), alone);
}

TEST_F(ReferenceTest, ANewFloatFileIsLoadedAndTheOldOneGoes) {
  Add(test::LinearModel(2, 3, 4), test::LinearModel(2, 3));
  Reload();
  const Digest digest = Served()->digest();
  std::weak_ptr<const ServedModel> replaced = Served()->reference();
  ASSERT_EQ(Reload(), 0);
  repository_.Write("m/1/model.onnx", test::LinearModel(2, 3, -3));
  ASSERT_EQ(Reload(), 1);
  ExpectLinear(*Served(), 1);
  ExpectLinear(*Served()->reference(), -3);
  EXPECT_EQ(Served()->digest(), digest);
  ASSERT_EQ(Reload(), 0);
  EXPECT_TRUE(replaced.expired());
}

TEST_F(ReferenceTest, WithoutItsFloatFileItIsRefusedAndSaysWhatToDo) {
  Add("", test::LinearModel(2, 3));
  repository_.Remove("m/1/model.onnx");
  Reload();
  EXPECT_EQ(Served(), nullptr);
  EXPECT_THAT(Entry().error, AllOf(StartsWith(FloatPath() + ": cannot be read: "),
                                   HasSubstr("; shadow_share compares int8 with it: put the model's float file there, "
                                             "or set shadow_share = 0 in " +
                                             repository_.path() + "/m/model.toml")));
}

TEST_F(ReferenceTest, AFloatFileThatCannotBeComparedIsNamed) {
  const auto error = [&](const std::string& onnx, const std::string& more = kWatched) {
    Add(onnx, test::LinearModel(2, 3), more);
    Reload();
    EXPECT_EQ(Served(), nullptr);
    EXPECT_THAT(Entry().error, AllOf(StartsWith(FloatPath() + ": "), HasSubstr("or set shadow_share = 0")));
    return Entry().error;
  };
  error("no ONNX file");
  EXPECT_THAT(error(test::LinearModel(3, 3)), HasSubstr("do not fit the input"));
  EXPECT_THAT(error(test::LinearModel(2, 4)),
              HasSubstr("has other outputs: probabilities FP32 [1,4]; they must be probabilities FP32 [1,3]"));
  EXPECT_THAT(error(test::TwoInputModel(2)), HasSubstr("has 2 inputs"));
}

TEST_F(ReferenceTest, OfTensorsBothTakeTheSame) {
  repository_.Write("m/1/int8.onnx", test::LinearModel(2, 3));
  repository_.AddModel("m", "1", kWatched, test::LinearModel(4, 3));
  Reload();
  EXPECT_EQ(Served(), nullptr);
  EXPECT_THAT(Entry().error, StartsWith(FloatPath() + ": has other inputs: book FP32 [1,4]; they must be book "
                                                      "FP32 [1,2]; shadow_share"));
}

TEST_F(ReferenceTest, WhatServesGoesOnWhenTheFloatFileIsBroken) {
  Add(test::LinearModel(2, 3, 4), test::LinearModel(2, 3));
  Reload();
  const auto served = Served();
  repository_.Write("m/1/model.onnx", "half a file");
  ASSERT_EQ(Reload(), 1);
  EXPECT_EQ(Served(), served);
  EXPECT_THAT(Entry().error, StartsWith(FloatPath() + ": "));
}

}  // namespace
}  // namespace punctual

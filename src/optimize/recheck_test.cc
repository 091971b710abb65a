// The log is a real one, and the models' files are computed by the native backend.
#include "optimize/recheck.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <random>
#include <thread>

#include "request_log/request_log.h"
#include "support/onnx_models.h"
#include "support/temporary_repository.h"

namespace punctual::optimize {
namespace {

using ::testing::HasSubstr;
using Verdict = RecheckedVariant::Verdict;

constexpr int kInputs = 4, kClasses = 3;

class RecheckTest : public ::testing::Test {
 protected:
  RecheckTest() {
    repository_.AddModel("m", "1", "backend='native'\n", test::LinearModel(kInputs, kClasses, 4));
    live_.name = "m";
    live_.version = "1";
    live_.variant = "fp32";
    live_.backend = "native";
    live_.folder = repository_.path() + "/m";
    live_.log_folder = repository_.path() + "/log/m";
  }

  void AddStudent(double weight) {
    repository_.AddModel("s", "1", "backend='native'\n", test::LinearModel(kInputs, kClasses, weight));
    live_.student = "s";
    live_.student_folder = repository_.path() + "/s";
    live_.student_version = "1";
    live_.student_backend = "native";
  }

  // Of numbers around `mean`.
  void Ask(std::size_t count, float mean = 0, int numbers = kInputs) {
    const auto log = RequestLog::Open({repository_.path() + "/log", 1, std::size_t{8} << 20}, {}).value();
    std::normal_distribution<float> normal(mean, 1);
    for (std::size_t i = 0; i < count; ++i) {
      std::vector<float> x(static_cast<std::size_t>(numbers));
      for (float& number : x) number = normal(random_);
      std::vector<NamedTensor> inputs;
      inputs.push_back({"book", Tensor::Float32({1, numbers}, x)});
      log->Add("m", {++asked_, "", Window(), std::make_shared<const std::vector<NamedTensor>>(std::move(inputs))}, 0);
      // So that none is dropped.
      if (i % 100 == 99)
        while (log->stats().logged <= i) std::this_thread::yield();
    }
  }

  test::TemporaryRepository repository_;
  LiveModel live_;
  std::mt19937_64 random_{1};
  std::int64_t asked_ = 0;
};

TEST_F(RecheckTest, AStudentThatSaysTheSamePasses) {
  AddStudent(4);
  Ask(1000);
  const auto found = RecheckModel(live_, {});
  ASSERT_TRUE(found.has_value()) << found.error().message;
  EXPECT_EQ(found->questions, 1000u);
  EXPECT_EQ(found->logged, 1000u);
  EXPECT_EQ(found->left_out, 0u);
  EXPECT_EQ(found->first_unix_ns, 1);
  EXPECT_EQ(found->last_unix_ns, 1000);
  ASSERT_EQ(found->variants.size(), 1u);
  const RecheckedVariant& student = found->variants[0];
  EXPECT_EQ(student.variant, "student");
  EXPECT_EQ(student.refusal, "");
  EXPECT_EQ(student.fidelity->classes->agreement.share->value, 1);
  EXPECT_EQ(student.verdict, Verdict::kPassed) << student.gate;
  EXPECT_TRUE(found->passed);
}

TEST_F(RecheckTest, AStudentThatSaysSomethingElseFails) {
  AddStudent(-4);
  Ask(400);
  const auto found = RecheckModel(live_, {});
  ASSERT_TRUE(found.has_value()) << found.error().message;
  ASSERT_EQ(found->variants.size(), 1u);
  EXPECT_LT(found->variants[0].fidelity->classes->agreement.share->value, 0.6);
  EXPECT_EQ(found->variants[0].verdict, Verdict::kFailed);
  EXPECT_FALSE(found->passed);
}

TEST_F(RecheckTest, OfMoreQuestionsThanAreAskedForEverySoManyAreTaken) {
  AddStudent(4);
  Ask(450);
  const auto found = RecheckModel(live_, {.most = 150});
  ASSERT_TRUE(found.has_value()) << found.error().message;
  EXPECT_NEAR(static_cast<double>(found->questions), 150, 50);  // five standard deviations
  EXPECT_EQ(found->logged, 450u);
}

TEST_F(RecheckTest, QuestionsOfAnotherShapeAreLeftOut) {
  AddStudent(4);
  Ask(120);
  Ask(30, 0, kInputs + 1);
  const auto found = RecheckModel(live_, {});
  ASSERT_TRUE(found.has_value()) << found.error().message;
  EXPECT_EQ(found->questions, 120u);
  EXPECT_EQ(found->left_out, 30u);
}

TEST_F(RecheckTest, TooFewQuestionsSayNothing) {
  EXPECT_EQ(RecheckModel(live_, {}).error().code, Code::kNotFound);
  Ask(99);
  const auto found = RecheckModel(live_, {});
  ASSERT_TRUE(found.has_error());
  EXPECT_EQ(found.error().code, Code::kFailedPrecondition);
  EXPECT_THAT(found.error().message, HasSubstr("99 questions"));
}

TEST_F(RecheckTest, AVariantThatCannotBeLoadedIsSaidInItsPlace) {
  AddStudent(4);
  repository_.Write("s/1/model.onnx", "no ONNX");
  Ask(120);
  const auto found = RecheckModel(live_, {});
  ASSERT_TRUE(found.has_value()) << found.error().message;
  EXPECT_THAT(found->variants.at(0).refusal, HasSubstr("s/1/model.onnx"));
  EXPECT_FALSE(found->passed);
}

// Fewer inputs would be read beyond their end, and inputs in another order be swapped.
TEST_F(RecheckTest, AnInt8FileWithOtherInputsOrOutputsIsNotAsked) {
  Ask(120);
  for (const std::string& file : {test::LinearModel(kInputs - 1, kClasses), test::LinearModel(kInputs, kClasses + 1),
                                  test::TwoInputModel(kInputs)}) {
    repository_.Write("m/1/int8.onnx", file);
    const auto found = RecheckModel(live_, {});
    ASSERT_TRUE(found.has_value()) << found.error().message;
    EXPECT_THAT(found->variants.at(0).refusal, HasSubstr("has other"));
    EXPECT_TRUE(found->passed);
  }
}

TEST_F(RecheckTest, AStudentThatTheServerRefusedIsSaidInItsPlace) {
  live_.student_error = "student: model \"s\" is not in the repository";
  Ask(120);
  const auto found = RecheckModel(live_, {});
  ASSERT_TRUE(found.has_value()) << found.error().message;
  EXPECT_EQ(found->variants.at(0).refusal, live_.student_error);
  EXPECT_FALSE(found->passed);
}

TEST_F(RecheckTest, WhereFewQuestionsCannotTellItIsOpenAndFailsNobody) {
  AddStudent(4);
  Ask(120);
  const auto found = RecheckModel(live_, {.max_student_accuracy_drop = 0.001});
  ASSERT_TRUE(found.has_value()) << found.error().message;
  EXPECT_EQ(found->variants.at(0).verdict, Verdict::kOpen);
  EXPECT_TRUE(found->passed);
}

TEST_F(RecheckTest, AnInt8FileThatOnlyLiesThereIsJudgedAndFailsNobody) {
  repository_.Write("m/1/int8.onnx", test::LinearModel(kInputs, kClasses, -4));
  Ask(200);
  const auto found = RecheckModel(live_, {});
  ASSERT_TRUE(found.has_value()) << found.error().message;
  ASSERT_EQ(found->variants.size(), 1u);
  EXPECT_FALSE(found->variants[0].serves);
  EXPECT_EQ(found->variants[0].verdict, Verdict::kFailed);
  EXPECT_TRUE(found->passed);
}

TEST_F(RecheckTest, TheVariantThatServesIsHeldAgainstTheFloatFile) {
  repository_.Write("m/1/int8.onnx", test::LinearModel(kInputs, kClasses, -4));
  live_.variant = "int8";
  Ask(200);
  const auto found = RecheckModel(live_, {});
  ASSERT_TRUE(found.has_value()) << found.error().message;
  ASSERT_EQ(found->variants.size(), 1u);
  EXPECT_TRUE(found->variants[0].serves);
  EXPECT_FALSE(found->passed);
}

TEST_F(RecheckTest, WithoutAProfileTheOlderHalfIsWhatInputsMovedSince) {
  Ask(1000);
  const auto steady = RecheckModel(live_, {});
  ASSERT_TRUE(steady.has_value()) << steady.error().message;
  EXPECT_EQ(steady->since, "the older half");
  ASSERT_EQ(steady->inputs.size(), static_cast<std::size_t>(kInputs));
  EXPECT_LT(steady->inputs[0].index, kMoved);
  Ask(1000, 1.5f);
  const auto moved = RecheckModel(live_, {});
  ASSERT_TRUE(moved.has_value());
  EXPECT_GT(moved->inputs[kInputs - 1].index, kMovedFar);
}

TEST_F(RecheckTest, AProfileSaysWhatItWasLikeWhenItWasMade) {
  AddStudent(-4);
  Profile profile;
  std::mt19937_64 random(2);
  std::normal_distribution<double> normal(0, 1);
  for (int column = 0; column < kInputs; ++column) {
    std::vector<double> numbers(5000);
    for (double& number : numbers) number = normal(random);
    profile.inputs.push_back(SpreadOf("book[" + std::to_string(column) + "]", numbers));
  }
  profile.answers = {"classes", {}, {0.4, 0.3, 0.3}};
  const auto digest = [](const std::string& file) { return HexText(DigestOf(file)); };
  profile.model = digest(test::LinearModel(kInputs, kClasses, 4));
  profile.variants = {{"student", "native", digest(test::LinearModel(kInputs, kClasses, -4)), 0.9, {0.05, 0.04, 0.06}}};
  repository_.Write("m/1/profile.json", ProfileJson(profile));
  Ask(600);
  const auto steady = RecheckModel(live_, {});
  ASSERT_TRUE(steady.has_value()) << steady.error().message;
  EXPECT_EQ(steady->since, "the profile");
  EXPECT_LT(steady->inputs[0].index, kMoved);
  ASSERT_TRUE(steady->variants.at(0).when_made);
  EXPECT_EQ(steady->variants[0].when_made->value, 0.05);
  EXPECT_TRUE(steady->variants[0].drifted);
  EXPECT_THAT(steady->variants[0].gate, HasSubstr("90.000 %")) << "what it was let in with";
  EXPECT_EQ(steady->class_shares_then, profile.answers.shares);
  // Of another file nothing is known.
  repository_.Write("s/1/model.onnx", test::LinearModel(kInputs, kClasses, -3));
  EXPECT_FALSE(RecheckModel(live_, {})->variants.at(0).when_made);
  // One that is broken, or of another model, is as none.
  repository_.Write("m/1/profile.json", "{");
  EXPECT_EQ(RecheckModel(live_, {})->since, "the older half");
  EXPECT_THAT(RecheckModel(live_, {})->no_profile, HasSubstr("profile.json: is no profile"));
  profile.inputs[0].name = "other";
  repository_.Write("m/1/profile.json", ProfileJson(profile));
  EXPECT_EQ(RecheckModel(live_, {})->since, "the older half");
}

}  // namespace
}  // namespace punctual::optimize

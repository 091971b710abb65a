// Answers of a model that are also asked of its student, and of its float model, in the background, on a fake clock and
// simulated workers.
#include <gtest/gtest.h>

#include "engine/simulated_requests.h"

namespace punctual {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

// The model answers [x, 0], the student [x, 1], the float model [x, 3]: the same class for x < 0, another one for
// 0 < x < 1.
constexpr double kSame = -0.5, kOther = 0.5;

class RequestShadowTest : public ::testing::Test {
 protected:
  enum class Runs : std::uint8_t { kInline, kOnAWorker };

  void TearDown() override { EXPECT_EQ(requests_.faults(), std::vector<std::string>()); }

  static SimulatedModelOptions Options() {
    SimulatedModelOptions options;
    options.ladder = "\"coalesced\", \"model\", \"stale\"";
    options.shadow_share = 1;
    options.takes = microseconds(300);  // so that it runs inline
    options.workers = 2;
    options.askers = 4;
    return options;
  }
  void Load(Runs runs, double share = 1) {
    SimulatedModelOptions options = Options();
    options.student = true;
    options.shadow_share = share;
    if (runs == Runs::kOnAWorker) options.takes = milliseconds(2);
    model_ = LoadSimulatedModel(options);
    student_ = LoadSimulatedStudent(microseconds(100), 4);
  }
  enum class HasStudent : std::uint8_t { kNo, kYes };
  // Of int8, all of whose answers are compared with the float model's.
  void LoadInt8(HasStudent has_student = HasStudent::kNo) {
    SimulatedModelOptions options = Options();
    options.variant = "int8";
    options.student = has_student == HasStudent::kYes;
    model_ = LoadSimulatedModel(options);
    if (options.student) student_ = LoadSimulatedStudent(microseconds(100), 4);
    ASSERT_NE(model_->reference(), nullptr);
  }
  // Each asks something new.
  Asked& Ask(double x, std::shared_ptr<const ServedModel> student) {
    return requests_.Ask(requests_.QuestionAbout(model_, std::move(student), "S", x + 1e-6 * ++asked_),
                         basics_.tiers.front(), milliseconds(15));
  }
  Asked& Ask(double x) { return Ask(x, student_); }
  // What is paused now comes to its end.
  void EndInferences(InferenceEnd end = InferenceEnd::kOk) {
    while (!services_.paused().empty()) {
      services_.paused().front()->end = end;
      services_.Resume(*services_.paused().front());
    }
  }
  // A worker does the next thing, and what that runs comes to an `end`.
  void Work(InferenceEnd end = InferenceEnd::kOk) {
    ASSERT_TRUE(services_.pool.CanBegin());
    services_.pool.Begin();
    EndInferences(end);
  }
  // Asks, and lets the model answer.
  void Answer(double x) {
    const Asked& asked = Ask(x);
    EndInferences();
    ASSERT_EQ(asked.source, Source::kModel);
  }
  ShadowComparison::Stats stats(StandIn of = StandIn::kStudent) const { return model_->comparison()->stats(of); }
  ShadowComparison::Stats int8_stats() const { return stats(StandIn::kInt8); }
  std::size_t waiting() const { return services_.pool.queued(); }

  SimulatedBasics basics_;
  SimulatedServices services_{
      basics_, {.workers = 1, .weights = {6, 3, 1}, .hung_after = std::chrono::hours(1)}, false};
  SimulatedRequests requests_{services_, basics_.cache->keys()};
  std::shared_ptr<const ServedModel> model_, student_;
  int asked_ = 0;
};

TEST_F(RequestShadowTest, AnAnswerOfTheSameClassIsCounted) {
  Load(Runs::kInline);
  Answer(kSame);
  EXPECT_EQ(stats().compared, 0u);
  Work();
  EXPECT_EQ(stats().compared, 1u);
  EXPECT_EQ(stats().differed, 0u);
  EXPECT_EQ(stats().dropped, 0u);
  EXPECT_EQ(stats().mean_difference, kByStudent - kByModel);
  EXPECT_EQ(waiting(), 0u);
}

TEST_F(RequestShadowTest, AnAnswerOfAnotherClassIsCountedAsThat) {
  Load(Runs::kInline);
  Answer(kOther);
  Work();
  EXPECT_EQ(stats().compared, 1u);
  EXPECT_EQ(stats().differed, 1u);
}

TEST_F(RequestShadowTest, WhatAWorkerComputedIsComparedToo) {
  Load(Runs::kOnAWorker);
  const Asked& asked = Ask(kOther);
  Work();
  EXPECT_EQ(asked.source, Source::kModel);
  EXPECT_EQ(stats().compared, 0u);
  Work();
  EXPECT_EQ(stats().differed, 1u);
}

TEST_F(RequestShadowTest, TheAnswerIsGivenBeforeTheStudentIsAsked) {
  Load(Runs::kInline);
  const Asked& asked = Ask(kSame);
  EndInferences();
  EXPECT_EQ(asked.answers, 1);
  services_.pool.Begin();
  ASSERT_EQ(services_.paused().size(), 1u);
  EXPECT_EQ(services_.paused().front()->where, Paused::Where::kStudent);
  EndInferences();
}

TEST_F(RequestShadowTest, ItWaitsUntilNobodyElseDoes) {
  Load(Runs::kOnAWorker);
  Ask(kSame);
  Work();
  ASSERT_EQ(waiting(), 1u);
  const Asked& later = Ask(kSame);
  ASSERT_EQ(waiting(), 2u);
  Work();
  EXPECT_EQ(later.source, Source::kModel);
  EXPECT_EQ(stats().compared, 0u);
  Work();
  Work();
  EXPECT_EQ(stats().compared, 2u);
}

TEST_F(RequestShadowTest, WhileTheWorkersAreBusySoManyWaitAndTheRestIsDropped) {
  Load(Runs::kInline);
  for (int i = 0; i < ShadowSample::kMostWaiting + 3; ++i) Answer(kSame);
  EXPECT_EQ(waiting(), static_cast<std::size_t>(ShadowSample::kMostWaiting));
  EXPECT_EQ(stats().dropped, 3u);
  while (waiting() != 0) Work();
  EXPECT_EQ(stats().compared, static_cast<std::uint64_t>(ShadowSample::kMostWaiting));
  Answer(kSame);
  Work();
  EXPECT_EQ(stats().compared, 1u + ShadowSample::kMostWaiting);
  EXPECT_EQ(stats().dropped, 3u);
}

TEST_F(RequestShadowTest, WhatThePoolDoesNotTakeIsDropped) {
  Load(Runs::kInline);
  services_.pool.refuse = [] { return Admission::kFull; };
  for (int i = 0; i < ShadowSample::kMostWaiting + 3; ++i) Answer(kSame);
  EXPECT_EQ(stats().dropped, 3u + ShadowSample::kMostWaiting);
  services_.pool.refuse = nullptr;
  Answer(kSame);
  Work();
  EXPECT_EQ(stats().compared, 1u);
}

TEST_F(RequestShadowTest, WhileCpuIsShortAllAreDropped) {
  Load(Runs::kInline);
  for (int i = 0; services_.brown_out.level() == BrownOutLevel::kNone; ++i)
    services_.brown_out.Observe(services_.clock.Now() + i * milliseconds(100), 0.9, {});
  Answer(kSame);
  EXPECT_EQ(waiting(), 0u);
  EXPECT_EQ(stats().dropped, 1u);
}

TEST_F(RequestShadowTest, AStudentThatFailsCountsAsNothing) {
  Load(Runs::kInline);
  for (const InferenceEnd end : {InferenceEnd::kFails, InferenceEnd::kNotFinite}) {
    Answer(kSame);
    Work(end);
  }
  EXPECT_EQ(stats().compared, 0u);
  EXPECT_EQ(stats().dropped, 0u);
  EXPECT_FALSE(student_->health().open());
}

TEST_F(RequestShadowTest, AStudentThatIsLeftAloneIsNotAsked) {
  Load(Runs::kInline);
  student_->health().OnHung(services_.clock.Now());
  Answer(kSame);
  services_.pool.Begin();
  EXPECT_TRUE(services_.paused().empty());
  EXPECT_EQ(stats().compared, 0u);
  EXPECT_EQ(waiting(), 0u);
}

TEST_F(RequestShadowTest, OtherRungsAnswersAreNotCompared) {
  Load(Runs::kOnAWorker);
  const Asked& first = Ask(kSame);
  const Asked& joined = requests_.Ask(first.question, basics_.tiers.front(), milliseconds(15));
  Work();
  EXPECT_EQ(joined.source, Source::kCoalesced);
  EXPECT_EQ(waiting(), 1u);
  Work();
  EXPECT_EQ(stats().compared, 1u);
  // The student answers itself, as the pool refuses the model.
  services_.pool.refuse = [] { return Admission::kTooLate; };
  const Asked& degraded = Ask(kSame);
  EndInferences();
  EXPECT_EQ(degraded.source, Source::kStudent);
  EXPECT_EQ(waiting(), 0u);
  EXPECT_EQ(stats().compared + stats().dropped, 1u);
}

TEST_F(RequestShadowTest, AModelWhoseStudentCannotStandInIsNotCompared) {
  Load(Runs::kInline);
  const Asked& asked = Ask(kSame, nullptr);
  EndInferences();
  EXPECT_EQ(asked.source, Source::kModel);
  EXPECT_EQ(waiting(), 0u);
  EXPECT_EQ(stats().dropped, 0u);
}

TEST_F(RequestShadowTest, OnlyTheShareIsAsked) {
  Load(Runs::kInline, 0.25);
  for (int i = 0; i < 200; ++i) {
    Answer(kSame);
    while (waiting() != 0) Work();
  }
  // Four standard deviations.
  EXPECT_NEAR(static_cast<double>(stats().compared), 50, 25);
  EXPECT_EQ(stats().dropped, 0u);
}

TEST_F(RequestShadowTest, AVariantIsComparedWithItsFloatModel) {
  LoadInt8();
  Answer(kSame);
  EXPECT_EQ(int8_stats().compared, 0u);
  Work();
  EXPECT_EQ(int8_stats().compared, 1u);
  EXPECT_EQ(int8_stats().differed, 0u);
  EXPECT_EQ(int8_stats().mean_difference, kByFloat - kByModel);
  Answer(kOther);
  Work();
  EXPECT_EQ(int8_stats().compared, 2u);
  EXPECT_EQ(int8_stats().differed, 1u);
  EXPECT_EQ(waiting(), 0u);
}

TEST_F(RequestShadowTest, Bf16IsComparedUnderItsOwnName) {
  SimulatedModelOptions options = Options();
  options.variant = "bf16";
  model_ = LoadSimulatedModel(options);
  Answer(kOther);
  Work();
  EXPECT_EQ(stats(StandIn::kBf16).compared, 1u);
  EXPECT_EQ(stats(StandIn::kBf16).differed, 1u);
  EXPECT_EQ(int8_stats().compared, 0u);
}

TEST_F(RequestShadowTest, TheVariantsAnswerIsGivenBeforeTheFloatModelIsAsked) {
  LoadInt8();
  const Asked& asked = Ask(kSame);
  EndInferences();
  EXPECT_EQ(asked.answers, 1);
  EXPECT_EQ(asked.source, Source::kModel);
  services_.pool.Begin();
  ASSERT_EQ(services_.paused().size(), 1u);
  EXPECT_EQ(services_.paused().front()->where, Paused::Where::kFloat);
  EndInferences();
}

TEST_F(RequestShadowTest, AStudentAndTheFloatModelAreBothAsked) {
  LoadInt8(HasStudent::kYes);
  Answer(kOther);
  ASSERT_EQ(waiting(), 2u);
  Work();
  Work();
  EXPECT_EQ(stats().compared, 1u);
  EXPECT_EQ(stats().mean_difference, kByStudent - kByModel);
  EXPECT_EQ(int8_stats().compared, 1u);
  EXPECT_EQ(int8_stats().mean_difference, kByFloat - kByModel);
}

TEST_F(RequestShadowTest, AFloatModelThatFailsCountsAsNothing) {
  LoadInt8();
  for (const InferenceEnd end : {InferenceEnd::kFails, InferenceEnd::kNotFinite}) {
    Answer(kSame);
    Work(end);
  }
  EXPECT_EQ(int8_stats().compared, 0u);
  EXPECT_EQ(int8_stats().dropped, 0u);
  EXPECT_FALSE(model_->reference()->health().open());
  EXPECT_FALSE(model_->health().open());
}

TEST_F(RequestShadowTest, WhatFindsTheFloatModelBusyIsDropped) {
  LoadInt8();
  Answer(kSame);
  (void)model_->reference()->Infer([&](const MemberInputs&) -> Result<void> {
    Work();
    return Fail(Code::kInternal, "was only busy");
  });
  EXPECT_EQ(int8_stats().compared, 0u);
  EXPECT_EQ(int8_stats().dropped, 1u);
}

TEST_F(RequestShadowTest, WhileCpuIsShortTheFloatModelIsNotAsked) {
  LoadInt8();
  for (int i = 0; services_.brown_out.level() == BrownOutLevel::kNone; ++i)
    services_.brown_out.Observe(services_.clock.Now() + i * milliseconds(100), 0.9, {});
  Answer(kSame);
  EXPECT_EQ(waiting(), 0u);
  EXPECT_EQ(int8_stats().dropped, 1u);
}

TEST_F(RequestShadowTest, AFloatModelThatHangsIsNotAskedUntilItIsBack) {
  LoadInt8();
  ModelHealth& health = model_->reference()->health();
  // Background runs go by the real clock.
  health.OnHung(std::chrono::steady_clock::now() - std::chrono::minutes(1));
  Answer(kSame);
  services_.pool.Begin();
  EXPECT_TRUE(services_.paused().empty());
  EXPECT_EQ(int8_stats().compared, 0u);
  EXPECT_FALSE(model_->health().open());
  health.OnReturned();
  Answer(kSame);
  Work();
  EXPECT_EQ(int8_stats().compared, 1u);
  EXPECT_FALSE(health.open());
}

TEST_F(RequestShadowTest, AFloatModelThatJustHungIsLeftAloneForAWhile) {
  LoadInt8();
  ModelHealth& health = model_->reference()->health();
  health.OnHung(std::chrono::steady_clock::now() + std::chrono::hours(1));
  health.OnReturned();
  Answer(kSame);
  services_.pool.Begin();
  EXPECT_TRUE(services_.paused().empty());
  EXPECT_EQ(int8_stats().compared, 0u);
  EXPECT_TRUE(health.open());
}

TEST_F(RequestShadowTest, WithoutAShareNothingIs) {
  Load(Runs::kInline, 0);
  EXPECT_EQ(model_->comparison(), nullptr);
  Answer(kSame);
  EXPECT_EQ(waiting(), 0u);
}

}  // namespace
}  // namespace punctual

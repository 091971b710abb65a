#include "optimize/tune.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/threads.h"
#include "optimize/busy_threads_for_test.h"
#include "optimize/random_samples_for_test.h"
#include "support/onnx_models.h"

namespace punctual::optimize {
namespace {

std::unique_ptr<CompiledModel> Compiled(const std::string& onnx) {
  return FindBackend("native").value()->Compile({onnx, "test.onnx", "fp32", "CPU"}).value();
}

const TuneOptions kShort{.time = std::chrono::milliseconds(20), .seed = 1, .progress = nullptr};

TEST(TimeModelsTest, EachIsTimedOnItsOwnQuestions) {
  const auto narrow = Compiled(test::LinearModel(2, 3)), wide = Compiled(test::LinearModel(8, 3));
  const Samples of_narrow = test::RandomSamples("book", {1, 2}, 10), of_wide = test::RandomSamples("book", {1, 8}, 5);
  const auto narrow_indices = test::All(of_narrow), wide_indices = test::All(of_wide);
  const std::vector<TimedModel> models = {{narrow.get(), &of_narrow, narrow_indices},
                                          {wide.get(), &of_wide, wide_indices}};
  const auto timed = TimeModels(models, kShort);
  ASSERT_TRUE(timed.has_value()) << timed.error().message;
  ASSERT_EQ(timed->size(), 2u);
  for (const Timed& one : *timed)
    for (const Latency& latency : {one.warm, one.cold, one.busy}) {
      EXPECT_GT(latency.runs, 0u);
      EXPECT_LE(latency.p50_us, latency.p99_us);
    }
}

TEST(TimeModelsTest, TheOtherCoresAreBusyAtTheEndAndFreeAfterwards) {
  const auto model = Compiled(test::LinearModel(2, 3));
  const Samples samples = test::RandomSamples("book", {1, 2}, 3);
  const auto indices = test::All(samples);
  const std::vector<TimedModel> models = {{model.get(), &samples, indices}};
  std::vector<int> busy;  // after each round
  TuneOptions options = kShort;
  options.progress = [&](std::size_t, std::size_t) { busy.push_back(test::BusyThreads()); };
  ASSERT_TRUE(TimeModels(models, options).has_value());
  EXPECT_TRUE(test::BusyThreadsEnd());
  ASSERT_GE(busy.size(), 3u);
  EXPECT_EQ(busy.front(), 0);
  EXPECT_EQ(busy.back(), UsableCores() - 1);
}

// A backend that fails once the other cores are busy.
class FailingSession final : public Session {
 public:
  explicit FailingSession(std::unique_ptr<Session> inner) : inner_(std::move(inner)) {}
  std::span<std::byte> input(std::size_t i) override { return inner_->input(i); }
  std::span<const std::byte> output(std::size_t i) const override { return inner_->output(i); }
  Result<void> Run() override {
    if (test::BusyThreads() > 0) return Fail(Code::kInternal, "the backend failed");
    return inner_->Run();
  }

 private:
  const std::unique_ptr<Session> inner_;
};

class FailingModel final : public CompiledModel {
 public:
  explicit FailingModel(std::unique_ptr<CompiledModel> inner) : inner_(std::move(inner)) {}
  const Signature& signature() const override { return inner_->signature(); }
  Result<std::unique_ptr<Session>> NewSession(std::size_t batch) override {
    PUNCTUAL_ASSIGN(auto session, inner_->NewSession(batch));
    return std::unique_ptr<Session>(std::make_unique<FailingSession>(std::move(session)));
  }

 private:
  const std::unique_ptr<CompiledModel> inner_;
};

TEST(TimeModelsTest, TheOtherCoresAreFreeAfterAnErrorToo) {
  if (UsableCores() == 1) GTEST_SKIP() << "there are no other cores";
  FailingModel model(Compiled(test::LinearModel(2, 3)));
  const Samples samples = test::RandomSamples("book", {1, 2}, 3);
  const auto indices = test::All(samples);
  const std::vector<TimedModel> models = {{&model, &samples, indices}};
  EXPECT_EQ(TimeModels(models, kShort).error().message, "the backend failed");
  EXPECT_TRUE(test::BusyThreadsEnd());
}

TEST(TimeModelsTest, SamplesOfAnotherModelAreRefusedByTheInputsName) {
  const auto model = Compiled(test::LinearModel(2, 3));
  const Samples samples = test::RandomSamples("other", {1, 2}, 3);
  const auto indices = test::All(samples);
  const std::vector<TimedModel> models = {{model.get(), &samples, indices}};
  const auto timed = TimeModels(models, kShort);
  EXPECT_EQ(timed.error().code, Code::kInvalidArgument);
  EXPECT_THAT(timed.error().message, ::testing::HasSubstr("\"book\""));
}

}  // namespace
}  // namespace punctual::optimize

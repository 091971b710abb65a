#include "model/batches.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <map>
#include <thread>

#include "support/onnx_models.h"

namespace punctual {
namespace {

// y = 2 x of one number each, which takes a time of its own for each size.
class TimedModel final : public CompiledModel {
 public:
  explicit TimedModel(std::map<std::size_t, Duration> takes) : takes_(std::move(takes)) {
    signature_.inputs = {{"x", DType::kFloat32, {1, 1}}};
    signature_.outputs = {{"y", DType::kFloat32, {1, 1}}};
  }
  const Signature& signature() const override { return signature_; }
  Result<std::unique_ptr<Session>> NewSession(std::size_t batch) override {
    if (!takes_.contains(batch)) return Fail(Code::kFailedPrecondition, "no such batch");
    ++made[batch];
    return std::unique_ptr<Session>(std::make_unique<TimedSession>(takes_[batch], batch, error_of_last));
  }

  std::map<std::size_t, int> made;
  float error_of_last = 0;  // of a batch's last answer

 private:
  class TimedSession final : public Session {
   public:
    TimedSession(Duration takes, std::size_t batch, float error) : takes_(takes), error_(error), x_(batch), y_(batch) {}
    std::span<std::byte> input(std::size_t) override { return std::as_writable_bytes(std::span(x_)); }
    std::span<const std::byte> output(std::size_t) const override { return std::as_bytes(std::span(y_)); }
    Result<void> Run() override {
      std::this_thread::sleep_for(takes_);
      for (std::size_t i = 0; i < x_.size(); ++i) y_[i] = 2 * x_[i];
      if (x_.size() > 1) y_.back() += error_;
      return {};
    }

   private:
    const Duration takes_;
    const float error_;
    std::vector<float> x_, y_;
  };

  Signature signature_;
  std::map<std::size_t, Duration> takes_;
};

using std::chrono::milliseconds;

std::size_t MostOf(TimedModel& model, std::size_t largest = 8, std::size_t sessions = 1) {
  const auto single = model.NewSession(1).value();
  Batches batches;
  batches.Find(model, *single, largest, sessions);
  EXPECT_EQ(batches.sessions().size(), batches.most() > 1 ? sessions : 0);
  return batches.most();
}

TEST(BatchesTest, TakesTheSizeThatPaysBest) {
  TimedModel model({{1, milliseconds(2)}, {4, milliseconds(4)}, {8, milliseconds(4)}});
  EXPECT_EQ(MostOf(model, 8, 3), 8u);
  EXPECT_EQ(model.made[4], 1);
  EXPECT_EQ(model.made[8], 3);
}

TEST(BatchesTest, ALargerSizeMustBeBetterThanASmallerOne) {
  TimedModel model({{1, milliseconds(2)}, {4, milliseconds(3)}, {8, milliseconds(12)}});
  EXPECT_EQ(MostOf(model), 4u);
}

TEST(BatchesTest, IsNoLargerThanAllowed) {
  TimedModel model({{1, milliseconds(2)}, {4, milliseconds(4)}, {8, milliseconds(4)}});
  EXPECT_EQ(MostOf(model, 7), 4u);
  EXPECT_EQ(MostOf(model, 1), 1u);
}

TEST(BatchesTest, WhatDoesNotPayIsNotDone) {
  TimedModel model({{1, milliseconds(2)}, {4, milliseconds(8)}, {8, milliseconds(4)}});
  EXPECT_EQ(MostOf(model), 1u);
}

TEST(BatchesTest, AModelWithoutBatchesHasNone) {
  TimedModel model({{1, milliseconds(1)}});
  EXPECT_EQ(MostOf(model), 1u);
}

TEST(BatchesTest, WhatTakesTooLongIsNoHelp) {
  TimedModel model({{1, milliseconds(30)}, {4, milliseconds(30)}});
  EXPECT_EQ(MostOf(model), 1u);
}

TEST(BatchesTest, AnswersThatDifferByABitAreRefused) {
  TimedModel model({{1, milliseconds(2)}, {4, milliseconds(2)}});
  model.error_of_last = 1e-6f;
  EXPECT_EQ(MostOf(model), 1u);
}

TEST(BatchesTest, AModelThatMixesItsBatchIsRefused) {
  const std::string onnx = test::BatchMixingModel(3);
  const auto compiled = FindBackend("openvino").value()->Compile({onnx, "m", "fp32", "CPU"}).value();
  const auto single = compiled->NewSession(1).value();
  Batches batches;
  batches.Find(*compiled, *single, 8, 1);
  EXPECT_EQ(batches.most(), 1u);
}

// y = x of one whole number each, or, if it mixes, of the batch's first.
class WholeNumbersModel final : public CompiledModel {
 public:
  explicit WholeNumbersModel(bool mixes) : mixes_(mixes) {
    signature_.inputs = {{"x", DType::kInt64, {1, 1}}};
    signature_.outputs = {{"y", DType::kInt64, {1, 1}}};
  }
  const Signature& signature() const override { return signature_; }
  Result<std::unique_ptr<Session>> NewSession(std::size_t batch) override {
    return std::unique_ptr<Session>(std::make_unique<WholeNumbersSession>(mixes_, batch));
  }

 private:
  class WholeNumbersSession final : public Session {
   public:
    WholeNumbersSession(bool mixes, std::size_t batch) : mixes_(mixes), x_(batch), y_(batch) {}
    std::span<std::byte> input(std::size_t) override { return std::as_writable_bytes(std::span(x_)); }
    std::span<const std::byte> output(std::size_t) const override { return std::as_bytes(std::span(y_)); }
    Result<void> Run() override {
      std::this_thread::sleep_for(milliseconds(2));
      for (std::size_t i = 0; i < x_.size(); ++i) y_[i] = x_[mixes_ ? 0 : i];
      return {};
    }

   private:
    const bool mixes_;
    std::vector<std::int64_t> x_, y_;
  };

  const bool mixes_;
  Signature signature_;
};

TEST(BatchesTest, AModelOfWholeNumbersThatMixesItsBatchIsRefused) {
  for (const bool mixes : {false, true}) {
    WholeNumbersModel model(mixes);
    const auto single = model.NewSession(1).value();
    Batches batches;
    batches.Find(model, *single, 4, 1);
    EXPECT_EQ(batches.most(), mixes ? 1u : 4u);
  }
}

}  // namespace
}  // namespace punctual

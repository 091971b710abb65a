// What the tests of the engine share: an engine over a temporary repository, and books to ask about.
#pragma once

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "punctual/engine.h"
#include "support/gated_backend.h"
#include "support/onnx_models.h"
#include "support/temporary_repository.h"

namespace punctual {

inline BookSnapshot Book(std::uint64_t sequence, double ask_size = 2) {
  BookSnapshot book;
  book.sequence = sequence;
  book.exchange_time_ns = 1'700'000'000'000'000'000 + static_cast<std::int64_t>(sequence);
  book.level_count = 2;
  book.levels[0] = {101, ask_size, 99, 3};
  book.levels[1] = {102, 4, 98, 5};
  return book;
}

// What ImbalanceManifest(2) makes of Book.
inline std::vector<float> FeaturesOf(double ask_size) {
  return {static_cast<float>((3 - ask_size) / (3 + ask_size)),
          static_cast<float>((8 - ask_size - 4) / (8 + ask_size + 4))};
}

class EngineTest : public ::testing::Test {
 protected:
  EngineTest() {
    options_.model_repository = repository_.path();
    options_.reload_poll = Duration(0);
    options_.tiers = {{"premium", {std::chrono::milliseconds(15)}}, {"patient", {std::chrono::seconds(20)}}};
    options_.styles = {{"day", "m"}};
    options_.users = {{"u1", "premium", "day"}, {"u2", "patient", "day"}};
    options_.workers = 2;
    options_.largest_batch = 1;                      // trying takes time
    options_.brown_out = false;                      // tests run on machines that are busy with tests
    options_.hung_after = std::chrono::minutes(10);  // and the gated backend holds inferences for as long as it likes
  }
  void AddLinear(const std::string& version = "1", double weight = 1, const std::string& more = "") {
    // Loading takes seconds under a sanitizer on a busy machine: books must not be too old by then.
    const std::string patience = more.find("max_age_ms") == std::string::npos ? "max_age_ms = 600000\n" : "";
    repository_.AddModel("m", version, test::ImbalanceManifest(2, patience + more), test::LinearModel(2, 3, weight));
  }
  // Each inference waits for the gate, on the worker pool.
  void AddGated() { AddLinear("1", 1, "backend = \"gated\"\n"); }
  Engine Open() { return Engine::Open(options_).value(); }

  template <class Condition>
  static bool Eventually(Condition condition) {
    for (int i = 0; i < 4000; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }
  static std::future<Result<Prediction>> AskAsync(Engine& engine, PredictRequest request) {
    auto promise = std::make_shared<std::promise<Result<Prediction>>>();
    engine.PredictAsync(std::move(request),
                        [promise](Result<Prediction> answer) { promise->set_value(std::move(answer)); });
    return promise->get_future();
  }

  static PredictRequest Of(const std::string& symbol, const std::string& user = "u2") {
    PredictRequest request;
    request.user = user;
    request.symbol = symbol;
    return request;
  }
  static PredictRequest Tensors(std::vector<float> values, Shape shape) {
    PredictRequest request;
    request.user = "u2";
    request.inputs.push_back({"book", Tensor::Float32(std::move(shape), values)});
    return request;
  }
  static void ExpectLinear(const Prediction& prediction, double ask_size, double weight = 1) {
    const auto expected = test::LinearModelReference(FeaturesOf(ask_size), 3, weight);
    const auto got = prediction.outputs[0].values<float>();
    ASSERT_EQ(got.size(), 3u);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(got[i], expected[i], 1e-6);
  }

  test::Gate gate_;
  test::TemporaryRepository repository_;
  EngineOptions options_;
};

}  // namespace punctual

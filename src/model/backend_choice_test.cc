#include "model/backend_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <limits>
#include <thread>

#include "base/clock.h"

#include "support/onnx_models.h"
#include "support/temporary_repository.h"

namespace punctual {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// In the place of the native backend, which is not in this program: computes as OpenVINO does, but for what is asked
// for here.
struct Pretence {
  Duration takes{};
  float off_by = 0;
  std::string called = "probabilities";  // its output
  std::string refuses = "no such backend in this test";
  std::string refuses_sessions;  // empty: it makes them
  int fails_from = -1;           // the run, of all sessions together, from which on runs fail; -1: none
  int compiled = 0, runs = 0;    // what it did
};
Pretence pretence;

class PretendingSession final : public Session {
 public:
  explicit PretendingSession(std::unique_ptr<Session> inner)
      : inner_(std::move(inner)), output_(inner_->output(0).begin(), inner_->output(0).end()) {}
  std::span<std::byte> input(std::size_t i) override { return inner_->input(i); }
  std::span<const std::byte> output(std::size_t) const override { return output_; }
  Result<void> Run() override {
    if (pretence.fails_from >= 0 && pretence.runs++ >= pretence.fails_from) return Fail(Code::kInternal, "native: ill");
    std::this_thread::sleep_for(pretence.takes);
    PUNCTUAL_TRY(inner_->Run());
    float first = 0;
    std::memcpy(output_.data(), inner_->output(0).data(), output_.size());
    std::memcpy(&first, output_.data(), sizeof first);
    first += pretence.off_by;
    std::memcpy(output_.data(), &first, sizeof first);
    return {};
  }

 private:
  const std::unique_ptr<Session> inner_;
  std::vector<std::byte> output_;
};

class PretendingModel final : public CompiledModel {
 public:
  explicit PretendingModel(std::unique_ptr<CompiledModel> inner)
      : inner_(std::move(inner)), signature_(inner_->signature()) {
    signature_.outputs[0].name = pretence.called;
  }
  const Signature& signature() const override { return signature_; }
  Result<std::unique_ptr<Session>> NewSession(std::size_t batch) override {
    if (!pretence.refuses_sessions.empty()) return Fail(Code::kInvalidArgument, pretence.refuses_sessions);
    PUNCTUAL_ASSIGN(auto inner, inner_->NewSession(batch));
    return std::unique_ptr<Session>(std::make_unique<PretendingSession>(std::move(inner)));
  }

 private:
  const std::unique_ptr<CompiledModel> inner_;
  Signature signature_;
};

class PretendingBackend final : public Backend {
 public:
  Result<std::unique_ptr<CompiledModel>> Compile(const CompileRequest& request) override {
    ++pretence.compiled;
    if (!pretence.refuses.empty()) return Fail(Code::kInvalidArgument, pretence.refuses);
    PUNCTUAL_ASSIGN(auto inner, FindBackend("openvino").value()->Compile(request));
    return std::unique_ptr<CompiledModel>(std::make_unique<PretendingModel>(std::move(inner)));
  }
};

[[maybe_unused]] const bool registered =
    RegisterBackend("native", []() -> std::unique_ptr<Backend> { return std::make_unique<PretendingBackend>(); });

class BackendChoiceTest : public ::testing::Test {
 protected:
  BackendChoiceTest() { pretence = {.refuses = ""}; }
  ~BackendChoiceTest() override { pretence = {}; }

  Result<BackendChoice> Choose(const std::string& backend = "auto") const {
    return ChooseBackend(backend, {onnx_, kPath, "fp32", device_}, kept_in_);
  }
  std::string Refusal(const std::string& backend = "auto") const {
    const auto choice = Choose(backend);
    return choice.has_error() ? choice.error().message : "none";
  }
  std::string Chosen(const std::string& reason) const {
    const auto choice = Choose();
    if (choice.has_error()) return choice.error().message;
    EXPECT_THAT(choice->reason, HasSubstr(reason));
    return choice->backend;
  }

  static constexpr Duration kSlow = std::chrono::milliseconds(1);
  static constexpr const char* kPath = "m/1/model.onnx";
  test::TemporaryRepository folder_;
  std::string onnx_ = test::LinearModel(8, 3), device_ = "CPU";
  std::string kept_in_ = folder_.path() + "/kept/backends.txt";
};

TEST_F(BackendChoiceTest, ANameIsTakenAtItsWord) {
  pretence.takes = kSlow;
  const auto choice = Choose("native");
  ASSERT_TRUE(choice.has_value()) << choice.error().message;
  EXPECT_EQ(choice->backend, "native");
  EXPECT_EQ(choice->reason, "");
  EXPECT_EQ(Choose("nativ").error().code, Code::kNotFound);
}

TEST_F(BackendChoiceTest, TakesTheQuickerAndSaysWhatBothTook) {
  pretence.takes = kSlow;
  const auto choice = Choose();
  ASSERT_TRUE(choice.has_value()) << choice.error().message;
  EXPECT_EQ(choice->backend, "openvino");
  EXPECT_THAT(choice->reason, StartsWith("native "));
  EXPECT_THAT(choice->reason, HasSubstr(" us, openvino "));
}

TEST_F(BackendChoiceTest, DoesNotChangeItsMind) {
  pretence.takes = kSlow;
  EXPECT_EQ(Chosen("us"), "openvino");
  std::string kept;
  std::getline(std::ifstream(kept_in_), kept);
  // The other way round, as if this had been measured.
  const std::string key = kept.substr(0, 32);
  std::ofstream(kept_in_) << key << " native 1 openvino 2\n";
  EXPECT_EQ(Chosen("native 1.0 us, openvino 2.0 us"), "native");
  // Another file is another question.
  onnx_ = test::LinearModel(8, 3, 2.0);
  EXPECT_EQ(Chosen("us"), "openvino");
}

TEST_F(BackendChoiceTest, TheQuickerByLittleIsNotTaken) {
  ASSERT_NE(Chosen("us"), "");
  std::string kept;
  std::getline(std::ifstream(kept_in_), kept);
  for (const auto& [openvino, taken] : {std::pair("100", "native"), std::pair("96", "native"),
                                        std::pair("95", "openvino"), std::pair("9", "openvino")}) {
    std::ofstream(kept_in_) << kept.substr(0, 32) << " native 100 openvino " << openvino << "\n";
    EXPECT_EQ(Chosen(" us"), taken) << openvino;
  }
}

TEST_F(BackendChoiceTest, WhereItIsKeptTheOtherIsNotCompiled) {
  pretence.takes = kSlow;
  ASSERT_EQ(Chosen("us"), "openvino");
  EXPECT_EQ(pretence.compiled, 1);
  EXPECT_EQ(Chosen("us"), "openvino");
  EXPECT_EQ(pretence.compiled, 1);
}

TEST_F(BackendChoiceTest, WhatWasQuickerAndCannotRunNowIsNotTaken) {
  ASSERT_NE(Chosen("us"), "");
  std::string kept;
  std::getline(std::ifstream(kept_in_), kept);
  std::ofstream(kept_in_) << kept.substr(0, 32) << " native 1 openvino 2\n";
  pretence.refuses_sessions = "native: has no room";
  EXPECT_EQ(Chosen("native: has no room"), "openvino");
}

TEST_F(BackendChoiceTest, GivesTheSessionThatItTried) {
  for (const char* const backend : {"auto", "openvino"}) {
    const auto choice = Choose(backend);
    ASSERT_TRUE(choice.has_value()) << choice.error().message;
    ASSERT_NE(choice->session, nullptr);
    EXPECT_TRUE(choice->session->Run().has_value());
  }
}

TEST_F(BackendChoiceTest, SaysWhyAMeasurementIsNotKept) {
  std::ofstream(folder_.path() + "/file") << "";
  kept_in_ = folder_.path() + "/file/backends.txt";
  EXPECT_EQ(Choose()->note, "models.backend_choices: " + kept_in_ +
                                ": cannot be written: Not a directory; backends are measured again at each start");
  kept_in_.clear();
  EXPECT_EQ(Choose()->note, "") << "nobody wants it kept";
}

TEST_F(BackendChoiceTest, WhereOneCannotTheOtherDoesAndItIsSaid) {
  pretence.refuses = kPath + std::string(": node \"n\" (Foo): there is no Foo");
  EXPECT_EQ(Chosen(""), "openvino");
  EXPECT_EQ(Choose()->reason, "native: node \"n\" (Foo): there is no Foo");
}

TEST_F(BackendChoiceTest, WhatCompilesAndThenMakesNoSessionIsRefused) {
  pretence = {.refuses = "", .refuses_sessions = "native: cannot be compiled"};
  EXPECT_EQ(Chosen(""), "openvino");
  EXPECT_EQ(Choose()->reason, "native: cannot be compiled");
}

TEST_F(BackendChoiceTest, WhatFailsWhenItRunsIsRefused) {
  // At its first run, and when it is measured.
  for (const int run : {0, 6}) {
    pretence = {.takes = kSlow, .refuses = "", .fails_from = run};
    EXPECT_EQ(Chosen(""), "openvino") << run;
    pretence.runs = 0;
    EXPECT_EQ(Choose()->reason, "native: ill") << run;
  }
}

TEST_F(BackendChoiceTest, WhereNoneCanEachSaysWhyAndTheFileIsNamedOnce) {
  pretence.refuses = kPath + std::string(": there is no Foo");
  device_ = "NPU";
  EXPECT_THAT(Refusal(), StartsWith("m/1/model.onnx: native: there is no Foo; openvino: device: openvino finds no"));
  // Where it is the manifest's fault alone, whoever knows its path says it.
  pretence.refuses = "device: native computes on \"CPU\" alone";
  EXPECT_THAT(Refusal(), StartsWith("native: device: native computes on \"CPU\" alone; openvino: device: "));
}

TEST_F(BackendChoiceTest, WhatIsNoModelIsSaidInOneSentence) {
  pretence.refuses = kPath + std::string(": is no model of mine");
  const std::string whole = onnx_;
  for (const char* const backend : {"auto", "native", "openvino"}) {
    for (const std::string& bytes : {std::string("no model"), whole.substr(0, whole.size() / 2)}) {
      onnx_ = bytes;
      EXPECT_EQ(Refusal(backend), "m/1/model.onnx: is no ONNX file, or a broken one") << backend;
    }
    onnx_.clear();
    EXPECT_EQ(Refusal(backend), "m/1/model.onnx: is empty") << backend;
  }
}

TEST_F(BackendChoiceTest, WhatTheNamedCannotAndAnotherCanIsSaid) {
  pretence.refuses = kPath + std::string(": there is no Foo");
  EXPECT_EQ(Refusal("native"),
            "m/1/model.onnx: native: there is no Foo; take backend = \"openvino\", which can run it");
  pretence.refuses = "device: native computes on \"CPU\" alone";
  EXPECT_EQ(Refusal("native"),
            "device: native computes on \"CPU\" alone; take backend = \"openvino\", which can run it");
  device_ = "NPU";
  EXPECT_THAT(Refusal("native"), StartsWith("device: native computes on \"CPU\" alone; openvino: device: "));
  EXPECT_THAT(Refusal("Native"), StartsWith("backend: \"Native\" is not one of: auto, native, openvino"));
}

TEST_F(BackendChoiceTest, OneThatComputesSomethingElseIsNotTaken) {
  for (const float off_by : {0.5f, std::numeric_limits<float>::quiet_NaN()}) {
    pretence.off_by = off_by;
    EXPECT_EQ(Chosen("native gives other answers"), "openvino");
  }
  pretence = {.called = "something", .refuses = ""};
  EXPECT_EQ(Chosen("native has other inputs or outputs"), "openvino");
}

TEST_F(BackendChoiceTest, OfCodesTheNativeOneIsBelieved) {
  onnx_ = test::QuantizedModel(8, 3, CodeType::kUint8, {{0.05f, 128}});
  EXPECT_EQ(Refusal("openvino"), "none") << "they agree";
  pretence.off_by = 0.5f;
  EXPECT_EQ(Chosen("openvino gives other answers"), "native");
  EXPECT_THAT(Refusal("openvino"), HasSubstr("gives other answers to the same inputs than this file's codes do"));
  EXPECT_EQ(Refusal("native"), "none");
  pretence.refuses = "cannot run it";
  EXPECT_EQ(Refusal("openvino"), "none") << "nobody can tell";
}

}  // namespace
}  // namespace punctual

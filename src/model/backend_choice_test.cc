#include "model/backend_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
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
};
Pretence pretence;

class PretendingSession final : public Session {
 public:
  explicit PretendingSession(std::unique_ptr<Session> inner)
      : inner_(std::move(inner)), output_(inner_->output(0).begin(), inner_->output(0).end()) {}
  std::span<std::byte> input(std::size_t i) override { return inner_->input(i); }
  std::span<const std::byte> output(std::size_t) const override { return output_; }
  Result<void> Run() override {
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
    return ChooseBackend(backend, {onnx_, "m/1/model.onnx", "fp32", "CPU"}, kept_in_);
  }
  std::string Chosen(const std::string& reason) const {
    const auto choice = Choose();
    if (choice.has_error()) return choice.error().message;
    EXPECT_THAT(choice->reason, HasSubstr(reason));
    return choice->backend;
  }

  static constexpr Duration kSlow = std::chrono::milliseconds(1);
  test::TemporaryRepository folder_;
  std::string onnx_ = test::LinearModel(8, 3);
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

TEST_F(BackendChoiceTest, SaysThatAMeasurementIsNotKept) {
  kept_in_.clear();
  EXPECT_NE(Chosen("; not kept"), "");
  std::ofstream(folder_.path() + "/file") << "";
  kept_in_ = folder_.path() + "/file/backends.txt";
  EXPECT_NE(Chosen("; not kept"), "");
}

TEST_F(BackendChoiceTest, WhereOneCannotTheOtherDoesAndItIsSaid) {
  pretence.refuses = "native: the operator Foo is not known";
  EXPECT_EQ(Chosen("the operator Foo"), "openvino");
}

TEST_F(BackendChoiceTest, WhereNoneCanEachSaysWhy) {
  pretence.refuses = "native: the operator Foo is not known";
  onnx_ = "no model";
  const auto choice = Choose();
  ASSERT_TRUE(choice.has_error());
  EXPECT_EQ(choice.error().code, Code::kInvalidArgument);
  EXPECT_THAT(choice.error().message, HasSubstr("the operator Foo"));
  EXPECT_THAT(choice.error().message, HasSubstr("openvino cannot read it"));
}

TEST_F(BackendChoiceTest, OneThatComputesSomethingElseIsNotTaken) {
  pretence.off_by = 0.5;
  EXPECT_EQ(Chosen("native gives other answers"), "openvino");
  pretence = {.called = "something", .refuses = ""};
  EXPECT_EQ(Chosen("native has other inputs or outputs"), "openvino");
}

}  // namespace
}  // namespace punctual

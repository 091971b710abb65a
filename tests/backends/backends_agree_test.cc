// Random graphs on the native backend and on OpenVINO: both give the same numbers, one question at a time and four at
// once. PUNCTUAL_GRAPHS says how many graphs, PUNCTUAL_FIRST_GRAPH with which seed they begin.
//
// OpenVINO is sometimes wrong: about windows with ceil_mode, recurrent cells of odd sizes, a fusion now and then. Where
// it does not agree, ONNX Runtime decides, without its own rewriting, which is sometimes wrong too. Graphs with codes
// are for that one alone: OpenVINO's passes for low precision round otherwise, and end the program for some graphs.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <random>

#include "backends/random_graph.h"
#include "model/backend.h"

namespace punctual {
namespace {

// OpenVINO takes tens of milliseconds to compile a graph, and many times that under sanitizers.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define PUNCTUAL_HAS_SANITIZER
#endif
#endif
#ifdef PUNCTUAL_HAS_SANITIZER
constexpr std::uint32_t kGraphs = 10;
#else
constexpr std::uint32_t kGraphs = 150;
#endif

constexpr std::size_t kBatch = 4;
// Of the largest number of an output, where that is above one.
constexpr double kTolerance = 1e-5;
// Of the step between codes: where a number is close to the middle between two, backends may take either.
constexpr double kCodeTolerance = 3;

std::uint32_t NumberOf(const char* variable, std::uint32_t otherwise) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? otherwise : static_cast<std::uint32_t>(std::strtoul(text, nullptr, 10));
}

using Bytes = std::vector<std::byte>;

// Numbers for all inputs of `batch` questions, one input after the other.
std::vector<Bytes> Questions(const Signature& signature, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<Bytes> inputs;
  for (const TensorSpec& spec : signature.inputs) {
    Bytes bytes(kBatch * ElementCount(spec.shape).value() * SizeOf(spec.dtype));
    const auto fill = [&]<class T>(T, const auto& any) {
      for (std::size_t at = 0; at < bytes.size(); at += sizeof(T)) {
        const T number = any();
        std::memcpy(bytes.data() + at, &number, sizeof number);
      }
    };
    const auto whole = [&] { return static_cast<std::int32_t>(random() % 8); };
    if (spec.dtype == DType::kInt64) fill(std::int64_t{}, whole);
    if (spec.dtype == DType::kInt32) fill(std::int32_t{}, whole);
    if (spec.dtype == DType::kFloat32)
      fill(0.0f, [&] { return random() % 16 == 0 ? 0.0f : static_cast<float>(random()) / 1073741824.0f - 2.0f; });
    inputs.push_back(std::move(bytes));
  }
  return inputs;
}

// What comes out, by output, for all questions.
using Answers = std::vector<std::vector<float>>;

Result<Answers> Answer(CompiledModel& model, const std::vector<Bytes>& questions, std::size_t at_once) {
  PUNCTUAL_ASSIGN(const std::unique_ptr<Session> session, model.NewSession(at_once));
  const Signature& signature = model.signature();
  Answers answers(signature.outputs.size());
  for (std::size_t first = 0; first < kBatch; first += at_once) {
    for (std::size_t i = 0; i < questions.size(); ++i) {
      const std::span<std::byte> to = session->input(i);
      const std::size_t each = questions[i].size() / kBatch;
      if (to.size() != each * at_once) return Fail(Code::kInternal, "an input of another size");
      std::memcpy(to.data(), questions[i].data() + first * each, to.size());
    }
    PUNCTUAL_TRY(session->Run());
    for (std::size_t i = 0; i < answers.size(); ++i) {
      const std::span<const std::byte> from = session->output(i);
      const std::size_t before = answers[i].size();
      answers[i].resize(before + from.size() / sizeof(float));
      std::memcpy(answers[i].data() + before, from.data(), from.size());
    }
  }
  return answers;
}

// Types and shapes. Names may differ: OpenVINO knows a value that goes through Identity by either.
std::string TextOf(const std::vector<TensorSpec>& specs) {
  std::string text;
  for (const TensorSpec& spec : specs)
    text += std::to_string(static_cast<int>(spec.dtype)) + ":" + ShapeText(spec.shape) + " ";
  return text;
}

// The largest difference; or the message of what is wrong.
Result<double> Compare(const Answers& native, const Answers& other, double tolerance) {
  double largest = 0;
  for (std::size_t i = 0; i < native.size(); ++i) {
    const std::string output = "output " + std::to_string(i);
    if (native[i].size() != other[i].size()) return Fail(Code::kInternal, output + " has another size");
    double scale = 1;
    for (const float number : other[i]) scale = std::max(scale, std::abs(static_cast<double>(number)));
    for (std::size_t k = 0; k < native[i].size(); ++k) {
      const double difference = std::abs(static_cast<double>(native[i][k]) - static_cast<double>(other[i][k])) / scale;
      if (!(difference <= tolerance))
        return Fail(Code::kInternal, output + "[" + std::to_string(k) + "] is " + std::to_string(native[i][k]) +
                                         ", and there " + std::to_string(other[i][k]));
      largest = std::max(largest, difference);
    }
  }
  return largest;
}

// A graph on the native backend.
class Examinee {
 public:
  Examinee(const test::RandomGraph& graph, std::uint32_t seed) : graph_(graph), seed_(seed) {}

  Result<void> Run() {
    PUNCTUAL_ASSIGN(model_, Compile("native"));
    questions_ = Questions(model_->signature(), seed_);
    for (const std::size_t at_once : Sizes()) {
      PUNCTUAL_ASSIGN(Answers answers, Answer(*model_, questions_, at_once));
      answers_.push_back(std::move(answers));
    }
    if (!graph_.has_other_order && answers_.front() != answers_.back())
      return Fail(Code::kInternal, "a batch gives other bits than single questions");
    return {};
  }

  // The largest difference; or the message of what is wrong. REQUIRES: Run succeeded.
  Result<double> Against(const std::string& backend) const {
    auto compared = DoAgainst(backend);
    if (compared.has_error()) return Fail(compared.error().code, backend + ": " + compared.error().message);
    return compared;
  }

 private:
  std::vector<std::size_t> Sizes() const {
    return graph_.has_open_batch ? std::vector<std::size_t>{1, kBatch} : std::vector<std::size_t>{1};
  }

  Result<std::unique_ptr<CompiledModel>> Compile(const std::string& backend) const {
    return FindBackend(backend).value()->Compile({graph_.onnx, "model", "fp32", "CPU"});
  }

  Result<double> DoAgainst(const std::string& backend) const {
    PUNCTUAL_ASSIGN(const std::unique_ptr<CompiledModel> other, Compile(backend));
    const Signature &ours = model_->signature(), &theirs = other->signature();
    if (TextOf(ours.inputs) != TextOf(theirs.inputs) || TextOf(ours.outputs) != TextOf(theirs.outputs))
      return Fail(Code::kInternal, "takes " + TextOf(theirs.inputs) + "and gives " + TextOf(theirs.outputs) +
                                       "instead of " + TextOf(ours.inputs) + "and " + TextOf(ours.outputs));
    double largest = 0;
    for (std::size_t i = 0; i < answers_.size(); ++i) {
      PUNCTUAL_ASSIGN(const Answers expected, Answer(*other, questions_, Sizes()[i]));
      const double tolerance = kTolerance + kCodeTolerance * static_cast<double>(graph_.code_step);
      PUNCTUAL_ASSIGN(const double difference, Compare(answers_[i], expected, tolerance));
      largest = std::max(largest, difference);
    }
    return largest;
  }

  const test::RandomGraph& graph_;
  const std::uint32_t seed_;
  std::unique_ptr<CompiledModel> model_;
  std::vector<Bytes> questions_;
  std::vector<Answers> answers_;  // by how many at once
};

class BackendsAgreeTest : public testing::Test {
 protected:
  // The message of what is wrong with the native backend; nothing: nothing.
  std::optional<std::string> Check(const test::RandomGraph& graph, std::uint32_t seed) {
    Examinee native(graph, seed);
    if (const auto run = native.Run(); run.has_error()) return run.error().message;
    std::string differs;
    if (graph.code_step == 0) {
      const auto compared = native.Against("openvino");
      if (compared.has_value()) {
        largest_ = std::max(largest_, *compared);
        return std::nullopt;
      }
      differs = compared.error().message + "\n";
    }
    const auto decided = native.Against("onnxruntime_as_written");
    if (decided.has_error()) return differs + decided.error().message;
    double& largest = graph.code_step == 0 ? largest_ : largest_of_codes_;
    largest = std::max(largest, *decided);
    if (graph.code_step == 0) std::cout << "not " << differs;
    against_openvino_ += graph.code_step == 0;
    return std::nullopt;
  }

  double largest_ = 0, largest_of_codes_ = 0;  // differences
  std::uint32_t against_openvino_ = 0;         // graphs that ONNX Runtime decided
};

TEST_F(BackendsAgreeTest, NativeComputesWhatOthersDo) {
  const std::uint32_t first = NumberOf("PUNCTUAL_FIRST_GRAPH", 1), count = NumberOf("PUNCTUAL_GRAPHS", kGraphs);
  const std::filesystem::path beside = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  for (std::uint32_t seed = first; seed < first + count; ++seed) {
    std::cout << "graph " << seed << std::endl;  // should it end the program
    const test::RandomGraph graph = test::MakeRandomGraph(seed);
    const auto wrong = Check(graph, seed);
    if (!wrong.has_value()) continue;
    const std::filesystem::path path = beside / ("graph-" + std::to_string(seed) + ".onnx");
    std::ofstream(path, std::ios::binary) << graph.onnx;
    ADD_FAILURE() << "PUNCTUAL_GRAPHS=1 PUNCTUAL_FIRST_GRAPH=" << seed << ": " << *wrong << "\n"
                  << graph.operators << "\nwritten to " << path;
  }
  EXPECT_LE(against_openvino_, 5 + count / 20);
  std::cout << count << " graphs; largest difference " << largest_ << ", with codes " << largest_of_codes_ << "; in "
            << against_openvino_ << " OpenVINO was alone\n";
}

}  // namespace
}  // namespace punctual

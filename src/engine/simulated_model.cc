#include "engine/simulated_model.h"

#include <array>
#include <cstring>
#include <limits>

#include "base/histogram.h"

namespace punctual {

namespace {

constexpr const char* kStudentFile = "a student";
constexpr const char* kFloatFile = "a model in float";
constexpr std::string_view kModelRung = "\"model\"";

Inferences* decides = nullptr;

float OutputOf(InferenceBy by) {
  switch (by) {
    case InferenceBy::kModel: return kByModel;
    case InferenceBy::kStudent: return kByStudent;
    case InferenceBy::kFloat: return kByFloat;
  }
  return kByModel;
}

class SimulatedSession final : public Session {
 public:
  explicit SimulatedSession(InferenceBy by) : by_(by) {}
  std::span<std::byte> input(std::size_t) override { return std::as_writable_bytes(std::span(input_)); }
  std::span<const std::byte> output(std::size_t) const override { return std::as_bytes(std::span(output_)); }
  Result<void> Run() override {
    const InferenceEnd end = decides == nullptr ? InferenceEnd::kOk : decides->OnInference(by_);
    output_ = {input_[0], OutputOf(by_)};
    if (end == InferenceEnd::kNotFinite) output_[0] = std::numeric_limits<float>::quiet_NaN();
    if (end == InferenceEnd::kFails) return Fail(Code::kInternal, "the simulated backend fails");
    return {};
  }

 private:
  const InferenceBy by_;
  std::array<float, 1> input_{};
  std::array<float, 2> output_{};
};

class SimulatedCompiled final : public CompiledModel {
 public:
  explicit SimulatedCompiled(InferenceBy by) : by_(by) {
    signature_.inputs = {{"book", DType::kFloat32, {1, 1}}};
    signature_.outputs = {{"probabilities", DType::kFloat32, {1, 2}}};
  }
  const Signature& signature() const override { return signature_; }
  Result<std::unique_ptr<Session>> NewSession(std::size_t) override {
    return std::unique_ptr<Session>(std::make_unique<SimulatedSession>(by_));
  }

 private:
  const InferenceBy by_;
  Signature signature_;
};

class SimulatedBackend final : public Backend {
 public:
  Result<std::unique_ptr<CompiledModel>> Compile(const CompileRequest& request) override {
    const InferenceBy by = request.onnx == kStudentFile ? InferenceBy::kStudent
                           : request.onnx == kFloatFile ? InferenceBy::kFloat
                                                        : InferenceBy::kModel;
    return std::unique_ptr<CompiledModel>(std::make_unique<SimulatedCompiled>(by));
  }
};

const bool registered =
    RegisterBackend("simulated", []() -> std::unique_ptr<Backend> { return std::make_unique<SimulatedBackend>(); });

Manifest ManifestOf(const std::string& more) {
  const std::string text = "backend = \"simulated\"\n" + more +
                           "[features]\ninput = \"book\"\nwindow = 1\nlevels = 1\ncolumns = [\"imbalance_1\"]\n";
  return ParseManifest(text, "model.toml").value();
}

std::shared_ptr<const ServedModel> Load(const ModelFiles& files, Duration takes, const LoadOptions& options) {
  auto model = ServedModel::Load(files, options).value();
  // What the calibration saw is this machine's weather.
  Histogram known;
  known.Record(takes);
  model->cost().Seed(known);
  return model;
}

LoadOptions OptionsOf(std::size_t workers, std::size_t askers) {
  LoadOptions options;
  options.pool_sessions = workers;
  options.caller_sessions = askers;
  options.inline_below = kInlineBelow;
  return options;
}

}  // namespace

void SetInferences(Inferences* inferences) { decides = inferences; }

std::shared_ptr<const ServedModel> LoadSimulatedModel(const SimulatedModelOptions& options) {
  ModelFiles files;
  files.name = options.name;
  files.version = "1";
  std::string ladder = options.ladder, more = "shadow_share = " + std::to_string(options.shadow_share) + "\n";
  if (options.student) {
    ladder.insert(ladder.find(kModelRung) + kModelRung.size(), ", \"student\"");
    more += "student = \"s\"\n";
  }
  more += "variant = \"" + options.variant + "\"\n";
  files.manifest = ManifestOf("ladder = [" + ladder + "]\n" + more);
  files.onnx = "a model called " + options.name;
  if (files.manifest.HasReference()) {
    files.float_path = "model.onnx";
    files.float_onnx = kFloatFile;
  }
  if (options.signal) {
    files.signals_path = "signals.csv";
    files.signals = std::string("symbol,computed_at_ns,probabilities_0,probabilities_1\n") + kSignalSymbol + ",1,0,2\n";
  }
  return Load(files, options.takes, OptionsOf(options.workers, options.askers));
}

std::shared_ptr<const ServedModel> LoadSimulatedStudent(Duration takes, std::size_t askers) {
  ModelFiles files;
  files.name = "s";
  files.version = "1";
  files.manifest = ManifestOf("ladder = [\"model\"]\n");
  files.onnx = kStudentFile;
  return Load(files, takes, OptionsOf(1, askers));
}

}  // namespace punctual

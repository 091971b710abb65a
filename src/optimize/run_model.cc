#include "optimize/run_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "optimize/sample_session.h"

namespace punctual::optimize {
namespace {

constexpr std::size_t kSamplesBetweenReports = 256;

Result<std::size_t> FindOutput(const Signature& signature, const std::string& name) {
  const std::vector<TensorSpec>& outputs = signature.outputs;
  const auto found = std::find_if(outputs.begin(), outputs.end(),
                                  [&](const TensorSpec& spec) { return name.empty() || spec.name == name; });
  if (found == outputs.end()) {
    std::string names;
    for (const TensorSpec& spec : outputs) names += (names.empty() ? "" : ", ") + spec.name;
    return Fail(Code::kInvalidArgument, "output: the model has no \"" + name + "\"; it has " + names);
  }
  if (found->dtype != DType::kFloat32 && found->dtype != DType::kFloat64)
    return Fail(Code::kInvalidArgument, "output: \"" + found->name + "\" is " + std::string(DTypeName(found->dtype)) +
                                            ", not of floats; name one that is");
  return static_cast<std::size_t>(found - outputs.begin());
}

template <class Float>
void Append(std::span<const std::byte> bytes, std::vector<float>& values) {
  Float value;
  for (std::size_t at = 0; at + sizeof value <= bytes.size(); at += sizeof value) {
    std::memcpy(&value, bytes.data() + at, sizeof value);
    values.push_back(static_cast<float>(value));
  }
}

}  // namespace

Result<Answers> RunModel(CompiledModel& model, const Samples& samples, std::span<const std::size_t> indices,
                         const RunModelOptions& options) {
  PUNCTUAL_ASSIGN(SampleSession asked, SampleSession::Make(model, samples));
  Session& session = asked.session();
  PUNCTUAL_ASSIGN(const std::size_t output, FindOutput(model.signature(), options.output));
  const TensorSpec& spec = model.signature().outputs[output];
  Answers answers;
  PUNCTUAL_ASSIGN(answers.width, ElementCount(spec.shape));
  answers.values.reserve(indices.size() * answers.width);
  for (std::size_t done = 0; done < indices.size(); ++done) {
    const std::size_t sample = indices[done];
    asked.Write(sample);
    PUNCTUAL_TRY(session.Run());
    if (spec.dtype == DType::kFloat32)
      Append<float>(session.output(output), answers.values);
    else
      Append<double>(session.output(output), answers.values);
    for (const float value : answers[done])
      if (!std::isfinite(value))
        return Fail(Code::kOutOfRange, "output \"" + spec.name + "\": is not finite for sample " +
                                           std::to_string(sample) + "; look at its inputs, or at the model's range");
    if (options.progress && ((done + 1) % kSamplesBetweenReports == 0 || done + 1 == indices.size()))
      options.progress(done + 1, indices.size());
  }
  return answers;
}

}  // namespace punctual::optimize

#include "optimize/sample_session.h"

#include <algorithm>
#include <string>
#include <utility>

namespace punctual::optimize {

namespace {

std::string TextOf(const TensorSpec& spec) {
  return "\"" + spec.name + "\" " + std::string(DTypeName(spec.dtype)) + " " + ShapeText(spec.shape);
}

}  // namespace

Result<SampleSession> SampleSession::Make(CompiledModel& model, const Samples& samples) {
  std::vector<std::size_t> places;
  for (const TensorSpec& input : model.signature().inputs) {
    const auto found = std::find_if(samples.inputs.begin(), samples.inputs.end(),
                                    [&](const TensorSpec& spec) { return spec.name == input.name; });
    if (found == samples.inputs.end())
      return Fail(Code::kInvalidArgument, "model: the samples have nothing for its input " + TextOf(input));
    if (found->dtype != input.dtype || found->shape != input.shape)
      return Fail(Code::kInvalidArgument,
                  "model: its input " + TextOf(input) + " does not fit the samples' " + TextOf(*found));
    places.push_back(static_cast<std::size_t>(found - samples.inputs.begin()));
  }
  PUNCTUAL_ASSIGN(auto session, model.NewSession(1));
  return SampleSession(samples, std::move(places), std::move(session));
}

void SampleSession::Write(std::size_t sample) {
  for (std::size_t i = 0; i < places_.size(); ++i)
    std::ranges::copy(samples_->Of(places_[i], sample), session_->input(i).begin());
}

}  // namespace punctual::optimize

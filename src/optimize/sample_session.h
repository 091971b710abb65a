// A session of a model, and the samples that it is asked.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "model/backend.h"
#include "optimize/samples.h"
#include "punctual/result.h"

namespace punctual::optimize {

// Movable; not thread-safe. `samples` must outlive it.
class SampleSession {
 public:
  // Of one question at a time. Inputs are matched by name. kInvalidArgument: samples of other inputs than the model's;
  // else what the backend says.
  static Result<SampleSession> Make(CompiledModel& model, const Samples& samples);

  // Writes the sample's inputs; session().Run() asks. REQUIRES: sample < samples.count().
  void Write(std::size_t sample);
  Session& session() { return *session_; }
  // The bytes of the model's input of that index.
  std::span<const std::byte> Input(std::size_t index, std::size_t sample) const {
    return samples_->Of(places_[index], sample);
  }

 private:
  SampleSession(const Samples& samples, std::vector<std::size_t> places, std::unique_ptr<Session> session)
      : samples_(&samples), places_(std::move(places)), session_(std::move(session)) {}
  const Samples* samples_;
  std::vector<std::size_t> places_;  // in samples.inputs, of each of the model's
  std::unique_ptr<Session> session_;
};

}  // namespace punctual::optimize

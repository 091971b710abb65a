// Models whose inferences are simulated: the backend "simulated", behind the real ServedModel.
#pragma once

#include <memory>
#include <string>

#include "model/served_model.h"

namespace punctual {

// What becomes of an inference.
enum class InferenceEnd : std::uint8_t { kOk, kFails, kNotFinite };

// Of which model it is.
enum class InferenceBy : std::uint8_t { kModel, kStudent, kFloat };

// Who decides that: called by each inference, on the thread that runs it.
class Inferences {
 public:
  virtual ~Inferences() = default;
  virtual InferenceEnd OnInference(InferenceBy by) = 0;
};
// One at a time; null (as at first): inferences end at once, and well.
void SetInferences(Inferences* inferences);

struct SimulatedModelOptions {
  std::string name = "m";
  std::string ladder;    // as in a manifest: "\"l1\", \"model\""; the student comes right below the model
  bool student = false;  // has one, called "s"
  bool signal = false;   // has one, of kSignalSymbol
  Duration takes{};      // each inference, as is known at load; below kInlineBelow it runs where it is asked
  std::size_t workers = 1;
  std::size_t askers = 0;   // threads on which it may run at once besides
  double shadow_share = 0;  // of its answers, compared with the student's and the float model's, where there are
  std::string variant = "fp32";
};
inline constexpr Duration kInlineBelow = std::chrono::milliseconds(1);
inline constexpr const char* kSignalSymbol = "SIGNAL";

// Answers [x, 0] to the feature x, imbalance_1 of one book; a student, [x, 1]; a signal, [0, 2]; a float model, [x, 3].
std::shared_ptr<const ServedModel> LoadSimulatedModel(const SimulatedModelOptions& options);
// The student of all of them: `takes` as above.
std::shared_ptr<const ServedModel> LoadSimulatedStudent(Duration takes, std::size_t askers);
inline constexpr float kByModel = 0, kByStudent = 1, kBySignal = 2, kByFloat = 3;

}  // namespace punctual

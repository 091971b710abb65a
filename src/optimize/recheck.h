// The live variants of a model held against the model itself, on what it was asked lately: whether they are still as
// good as when they were let in, and whether the questions are still those that they were made for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "optimize/compare.h"
#include "optimize/profile.h"
#include "punctual/result.h"

namespace punctual::optimize {

// A model as a server serves it.
struct LiveModel {
  std::string name, version, variant, backend;
  std::string folder;          // of its files
  std::string student;         // empty: it has none
  std::string student_error;   // why the one that its manifest names does not stand in; empty: it does
  std::string student_folder;  // of its files
  std::string student_version, student_backend;
  std::string log_folder;  // where the request log keeps what it was asked
};

struct RecheckOptions {
  // Of int8 and bf16, and of a student; see gate.h. None: what the variant was let in with (profile.h), and where
  // nobody knows that, kMaxAccuracyDrop and kMaxStudentAccuracyDrop.
  std::optional<double> max_accuracy_drop, max_student_accuracy_drop;
  std::uint64_t seed = 1;
  std::size_t most = 50'000;  // questions; of more, every so many
  // Called now and then with what is being done, and how far it is. May be empty.
  std::function<void(const std::string& what, std::size_t done, std::size_t of)> progress;
};

// A variant beside the model's own float file.
struct RecheckedVariant {
  std::string variant;  // "int8", "bf16" or "student"
  std::string backend;
  bool serves = false;       // the server asks it; false: an int8 file that only lies there
  std::string refusal;       // why it cannot be asked; empty: it can, and all below is known
  std::size_t left_out = 0;  // questions that it had no answer to: too few books
  std::optional<Comparison> fidelity;
  enum class Verdict : std::uint8_t { kPassed, kOpen, kFailed };
  // The gate's: of one that was let in before, only what is too bad for certain has failed; what has not passed either
  // is open, and more questions would tell.
  Verdict verdict = Verdict::kOpen;
  std::string gate;                   // what was judged and how it ended, one line
  Estimate now;                       // how far from the model's answers: DifferenceOf (gate.h)
  std::optional<Estimate> when_made;  // the same, held out then; none: this very file was not judged then
  bool drifted = false;               // for certain: the two intervals lie apart, and now is the worse
};

// How far numbers have moved: profile.h.
struct Moved {
  std::string name;
  double index = 0;
  double chance = 0;  // what it would be on average had nothing moved, and were all questions independent
};

struct Recheck {
  LiveModel model;
  std::size_t questions = 0;  // that were asked again
  std::size_t logged = 0;     // that the log has
  std::size_t left_out = 0;   // of another model's shape, or that the model has no answer to
  std::size_t damaged_segments = 0;
  std::int64_t first_unix_ns = 0, last_unix_ns = 0;
  std::string output;                // that was judged: the first
  std::vector<std::string> classes;  // of its numbers, where the manifest names them
  std::vector<RecheckedVariant> variants;
  // What they are held against: "the profile" (VERSION/profile.json), or "the older half" of these questions.
  std::string since;
  std::string no_profile;     // why not the profile, though there is one; empty: it is, or there is none
  std::vector<Moved> inputs;  // each column; the one that moved most first
  Moved answers;
  std::vector<double> class_shares_then, class_shares_now;  // of classes, by the model itself; else empty
  // Nothing that serves has failed, or cannot be asked.
  bool passed = true;
};

// Whether anything is served in the place of the model's own float file.
inline bool HasStandIns(const LiveModel& model) {
  return model.variant != "fp32" || !model.student.empty() || !model.student_error.empty();
}

// Above, a population is held for another one; above the half, for one to look at.
inline constexpr double kMovedFar = 0.25, kMoved = 0.1;

// Of a verdict: "passed", "open", "failed".
std::string_view VerdictName(RecheckedVariant::Verdict verdict);

// kNotFound: nothing was logged, or the model's float file is not there;
// kFailedPrecondition: fewer than 100 questions that the model can be asked; else as ServedModel::Load and Compare. A
// variant that cannot be loaded is said in its place. Nothing is written.
Result<Recheck> RecheckModel(const LiveModel& model, const RecheckOptions& options);

}  // namespace punctual::optimize

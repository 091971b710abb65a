// A request, checked: what is asked of which model. The edge of the engine: behind it nothing is checked again.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cache/key.h"
#include "market/market.h"
#include "model/repository.h"
#include "users/directory.h"

namespace punctual {

struct Question {
  enum class About : std::uint8_t { kState, kBooks, kTensors };

  About about = About::kState;
  std::shared_ptr<const ServedModel> model;
  std::shared_ptr<const ServedModel> student;  // null: the model has none
  std::string symbol;                          // may be empty unless about the state
  Window window;                               // of the state, or the books of the request
  std::vector<NamedTensor> inputs;             // tensors, in the order of the model's inputs
  // What the model's answer would be kept under; none if it cannot be computed now.
  std::optional<CacheKey> key;
  // Why it cannot be computed now (a window that is not full, books that are too old): the rungs below may still
  // answer.
  Error cannot_compute{Code::kOk, ""};
};

// What a question is checked against.
struct QuestionContext {
  const Repository& repository;
  const Market& market;
  const KeyMaker& keys;
};

// kInvalidArgument, kNotFound, kFailedPrecondition: nobody could answer this; the message names the field.
Result<Question> Ask(PredictRequest& request, const User& user, const QuestionContext& context, TimePoint now);

// The key of what the model makes of the inputs: of the codes it cannot tell apart, or of the cells of its grid. The
// errors of the features; kOutOfRange: a number is beyond the grid. REQUIRES: question.key, and that the model has such
// codes.
Result<CacheKey> KeyOfCodes(const Question& question, KeyMaker::Codes kind, const KeyMaker& keys);

// Computes the model's answer on the calling thread. The errors of ServedModel::Infer, and those of the features.
// REQUIRES: question.key.
Result<Outputs> Compute(const Question& question);
// The same for several at once. REQUIRES: they are about one model, and no more than its batches().most().
std::vector<Result<Outputs>> ComputeTogether(std::span<const Question* const> questions);
// kFailedPrecondition: the student cannot be asked this (tensors of other inputs, too few books). REQUIRES:
// question.student.
Result<void> CheckForStudent(const Question& question);
// What the student's answer is kept under. kFailedPrecondition: it cannot be asked this, or the books are too old.
// REQUIRES: question.student.
Result<CacheKey> KeyForStudent(const Question& question, const KeyMaker& keys, TimePoint now);
// The errors of Compute. `by`: the model, or its student. REQUIRES: question.key; of the student, CheckForStudent.
Result<Outputs> ComputeBy(const ServedModel& by, const Question& question);

}  // namespace punctual

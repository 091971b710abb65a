#include "engine/question.h"

#include <algorithm>

#include "model/student.h"

namespace punctual {

namespace {

Error Invalid(std::string message) { return Fail(Code::kInvalidArgument, std::move(message)); }

// Sets key or cannot_compute of a question about books.
void CheckWindow(Question& question, const KeyMaker& keys, TimePoint now) {
  const Manifest& manifest = question.model->manifest();
  const FeaturePlan& plan = *question.model->features();
  const std::string whose = question.symbol.empty() ? "the request" : question.symbol;
  if (question.window.size() < plan.history()) {
    question.cannot_compute =
        Fail(Code::kFailedPrecondition,
             "the window of " + whose + " is not full yet: " + std::to_string(question.window.size()) + " of " +
                 std::to_string(plan.history()) + " books for model " + question.model->identity()->model);
    return;
  }
  if (const Duration age = now - question.window.newest().arrived; age > manifest.max_age) {
    question.cannot_compute = Fail(Code::kFailedPrecondition,
                                   "the newest book of " + whose + " is " + std::to_string(age.count() / 1'000'000) +
                                       " ms old; model " + question.model->identity()->model + " takes books up to " +
                                       std::to_string(manifest.max_age.count() / 1'000'000) + " ms old");
    return;
  }
  question.key = question.about == Question::About::kState ? keys.OfState(*question.model, question.window)
                                                           : keys.OfBooks(*question.model, question.window);
}

Result<void> AskState(Question& question, const QuestionContext& context, TimePoint now) {
  auto window = context.market.Take(question.symbol);
  if (window.has_error()) {
    // A symbol that was never fed may still have a pre-computed signal; one that nobody knows is a mistake.
    if (!question.model->signals().contains(question.symbol)) return window.error();
    question.cannot_compute = std::move(window).error();
    return {};
  }
  question.window = std::move(window).value();
  CheckWindow(question, context.keys, now);
  return {};
}

Result<void> AskBooks(Question& question, const PredictRequest& request, const QuestionContext& context,
                      TimePoint now) {
  for (std::size_t i = 0; i < request.market.size(); ++i)
    if (auto valid = Validate(request.market[i]); valid.has_error())
      return Invalid("market[" + std::to_string(i) + "]." + valid.error().message);
  for (std::size_t i = 1; i < request.market.size(); ++i) {
    const BookSnapshot &before = request.market[i - 1], &book = request.market[i];
    const std::string where = "market[" + std::to_string(i) + "]";
    if (book.sequence < before.sequence) return Invalid(where + ".seq: falls; give the oldest book first");
    if (book.exchange_time_ns < before.exchange_time_ns)
      return Invalid(where + ".time_ns: falls; give the oldest book first");
  }
  const int levels = question.model->features()->levels();
  for (std::size_t i = 0; i < request.market.size(); ++i)
    if (request.market[i].level_count < levels)
      return Invalid("market[" + std::to_string(i) + "]: has " + std::to_string(request.market[i].level_count) +
                     " levels, model " + question.model->identity()->model + " needs " + std::to_string(levels));
  question.window = Window::Of(request.market, now);
  CheckWindow(question, context.keys, now);
  // Nothing will fill a request's own window later: this is the asker's to mend.
  if (question.cannot_compute.code == Code::kFailedPrecondition)
    return Invalid("market: " + question.cannot_compute.message);
  return {};
}

// A shape without its dimensions of 1 in front.
std::span<const std::int64_t> Core(const Shape& shape) {
  std::span<const std::int64_t> core(shape);
  while (core.size() > 1 && core.front() == 1) core = core.subspan(1);
  return core;
}

// The batch dimension may be left out, and a flat list is taken for any shape of as many elements.
bool Fits(const Shape& given, const Shape& wanted) {
  const auto a = Core(given), b = Core(wanted);
  if (std::equal(a.begin(), a.end(), b.begin(), b.end())) return true;
  return a.size() == 1 && static_cast<std::size_t>(a[0]) == ElementCount(wanted).value();
}

Result<void> AskTensors(Question& question, PredictRequest& request, const QuestionContext& context) {
  const std::vector<TensorSpec>& specs = question.model->inputs();
  for (const NamedTensor& given : request.inputs) {
    const auto same_name = [&](const auto& other) { return other.name == given.name; };
    if (std::none_of(specs.begin(), specs.end(), same_name)) {
      std::string names;
      for (const TensorSpec& spec : specs) names += (names.empty() ? "" : ", ") + spec.name;
      return Invalid("inputs." + given.name + ": model " + question.model->identity()->model +
                     " has no such input; it has: " + names);
    }
    if (std::count_if(request.inputs.begin(), request.inputs.end(), same_name) != 1)
      return Invalid("inputs." + given.name + ": is given twice");
  }
  for (const TensorSpec& spec : specs) {
    const auto given = std::find_if(request.inputs.begin(), request.inputs.end(),
                                    [&](const NamedTensor& input) { return input.name == spec.name; });
    if (given == request.inputs.end())
      return Invalid("inputs." + spec.name + ": is missing; model " + question.model->identity()->model + " needs it");
    if (given->tensor.dtype() != spec.dtype)
      return Invalid("inputs." + spec.name + ": is " + std::string(DTypeName(given->tensor.dtype())) + ", must be " +
                     std::string(DTypeName(spec.dtype)));
    if (!Fits(given->tensor.shape(), spec.shape))
      return Invalid("inputs." + spec.name + ": has the shape " + ShapeText(given->tensor.shape()) + ", must be " +
                     ShapeText(spec.shape));
    if (!AllFinite(given->tensor.dtype(), given->tensor.bytes()))
      return Invalid("inputs." + spec.name + ": every number must be finite");
    question.inputs.push_back(std::move(*given));
  }
  question.key = context.keys.OfTensors(question.model->digest(), question.inputs);
  return {};
}

std::span<float> FloatsOf(std::span<std::byte> bytes) {
  return {reinterpret_cast<float*>(bytes.data()), bytes.size() / sizeof(float)};
}

}  // namespace

Result<Question> Ask(PredictRequest& request, const User& user, const QuestionContext& context, TimePoint now) {
  if (!request.market.empty() && !request.inputs.empty())
    return Invalid("market, inputs: give one of the two, books or tensors");
  if (request.symbol.empty() && request.market.empty() && request.inputs.empty())
    return Invalid("symbol: is missing; give a symbol, or books in \"market\", or tensors in \"inputs\"");
  if (!request.symbol.empty()) PUNCTUAL_TRY(ValidateSymbol(request.symbol));
  Question question;
  PUNCTUAL_ASSIGN(Answerers who, context.repository.Find(request.model.empty() ? *user.model : request.model));
  question.model = std::move(who.model);
  question.student = std::move(who.student);
  question.symbol = std::move(request.symbol);
  if (!request.inputs.empty()) {
    question.about = Question::About::kTensors;
    PUNCTUAL_TRY(AskTensors(question, request, context));
    return question;
  }
  if (!question.model->features())
    return Invalid("inputs: model " + question.model->identity()->model +
                   " declares no features: it answers tensors only");
  if (!request.market.empty()) {
    question.about = Question::About::kBooks;
    PUNCTUAL_TRY(AskBooks(question, request, context, now));
  } else {
    PUNCTUAL_TRY(AskState(question, context, now));
  }
  return question;
}

Result<CacheKey> KeyOfCodes(const Question& question, KeyMaker::Codes kind, const KeyMaker& keys) {
  const ServedModel& model = *question.model;
  // Kept by the thread from request to request: large windows would be allocated each time.
  thread_local std::vector<float> features;
  thread_local std::vector<std::byte> codes;
  codes.clear();
  const auto room_for = [&](const auto& coder, std::size_t input) {
    const std::size_t at = codes.size();
    codes.resize(at + coder.CodeBytes(input));
    return std::span(codes).subspan(at);
  };
  bool all_have_codes = true;
  const auto encode = [&](std::size_t input, std::span<const float> values) {
    if (kind == KeyMaker::Codes::kExact) {
      model.input_codes()->Encode(input, values, room_for(*model.input_codes(), input));
    } else {
      const auto room = room_for(*model.input_grid(), input);
      all_have_codes = model.input_grid()->Encode(input, values, room) && all_have_codes;
    }
  };
  if (question.about == Question::About::kTensors) {
    for (std::size_t i = 0; i < question.inputs.size(); ++i) encode(i, question.inputs[i].tensor.values<float>());
  } else {
    features.resize(static_cast<std::size_t>(model.features()->window()) * model.features()->columns());
    PUNCTUAL_TRY(model.features()->Compute(question.window, features));
    encode(model.feature_input(), features);
  }
  if (!all_have_codes) return Fail(Code::kOutOfRange, "inputs: a number lies beyond the cells of semantic.grid");
  return keys.OfCodes(model.digest(), kind, question.about == Question::About::kState, codes);
}

namespace {

Result<void> FillInputs(const ServedModel& model, const Question& question, const MemberInputs& inputs) {
  if (question.about == Question::About::kTensors) {
    PUNCTUAL_TRY(ServedModel::FillTensors(inputs, question.inputs));
  } else {
    PUNCTUAL_TRY(model.features()->Compute(question.window, FloatsOf(inputs[model.feature_input()])));
  }
  // The value that stands for each code, so that the answer is a function of the codes whatever the backend rounds.
  if (const InputCodes* codes = model.input_codes())
    for (std::size_t i = 0; i < codes->input_count(); ++i) codes->Canonicalise(i, FloatsOf(inputs[i]));
  return {};
}

}  // namespace

Result<Outputs> ComputeBy(const ServedModel& by, const Question& question) {
  return by.Infer([&](const MemberInputs& inputs) { return FillInputs(by, question, inputs); });
}

Result<Outputs> Compute(const Question& question) { return ComputeBy(*question.model, question); }

std::vector<Result<Outputs>> ComputeTogether(std::span<const Question* const> questions) {
  const ServedModel& model = *questions.front()->model;
  return model.InferBatch(questions.size(), [&](std::size_t i, const MemberInputs& inputs) {
    return FillInputs(model, *questions[i], inputs);
  });
}

Result<void> CheckForStudent(const Question& question) {
  const ServedModel& student = *question.student;
  if (question.about == Question::About::kTensors) {
    if (HaveSameInputs(*question.model, student)) return {};
    return Fail(Code::kFailedPrecondition, "the student takes other tensors");
  }
  // The model may need more books than there are, the student perhaps not.
  if (question.window.size() >= student.features()->history()) return {};
  return Fail(Code::kFailedPrecondition, "there are too few books for the student");
}

Result<CacheKey> KeyForStudent(const Question& question, const KeyMaker& keys, TimePoint now) {
  PUNCTUAL_TRY(CheckForStudent(question));
  const ServedModel& student = *question.student;
  if (question.about == Question::About::kTensors) return keys.OfTensors(student.digest(), question.inputs);
  if (now - question.window.newest().arrived > question.model->manifest().max_age)
    return Fail(Code::kFailedPrecondition, "the newest book is too old");
  return question.about == Question::About::kState ? keys.OfState(student, question.window)
                                                   : keys.OfBooks(student, question.window);
}

}  // namespace punctual

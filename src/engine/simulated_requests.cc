#include "engine/simulated_requests.h"

#include <algorithm>

namespace punctual {

namespace {

// As an old book's answer, told apart by its numbers.
constexpr std::array<float, 2> kStaleOutput = {0, 3};

Outputs OutputsOf(const ServedModel& model, std::span<const float> values) {
  const TensorSpec& spec = model.outputs()[0];
  const OutputView view{spec.name, spec.dtype, spec.shape, std::as_bytes(values)};
  return Outputs(std::span(&view, 1));
}

bool Has(const Question& question, Source rung) { return question.model->manifest().HasRung(rung); }

}  // namespace

Question SimulatedRequests::QuestionAbout(std::shared_ptr<const ServedModel> model,
                                          std::shared_ptr<const ServedModel> student, const std::string& symbol,
                                          double x) const {
  BookSnapshot book;
  book.sequence = 2;
  book.level_count = 1;
  // imbalance_1 = (bid size - ask size) / (bid size + ask size)
  book.levels[0] = {101, 1 - x, 99, 1 + x};
  Question question;
  question.model = std::move(model);
  question.student = std::move(student);
  question.symbol = symbol;
  question.window = Window::Of(std::span(&book, 1), services_.clock.Now());
  question.key = keys_.OfState(*question.model, question.window);
  return question;
}

void SimulatedRequests::RememberOlder(const Question& question) {
  services_.known_good.Put(question.model->identity()->model, question.symbol,
                           {OutputsOf(*question.model, kStaleOutput),
                            question.model->identity(),
                            {1, 0},
                            question.window.newest().arrived - std::chrono::milliseconds(1)});
}

bool SimulatedRequests::IsCached(const Question& question) const {
  CachedAnswer found;
  return question.key && services_.services().cache.GetMemory(*question.key, services_.clock.Now(), found);
}

Asked& SimulatedRequests::Ask(const Question& question, const Tier& tier, Duration budget) {
  Asked& asked = all_.emplace_back();
  asked.question = question;
  asked.tier = &tier;
  RequestTimes times;
  times.arrival = services_.clock.Now();
  times.budget = budget;
  times.answer_by = times.arrival + budget - kReserve;
  asked.answer_by = times.answer_by;
  asked.deadline = times.arrival + budget;
  // The student's time and its margin are less than that.
  asked.surely_in_time = times.answer_by;
  if (question.student != nullptr) asked.surely_in_time -= 2 * question.student->cost().high();
  asked.was_cached = Has(question, Source::kL1) && IsCached(question);
  asked.request = std::make_shared<Request>(
      services_.services(), tier, question, times, all_.size(),
      Asker{[this, &asked](const Result<Prediction>& answer) { OnAnswer(asked, answer); }, asked.left});
  services_.Run([&asked] { asked.request->Start(); });
  return asked;
}

void SimulatedRequests::OnAnswer(Asked& asked, const Result<Prediction>& answer) {
  if (++asked.answers > 1) Fault(asked, "was answered again");
  CheckTime(asked);
  if (answer.has_value()) {
    asked.source = answer->source;
    CheckOutputs(asked, *answer);
    asked.answered_by_model = !answer->degraded;
  }
  if (asked.was_cached && asked.source != Source::kL1) Fault(asked, "was not answered by l1, which had it");
  if (!asked.answered_by_model) CheckNothingSkipped(asked);
  services_.InCall();
}

void SimulatedRequests::CheckTime(const Asked& asked) {
  const TimePoint now = services_.clock.Now();
  if (now > asked.answer_by && may_be_held_up > Duration::zero()) ++held_up_;
  if (now > asked.answer_by + may_be_held_up)
    Fault(asked, "was answered " + std::to_string((now - asked.answer_by).count()) + " ns after answer-by");
}

void SimulatedRequests::CheckOutputs(const Asked& asked, const Prediction& answer) {
  std::array<float, 1> x{};
  const bool computed = asked.question.model->features()->Compute(asked.question.window, x).has_value();
  std::array<float, 2> expected = {x[0], kByModel};
  if (answer.source == Source::kStudent) expected[1] = kByStudent;
  if (answer.source == Source::kSignal) expected = {0, kBySignal};
  // `stale` may also give what was computed meanwhile for somebody else.
  const auto got = answer.outputs[0].values<float>();
  const bool is_right = answer.source == Source::kStale ? got[1] == kStaleOutput[1] || got[1] == kByModel
                                                        : std::equal(got.begin(), got.end(), expected.begin());
  if (!computed || !is_right) Fault(asked, "was given somebody else's answer");
}

void SimulatedRequests::CheckNothingSkipped(const Asked& asked) {
  const Question& question = asked.question;
  const std::optional<Source> source = asked.source;
  const TimePoint now = services_.clock.Now();
  const SimulatedPool::Fate& fate = services_.pool.FateOf(*asked.request);
  // What came while a student was already at it, or the pool was being asked, counts for the next who asks.
  const bool was_later = services_.model_answered_meanwhile();
  // While a run tells one after another what it gave, others cannot know yet. And whose own run has failed goes down,
  // whatever comes of those who waited for it: where it ran on the asker's thread, theirs do so before it is answered.
  const bool may_know = Has(question, Source::kL1) && Has(question, Source::kCoalesced) &&
                        !services_.paused_in_a_call() && !question.model->runs_inline();
  if (may_know && !was_later && IsCached(question))
    Fault(asked, "was not answered by the model, whose answer was there");
  if (now < asked.surely_in_time && !asked.left->load() && !question.model->health().open() && !was_later) {
    // Something must have kept the model from answering this very request.
    const bool was_tried = fate.submitted > 0 && ((!fate.computes && !fate.waits) || fate.is_probe);
    const bool failed_here = question.model->runs_inline() && failures_seen_++ < services_.failures();
    if (!was_tried && !failed_here) Fault(asked, "did not wait for the model");
  }
  if (source == Source::kStudent) return;
  const bool student_failed =
      services_.student_failures() > 0 || (question.student != nullptr && question.student->health().open());
  if (question.student != nullptr && !student_failed && now <= asked.answer_by)
    Fault(asked, "was not answered by the student");
  const bool has_stale = Has(question, Source::kStale) && services_.known_good
                                                              .Get(question.model->identity()->model, question.symbol,
                                                                   question.model->manifest().max_age, now)
                                                              .has_value();
  if (has_stale && source != Source::kStale) Fault(asked, "was not answered by stale, which had something");
  const bool has_signal = Has(question, Source::kSignal) && question.model->signals().contains(question.symbol);
  if (has_signal && !source) Fault(asked, "was not answered by the signal");
}

void SimulatedRequests::CheckWaiting() {
  for (const Paused* paused : services_.paused())
    if (paused->where != Paused::Where::kModel || !paused->worker || services_.pool.computes(*paused->worker)) return;
  for (const Asked& asked : all_)
    if (services_.pool.FateOf(*asked.request).waits) return;
  for (const Asked& asked : all_)
    if (asked.answers == 0) return Fault(asked, "waits for what nobody computes");
}

void SimulatedRequests::CheckEnd() {
  for (const Asked& asked : all_)
    if (asked.answers == 0) Fault(asked, "was never answered");
  // The requests are still there: nothing was landed by their going.
  if (services_.flights.size() != 0) faults_.push_back("there is a flight that nobody will land");
  if (services_.pool.queued() != 0 || !services_.pool.all_idle()) faults_.push_back("the pool has not ended its work");
}

void SimulatedRequests::Fault(const Asked& asked, const std::string& what) {
  const auto number = static_cast<std::size_t>(
      std::find_if(all_.begin(), all_.end(), [&](const Asked& other) { return &other == &asked; }) - all_.begin());
  faults_.push_back("request " + std::to_string(number + 1) + " " + what);
}

}  // namespace punctual

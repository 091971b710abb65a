#include "engine/simulated_order.h"

namespace punctual {

namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr Duration kModelTakes = milliseconds(2), kInlineTakes = microseconds(300), kStudentTakes = microseconds(100);
constexpr const char* kCallReturns = "a call returns";

// Students, and what runs on an asker's thread, take the time that they are known to take.
bool IsTimed(const Paused& paused) {
  return paused.where == Paused::Where::kStudent || (paused.where == Paused::Where::kModel && !paused.worker);
}

Duration TimeOf(const Paused& paused) {
  if (paused.where == Paused::Where::kStudent) return kStudentTakes;
  return paused.where == Paused::Where::kModel ? kInlineTakes : Duration::zero();
}

}  // namespace

Models LoadModels(const Scenario& scenario) {
  SimulatedModelOptions options;
  options.ladder = scenario.ladder;
  options.student = scenario.student;
  options.shadow_share = scenario.shadow ? 1 : 0;
  options.signal = scenario.signal;
  options.takes = scenario.runs_inline ? kInlineTakes : kModelTakes;
  options.workers = 2;
  options.askers = 4;
  return {LoadSimulatedModel(options), scenario.student ? LoadSimulatedStudent(kStudentTakes, 4) : nullptr};
}

SimulatedOrder::SimulatedOrder(SimulatedBasics& basics, const Scenario& scenario, const Models& models,
                               Choices& choices, std::int64_t number)
    : basics_(basics),
      scenario_(scenario),
      choices_(choices),
      // Whatever runs hangs as soon as somebody looks.
      services_(basics, {.workers = 1, .spare_workers = 1, .weights = {6, 3, 1}, .hung_after = Duration(-1)},
                scenario.in_calls > 0),
      requests_(services_, basics.cache->keys()) {
  services_.clock.Advance(microseconds(number));
  question_ = requests_.QuestionAbout(models.model, models.student, kSignalSymbol,
                                      static_cast<double>(number % 1'000'003) / 1'000'003);
  // Whose time has come while the timer's one thread was at another's student is that much later. In time it still
  // is: the reserve has room for the timer's lateness.
  if (scenario.student) requests_.may_be_held_up = kStudentTakes;
  if (scenario.stale) requests_.RememberOlder(question_);
  if (scenario.refused) services_.pool.refuse = [this] { return Refuse(); };
}

void SimulatedOrder::Run() {
  Ask();
  for (std::vector<Move> moves = Moves(); !moves.empty(); moves = Moves()) {
    const Move& move = moves[choices_.Choose(moves.size())];
    path_ += std::string(" > ") + move.name;
    if (services_.paused_in_a_call() && move.name != kCallReturns) ++in_calls_;
    move.act();
    if (!services_.paused_in_a_call()) requests_.CheckWaiting();
  }
  requests_.CheckEnd();
}

std::string SimulatedOrder::End() const {
  std::string end;
  for (const Asked& asked : requests_.all())
    end += (end.empty() ? "" : " ") + (asked.source ? std::string(SourceName(*asked.source)) : "none");
  return end;
}

void SimulatedOrder::Ask() {
  const bool first = requests_.all().empty();
  requests_.Ask(question_, basics_.tiers[first ? scenario_.first_tier : scenario_.second_tier],
                first ? scenario_.first : scenario_.second);
}

std::optional<Admission> SimulatedOrder::Refuse() {
  const std::size_t choice = choices_.Choose(3);
  if (choice == 0) return std::nullopt;
  path_ += choice == 1 ? " (refused as too late)" : " (refused for want of room)";
  return choice == 1 ? Admission::kTooLate : Admission::kFull;
}

std::vector<SimulatedOrder::Move> SimulatedOrder::Moves() {
  std::vector<Move> moves;
  const bool calls_return = services_.paused_in_a_call() && in_calls_ >= scenario_.in_calls;
  for (Paused* paused : services_.paused())
    if (!calls_return || paused->where == Paused::Where::kCall) AddMovesOf(*paused, moves);
  if (calls_return) return moves;
  if (requests_.all().size() < 2) moves.push_back({"the second asks", [this] { Ask(); }});
  if (services_.pool.CanBegin()) moves.push_back({"a worker begins", [this] { services_.pool.Begin(); }});
  for (std::size_t i = 0; i < services_.timer.due(); ++i)
    moves.push_back({"the timer calls", [this, i] { services_.timer.Call(i); }});
  if (scenario_.hangs && Computes()) moves.push_back({"it is found to hang", [this] { services_.pool.CheckHung(); }});
  for (Asked& asked : requests_.all()) {
    if (scenario_.displaced && services_.pool.FateOf(*asked.request).waits)
      moves.push_back({"a job is displaced", [&] { services_.pool.Displace(*asked.request); }});
    if (scenario_.leaves && asked.answers == 0 && !asked.left->load())
      moves.push_back({"an asker leaves", [&] { asked.left->store(true); }});
  }
  if (const auto next = NextMoment())
    moves.push_back({"time passes", [this, next] { services_.clock.Advance(*next - services_.clock.Now()); }});
  return moves;
}

void SimulatedOrder::AddMovesOf(Paused& paused, std::vector<Move>& moves) {
  if (paused.until == TimePoint()) paused.until = services_.clock.Now() + TimeOf(paused);
  if (IsTimed(paused) && paused.until > services_.clock.Now()) return;
  const auto add = [&](const char* name, InferenceEnd end) {
    moves.push_back({name, [this, &paused, end] {
                       paused.end = end;
                       services_.Resume(paused);
                     }});
  };
  if (paused.where == Paused::Where::kCall) return add(kCallReturns, InferenceEnd::kOk);
  const bool by_student = paused.where == Paused::Where::kStudent;
  add(by_student ? "the student answers" : "the model answers", InferenceEnd::kOk);
  if (by_student ? scenario_.student_fails : scenario_.fails)
    add(by_student ? "the student fails" : "the model fails", InferenceEnd::kFails);
  if (!by_student && scenario_.not_finite) add("the model's answer is not finite", InferenceEnd::kNotFinite);
}

bool SimulatedOrder::Computes() const {
  for (const Paused* paused : services_.paused())
    if (paused->worker && services_.pool.computes(*paused->worker)) return true;
  return false;
}

std::optional<TimePoint> SimulatedOrder::NextMoment() {
  const TimePoint now = services_.clock.Now();
  if (services_.timer.due() > 0) return std::nullopt;
  std::optional<TimePoint> next;
  const auto consider = [&](TimePoint moment) {
    if (moment > now && (!next || moment < *next)) next = moment;
  };
  for (const Paused* paused : services_.paused()) {
    if (paused->where == Paused::Where::kCall && paused->until < now) return std::nullopt;
    if (!IsTimed(*paused)) continue;
    if (paused->until <= now) return std::nullopt;
    consider(paused->until);
  }
  // Who is still in a call may not have asked the timer yet.
  for (const Asked& asked : requests_.all()) {
    if (!services_.paused_in_a_call() || asked.answers > 0) continue;
    consider(asked.surely_in_time);
    consider(asked.answer_by);
  }
  for (const TimePoint when : services_.timer.times()) {
    consider(when);
    // The first moment at which a job with that deadline is too late to be begun.
    if (services_.pool.queued() != 0) consider(when - question_.model->cost().typical() + Duration(1));
  }
  return next;
}

}  // namespace punctual

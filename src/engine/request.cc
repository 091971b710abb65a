#include "engine/request.h"

#include <algorithm>
#include <array>

#include "engine/student_time.h"

namespace punctual {

namespace {

// Where nothing else is known to have kept the model from answering.
constexpr const char* kNoTime = "the model had not answered by answer-by";

bool IsDegraded(Source source) {
  return source == Source::kStudent || source == Source::kStale || source == Source::kSignal ||
         source == Source::kSemantic;
}

Duration StudentTakes(const Question& question, Duration budget) {
  return question.student == nullptr ? Duration::zero() : KeptForStudent(question.student->cost().high(), budget);
}

// What is asked about: the symbol of a model, or its tensors.
std::uint64_t HashOf(const Question& question) {
  const std::uint64_t model = question.model->digest().low;
  if (question.about == Question::About::kState) return model ^ std::hash<std::string_view>()(question.symbol);
  return question.key ? question.key->digest().low : model;
}

}  // namespace

std::int64_t AsOfTime(const BookSnapshot& book) {
  return book.exchange_time_ns != 0 ? book.exchange_time_ns : book.receive_time_ns;
}

Request::Request(RequestServices& services, const Tier& tier, Question question, RequestTimes times,
                 std::uint64_t trace, Asker asker)
    : services_(services),
      tier_(tier),
      question_(std::move(question)),
      times_(times),
      student_takes_(StudentTakes(question_, times.budget)),
      leave_by_(times.answer_by - student_takes_),
      trace_(trace),
      about_hash_(HashOf(question_)),
      callback_(std::move(asker.callback)),
      asker_left_(std::move(asker.left)),
      ladder_(MakeLadder(question_.model->manifest().ladder, leave_by_,
                         std::max(leave_by_, times.arrival + times.budget - student_takes_))) {}

void Request::Start() {
  worth_ = services_.popularity.Ask(about_hash_);
  Handle(LadderEvent::kStart, Source::kModel, {});
}

bool Request::Handle(LadderEvent event, Source rung, RungReport report) {
  for (bool first = true;; first = false) {
    LadderAction action;
    {
      MutexLock lock(mutex_);
      action = Advance(ladder_, event, rung, services_.clock.Now());
      if (event == LadderEvent::kMissed && !report.reason.empty() && reason_.empty())
        reason_ = std::move(report.reason);
    }
    switch (action.step) {
      case LadderStep::kNothing: return !first;
      case LadderStep::kWait:
        // While there is time enough left to compute, twice what it should take, that is begun, look-up or not.
        if (action.rung == Source::kL3) services_.timer.Add(leave_by_ - 2 * ExpectedToCompute(), shared_from_this());
        services_.timer.Add(leave_by_, shared_from_this());
        return true;
      case LadderStep::kAnswer: Finish(std::move(report)); return true;
      case LadderStep::kGiveUp: GiveUp(); return true;
      case LadderStep::kTry:
        report = Try(action.rung);
        event = report.event;
        // A leader may find its answer in the cache after all: that is a rung above the one it tried.
        rung = report.rung;
        break;
    }
  }
}

void Request::OnTimeUp() {
  // The timer has called for one of two reasons: the end, or that a look-up should not be waited for any longer.
  const bool is_end = services_.clock.Now() >= leave_by_;
  if (is_end && AnswerFromMemory()) return;
  Handle(is_end ? LadderEvent::kTimeUp : LadderEvent::kMoveOn, Source::kL3, {});
}

Request::RungReport Request::Try(Source rung) {
  switch (rung) {
    case Source::kL1: return TryMemory();
    case Source::kL2: return TryDisk();
    case Source::kSemantic: return TrySemantic();
    case Source::kCoalesced: return TryCoalesced();
    case Source::kL3: return TryRedis();
    case Source::kModel: return TryModel();
    case Source::kStudent: return TryStudent();
    case Source::kStale: return TryStale();
    case Source::kSignal: return TrySignal();
  }
  return Missed(rung);
}

Request::RungReport Request::TryStale() {
  if (question_.about != Question::About::kState) return Missed(Source::kStale);
  const TimePoint now = services_.clock.Now();
  auto good = services_.known_good.Get(question_.model->identity()->model, question_.symbol,
                                       question_.model->manifest().max_age, now);
  // Not of a version that does not serve any more: it was replaced for a reason, and its outputs may mean other things.
  if (!good || good->identity != question_.model->identity()) return Missed(Source::kStale);
  return {LadderEvent::kAnswered,
          Source::kStale,
          std::move(good->outputs),
          std::move(good->identity),
          good->as_of,
          now - good->arrived,
          ""};
}

Request::RungReport Request::TrySignal() {
  const auto signal = question_.model->signals().find(question_.symbol);
  if (signal == question_.model->signals().end()) return Missed(Source::kSignal);
  const Duration age(UnixTimeNs() - signal->second.computed_at_ns);
  const Duration max_age = question_.model->manifest().signal_max_age;
  if (max_age > Duration::zero() && age > max_age) return Missed(Source::kSignal);
  return {LadderEvent::kAnswered,
          Source::kSignal,
          signal->second.outputs,
          question_.model->identity(),
          std::nullopt,
          age,
          ""};
}

Request::RungReport Request::Fresh(Source rung, Outputs outputs, std::shared_ptr<const ModelIdentity> identity) const {
  RungReport report{LadderEvent::kAnswered, rung, std::move(outputs), std::move(identity)};
  if (question_.about != Question::About::kTensors) {
    const StoredSnapshot& newest = question_.window.newest();
    const AsOf as_of{newest.book.sequence, AsOfTime(newest.book)};
    if (as_of.sequence != 0 || as_of.time_ns != 0) report.as_of = as_of;  // a request's books need not say
    report.age = services_.clock.Now() - newest.arrived;
  }
  return report;
}

void Request::RememberGood(const RungReport& report) {
  // Only what the server itself saw: a request could claim any books for a symbol.
  if (question_.about != Question::About::kState || IsDegraded(report.rung)) return;
  // Most answers repeat what this thread has just remembered; the lock would be everyone's.
  struct Seen {
    std::uint64_t hash = 0;
    TimePoint arrived{};
  };
  thread_local std::array<Seen, 256> seen;
  const StoredSnapshot& newest = question_.window.newest();
  // By whom, not only about what: the same files may serve under another name, or again after a reload.
  const std::uint64_t hash = about_hash_ ^ std::hash<const void*>()(question_.model->identity().get());
  Seen& last = seen[hash % seen.size()];
  if (last.hash == hash && last.arrived >= newest.arrived) return;
  last = {hash, newest.arrived};
  services_.known_good.Put(
      question_.model->identity()->model, question_.symbol,
      {report.outputs, question_.model->identity(), {newest.book.sequence, AsOfTime(newest.book)}, newest.arrived});
}

void Request::Finish(RungReport report) {
  finished_.store(true, std::memory_order_relaxed);
  RememberGood(report);
  std::optional<Outputs> drawn;  // to be compared once the answer is given
  if (ShadowComparison* comparison = question_.model->comparison();
      comparison != nullptr && report.rung == Source::kModel && comparison->sample().Draw())
    drawn = report.outputs;
  Prediction prediction;
  prediction.outputs = std::move(report.outputs);
  prediction.identity = std::move(report.identity);
  prediction.source = report.rung;
  prediction.degraded = IsDegraded(report.rung);
  prediction.approximate = report.rung == Source::kSemantic;
  if (prediction.approximate) {
    prediction.reason = "the answer to nearly the same input";
  } else if (prediction.degraded) {
    MutexLock lock(mutex_);
    prediction.reason = reason_.empty() ? kNoTime : reason_;
  } else if (report.rung == Source::kModel) {
    prediction.queued = queued_;
    prediction.inference = inference_;
  }
  prediction.as_of = report.as_of;
  prediction.age = report.age;
  prediction.budget = times_.budget;
  prediction.elapsed = services_.clock.Now() - times_.arrival;
  prediction.trace = trace_;
  services_.metrics.CountAnswer(tier_, report.rung, prediction.elapsed, times_.budget);
  callback_(std::move(prediction));
  callback_ = nullptr;
  if (report.rung != Source::kModel) LeavePool();
  if (drawn) CompareStandIns(*drawn);
  Log();
}

void Request::GiveUp() {
  finished_.store(true, std::memory_order_relaxed);
  std::string reason;
  {
    MutexLock lock(mutex_);
    reason = reason_.empty() ? kNoTime : reason_;
  }
  services_.metrics.CountUnanswered(tier_, services_.clock.Now() - times_.arrival, times_.budget);
  callback_(Fail(Code::kUnavailable, "no rung of the ladder of model " + question_.model->identity()->model +
                                         " had an answer in time: " + reason));
  callback_ = nullptr;
  LeavePool();
  Log();
}

}  // namespace punctual

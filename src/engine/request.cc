#include "engine/request.h"

namespace punctual {

namespace {

// Where nothing else is known to have kept the model from answering.
constexpr const char* kNoTime = "the model had not answered by answer-by";

bool IsDegraded(Source source) {
  return source == Source::kStudent || source == Source::kStale || source == Source::kSignal;
}

std::int64_t AsOfTime(const BookSnapshot& book) {
  return book.exchange_time_ns != 0 ? book.exchange_time_ns : book.receive_time_ns;
}

}  // namespace

Request::Request(RequestServices& services, const Tier& tier, Question question, RequestTimes times,
                 std::uint64_t trace, PredictCallback callback)
    : services_(services),
      tier_(tier),
      question_(std::move(question)),
      times_(times),
      trace_(trace),
      callback_(std::move(callback)),
      ladder_(MakeLadder(question_.model->manifest().ladder, times.answer_by)) {}

void Request::Handle(LadderEvent event, Source rung, RungReport report) {
  for (;;) {
    LadderAction action;
    {
      MutexLock lock(mutex_);
      action = Advance(ladder_, event, rung, services_.clock.Now());
      if (event == LadderEvent::kMissed && !report.reason.empty() && reason_.empty())
        reason_ = std::move(report.reason);
    }
    switch (action.step) {
      case LadderStep::kNothing: return;
      case LadderStep::kWait: services_.timer.Add(times_.answer_by, shared_from_this()); return;
      case LadderStep::kAnswer: Finish(std::move(report)); return;
      case LadderStep::kGiveUp: GiveUp(); return;
      case LadderStep::kTry:
        report = Try(action.rung);
        event = report.event;
        // A leader may find its answer in the cache after all: that is a rung above the one it tried.
        rung = report.rung;
        break;
    }
  }
}

Request::RungReport Request::Try(Source rung) {
  switch (rung) {
    case Source::kL1: return TryMemory();
    case Source::kCoalesced: return TryCoalesced();
    case Source::kModel: return TryModel();
    case Source::kStale: return TryStale();
    case Source::kSignal: return TrySignal();
    case Source::kL2:
    case Source::kL3:
    case Source::kStudent: break;  // no manifest can name them
  }
  return Missed(rung);
}

Request::RungReport Request::TryMemory() {
  if (!question_.key) return Missed(Source::kL1);
  auto found = services_.memory.Get(*question_.key);
  if (!found) return Missed(Source::kL1);
  return Exact(Source::kL1, *std::move(found));
}

Request::RungReport Request::TryCoalesced() {
  if (!question_.key) return Missed(Source::kCoalesced);
  // Not into lead_ at once: the waiter may be called, and take its next rung, while this still returns.
  FlightLead lead =
      services_.flights.JoinOrLead(*question_.key, [self = shared_from_this()](const Result<CachedAnswer>& landed) {
        if (landed.has_value())
          self->Handle(LadderEvent::kAnswered, Source::kCoalesced, self->Exact(Source::kCoalesced, *landed));
        else
          self->Handle(LadderEvent::kMissed, Source::kCoalesced, Missed(Source::kCoalesced));
      });
  if (!lead.leads()) return {LadderEvent::kPending, Source::kCoalesced};
  lead_ = std::move(lead);
  // A flight may have landed between our look into the cache and our lead.
  if (question_.model->manifest().HasRung(Source::kL1))
    if (auto found = services_.memory.Get(*question_.key)) {
      lead_.Land(*found);
      return Exact(Source::kL1, *std::move(found));
    }
  return Missed(Source::kCoalesced);
}

Request::RungReport Request::TryModel() {
  if (!question_.key) return Missed(Source::kModel, question_.cannot_compute.message);
  if (question_.model->runs_inline()) return ComputeAndKeep();
  const bool queued = services_.pool.Submit(times_.answer_by, [self = shared_from_this()] {
    // Earliest deadline first would serve the dead before the living: what has not begun by its answer-by never does.
    if (self->services_.clock.Now() >= self->times_.answer_by) {
      self->lead_ = {};
      return self->Handle(LadderEvent::kMissed, Source::kModel, {});
    }
    RungReport report = self->ComputeAndKeep();
    self->Handle(report.event, Source::kModel, std::move(report));
    self->lead_ = {};
  });
  if (queued) return {LadderEvent::kPending, Source::kModel};
  lead_ = {};
  return Missed(Source::kModel, "the queue of the worker pool is full");
}

Request::RungReport Request::ComputeAndKeep() {
  const TimePoint begin = services_.clock.Now();
  Result<Outputs> outputs = Compute(question_);
  services_.metrics.CountInference(*question_.model, services_.clock.Now() - begin,
                                   outputs.has_error() && outputs.error().code == Code::kInternal);
  if (outputs.has_error()) {
    lead_.Land(outputs.error());
    return Missed(Source::kModel, outputs.error().message);
  }
  CachedAnswer answer{std::move(outputs).value(), question_.model->identity()};
  Keep(answer);
  lead_.Land(answer);
  return Exact(Source::kModel, std::move(answer));
}

void Request::Keep(const CachedAnswer& answer) {
  const Manifest& manifest = question_.model->manifest();
  if (manifest.HasRung(Source::kL1)) services_.memory.Put(*question_.key, answer, manifest.cache_ttl);
  // Only what the server itself saw: a request could claim any books for a symbol.
  if (question_.about == Question::About::kState) {
    const StoredSnapshot& newest = question_.window.newest();
    services_.known_good.Put(question_.model->identity()->model, question_.symbol,
                             {answer, {newest.book.sequence, AsOfTime(newest.book)}, newest.arrived});
  }
}

Request::RungReport Request::TryStale() {
  if (question_.about != Question::About::kState) return Missed(Source::kStale);
  const TimePoint now = services_.clock.Now();
  auto good = services_.known_good.Get(question_.model->identity()->model, question_.symbol,
                                       question_.model->manifest().max_age, now);
  // Not of a version that does not serve any more: it was replaced for a reason, and its outputs may mean other things.
  if (!good || good->answer.identity != question_.model->identity()) return Missed(Source::kStale);
  return {LadderEvent::kAnswered, Source::kStale, std::move(good->answer), good->as_of, now - good->arrived, ""};
}

Request::RungReport Request::TrySignal() {
  const auto signal = question_.model->signals().find(question_.symbol);
  if (signal == question_.model->signals().end()) return Missed(Source::kSignal);
  const Duration age(UnixTimeNs() - signal->second.computed_at_ns);
  const Duration max_age = question_.model->manifest().signal_max_age;
  if (max_age > Duration::zero() && age > max_age) return Missed(Source::kSignal);
  return {LadderEvent::kAnswered,
          Source::kSignal,
          {signal->second.outputs, question_.model->identity()},
          std::nullopt,
          age,
          ""};
}

Request::RungReport Request::Exact(Source rung, CachedAnswer answer) const {
  // The same bytes may have answered under another version's number.
  answer.identity = question_.model->identity();
  RungReport report{LadderEvent::kAnswered, rung, std::move(answer), std::nullopt, std::nullopt, ""};
  if (question_.about != Question::About::kTensors) {
    const StoredSnapshot& newest = question_.window.newest();
    const AsOf as_of{newest.book.sequence, AsOfTime(newest.book)};
    if (as_of.sequence != 0 || as_of.time_ns != 0) report.as_of = as_of;  // a request's books need not say
    report.age = services_.clock.Now() - newest.arrived;
  }
  return report;
}

void Request::Finish(RungReport report) {
  finished_.store(true, std::memory_order_relaxed);
  Prediction prediction;
  prediction.outputs = std::move(report.answer.outputs);
  prediction.identity = std::move(report.answer.identity);
  prediction.source = report.rung;
  prediction.degraded = IsDegraded(report.rung);
  if (prediction.degraded) {
    MutexLock lock(mutex_);
    prediction.reason = reason_.empty() ? kNoTime : reason_;
  }
  prediction.as_of = report.as_of;
  prediction.age = report.age;
  prediction.budget = times_.budget;
  prediction.elapsed = services_.clock.Now() - times_.arrival;
  prediction.trace = trace_;
  services_.metrics.CountAnswer(tier_, report.rung, prediction.elapsed, prediction.elapsed <= times_.budget);
  callback_(std::move(prediction));
  callback_ = nullptr;
}

void Request::GiveUp() {
  finished_.store(true, std::memory_order_relaxed);
  std::string reason;
  {
    MutexLock lock(mutex_);
    reason = reason_.empty() ? kNoTime : reason_;
  }
  services_.metrics.CountUnanswered(tier_);
  callback_(Fail(Code::kUnavailable, "no rung of the ladder of model " + question_.model->identity()->model +
                                         " had an answer in time: " + reason));
  callback_ = nullptr;
}

}  // namespace punctual

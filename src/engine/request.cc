#include "engine/request.h"

namespace punctual {

namespace {

// Where nothing else is known to have kept the model from answering.
constexpr const char* kNoTime = "the model had not answered by answer-by";

constexpr Duration kAuditPatience = std::chrono::seconds(1);

LookUpResult ResultOf(RedisLookUp look_up) {
  switch (look_up) {
    case RedisLookUp::kHit: return LookUpResult::kHit;
    case RedisLookUp::kMiss: return LookUpResult::kMiss;
    case RedisLookUp::kTimeout: return LookUpResult::kTimeout;
    case RedisLookUp::kError: return LookUpResult::kError;
    case RedisLookUp::kSkipped: return LookUpResult::kSkipped;
  }
  return LookUpResult::kError;
}

bool IsDegraded(Source source) {
  return source == Source::kStudent || source == Source::kStale || source == Source::kSignal ||
         source == Source::kSemantic;
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
      case LadderStep::kWait:
        // While there is time enough left to compute, twice what it should take, that is begun, look-up or not.
        if (action.rung == Source::kL3)
          services_.timer.Add(times_.answer_by - 2 * ExpectedToCompute(), shared_from_this());
        services_.timer.Add(times_.answer_by, shared_from_this());
        return;
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

void Request::OnTimeUp() {
  // The timer has called for one of two reasons: the end, or that a look-up should not be waited for any longer.
  const bool is_end = services_.clock.Now() >= times_.answer_by;
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
    case Source::kStale: return TryStale();
    case Source::kSignal: return TrySignal();
    case Source::kStudent: break;  // no manifest can name it
  }
  return Missed(rung);
}

const std::optional<CacheKey>& Request::LayerKey() {
  if (has_layer_key_) return layer_key_;
  has_layer_key_ = true;
  layer_key_ = question_.key;
  if (question_.key && question_.model->input_codes() != nullptr) {
    const auto key = KeyOfCodes(question_, KeyMaker::Codes::kExact, services_.cache.keys());
    layer_key_ = key.has_value() ? std::optional(*key) : std::nullopt;
  }
  return layer_key_;
}

const std::optional<CacheKey>& Request::CellKey() {
  if (has_cell_key_) return cell_key_;
  has_cell_key_ = true;
  if (question_.key && question_.model->input_grid() != nullptr)
    if (const auto key = KeyOfCodes(question_, KeyMaker::Codes::kApproximate, services_.cache.keys()); key.has_value())
      cell_key_ = *key;
  return cell_key_;
}

Request::RungReport Request::TryMemory() {
  if (!question_.key) return Missed(Source::kL1);
  const TimePoint now = services_.clock.Now();
  CachedAnswer found;
  bool hit = services_.cache.GetMemory(*question_.key, now, found);
  // Another question may have had the same codes. The next time this one is asked its own key finds it.
  if (!hit && question_.model->input_codes() != nullptr && LayerKey() &&
      services_.cache.GetMemory(*LayerKey(), now, found)) {
    hit = true;
    services_.cache.PutMemory(*question_.key, found, found.expires - now);
  }
  services_.metrics.CountLookUp(CacheLayer::kMemory, hit ? LookUpResult::kHit : LookUpResult::kMiss);
  return hit ? Exact(Source::kL1, std::move(found.outputs)) : Missed(Source::kL1);
}

Request::RungReport Request::TryDisk() {
  if (!services_.cache.has_disk() || !LayerKey()) return Missed(Source::kL2);
  CachedAnswer found;
  const bool hit = services_.cache.GetDisk(*LayerKey(), *question_.model, found);
  services_.metrics.CountLookUp(CacheLayer::kDisk, hit ? LookUpResult::kHit : LookUpResult::kMiss);
  return hit ? Exact(Source::kL2, std::move(found.outputs)) : Missed(Source::kL2);
}

Request::RungReport Request::TrySemantic() {
  ShadowAudit* audit = question_.model->audit();
  if (audit == nullptr || audit->tripped() || !CellKey()) return Missed(Source::kSemantic);
  const TimePoint now = services_.clock.Now();
  CachedAnswer found;
  if (!services_.cache.GetMemory(*CellKey(), now, found)) return Missed(Source::kSemantic);
  if (audit->Sample()) Audit(found.outputs);
  RungReport report{LadderEvent::kAnswered, Source::kSemantic, std::move(found.outputs), question_.model->identity()};
  if (found.as_of.sequence != 0 || found.as_of.time_ns != 0) report.as_of = found.as_of;
  report.age = now - found.arrived;
  return report;
}

class Request::AuditTask final : public PoolTask {
 public:
  AuditTask(std::shared_ptr<Request> request, Outputs given) : request_(std::move(request)), given_(std::move(given)) {}

  void Run(std::span<const std::shared_ptr<PoolTask>>) override {
    const ServedModel& model = *request_->question_.model;
    const Result<Outputs> computed = Compute(request_->question_);
    if (computed.has_error()) return;
    ShadowAudit& audit = *model.audit();
    if (audit.Record(given_, *computed) && request_->services_.on_notice)
      request_->services_.on_notice("model " + model.identity()->model +
                                    ": approximate answers are off: " + audit.Summary());
  }
  void Drop(DropReason) override {}

 private:
  const std::shared_ptr<Request> request_;
  const Outputs given_;
};

void Request::Audit(const Outputs& given) {
  // Behind every request that is waiting: nobody waits for this. A pool without time for it has better things to do.
  const TimePoint now = services_.clock.Now();
  Job job{std::make_shared<AuditTask>(shared_from_this(), given)};
  job.deadline = now + kAuditPatience;
  job.expected = job.likely_max = question_.model->expected();
  services_.pool.Submit(std::move(job), now);
}

Request::RungReport Request::TryCoalesced() {
  if (!LayerKey()) return Missed(Source::kCoalesced);
  // Not into lead_ at once: the waiter may be called, and take its next rung, while this still returns.
  FlightLead lead = services_.flights.JoinOrLead(
      *LayerKey(), [self = shared_from_this()](const Result<CachedAnswer>& landed) { self->OnLanded(landed); });
  if (!lead.leads()) return {LadderEvent::kPending, Source::kCoalesced};
  // A flight may have landed between our look into the cache and our lead.
  if (question_.model->manifest().HasRung(Source::kL1))
    if (CachedAnswer found; services_.cache.GetMemory(*LayerKey(), services_.clock.Now(), found)) {
      lead.Land(found);
      return Exact(Source::kL1, std::move(found.outputs));
    }
  MutexLock lock(mutex_);
  lead_ = std::move(lead);
  return Missed(Source::kCoalesced);
}

void Request::OnLanded(const Result<CachedAnswer>& landed) {
  if (landed.has_value())
    return Handle(LadderEvent::kAnswered, Source::kCoalesced, Exact(Source::kCoalesced, landed->outputs));
  if (finished()) return;
  // Whoever led has failed or run out of its own time, which says nothing about ours. The first of its followers leads
  // now, the others follow that one: still one computation at a time.
  RungReport report = TryCoalesced();
  if (report.event == LadderEvent::kPending) return;  // as the ladder knows
  const LadderEvent event = report.event;
  const Source rung = report.rung;
  Handle(event, rung, std::move(report));
  if (finished()) TakeLead();  // the time was up meanwhile
}

Duration Request::ExpectedToCompute() const {
  const ServedModel& model = *question_.model;
  if (model.runs_inline()) return model.expected();
  const auto ahead = static_cast<std::int64_t>(services_.pool.queued()) / services_.pool.workers();
  return model.expected() * (1 + ahead);
}

Request::RungReport Request::TryRedis() {
  if (!services_.cache.has_redis() || !LayerKey()) return Missed(Source::kL3);
  if (!RedisIsQuicker()) {
    services_.metrics.CountLookUp(CacheLayer::kRedis, LookUpResult::kSkipped);
    return Missed(Source::kL3);
  }
  services_.cache.GetRedis(
      *LayerKey(), question_.model, question_.symbol, times_.answer_by,
      [self = shared_from_this()](RedisLookUp result, const CachedAnswer* answer) { self->OnRedis(result, answer); });
  return {LadderEvent::kPending, Source::kL3};
}

void Request::OnRedis(RedisLookUp result, const CachedAnswer* answer) {
  services_.metrics.CountLookUp(CacheLayer::kRedis, ResultOf(result));
  if (answer == nullptr) {
    Handle(LadderEvent::kMissed, Source::kL3, {});
    if (finished()) TakeLead();  // nobody is left here to compute
    return;
  }
  found_in_redis_.store(true, std::memory_order_relaxed);
  TakeLead().Land(*answer);
  Handle(LadderEvent::kAnswered, Source::kL3, Exact(Source::kL3, answer->outputs));
}

Request::RungReport Request::TryModel() {
  if (!question_.key) return Missed(Source::kModel, question_.cannot_compute.message);
  if (question_.model->runs_inline()) return ComputeAndKeep();
  Job job{shared_from_this(), tier_.index, times_.answer_by};
  job.expected = job.likely_max = question_.model->expected();
  const Admission admission = services_.pool.Submit(std::move(job), services_.clock.Now());
  if (admission == Admission::kQueued) return {LadderEvent::kPending, Source::kModel};
  TakeLead();
  return Missed(Source::kModel, admission == Admission::kFull
                                    ? "the queue of the worker pool is full"
                                    : "the model would not have answered by answer-by: too much waits for a worker");
}

void Request::Run(std::span<const std::shared_ptr<PoolTask>>) {
  // A look-up that was out may have answered meanwhile.
  if (found_in_redis_.load(std::memory_order_relaxed)) return Drop(DropReason::kTooLate);
  RungReport report = ComputeAndKeep();
  Handle(report.event, Source::kModel, std::move(report));
}

void Request::Drop(DropReason) {
  TakeLead();
  Handle(LadderEvent::kMissed, Source::kModel, {});
}

Request::RungReport Request::ComputeAndKeep() {
  const TimePoint begin = services_.clock.Now();
  Result<Outputs> outputs = Compute(question_);
  services_.metrics.CountInference(*question_.model, services_.clock.Now() - begin,
                                   outputs.has_error() && outputs.error().code == Code::kInternal);
  if (outputs.has_error()) {
    TakeLead().Land(outputs.error());
    return Missed(Source::kModel, outputs.error().message);
  }
  CachedAnswer answer{std::move(outputs).value(), SubjectOf(*question_.model, question_.symbol)};
  if (question_.about == Question::About::kTensors) {
    answer.arrived = begin;
  } else {
    const StoredSnapshot& newest = question_.window.newest();
    answer.as_of = {newest.book.sequence, AsOfTime(newest.book)};
    answer.arrived = newest.arrived;
  }
  Keep(answer);
  TakeLead().Land(answer);
  return Exact(Source::kModel, std::move(answer.outputs));
}

void Request::Keep(const CachedAnswer& answer) {
  const ServedModel& model = *question_.model;
  const Manifest& manifest = model.manifest();
  if (LayerKey()) {
    services_.cache.Put(*LayerKey(), model, answer, RedisIsQuicker());
    if (*LayerKey() != *question_.key && manifest.HasRung(Source::kL1))
      services_.cache.PutMemory(*question_.key, answer, manifest.cache_ttl);
  }
  if (CellKey())
    services_.cache.PutMemory(*CellKey(), answer,
                              manifest.semantic->max_age - (services_.clock.Now() - answer.arrived));
  // Only what the server itself saw: a request could claim any books for a symbol.
  if (question_.about == Question::About::kState)
    services_.known_good.Put(model.identity()->model, question_.symbol,
                             {answer.outputs, model.identity(), answer.as_of, answer.arrived});
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

Request::RungReport Request::Exact(Source rung, Outputs outputs) const {
  // Whoever computed it: the same bytes may have answered under another version's number.
  RungReport report{LadderEvent::kAnswered, rung, std::move(outputs), question_.model->identity()};
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

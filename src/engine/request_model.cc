#include "engine/request.h"

#include <array>

// The rungs that compute: alone or together with others who ask the same, on this thread or on a worker.
namespace punctual {

namespace {

constexpr const char* kNotAdmitted = "the model would not have been ready in time";
constexpr const char* kQueueFull = "the queue of the worker pool is full";
constexpr const char* kDisplaced = "more users asked for something else";
constexpr const char* kHangs = "the inference takes far longer than it should";

}  // namespace

Request::RungReport Request::TryCoalesced() {
  if (!LayerKey()) return Missed(Source::kCoalesced);
  // Not into lead_ at once: we may be told of the landing, and take our next rung, while this still returns.
  FlightLead lead = services_.flights.JoinOrLead(*LayerKey(), shared_from_this());
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

void Request::OnFollowed(const FlightMember& follower) {
  // Those who ask the same are all requests of one engine.
  const auto& other = static_cast<const Request&>(follower);
  {
    MutexLock lock(mutex_);
    const bool first = followers_++ == 0;
    followers_tier_ = first ? other.tier_.index : std::min(followers_tier_, other.tier_.index);
    followers_deadline_ = first ? other.leave_by_ : std::min(followers_deadline_, other.leave_by_);
  }
  // So that a premium user does not wait behind the queue of a basic one who asked the same before.
  services_.pool.Raise(*this, other.tier_.index, other.leave_by_, 1);
}

Duration Request::ExpectedToCompute() const {
  const ServedModel& model = *question_.model;
  if (model.runs_inline()) return model.cost().high();
  const Duration wait = services_.pool.PredictedWait(tier_.index, leave_by_, model.cost().typical());
  return std::min<Duration>(wait, std::chrono::hours(1)) + model.cost().high();
}

Job Request::JobFor(std::size_t tier) {
  const InferenceCost& cost = question_.model->cost();
  Job job;
  job.task = shared_from_this();
  job.tier = tier;
  job.deadline = leave_by_;
  job.expected = cost.typical();
  job.likely_max = cost.high();
  job.worth = worth_;
  if (const Batches& batches = question_.model->batches(); batches.most() > 1) {
    job.group = question_.model.get();
    job.batch.most = batches.most();
    job.batch.expected[0] = job.expected;
    for (std::size_t count = 2; count <= batches.most(); ++count)
      job.batch.expected[count - 1] = batches.For(count).cost.typical();
  }
  return job;
}

Request::RungReport Request::TryModel() {
  if (!question_.key) return Missed(Source::kModel, question_.cannot_compute.message);
  const ServedModel& model = *question_.model;
  submitted_ = services_.clock.Now();
  if (model.health().open()) {
    if (model.health().MayProbe(submitted_)) Probe();
    TakeLead();
    return Missed(Source::kModel, "the model is left alone after failures: " + model.health().Summary());
  }
  if (model.runs_inline()) return ComputeAndKeep();
  // Before others know of us: the worker and the timer's thread may both come to need them.
  LayerKey();
  CellKey();
  const Admission admission = services_.pool.Submit(JobFor(tier_.index), submitted_);
  if (admission == Admission::kQueued) {
    in_pool_.store(true, std::memory_order_relaxed);
    std::uint32_t followers = 0;
    std::size_t tier = 0;
    TimePoint deadline;
    {
      MutexLock lock(mutex_);
      followers = followers_;
      tier = followers_tier_;
      deadline = followers_deadline_;
    }
    if (followers != 0) services_.pool.Raise(*this, tier, deadline, followers);
    return {LadderEvent::kPending, Source::kModel};
  }
  // What the model took when it was last measured may be what keeps everyone out: one finds out, who does not wait.
  if (admission == Admission::kTooLate && model.cost().IsOld(submitted_)) Probe();
  TakeLead();
  return Missed(Source::kModel, admission == Admission::kFull ? kQueueFull : kNotAdmitted);
}

void Request::Probe() {
  probing_.store(true, std::memory_order_relaxed);
  Job job = JobFor(kBackgroundTier);
  job.keep_if_late = true;
  services_.pool.Submit(std::move(job), submitted_);
}

void Request::Run(std::span<const std::shared_ptr<PoolTask>> others) {
  std::array<Request*, BatchCosts::kMost> members;
  std::size_t count = 0;
  if (BeginRun()) members[count++] = this;
  for (const auto& other : others)
    // Those of one group are all requests of one engine, about one model.
    if (auto& request = static_cast<Request&>(*other); request.BeginRun()) members[count++] = &request;
  if (count == 1) members[0]->RunAlone();
  if (count > 1) RunTogether(std::span(members).first(count));
}

bool Request::IsWanted() {
  if (probing_.load(std::memory_order_relaxed)) return true;
  if (found_in_redis_.load(std::memory_order_relaxed)) return false;
  // Also those who ask the same again and again would be glad of it.
  if (!AskerLeft() || services_.popularity.Of(about_hash_) > 1) return true;
  MutexLock lock(mutex_);
  return followers_ != 0;
}

bool Request::BeginRun() {
  if (!IsWanted()) {
    TakeLead();
    Handle(LadderEvent::kMissed, Source::kModel, {});
    return false;
  }
  queued_ = services_.clock.Now() - submitted_;
  services_.metrics.CountQueued(tier_, *queued_);
  return true;
}

void Request::RunAlone() {
  RungReport report = ComputeAndKeep();
  const LadderEvent event = report.event;
  Handle(event, Source::kModel, std::move(report));
}

void Request::RunTogether(std::span<Request* const> members) {
  const Clock& clock = members.front()->services_.clock;
  const ServedModel& model = *members.front()->question_.model;
  std::array<const Question*, BatchCosts::kMost> questions;
  for (std::size_t i = 0; i < members.size(); ++i) questions[i] = &members[i]->question_;
  const TimePoint begin = clock.Now();
  std::vector<Result<Outputs>> results = ComputeTogether(std::span(questions).first(members.size()));
  const Duration took = clock.Now() - begin;
  model.batches().For(members.size()).cost.Record(took);
  for (std::size_t i = 0; i < members.size(); ++i) {
    RungReport report = members[i]->Keep(std::move(results[i]), begin, took, members.size());
    const LadderEvent event = report.event;
    members[i]->Handle(event, Source::kModel, std::move(report));
  }
}

void Request::Drop(DropReason reason) {
  TakeLead();
  Handle(LadderEvent::kMissed, Source::kModel,
         Missed(Source::kModel, reason == DropReason::kDisplaced ? kDisplaced : kNotAdmitted));
}

void Request::OnHung() {
  const ServedModel& model = *question_.model;
  if (model.health().OnHung(services_.clock.Now()) && services_.on_notice)
    services_.on_notice("model " + model.identity()->model + " is left alone: " + model.health().Summary());
  if (run_state_.exchange(RunState::kHangs) == RunState::kReturned) model.health().OnReturned();
  // Others who ask the same are not to wait for it as well.
  TakeLead();
  Handle(LadderEvent::kMissed, Source::kModel, Missed(Source::kModel, kHangs));
}

void Request::LeavePool() {
  if (!in_pool_.load(std::memory_order_relaxed) || probing_.load(std::memory_order_relaxed)) return;
  {
    MutexLock lock(mutex_);
    if (followers_ != 0) return;
  }
  if (services_.pool.Cancel(*this)) TakeLead();
}

Request::RungReport Request::ComputeAndKeep() {
  const TimePoint begin = services_.clock.Now();
  Result<Outputs> outputs = Compute(question_);
  const Duration took = services_.clock.Now() - begin;
  return Keep(std::move(outputs), begin, took, 1);
}

Request::RungReport Request::Keep(Result<Outputs> outputs, TimePoint begin, Duration took, std::size_t together) {
  inference_ = took;
  Judge(outputs, took, together);
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
  RungReport report = Exact(Source::kModel, std::move(answer.outputs));
  RememberGood(report);  // also when it has come too late for the asker
  return report;
}

void Request::Judge(const Result<Outputs>& outputs, Duration took, std::size_t together) {
  const ServedModel& model = *question_.model;
  const TimePoint now = services_.clock.Now();
  const bool failed = outputs.has_error() && outputs.error().code == Code::kInternal;
  services_.metrics.CountInference(model, took, failed);
  if (run_state_.exchange(RunState::kReturned) == RunState::kHangs) model.health().OnReturned();
  if (outputs.has_error() && !failed) return;  // of the question, or of how many run at once
  bool opened = false;
  if (failed) {
    opened = model.health().OnFailure(now, outputs.error().message);
  } else {
    if (together == 1) model.cost().Record(took);
    if (took > model.far_over() * static_cast<std::int64_t>(together))
      opened = model.health().OnFailure(
          now, "an inference took " + std::to_string(took / std::chrono::milliseconds(1)) + " ms");
    else
      model.health().OnSuccess(now);
  }
  if (opened && services_.on_notice)
    services_.on_notice("model " + model.identity()->model + " is left alone for a while: " + model.health().Summary());
}

Request::RungReport Request::TryStudent() {
  if (question_.student == nullptr || question_.student->health().open()) return Missed(Source::kStudent);
  const TimePoint begin = services_.clock.Now();
  Result<Outputs> outputs = ComputeByStudent(question_, begin);
  const bool failed = outputs.has_error() && outputs.error().code == Code::kInternal;
  if (outputs.has_value() || failed) {
    const TimePoint now = services_.clock.Now();
    services_.metrics.CountInference(*question_.student, now - begin, failed);
    if (failed) {
      question_.student->health().OnFailure(now, outputs.error().message);
    } else {
      question_.student->cost().Record(now - begin);
      question_.student->health().OnSuccess(now);
    }
  }
  if (outputs.has_error()) return Missed(Source::kStudent);
  return Fresh(Source::kStudent, std::move(outputs).value(), question_.student->identity());
}

}  // namespace punctual

#include "engine/background_run.h"
#include "engine/request.h"

#include <array>

// The rungs that compute: alone or together with others who ask the same, on this thread or on a worker.
namespace punctual {

namespace {

constexpr const char* kNotAdmitted = "the model would not have been ready in time";
constexpr const char* kQueueFull = "the queue of the worker pool is full";
constexpr const char* kDisplaced = "more users asked for something else";
constexpr const char* kHangs = "the inference takes far longer than it should";

// Runs a student that has become too slow to be begun, on a worker: nothing else would tell when it is quick again.
class StudentTrial final : public BackgroundRun {
 public:
  explicit StudentTrial(const Question& question) : question_(question) {}

 private:
  void Compute() override {
    const TimePoint begin = std::chrono::steady_clock::now();
    if (ComputeBy(*question_.student, question_).has_value())
      question_.student->cost().Record(std::chrono::steady_clock::now() - begin);
  }
  const ServedModel& model() const override { return *question_.student; }

  const Question question_;
};

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
  if (landed.has_value()) {
    Handle(LadderEvent::kAnswered, Source::kCoalesced, Exact(Source::kCoalesced, landed->outputs));
    return;
  }
  if (finished()) return;
  // Whoever led has failed or run out of its own time, which says nothing about ours. The first of its followers leads
  // now, the others follow that one: still one computation at a time.
  RungReport report = TryCoalesced();
  if (report.event == LadderEvent::kPending) return;  // as the ladder knows
  const LadderEvent event = report.event;
  const Source rung = report.rung;
  if (!Handle(event, rung, std::move(report))) TakeLead();  // we have gone on meanwhile, and will not compute
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
      job.batch.expected[count - 1] = batches.cost().typical();
  }
  return job;
}

Request::RungReport Request::TryModel() {
  if (!question_.key) return Missed(Source::kModel, question_.cannot_compute.message);
  const ServedModel& model = *question_.model;
  submitted_ = services_.clock.Now();
  // Before a worker knows of us: it and the timer's thread may both come to need them.
  LayerKey();
  CellKey();
  if (model.health().open()) {
    if (model.health().MayProbe(submitted_)) Probe();
    TakeLead();
    return Missed(Source::kModel, "the model is left alone after failures: " + model.health().Summary());
  }
  if (model.runs_inline()) return ComputeAndKeep();
  in_pool_.store(true, std::memory_order_relaxed);
  const Admission admission = services_.pool.Submit(JobFor(tier_.index), submitted_);
  if (admission == Admission::kQueued) {
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
  in_pool_.store(false, std::memory_order_relaxed);
  // What the model took when it was last measured may be what keeps everyone out: one finds out, who does not wait.
  if (admission == Admission::kTooLate && model.cost().IsOld(submitted_, MayHurry(services_))) Probe();
  TakeLead();
  return Missed(Source::kModel, admission == Admission::kFull ? kQueueFull : kNotAdmitted);
}

void Request::Probe() {
  probing_.store(true, std::memory_order_relaxed);
  // Not in the background, where it would wait for as long as there is too much to do.
  Job job = JobFor(tier_.index);
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
    run_.OnReturned(question_.model->health());
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
  RequestServices& services = members.front()->services_;
  const ServedModel& model = *members.front()->question_.model;
  std::array<const Question*, BatchCosts::kMost> questions;
  for (std::size_t i = 0; i < members.size(); ++i) questions[i] = &members[i]->question_;
  const TimePoint begin = services.clock.Now();
  std::vector<Result<Outputs>> results = ComputeTogether(std::span(questions).first(members.size()));
  const TimePoint end = services.clock.Now();
  std::string fault;
  bool computed = false;
  for (std::size_t i = 0; i < members.size(); ++i) {
    members[i]->run_.OnReturned(model.health());
    computed = computed || results[i].has_value();
    if (members[i]->IsFaultOfTheModel(results[i])) fault = results[i].error().message;
  }
  if (!computed && fault.empty()) model.health().OnNothingLearnt(end);
  if (computed || !fault.empty()) {
    model.batches().cost().Record(end - begin);
    Judge(services, model, {begin, end, members.size(), fault});
  }
  for (std::size_t i = 0; i < members.size(); ++i) {
    RungReport report = members[i]->Keep(std::move(results[i]), begin, end - begin);
    const LadderEvent event = report.event;
    members[i]->Handle(event, Source::kModel, std::move(report));
  }
}

void Request::Drop(DropReason reason) {
  if (AnswerFromMemory()) return;
  TakeLead();
  Handle(LadderEvent::kMissed, Source::kModel,
         Missed(Source::kModel, reason == DropReason::kDisplaced ? kDisplaced : kNotAdmitted));
}

void Request::OnHung() {
  const ServedModel& model = *question_.model;
  if (run_.OnHung(model.health(), services_.clock.Now()) && services_.on_notice)
    services_.on_notice("model " + model.identity()->model + " is left alone: " + model.health().Summary());
  // Others who ask the same are not to wait for it as well.
  TakeLead();
  Handle(LadderEvent::kMissed, Source::kModel, Missed(Source::kModel, kHangs));
}

void Request::LeavePool() {
  if (!in_pool_.load(std::memory_order_relaxed)) {
    // Neither a worker nor Redis will come back to us.
    if (!asks_redis_.load(std::memory_order_relaxed)) TakeLead();
    return;
  }
  {
    MutexLock lock(mutex_);
    if (followers_ != 0) return;
  }
  if (services_.pool.Cancel(*this)) TakeLead();
}

Request::RungReport Request::ComputeAndKeep() {
  const TimePoint begin = services_.clock.Now();
  Result<Outputs> outputs = Compute(question_);
  const TimePoint end = services_.clock.Now();
  run_.OnReturned(question_.model->health());
  const bool failed = IsFaultOfTheModel(outputs);
  if (outputs.has_error() && !failed) question_.model->health().OnNothingLearnt(end);
  if (outputs.has_value() || failed) {
    if (!failed) question_.model->cost().Record(end - begin);
    Judge(services_, *question_.model, {begin, end, 1, failed ? outputs.error().message : ""});
  }
  return Keep(std::move(outputs), begin, end - begin);
}

Request::RungReport Request::Keep(Result<Outputs> outputs, TimePoint begin, Duration took) {
  inference_ = took;
  if (outputs.has_error()) {
    TakeLead().Land(outputs.error());
    return Missed(Source::kModel, outputs.error().message);
  }
  CachedAnswer answer = MakeAnswer(*question_.model, std::move(outputs).value(), begin);
  Keep(answer);
  TakeLead().Land(answer);
  RungReport report = Exact(Source::kModel, std::move(answer.outputs));
  RememberGood(report);  // also when it has come too late for the asker
  return report;
}

bool Request::IsFaultOfTheModel(const Result<Outputs>& outputs) const {
  if (outputs.has_value()) return false;
  if (outputs.error().code != Code::kInternal && outputs.error().code != Code::kOutOfRange) return false;
  // Whoever asks about numbers of his own may take ones that no model can compute with, at everybody's cost. Of a model
  // that nobody can ask about the state there is nothing else to go by than that its backend failed.
  return question_.about == Question::About::kState ||
         (outputs.error().code == Code::kInternal && !question_.model->features());
}

void Request::Judge(RequestServices& services, const ServedModel& model, const ModelRun& run) {
  const Duration took = run.end - run.begin;
  services.metrics.CountInference(model, took, !run.fault.empty());
  bool opened = false;
  if (!run.fault.empty())
    opened = model.health().OnFailure(run.begin, run.end, run.fault);
  else if (took > model.far_over() * static_cast<std::int64_t>(run.questions))
    opened = model.health().OnFailure(
        run.begin, run.end, "an inference took " + std::to_string(took / std::chrono::milliseconds(1)) + " ms");
  else if (model.health().OnSuccess(run.begin, run.end) && MayHurry(services))
    model.ForgetCosts();  // else those of its illness would keep everyone out for as long again
  if (opened && services.on_notice)
    services.on_notice("model " + model.identity()->model + " is left alone for a while: " + model.health().Summary());
}

Request::RungReport Request::TryStudent() {
  if (question_.student == nullptr) return Missed(Source::kStudent);
  const ServedModel& student = *question_.student;
  const TimePoint begin = services_.clock.Now();
  const Result<CacheKey> key = KeyForStudent(question_, services_.cache.keys(), begin);
  if (key.has_error()) return Missed(Source::kStudent);
  // Often many ask the same and are all out of time at once: one of them computes it for the others.
  CachedAnswer answer;
  if (services_.cache.GetMemory(*key, begin, answer))
    return Fresh(Source::kStudent, std::move(answer.outputs), student.identity());
  if (student_takes_ == Duration::zero()) {
    if (!student.health().open() && student.cost().IsOld(begin, MayHurry(services_))) {
      Job job;
      job.task = std::make_shared<StudentTrial>(question_);
      job.tier = tier_.index;
      job.deadline = leave_by_;
      job.expected = student.cost().typical();
      job.likely_max = student.cost().high();
      job.keep_if_late = true;
      services_.pool.Submit(std::move(job), begin);
    }
    return Missed(Source::kStudent);
  }
  // It is quick: whoever may try whether it is well again does so here.
  if (student.health().open() && !student.health().MayProbe(begin)) return Missed(Source::kStudent);
  Result<Outputs> outputs = ComputeBy(student, question_);
  const TimePoint end = services_.clock.Now();
  const bool failed = IsFaultOfTheModel(outputs);
  if (outputs.has_value()) student.cost().Record(end - begin);
  if (outputs.has_value() || failed) Judge(services_, student, {begin, end, 1, failed ? outputs.error().message : ""});
  if (outputs.has_error()) return Missed(Source::kStudent);
  answer = MakeAnswer(student, std::move(outputs).value(), begin);
  services_.cache.PutMemory(*key, answer, student.manifest().cache_ttl);
  return Fresh(Source::kStudent, std::move(answer.outputs), student.identity());
}

CachedAnswer Request::MakeAnswer(const ServedModel& by, Outputs outputs, TimePoint begin) const {
  CachedAnswer answer{std::move(outputs), SubjectOf(by, question_.symbol)};
  if (question_.about == Question::About::kTensors) {
    answer.arrived = begin;
  } else {
    const StoredSnapshot& newest = question_.window.newest();
    answer.as_of = {newest.book.sequence, AsOfTime(newest.book)};
    answer.arrived = newest.arrived;
  }
  return answer;
}

}  // namespace punctual

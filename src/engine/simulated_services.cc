#include "engine/simulated_services.h"

#include <algorithm>

namespace punctual {

SimulatedPool::SimulatedPool(SimulatedServices& services, Options options)
    : services_(services), options_(std::move(options)), queue_(options_.weights, 4096) {
  for (std::size_t i = 0; i < options_.workers; ++i) AddWorker();
}

void SimulatedPool::AddWorker() {
  const std::size_t number = running_.Add();
  workers_.resize(std::max(workers_.size(), number + 1));
  workers_[number] = {.exists = true};
}

Admission SimulatedPool::Submit(Job job, TimePoint now) {
  services_.InCall();
  Fate& fate = fates_[job.task.get()];
  ++fate.submitted;
  fate.is_probe = fate.is_probe || job.keep_if_late;
  const auto refused = refuse ? refuse() : std::nullopt;
  if (refused) return *refused;
  std::shared_ptr<PoolTask> displaced;
  const Admission admission = queue_.Submit(std::move(job), now, running_, displaced);
  fate.waits = admission == Admission::kQueued;
  if (displaced != nullptr) Drop(displaced, DropReason::kDisplaced);
  services_.InCall();
  return admission;
}

Duration SimulatedPool::PredictedWait(std::size_t tier, TimePoint deadline, Duration expected) const {
  return queue_.PredictedWait(tier, deadline, expected, services_.clock.Now(), running_);
}

bool SimulatedPool::Cancel(const PoolTask& task) {
  services_.InCall();
  const std::shared_ptr<PoolTask> cancelled = queue_.Cancel(task);
  if (cancelled != nullptr) fates_[&task].waits = false;
  services_.InCall();
  return cancelled != nullptr;
}

bool SimulatedPool::Raise(const PoolTask& task, std::size_t tier, TimePoint deadline, std::uint32_t add_worth) {
  services_.InCall();
  return queue_.Raise(task, tier, deadline, add_worth, services_.clock.Now(), running_);
}

bool SimulatedPool::CanBegin() const {
  return queue_.size() != 0 && std::any_of(workers_.begin(), workers_.end(),
                                           [](const Worker& worker) { return worker.exists && !worker.busy; });
}

void SimulatedPool::Begin() {
  const auto idle = std::find_if(workers_.begin(), workers_.end(),
                                 [](const Worker& worker) { return worker.exists && !worker.busy; });
  services_.Run([this, worker = static_cast<std::size_t>(idle - workers_.begin())] { Work(worker); });
}

// As WorkerPool's threads do.
void SimulatedPool::Work(std::size_t worker) {
  workers_[worker].busy = true;
  workers_[worker].strand = Strands::Current();
  const TimePoint now = services_.clock.Now();
  const auto idle =
      std::count_if(workers_.begin(), workers_.end(), [](const Worker& other) { return other.exists && !other.busy; });
  Tasks late;
  Batch batch;
  queue_.TakeLate(now, late);
  for (const auto& task : late) Drop(task, DropReason::kTooLate);
  if (late.empty() && queue_.Take(now, static_cast<std::size_t>(idle), batch)) {
    running_.Begin(worker, now, batch.expected, options_.hung_after);
    workers_[worker].batch = &batch;
    for (const auto& task : batch.tasks) {
      fates_[task.get()].waits = false;
      fates_[task.get()].computes = true;
    }
    batch.tasks.front()->Run(std::span<const std::shared_ptr<PoolTask>>(batch.tasks).subspan(1));
    NoteReturned(worker);
    workers_[worker].batch = nullptr;
    running_.End(worker);
  }
  const bool is_one_too_many = workers_[worker].replaced;
  workers_[worker] = {.exists = !is_one_too_many};
  if (!is_one_too_many) return;
  --replaced_;
  running_.Remove(worker);
}

void SimulatedPool::Drop(const std::shared_ptr<PoolTask>& task, DropReason reason) {
  fates_[task.get()].waits = false;
  task->Drop(reason);
}

void SimulatedPool::Displace(const PoolTask& task) {
  services_.Run([this, displaced = queue_.Cancel(task)] { Drop(displaced, DropReason::kDisplaced); });
}

void SimulatedPool::CheckHung() {
  Tasks hung;
  while (const auto number = running_.FindHung(services_.clock.Now())) {
    const Tasks& tasks = workers_[*number].batch->tasks;
    hung.insert(hung.end(), tasks.begin(), tasks.end());
    if (replaced_ >= options_.spare_workers) continue;
    workers_[*number].replaced = true;
    ++replaced_;
    AddWorker();
  }
  for (const auto& task : hung) {
    fates_[task.get()].computes = false;
    fates_[task.get()].hung = true;
  }
  if (!hung.empty())
    services_.Run([hung = std::move(hung)] {
      for (const auto& task : hung) task->OnHung();
    });
}

bool SimulatedPool::all_idle() const {
  return std::none_of(workers_.begin(), workers_.end(), [](const Worker& worker) { return worker.busy; });
}

bool SimulatedPool::has_marked_the_model() const {
  return std::any_of(fates_.begin(), fates_.end(),
                     [](const auto& fate) { return fate.second.hung || fate.second.is_probe; });
}

std::optional<std::size_t> SimulatedPool::WorkerOf(const Strand* strand) const {
  for (std::size_t i = 0; i < workers_.size(); ++i)
    if (workers_[i].strand == strand && strand != nullptr) return i;
  return std::nullopt;
}

void SimulatedPool::NoteReturned(std::size_t worker) {
  if (workers_[worker].batch == nullptr) return;
  for (const auto& task : workers_[worker].batch->tasks) fates_[task.get()].computes = false;
}

void SimulatedTimer::Add(TimePoint when, std::shared_ptr<TimerTarget> target) {
  services_.InCall();
  when = std::max(when, services_.clock.Now());
  const auto later = [](TimePoint wanted, const Entry& entry) { return wanted < entry.when; };
  entries_.insert(std::upper_bound(entries_.begin(), entries_.end(), when, later), {when, std::move(target)});
}

std::optional<TimePoint> SimulatedTimer::next() {
  std::erase_if(entries_, [](const Entry& entry) { return entry.target->finished(); });
  return entries_.empty() ? std::nullopt : std::optional(entries_.front().when);
}

std::vector<TimePoint> SimulatedTimer::times() {
  std::vector<TimePoint> times;
  if (next())
    for (const Entry& entry : entries_) times.push_back(entry.when);
  return times;
}

std::size_t SimulatedTimer::due() {
  if (busy_ || !next()) return 0;
  const TimePoint now = services_.clock.Now();
  return static_cast<std::size_t>(
      std::find_if(entries_.begin(), entries_.end(), [now](const Entry& entry) { return entry.when > now; }) -
      entries_.begin());
}

void SimulatedTimer::Call(std::size_t which) {
  const auto entry = entries_.begin() + static_cast<std::ptrdiff_t>(which);
  const std::shared_ptr<TimerTarget> target = std::move(entry->target);
  entries_.erase(entry);
  services_.Run([this, target] {
    busy_ = true;
    target->OnTimeUp();
    busy_ = false;
  });
}

namespace {

Tier TierOf(const char* name, int budget_ms, double weight, std::size_t index) {
  Tier tier;
  tier.name = name;
  tier.budget = std::chrono::milliseconds(budget_ms);
  tier.weight = weight;
  tier.index = index;
  return tier;
}

TieredCacheOptions MemoryAlone() {
  TieredCacheOptions options;
  options.memory_bytes = std::size_t{16} << 20;
  return options;
}

}  // namespace

SimulatedBasics::SimulatedBasics()
    : tiers({TierOf("premium", 15, 6, 0), TierOf("standard", 25, 3, 1), TierOf("basic", 50, 1, 2)}),
      cache(TieredCache::Open(MemoryAlone()).value()),
      metrics(registry, tiers, {true, false, false}) {}

SimulatedServices::SimulatedServices(SimulatedBasics& basics, SimulatedPool::Options pool_options, bool pause_in_calls)
    : pool(*this, std::move(pool_options)),
      timer(*this),
      basics_(basics),
      pause_in_calls_(pause_in_calls),
      services_{clock,      *basics.cache, flights,   pool,           timer,
                known_good, popularity,    brown_out, basics.metrics, on_notice_} {
  SetInferences(this);
}

SimulatedServices::~SimulatedServices() { SetInferences(nullptr); }

bool SimulatedServices::paused_in_a_call() const {
  return std::any_of(paused_.begin(), paused_.end(),
                     [](const Paused* paused) { return paused->where == Paused::Where::kCall; });
}

void SimulatedServices::Pause(Paused& paused) {
  paused.strand = Strands::Current();
  paused.worker = pool.WorkerOf(paused.strand);
  model_answers_before_[paused.strand] = model_answers_;
  paused_.push_back(&paused);
  Strands::Pause();
}

void SimulatedServices::Resume(Paused& paused) {
  std::erase(paused_, &paused);
  basics_.strands.Resume(*paused.strand);
}

void SimulatedServices::InCall() {
  if (!pause_in_calls_ || Strands::Current() == nullptr) return;
  Paused paused;
  Pause(paused);
}

bool SimulatedServices::model_answered_meanwhile() const {
  const auto before = model_answers_before_.find(Strands::Current());
  return before != model_answers_before_.end() && before->second < model_answers_;
}

InferenceEnd SimulatedServices::OnInference(InferenceBy by) {
  if (Strands::Current() == nullptr) return InferenceEnd::kOk;  // a model is being loaded
  Paused paused;
  const bool by_model = by == InferenceBy::kModel;
  paused.where = by_model                      ? Paused::Where::kModel
                 : by == InferenceBy::kStudent ? Paused::Where::kStudent
                                               : Paused::Where::kFloat;
  Pause(paused);
  if (by_model && paused.end == InferenceEnd::kOk) ++model_answers_;
  // Of the float model nobody waits for an answer.
  if (paused.end != InferenceEnd::kOk && by != InferenceBy::kFloat) ++(by_model ? failures_ : student_failures_);
  if (paused.worker && by_model) pool.NoteReturned(*paused.worker);
  return paused.end;
}

}  // namespace punctual

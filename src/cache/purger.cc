#include "cache/purger.h"

#include <utility>

#include "base/threads.h"

namespace punctual {

namespace {

void Note(PurgeLayerStatus& layer, std::uint64_t dropped, const std::string& error) {
  layer.dropped += dropped;
  if (!error.empty() && layer.error.empty()) layer.error = error;
}

void Settle(PurgeLayerStatus& layer, bool running) {
  layer.state = running ? PurgeState::kRunning : layer.error.empty() ? PurgeState::kDone : PurgeState::kFailed;
}

}  // namespace

Purger::Purger(const Layers& layers, std::function<void(const std::string&)> notice)
    : layers_(layers), notice_(std::move(notice)), thread_([this] { Run(); }) {}

void Purger::Purge(PurgeOrder order, Emptied emptied) {
  Error refused;
  {
    MutexLock lock(mutex_);
    if (!stopping_ && running_ < kMaxRunning) {
      const auto job = std::make_shared<Job>();
      job->status.id = ++last_id_;
      job->status.what = order.what;
      if (layers_.disk != nullptr) job->status.disk.emplace();
      if (layers_.redis != nullptr && order.in_redis) job->status.redis.emplace();
      job->order = std::move(order);
      job->emptied = std::move(emptied);
      jobs_.push_back(job);
      ++running_;
      changed_.NotifyOne();
      return;
    }
    refused = stopping_ ? Fail(Code::kUnavailable, "cache: is shutting down")
                        : Fail(Code::kResourceExhausted,
                               "cache: " + std::to_string(kMaxRunning) +
                                   " purges are running already; GET /v1/cache says what they wait for");
  }
  if (emptied) emptied(refused);
}

void Purger::Stop() {
  if (!thread_.joinable()) return;
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.NotifyOne();
  thread_.join();
  std::vector<JobPtr> unfinished;
  {
    MutexLock lock(mutex_);
    for (const JobPtr& job : jobs_)
      if (!job->ended) unfinished.push_back(job);
  }
  for (const JobPtr& job : unfinished) {
    if (notice_) notice_("purging " + job->order.what + " was not finished: the cache is shutting down");
    if (job->emptied) job->emptied(Fail(Code::kUnavailable, "cache: is shutting down"));
  }
}

std::vector<PurgeStatus> Purger::Purges() const {
  // Not under our lock: it takes Redis' own.
  const std::string waits_for = layers_.redis != nullptr ? layers_.redis->Stats().purge_waits_for : "";
  std::vector<PurgeStatus> all;
  MutexLock lock(mutex_);
  for (const JobPtr& job : jobs_) {
    PurgeStatus& status = all.emplace_back(job->status);
    if (status.redis && status.redis->state == PurgeState::kRunning && job->redis_out > 0)
      status.redis->waits_for = waits_for;
  }
  return all;
}

void Purger::Run() {
  NameThisThread("cache-purge");
  for (;;) {
    JobPtr job;
    {
      MutexLock lock(mutex_);
      while (!stopping_ && (job = NextJob()) == nullptr) changed_.Wait(mutex_);
      if (stopping_) return;
    }
    Work(job);
  }
}

Purger::JobPtr Purger::NextJob() {
  for (const JobPtr& job : jobs_)
    if (!job->ended && (!job->begun || job->disk_is_due || job->memory_is_due)) return job;
  return nullptr;
}

void Purger::Work(const JobPtr& job) {
  bool begins, disk, memory;
  {
    MutexLock lock(mutex_);
    begins = !std::exchange(job->begun, true);
    disk = std::exchange(job->disk_is_due, false) || (begins && job->status.disk);
    memory = std::exchange(job->memory_is_due, false) || begins;
    // So that nobody thinks it is over before they are out.
    if (disk) job->disk_out += job->order.filters.size();
    if (begins && job->status.redis) job->redis_out += job->order.filters.size();
  }
  if (memory) PurgeMemory(job);
  if (begins && job->status.redis) PurgeRedis(job);
  if (disk) PurgeDisk(job);
  Emptied emptied;
  std::string summary;
  PurgeStatus status;
  {
    MutexLock lock(mutex_);
    const bool redis_runs = job->redis_out > 0;
    const bool disk_runs = job->disk_out > 0 || job->disk_is_due;
    if (job->status.redis) Settle(*job->status.redis, redis_runs);
    if (job->status.disk) Settle(*job->status.disk, disk_runs);
    Settle(job->status.memory, job->memory_is_due);
    emptied = std::exchange(job->emptied, nullptr);
    if (!redis_runs && !disk_runs && !job->memory_is_due) {
      job->ended = true;
      job->status.running = false;
      summary = Summary(*job);
      // The oldest that ended are forgotten.
      std::size_t too_many = jobs_.size() - --running_;
      too_many = too_many > kMaxEnded ? too_many - kMaxEnded : 0;
      std::erase_if(jobs_, [&](const JobPtr& old) { return old->ended && too_many > 0 && too_many-- > 0; });
    }
    status = job->status;
  }
  if (emptied) emptied(status);
  if (!summary.empty() && notice_) notice_(summary);
}

void Purger::PurgeMemory(const JobPtr& job) {
  std::uint64_t dropped = 0;
  for (const SubjectFilter& filter : job->order.filters) dropped += layers_.memory.Purge(filter);
  MutexLock lock(mutex_);
  job->status.memory.dropped += dropped;
}

void Purger::PurgeDisk(const JobPtr& job) {
  for (const SubjectFilter& filter : job->order.filters)
    if (!layers_.disk->Purge(
            filter, [this, job](std::uint64_t dropped, const std::string& error) { OnDiskDone(*job, dropped, error); }))
      OnDiskDone(*job, 0, "too many purges wait for the disk already");
}

void Purger::OnDiskDone(Job& job, std::uint64_t dropped, const std::string& error) {
  MutexLock lock(mutex_);
  Note(*job.status.disk, dropped, error);
  if (--job.disk_out > 0) return;
  job.memory_is_due = true;
  changed_.NotifyOne();
}

void Purger::PurgeRedis(const JobPtr& job) {
  for (const SubjectFilter& filter : job->order.filters)
    layers_.redis->Purge(filter, job->order.longest_ttl, [this, job](std::uint64_t dropped, const std::string& error) {
      OnRedisDone(*job, dropped, error);
    });
}

void Purger::OnRedisDone(Job& job, std::uint64_t dropped, const std::string& error) {
  MutexLock lock(mutex_);
  Note(*job.status.redis, dropped, error);
  if (--job.redis_out > 0) return;
  (job.status.disk ? job.disk_is_due : job.memory_is_due) = true;
  changed_.NotifyOne();
}

std::string Purger::Summary(const Job& job) {
  std::string text = "purged " + job.order.what + ": " + std::to_string(job.status.memory.dropped) + " from memory";
  const auto add = [&text](const char* name, const std::optional<PurgeLayerStatus>& layer) {
    if (!layer) return;
    text += ", " + std::to_string(layer->dropped) + " from " + name;
    if (!layer->error.empty()) text += " (failed: " + layer->error + ")";
  };
  add("disk", job.status.disk);
  add("Redis", job.status.redis);
  return text;
}

}  // namespace punctual

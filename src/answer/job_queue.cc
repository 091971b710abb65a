#include "answer/job_queue.h"

#include <algorithm>
#include <utility>

namespace punctual {

namespace {

constexpr std::uint32_t kNowhere = std::numeric_limits<std::uint32_t>::max();
// Jobs that claim to take no time still take their turn.
constexpr Duration kLeastCharge = std::chrono::microseconds(1);
constexpr Duration kRateWindow = std::chrono::milliseconds(50);
// A predicted wait is solved for by repetition: the longer it is, the more comes in meanwhile.
constexpr int kRepetitions = 4;
// Of what a job takes alone, what it may take in a batch: all of the batch wait until it is through.
constexpr double kWorthBatching = 0.8;

}  // namespace

JobQueue::JobQueue(const std::vector<double>& weights, std::size_t limit) : limit_(limit) {
  for (const double weight : weights) tiers_.push_back({weight, 0, {}});
  tiers_.emplace_back();
}

DeadlineQueue::Entry JobQueue::EntryOf(const Waiting& waiting, std::uint32_t place) {
  return {waiting.job.deadline, waiting.order, waiting.job.expected, waiting.job.worth, place};
}

bool JobQueue::IsLate(const Waiting& waiting, TimePoint now) {
  return !waiting.job.keep_if_late && now + waiting.job.expected > waiting.last_deadline;
}

const JobQueue::Waiting* JobQueue::Find(const PoolTask& task) const {
  if (task.place_ >= jobs_.size() || jobs_[task.place_].job.task.get() != &task) return nullptr;
  return &jobs_[task.place_];
}

void JobQueue::Insert(std::uint32_t place) {
  TierState& tier = tiers_[jobs_[place].tier];
  if (tier.queue.empty()) tier.virtual_time = std::max(tier.virtual_time, virtual_now_);
  tier.queue.Insert(EntryOf(jobs_[place], place));
}

std::shared_ptr<PoolTask> JobQueue::Remove(std::uint32_t place) {
  Waiting& waiting = jobs_[place];
  tiers_[waiting.tier].queue.Erase(EntryOf(waiting, place));
  std::shared_ptr<PoolTask> task = std::move(waiting.job.task);
  task->place_ = PoolTask::kNotQueued;
  free_.push_back(place);
  return task;
}

Duration JobQueue::WorkBefore(std::size_t tier, TimePoint deadline, TimePoint now) const {
  const DeadlineQueue& queue = tiers_[tier].queue;
  Duration work = queue.WorkUpTo(deadline);
  for (const DeadlineQueue::Entry& entry : queue.entries()) {
    if (entry.deadline > deadline || !IsLate(jobs_[entry.place], now)) break;
    work -= entry.expected;
  }
  return work;
}

Duration JobQueue::WaitBehind(std::size_t tier, Duration ahead, Duration expected, Duration horizon, TimePoint now,
                              const RunningWork& running) const {
  double between = 0;
  for (std::size_t i = 0; i < background(); ++i) {
    const TierState& other = tiers_[i];
    if (i == tier) continue;
    const double comes =
        static_cast<double>(other.queue.work().count()) + other.rate * static_cast<double>(horizon.count());
    const double may = static_cast<double>((ahead + expected).count()) * other.weight / tiers_[tier].weight;
    between += tier == background() ? comes : std::min(comes, may);
  }
  between = std::min(between, static_cast<double>(RunningWork::kNever.count()));
  return running.WaitFor(ahead + Duration(static_cast<std::int64_t>(between)), now);
}

bool JobQueue::BeginsWithin(Duration longest_wait, std::size_t tier, Duration ahead, Duration expected, TimePoint now,
                            const RunningWork& running) const {
  // What begins at once, nobody comes before. Else, the wait w solves w = WaitBehind(w), which rises by less than w: it
  // is within the longest one where that one is more than enough.
  return WaitBehind(tier, ahead, expected, longest_wait, now, running) <= longest_wait ||
         WaitBehind(tier, ahead, expected, {}, now, running) == Duration::zero();
}

void JobQueue::UpdateRates(TimePoint now) {
  if (now - rates_since_ < kRateWindow) return;
  for (TierState& tier : tiers_) {
    tier.rate = static_cast<double>(tier.taken.count()) / static_cast<double>((now - rates_since_).count());
    tier.taken = {};
  }
  rates_since_ = now;
}

Duration JobQueue::PredictedWait(std::size_t tier, TimePoint deadline, Duration expected, TimePoint now,
                                 const RunningWork& running) const {
  const std::size_t at = IndexOf(tier);
  const Duration ahead = WorkBefore(at, deadline, now);
  Duration wait{};
  for (int i = 0; i < kRepetitions; ++i) wait = WaitBehind(at, ahead, expected, wait, now, running);
  return wait;
}

Admission JobQueue::Submit(Job&& job, TimePoint now, const RunningWork& running, std::shared_ptr<PoolTask>& displaced) {
  const std::size_t tier = IndexOf(job.tier);
  if (tiers_[tier].queue.size() >= limit_) return Admission::kFull;
  UpdateRates(now);
  if (!job.keep_if_late) {
    const Duration longest_wait = job.deadline - now - std::max(job.expected, job.likely_max);
    if (longest_wait < Duration::zero()) return Admission::kTooLate;
    const Duration ahead = WorkBefore(tier, job.deadline, now);
    if (!BeginsWithin(longest_wait, tier, ahead, job.expected, now, running)) {
      const std::uint32_t lesser = FindLesser(job, tier, ahead, longest_wait, now, running);
      if (lesser == kNowhere) return Admission::kTooLate;
      displaced = Remove(lesser);
    }
  }
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(jobs_.size()));
    jobs_.emplace_back();
  }
  const std::uint32_t place = free_.back();
  free_.pop_back();
  const TimePoint deadline = job.deadline;
  jobs_[place] = {std::move(job), tier, next_order_++, deadline};
  jobs_[place].job.task->place_ = place;
  Insert(place);
  return Admission::kQueued;
}

std::uint32_t JobQueue::FindLesser(const Job& job, std::size_t tier, Duration ahead, Duration longest_wait,
                                   TimePoint now, const RunningWork& running) const {
  const DeadlineQueue::Entry* found = nullptr;
  Duration too_little{};  // the largest job whose leaving was seen not to make room
  for (const DeadlineQueue::Entry& entry : tiers_[tier].queue.entries()) {
    if (entry.deadline > job.deadline) break;  // not before it anyway
    if (2 * std::uint64_t{entry.worth} >= job.worth || entry.expected <= too_little) continue;
    if (jobs_[entry.place].job.keep_if_late) continue;  // somebody wants to know what comes of it
    if (found != nullptr && entry.worth >= found->worth) continue;
    // What will be dropped for its lateness is not in the way.
    if (IsLate(jobs_[entry.place], now)) continue;
    if (BeginsWithin(longest_wait, tier, ahead - entry.expected, job.expected, now, running))
      found = &entry;
    else
      too_little = entry.expected;
  }
  return found == nullptr ? kNowhere : found->place;
}

void JobQueue::TakeLate(TimePoint now, std::vector<std::shared_ptr<PoolTask>>& late) {
  for (const TierState& tier : tiers_)
    while (!tier.queue.empty()) {
      const DeadlineQueue::Entry next = tier.queue.entries().front();
      if (!IsLate(jobs_[next.place], now)) break;
      late.push_back(Remove(next.place));
    }
}

std::size_t JobQueue::NextTier() const {
  std::size_t next = background();
  for (std::size_t i = 0; i < background(); ++i) {
    if (tiers_[i].queue.empty()) continue;
    const TierState& tier = tiers_[i];
    if (next == background() || tier.virtual_time < tiers_[next].virtual_time ||
        (tier.virtual_time == tiers_[next].virtual_time && tier.weight > tiers_[next].weight))
      next = i;
  }
  return next;
}

bool JobQueue::Take(TimePoint now, std::size_t idle_workers, Batch& batch) {
  UpdateRates(now);
  const std::size_t tier = NextTier();
  if (tiers_[tier].queue.empty()) return false;
  taken_.assign(1, tiers_[tier].queue.entries().front().place);
  const Waiting& first = jobs_[taken_.front()];
  batch.expected = first.job.expected;
  batch.likely_max = first.job.likely_max;
  const std::size_t most = std::min(first.job.batch.most, size() - std::min(size() - 1, idle_workers));
  if (first.job.group != nullptr && most > 1) {
    tier_order_.assign(1, tier);
    for (std::size_t i = 0; i < background() && tier != background(); ++i)
      if (i != tier) tier_order_.push_back(i);
    std::sort(tier_order_.begin() + 1, tier_order_.end(),
              [this](std::size_t a, std::size_t b) { return tiers_[a].virtual_time < tiers_[b].virtual_time; });
    FillBatch(now, most, batch, first, taken_);
  }
  virtual_now_ = std::max(virtual_now_, tiers_[tier].virtual_time);
  const Duration each = std::max(kLeastCharge, batch.expected / static_cast<std::int64_t>(taken_.size()));
  batch.tasks.clear();
  for (const std::uint32_t place : taken_) {
    TierState& of = tiers_[jobs_[place].tier];
    of.virtual_time += static_cast<double>(each.count()) / of.weight;
    of.taken += each;
    batch.tasks.push_back(Remove(place));
  }
  return true;
}

void JobQueue::FillBatch(TimePoint now, std::size_t most, Batch& batch, const Waiting& first,
                         std::vector<std::uint32_t>& places) const {
  const std::array<Duration, BatchCosts::kMost>& costs = first.job.batch.expected;
  // The last moment for a member: the earliest deadline of those who wait if it can still be met, else the latest one,
  // none if it is run however late.
  const auto limit_of = [now](const Waiting& waiting) {
    const TimePoint ready = now + waiting.job.expected;
    if (ready <= waiting.job.deadline) return waiting.job.deadline;
    return ready > waiting.last_deadline && waiting.job.keep_if_late ? TimePoint::max() : waiting.last_deadline;
  };
  const auto each = [&costs](std::size_t count) {
    return static_cast<double>(costs[count - 1].count()) / static_cast<double>(count);
  };
  TimePoint earliest = limit_of(first);
  std::size_t best = 1;
  double least = kWorthBatching * static_cast<double>(first.job.expected.count());
  for (const std::size_t tier : tier_order_)
    for (const DeadlineQueue::Entry& entry : tiers_[tier].queue.entries()) {
      if (places.size() == most) break;
      const Waiting& waiting = jobs_[entry.place];
      if (&waiting == &first || waiting.job.group != first.job.group) continue;
      const TimePoint ready = now + costs[places.size()], limit = limit_of(waiting);
      if (ready > limit) continue;
      if (ready > earliest) break;
      earliest = std::min(earliest, limit);
      places.push_back(entry.place);
      if (each(places.size()) > least) continue;
      least = each(places.size());
      best = places.size();
    }
  places.resize(best);
  if (best == 1) return;
  batch.expected = costs[best - 1];
  for (const std::uint32_t place : places)
    batch.likely_max = std::max({batch.likely_max, jobs_[place].job.likely_max, batch.expected});
}

void JobQueue::TakeAll(std::vector<std::shared_ptr<PoolTask>>& all) {
  for (const TierState& tier : tiers_)
    while (!tier.queue.empty()) all.push_back(Remove(tier.queue.entries().front().place));
}

std::shared_ptr<PoolTask> JobQueue::Cancel(const PoolTask& task) {
  return Find(task) == nullptr ? nullptr : Remove(task.place_);
}

bool JobQueue::Raise(const PoolTask& task, std::size_t tier, TimePoint deadline, std::uint32_t add_worth, TimePoint now,
                     const RunningWork& running) {
  if (Find(task) == nullptr) return false;
  const std::uint32_t place = task.place_;
  Waiting& waiting = jobs_[place];
  tiers_[waiting.tier].queue.Erase(EntryOf(waiting, place));
  waiting.job.deadline = std::min(waiting.job.deadline, deadline);
  waiting.last_deadline = std::max(waiting.last_deadline, deadline);
  waiting.job.worth += std::min(add_worth, std::numeric_limits<std::uint32_t>::max() - waiting.job.worth);
  const std::size_t other = IndexOf(tier);
  const auto wait_in = [&](std::size_t of) {
    return PredictedWait(of, waiting.job.deadline, waiting.job.expected, now, running);
  };
  const Duration here = wait_in(waiting.tier), there = wait_in(other);
  // Where both are the same now, the greater weight keeps it ahead of those who are yet to come.
  if (waiting.tier == background() ||
      (other != background() &&
       (there < here || (there == here && tiers_[other].weight > tiers_[waiting.tier].weight))))
    waiting.tier = other;
  Insert(place);
  return true;
}

}  // namespace punctual

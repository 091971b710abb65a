#include "answer/running_work.h"

#include <algorithm>

namespace punctual {

std::size_t RunningWork::Add() {
  std::size_t worker = 0;
  while (worker < workers_.size() && workers_[worker].state != State::kNone) ++worker;
  if (worker == workers_.size()) workers_.emplace_back();
  workers_[worker].state = State::kIdle;
  ++count_;
  remaining_.reserve(workers_.size());
  return worker;
}

void RunningWork::Remove(std::size_t worker) {
  End(worker);
  workers_[worker].state = State::kNone;
  --count_;
}

void RunningWork::Begin(std::size_t worker, TimePoint now, Duration expected, Duration hung_after) {
  workers_[worker] = {State::kRunning, now, expected, hung_after};
}

void RunningWork::End(std::size_t worker) {
  if (is_lost(worker)) --lost_;
  workers_[worker].state = State::kIdle;
}

std::optional<std::size_t> RunningWork::FindHung(TimePoint now) {
  for (std::size_t i = 0; i < workers_.size(); ++i)
    if (workers_[i].state == State::kRunning && now - workers_[i].begun > workers_[i].hung_after) {
      workers_[i].state = State::kLost;
      ++lost_;
      return i;
    }
  return std::nullopt;
}

Duration RunningWork::WaitFor(Duration work, TimePoint now) const {
  remaining_.clear();
  for (const Worker& worker : workers_) {
    if (worker.state == State::kIdle) remaining_.push_back(Duration::zero());
    if (worker.state != State::kRunning) continue;
    const Duration elapsed = now - worker.begun;
    remaining_.push_back(elapsed > worker.expected ? elapsed : worker.expected - elapsed);
  }
  if (remaining_.empty()) return kNever;
  // Those who are free first take work first: it rises over their remaining times like water over steps.
  std::sort(remaining_.begin(), remaining_.end());
  for (std::size_t i = 1; i < remaining_.size(); ++i) {
    const auto free = static_cast<std::int64_t>(i);
    const Duration step = (remaining_[i] - remaining_[i - 1]) * free;
    if (work <= step) return remaining_[i - 1] + work / free;
    work -= step;
  }
  return remaining_.back() + work / static_cast<std::int64_t>(remaining_.size());
}

}  // namespace punctual

#include "model/batches.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "model/trial_inputs.h"

namespace punctual {

namespace {

constexpr std::array<std::size_t, 2> kSizes = {4, Batches::kMost};
// Of the time that a question takes alone, what it may take in a batch; and in a larger batch, of what it takes in a
// smaller one.
constexpr double kWorthwhile = 0.8;
constexpr double kMuchBetter = 0.95;
// Of each size; the quicker ones count: what other work on the machine adds is no property of the model.
constexpr int kRuns = 12;
constexpr Duration kPatience = std::chrono::milliseconds(100);
// What takes longer is no help in budgets of milliseconds.
constexpr Duration kLongest = std::chrono::milliseconds(25);

bool HasEqualAnswers(const Signature& signature, Session& batch, std::size_t size, Session& single) {
  FillRandomly(signature, batch);
  if (batch.Run().has_error()) return false;
  for (std::size_t member = 0; member < size; ++member) {
    const MemberInputs from(batch, member, size);
    for (std::size_t i = 0; i < signature.inputs.size(); ++i)
      std::memcpy(single.input(i).data(), from[i].data(), from[i].size());
    if (single.Run().has_error()) return false;
    const MemberOutputs answers(batch, member, size);
    for (std::size_t i = 0; i < signature.outputs.size(); ++i) {
      const std::span<const std::byte> alone = single.output(i);
      if (!std::equal(alone.begin(), alone.end(), answers[i].begin(), answers[i].end())) return false;
    }
  }
  return true;
}

// Runs both in turn. Long ones end it early.
std::pair<Histogram, Histogram> Measure(Session& single, Session& batch) {
  std::pair<Histogram, Histogram> took;
  const TimePoint end = std::chrono::steady_clock::now() + kPatience;
  for (int run = 0; run < kRuns && std::chrono::steady_clock::now() < end; ++run)
    for (auto [session, histogram] : {std::pair(&single, &took.first), std::pair(&batch, &took.second)}) {
      const TimePoint begin = std::chrono::steady_clock::now();
      if (session->Run().has_error()) return {};
      histogram->Record(std::chrono::steady_clock::now() - begin);
    }
  return took;
}

}  // namespace

void Batches::Find(CompiledModel& compiled, Session& single, std::size_t largest, std::size_t sessions) {
  double least = kWorthwhile;
  for (const std::size_t size : kSizes) {
    if (size > largest) break;
    SessionPool candidate;
    if (candidate.Add(compiled, size).has_error()) break;
    if (!HasEqualAnswers(compiled.signature(), candidate.first(), size, single)) break;
    const auto [alone, together] = Measure(single, candidate.first());
    const auto quick = [](const Histogram& took) { return static_cast<double>(took.Quantile(0.25).count()); };
    const double share = quick(together) / (quick(alone) * static_cast<double>(size));
    if (together.Quantile(0.25) > kLongest || !(share <= least)) break;
    least = share * kMuchBetter;
    most_ = size;
    sessions_ = std::move(candidate);
    cost_->Seed(together);
  }
  while (most_ > 1 && sessions_.size() < sessions)
    if (sessions_.Add(compiled, most_).has_error()) {
      most_ = 1;  // with fewer sessions than workers, some would find none
      sessions_ = {};
    }
}

}  // namespace punctual

// The pool's decisions under load, simulated: thousands of requests of three tiers on workers that only exist on a fake
// clock, from half to five times what they can do. The same JobQueue and RunningWork decide as in the pool itself.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <optional>
#include <queue>
#include <random>
#include <sstream>
#include <vector>

#include "answer/job_queue.h"
#include "base/clock.h"

namespace punctual {
namespace {

constexpr std::size_t kTiers = 3;
constexpr std::array<double, kTiers> kMix = {0.1, 0.3, 0.6};
constexpr std::array<Duration, kTiers> kBudgets = {std::chrono::milliseconds(15), std::chrono::milliseconds(25),
                                                   std::chrono::milliseconds(50)};
constexpr std::array<double, kTiers> kWeights = {6, 3, 1};
constexpr int kWorkers = 4;
// An inference takes 1.4 ms, log-normally around it.
constexpr Duration kMedian = std::chrono::microseconds(1400);
constexpr double kSigma = 0.3;
constexpr Duration kLength = std::chrono::seconds(4);

enum class End { kNone, kInTime, kLate, kDropped, kRefused };

struct SimulatedTask final : PoolTask {
  void Run(std::span<const std::shared_ptr<PoolTask>>) override {}
  void Drop(DropReason) override {}
  std::size_t tier = 0;
  TimePoint deadline;
  End end = End::kNone;
};

struct TierCount {
  int submitted = 0, in_time = 0, late = 0, dropped = 0, refused = 0;
};

class Simulation {
 public:
  Simulation(double load, unsigned seed)
      : load_(load), random_(seed), queue_({kWeights.begin(), kWeights.end()}, 4096) {
    for (int i = 0; i < kWorkers; ++i) running_.Add();
    batches_.resize(kWorkers);
  }

  void Run() {
    const TimePoint end = clock_.Now() + kLength;
    std::exponential_distribution<double> gap(load_ * Capacity() / 1e9);
    TimePoint next_arrival = clock_.Now();
    for (;;) {
      const bool arrives = next_arrival < end && (ends_.empty() || next_arrival <= ends_.top().first);
      if (!arrives && ends_.empty()) break;
      const TimePoint now = arrives ? next_arrival : ends_.top().first;
      clock_.Advance(now - clock_.Now());
      if (arrives) {
        Arrive();
        next_arrival += Duration(1 + static_cast<std::int64_t>(gap(random_)));
      } else {
        const std::size_t worker = ends_.top().second;
        ends_.pop();
        Complete(worker);
      }
      for (std::size_t worker = 0; worker < kWorkers; ++worker)
        if (batches_[worker].tasks.empty()) Begin(worker);
    }
  }

  // Inferences a second that the workers can do.
  static double Capacity() {
    return kWorkers * 1e9 / (static_cast<double>(kMedian.count()) * std::exp(kSigma * kSigma / 2));
  }
  // Of what the workers could have done.
  double Goodput() const { return Served(0) + Served(1) + Served(2); }
  double Served(std::size_t tier) const {
    return counts_[tier].in_time / (Capacity() * static_cast<double>(kLength.count()) / 1e9);
  }
  double Share(std::size_t tier) const { return static_cast<double>(counts_[tier].in_time) / counts_[tier].submitted; }
  const std::array<TierCount, kTiers>& Counts() {
    for (const auto& task : tasks_) {
      TierCount& count = counts_[task->tier];
      ++count.submitted;
      count.in_time += task->end == End::kInTime;
      count.late += task->end == End::kLate;
      count.dropped += task->end == End::kDropped;
      count.refused += task->end == End::kRefused;
    }
    return counts_;
  }
  int begun_too_late() const { return begun_too_late_; }
  std::size_t queued() const { return queue_.size(); }

  std::string Table() const {
    std::ostringstream out;
    out << "load " << load_ << ", goodput " << Goodput() << "\n tier submitted in time late dropped refused\n";
    for (std::size_t i = 0; i < kTiers; ++i) {
      const TierCount& c = counts_[i];
      out << "    " << i << " " << c.submitted << " " << c.in_time << " " << c.late << " " << c.dropped << " "
          << c.refused << "\n";
    }
    return out.str();
  }

 private:
  void Arrive() {
    const auto task = std::make_shared<SimulatedTask>();
    task->tier = static_cast<std::size_t>(std::discrete_distribution<int>(kMix.begin(), kMix.end())(random_));
    task->deadline = clock_.Now() + kBudgets[task->tier];
    tasks_.push_back(task);
    const double p99 = static_cast<double>(kMedian.count()) * std::exp(2.326 * kSigma);
    std::shared_ptr<PoolTask> displaced;
    if (queue_.Submit({task, task->tier, task->deadline, kMedian, Duration(static_cast<std::int64_t>(p99))},
                      clock_.Now(), running_, displaced) != Admission::kQueued)
      Conclude(*task, End::kRefused);
    if (displaced != nullptr) Conclude(*displaced, End::kDropped);
  }

  void Begin(std::size_t worker) {
    const TimePoint now = clock_.Now();
    std::vector<std::shared_ptr<PoolTask>> late;
    queue_.TakeLate(now, late);
    for (const auto& task : late) Conclude(*task, End::kDropped);
    if (!queue_.Take(now, 0, batches_[worker])) return;
    running_.Begin(worker, now, batches_[worker].expected, std::chrono::hours(1));
    for (const auto& task : batches_[worker].tasks)
      begun_too_late_ += now + kMedian > static_cast<const SimulatedTask&>(*task).deadline;
    std::lognormal_distribution<double> takes(std::log(static_cast<double>(kMedian.count())), kSigma);
    ends_.emplace(now + Duration(static_cast<std::int64_t>(takes(random_))), worker);
  }

  void Complete(std::size_t worker) {
    running_.End(worker);
    for (const auto& task : batches_[worker].tasks) {
      const bool in_time = clock_.Now() <= static_cast<const SimulatedTask&>(*task).deadline;
      Conclude(*task, in_time ? End::kInTime : End::kLate);
    }
    batches_[worker].tasks.clear();
  }

  // Each task once.
  static void Conclude(PoolTask& task, End end) {
    SimulatedTask& simulated = static_cast<SimulatedTask&>(task);
    EXPECT_EQ(simulated.end, End::kNone);
    simulated.end = end;
  }

  const double load_;
  std::mt19937_64 random_;
  FakeClock clock_;
  JobQueue queue_;
  RunningWork running_;
  std::vector<Batch> batches_;
  using Ending = std::pair<TimePoint, std::size_t>;
  std::priority_queue<Ending, std::vector<Ending>, std::greater<>> ends_;
  std::vector<std::shared_ptr<SimulatedTask>> tasks_;
  std::array<TierCount, kTiers> counts_{};
  int begun_too_late_ = 0;
};

class PoolSimulationTest : public ::testing::TestWithParam<double> {};

TEST_P(PoolSimulationTest, KeepsItsPromiseAtEachLoad) {
  const double load = GetParam();
  for (unsigned seed = 1; seed <= 3; ++seed) {
    Simulation simulation(load, seed);
    simulation.Run();
    const auto counts = simulation.Counts();
    SCOPED_TRACE(simulation.Table());
    EXPECT_EQ(simulation.queued(), 0u);
    EXPECT_EQ(simulation.begun_too_late(), 0);
    for (const TierCount& of : counts) EXPECT_EQ(of.submitted, of.in_time + of.late + of.dropped + of.refused);
    EXPECT_GE(simulation.Goodput(), 0.95 * std::min(1.0, load));
    if (load < 0.7) {
      for (std::size_t tier = 0; tier < kTiers; ++tier) EXPECT_GE(simulation.Share(tier), 0.999);
    }
    // Premium asks for less than its share at these loads.
    EXPECT_GE(simulation.Share(0), 0.95);
    if (load >= 1.5) {
      // Mostly said at once, not after a wait.
      EXPECT_LE(counts[0].dropped + counts[1].dropped + counts[2].dropped,
                0.25 * (counts[0].refused + counts[1].refused + counts[2].refused));
    }
    if (load >= 2) {
      EXPECT_GE(simulation.Share(0), 2 * simulation.Share(2));
      // What premium leaves is the others' by their weights.
      const double left = simulation.Goodput() - simulation.Served(0);
      EXPECT_GE(simulation.Served(2), 0.95 * left * kWeights[2] / (kWeights[1] + kWeights[2]));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Loads, PoolSimulationTest, ::testing::Values(0.5, 0.9, 1, 1.5, 2, 3, 5));

}  // namespace
}  // namespace punctual

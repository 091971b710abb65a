#include "optimize/tune.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <random>

#include "base/clock.h"
#include "base/threads.h"
#include "optimize/busy_cores.h"
#include "optimize/fidelity.h"
#include "optimize/sample_session.h"

namespace punctual::optimize {

namespace {

constexpr double kBlockNs = 4e6, kUncountedNs = 2e5;
constexpr std::size_t kLeastRuns = 4;                      // a block, of those that count
constexpr std::size_t kColdRuns = 8;                       // a block
constexpr std::size_t kSweptBytes = std::size_t{8} << 20;  // more than a core's own caches
constexpr std::size_t kMostQuestions = 256;
constexpr std::size_t kMostTimes = 1'000'000;         // of one model
constexpr double kWarmShare = 0.4, kColdShare = 0.3;  // of the time; the rest is that of the busy ones

double NowNs() { return static_cast<double>(Clock::Real().Now().time_since_epoch().count()); }

double ClockNs() {
  std::array<double, 1001> times{};
  for (double& time : times) {
    const double before = NowNs();
    time = NowNs() - before;
  }
  std::nth_element(times.begin(), times.begin() + times.size() / 2, times.end());
  return times[times.size() / 2];
}

class Contender {
 public:
  static Result<Contender> Make(const TimedModel& timed) {
    PUNCTUAL_ASSIGN(SampleSession asked, SampleSession::Make(*timed.model, *timed.samples));
    return Contender(std::move(asked), Thinned(timed.indices, kMostQuestions));
  }

  Result<void> WarmBlock(double clock_ns) {
    for (double used = 0; used < kUncountedNs;) {
      PUNCTUAL_ASSIGN(const double took, TimedRun());
      used += std::max(took, 1.0);
      typical_ns_ = took;
    }
    const auto runs = std::max(kLeastRuns, static_cast<std::size_t>(kBlockNs / std::max(typical_ns_, 1.0)));
    for (std::size_t i = 0; i < runs && warm_.size() < kMostTimes; ++i) {
      PUNCTUAL_ASSIGN(const double took, TimedRun());
      warm_.push_back(std::max(0.0, took - clock_ns));
    }
    return {};
  }

  Result<void> ColdBlock(double clock_ns, std::vector<unsigned char>& swept) {
    return SweptBlock(clock_ns, swept, cold_);
  }
  Result<void> BusyBlock(double clock_ns, std::vector<unsigned char>& swept) {
    return SweptBlock(clock_ns, swept, busy_);
  }

  Timed Finish() { return {LatencyOf(warm_), LatencyOf(cold_), LatencyOf(busy_)}; }

 private:
  Contender(SampleSession asked, std::vector<std::size_t> indices)
      : asked_(std::move(asked)), indices_(std::move(indices)) {}

  Result<void> SweptBlock(double clock_ns, std::vector<unsigned char>& swept, std::vector<double>& times) {
    for (std::size_t i = 0; i < kColdRuns && times.size() < kMostTimes; ++i) {
      for (std::size_t at = 0; at < swept.size(); at += 64) {
        volatile unsigned char& byte = swept[at];  // nobody reads it
        byte = static_cast<unsigned char>(byte + 1);
      }
      PUNCTUAL_ASSIGN(const double took, TimedRun());
      times.push_back(std::max(0.0, took - clock_ns));
    }
    return {};
  }

  Result<double> TimedRun() {
    const std::size_t sample = indices_[next_++ % indices_.size()];
    asked_.Write(sample);
    const double before = NowNs();
    PUNCTUAL_TRY(asked_.session().Run());
    return NowNs() - before;
  }

  static Latency LatencyOf(std::vector<double>& times_ns) {
    if (times_ns.empty()) return {};
    std::sort(times_ns.begin(), times_ns.end());
    const auto quantile_us = [&](double q) {
      const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(times_ns.size())));
      return times_ns[std::max<std::size_t>(rank, 1) - 1] / 1e3;
    };
    return {quantile_us(0.5), quantile_us(0.99), times_ns.size()};
  }

  SampleSession asked_;
  std::vector<std::size_t> indices_;
  std::size_t next_ = 0;
  double typical_ns_ = 0;
  std::vector<double> warm_, cold_, busy_;
};

class Tuning {
 public:
  Tuning(std::vector<Contender>& contenders, const TuneOptions& options)
      : contenders_(contenders), options_(options), random_(options.seed), clock_ns_(ClockNs()) {}

  // Rounds of `block`, one at least, until `until_ns` of the whole time.
  template <class Block>
  Result<void> Rounds(double until_ns, Block&& block) {
    do {
      std::vector<std::size_t> order(contenders_.size());
      std::iota(order.begin(), order.end(), std::size_t{0});
      std::shuffle(order.begin(), order.end(), random_);
      for (const std::size_t i : order) PUNCTUAL_TRY(block(contenders_[i]));
      const double all_ms = static_cast<double>(options_.time.count()) / 1e6;
      const double done_ms = std::min((NowNs() - begin_ns_) / 1e6, all_ms);
      if (options_.progress) options_.progress(static_cast<std::size_t>(done_ms), static_cast<std::size_t>(all_ms));
    } while (NowNs() - begin_ns_ < until_ns);
    return {};
  }

  Result<void> Run() {
    const auto all_ns = static_cast<double>(options_.time.count());
    std::vector<unsigned char> swept(kSweptBytes);
    const double cold_until_ns = all_ns * (kWarmShare + kColdShare);
    PUNCTUAL_TRY(Rounds(all_ns * kWarmShare, [&](Contender& one) { return one.WarmBlock(clock_ns_); }));
    PUNCTUAL_TRY(Rounds(cold_until_ns, [&](Contender& one) { return one.ColdBlock(clock_ns_, swept); }));
    PUNCTUAL_ASSIGN(const BusyCores others, BusyCores::Start(UsableCores() - 1));
    return Rounds(all_ns, [&](Contender& one) { return one.BusyBlock(clock_ns_, swept); });
  }

 private:
  std::vector<Contender>& contenders_;
  const TuneOptions& options_;
  std::mt19937_64 random_;
  const double clock_ns_;
  const double begin_ns_ = NowNs();
};

}  // namespace

Result<std::vector<Timed>> TimeModels(std::span<const TimedModel> models, const TuneOptions& options) {
  std::vector<Contender> contenders;
  for (const TimedModel& model : models) {
    PUNCTUAL_ASSIGN(Contender contender, Contender::Make(model));
    contenders.push_back(std::move(contender));
  }
  PUNCTUAL_TRY(Tuning(contenders, options).Run());
  std::vector<Timed> timed;
  for (Contender& contender : contenders) timed.push_back(contender.Finish());
  return timed;
}

}  // namespace punctual::optimize

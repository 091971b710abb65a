#include "load/load.h"

#include <sys/resource.h>

#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/threads.h"
#include "load/generator.h"

namespace punctual::load {

namespace {

using Clock = std::chrono::steady_clock;

Error Bad(const std::string& what) { return Fail(Code::kInvalidArgument, what); }

constexpr std::size_t kMaxWindows = 10'000;

// The last one may be a part of one.
std::size_t WindowsOf(const LoadOptions& options) {
  if (options.report_window <= Duration{}) return 0;
  return static_cast<std::size_t>((options.duration + options.report_window - Duration(1)) / options.report_window);
}

Result<void> Check(const LoadOptions& options, std::size_t connections) {
  if (!(options.rate > 0 && options.rate <= 1e7)) return Bad("--rate: must be above 0 and at most 10000000");
  if (options.duration <= Duration{}) return Bad("--duration: must be above 0");
  if (options.warmup < Duration{}) return Bad("--warmup: must not be below 0");
  if (options.timeout <= Duration{}) return Bad("--timeout-ms: must be above 0");
  if (options.threads < 1 || static_cast<std::size_t>(options.threads) > connections)
    return Bad("--threads: must be 1 to the number of connections");
  if (!(options.zipf >= 0 && options.zipf <= 10)) return Bad("--zipf: must be 0 to 10");
  if (options.report_window < Duration{} || WindowsOf(options) > kMaxWindows)
    return Bad("--windows: must be 0 or above, and the duration at most " + std::to_string(kMaxWindows) + " of them");
  return {};
}

// The usual soft limit of 1,024 files is below the users of one run.
Result<void> AllowFiles(std::size_t connections) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const rlim_t wanted = connections + 64;
  if (limit.rlim_cur >= wanted) return {};
  limit.rlim_cur = std::min(wanted, limit.rlim_max);
  if (limit.rlim_max < wanted || ::setrlimit(RLIMIT_NOFILE, &limit) != 0)
    return Fail(Code::kResourceExhausted, "--connections: " + std::to_string(connections) + " take " +
                                              std::to_string(wanted) + " open files, and this process may have " +
                                              std::to_string(limit.rlim_max) + "; raise it with ulimit -n");
  return {};
}

// Runs the generators, each on its own thread, to their end.
class Crew {
 public:
  explicit Crew(std::vector<std::unique_ptr<Generator>>& generators) : running_(generators.size()) {
    const TimePoint start = Clock::now();
    for (std::size_t i = 0; i < generators.size(); ++i)
      threads_.emplace_back([this, i, start, &generator = *generators[i]] {
        NameThisThread("load-" + std::to_string(i));
        auto outcome = generator.Run(start);
        MutexLock lock(mutex_);
        if (outcome.has_error()) outcome_ = std::move(outcome);
        --running_;
        ended_.NotifyAll();
      });
  }
  ~Crew() {
    for (std::thread& thread : threads_) thread.join();
  }
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  // True when all have ended; false when `until` came first.
  bool WaitUntil(TimePoint until) {
    MutexLock lock(mutex_);
    while (running_ > 0)
      if (!ended_.WaitUntil(mutex_, until) && running_ > 0) return false;
    return true;
  }
  Result<void> outcome() {
    MutexLock lock(mutex_);
    return outcome_;
  }

 private:
  Mutex mutex_;
  CondVar ended_;
  std::size_t running_ GUARDED_BY(mutex_);
  Result<void> outcome_ GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

LoadStats Sum(const std::vector<std::unique_ptr<Generator>>& generators) {
  LoadStats sum = generators[0]->Progress();
  for (std::size_t i = 1; i < generators.size(); ++i) sum.Merge(generators[i]->Progress());
  return sum;
}

}  // namespace

Result<LoadReport> RunLoad(LoadOptions options, const std::atomic<bool>& stop,
                           const std::function<void(const LoadProgress&)>& on_progress) {
  const std::size_t connections = options.connections == 0 ? options.users.size() : options.connections;
  PUNCTUAL_TRY(Check(options, connections));
  PUNCTUAL_TRY(AllowFiles(connections));
  PUNCTUAL_ASSIGN(Address address, ParseAddress(options.to));
  PUNCTUAL_ASSIGN(RequestMaker requests, RequestMaker::Make(options, address));
  const LoadPlan plan{.options = options,
                      .address = address,
                      .limits = ReportLimits(options.tiers),
                      .requests = std::move(requests),
                      .connections = connections,
                      .slots = std::max(connections, options.users.size()),
                      .windows = WindowsOf(options),
                      .stop = stop};
  std::vector<std::unique_ptr<Generator>> generators;
  for (std::size_t i = 0; i < static_cast<std::size_t>(options.threads); ++i) {
    generators.push_back(std::make_unique<Generator>(plan, i));
    PUNCTUAL_TRY(generators.back()->Connect());
  }

  LoadReport report{.stats = LoadStats(),
                    .tiers = options.tiers,
                    .limits = plan.limits,
                    .offered_rps = options.rate,
                    .connections = connections,
                    .window = options.report_window};
  {
    const TimePoint start = Clock::now();
    report.measured_from_unix_ns = UnixTimeNs() + options.warmup.count();
    Crew crew(generators);
    for (TimePoint next = start + std::chrono::seconds(1); !crew.WaitUntil(next); next += std::chrono::seconds(1))
      on_progress({Sum(generators), Clock::now() - start, options.warmup + options.duration});
    PUNCTUAL_TRY(crew.outcome());
  }
  report.stats = Sum(generators);
  for (const auto& generator : generators) report.duration = std::max(report.duration, generator->measured());
  return report;
}

}  // namespace punctual::load

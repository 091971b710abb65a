#include "punctual/engine.h"

#include <algorithm>
#include <future>
#include <random>
#include <set>
#include <thread>
#include <utility>

#include "answer/deadline_timer.h"
#include "answer/reply_reserve.h"
#include "answer/worker_pool.h"
#include "base/cpu_wait.h"
#include "base/threads.h"
#include "engine/admission.h"
#include "engine/cache_report.h"
#include "engine/metrics.h"
#include "engine/model_status.h"
#include "engine/part_options.h"
#include "engine/pool_metrics.h"
#include "engine/request.h"

namespace punctual {

namespace {

constexpr Duration kHousekeeping = InferenceCost::kUpdateEvery;
constexpr int kSlowHousekeeping = 10;  // every so many

}  // namespace

class Engine::Impl {
 public:
  Impl(EngineOptions options, UserDirectory users, std::unique_ptr<TieredCache> cache,
       std::unique_ptr<RequestLog> request_log)
      : options_(std::move(options)),
        users_(std::move(users)),
        cache_(std::move(cache)),
        request_log_(std::move(request_log)),
        metrics_(registry_, users_.tiers(), {true, cache_->has_disk(), cache_->has_redis()}),
        reserve_(options_.reply_reserve, metrics_.reply_cost(), metrics_.timer_lateness()),
        market_({options_.market_symbols, options_.market_history}, Clock::Real()),
        next_trace_(static_cast<std::uint64_t>(std::random_device()()) << 32),
        services_{Clock::Real(),     *cache_,     flights_,   pool_,    timer_,
                  known_good_,       popularity_, brown_out_, metrics_, options_.on_notice,
                  request_log_.get()},
        timer_(metrics_.timer_lateness()),
        pool_(PoolOptionsOf(options_, users_.tiers()), Clock::Real()),
        repository_(options_.model_repository, LoadOptionsOf(options_, pool_)) {}

  ~Impl() { Stop(); }

  // Answers what was admitted, then stops the threads. False: an inference hangs, or the request log's disk, and what
  // it may touch when it returns must live on.
  bool Stop() {
    {
      MutexLock lock(housekeeping_mutex_);
      stopping_ = true;
    }
    housekeeping_wake_.NotifyAll();
    for (std::thread* thread : {&housekeeping_, &reloading_})
      if (thread->joinable()) thread->join();
    // Look-ups that are out come back as misses, while the pool and the timer are there to go on with.
    cache_->StopRedis();
    const bool stopped = pool_.Stop();
    return (request_log_ == nullptr || request_log_->Stop()) && stopped;
  }

  Result<void> Start() {
    PUNCTUAL_TRY(repository_.Reload());
    metrics_.AddModels(*repository_.Models());
    NoteLongestTtl();
    AddGauges();
    WarmUp();
    housekeeping_ = std::thread([this] { KeepHouse(); });
    // Compiling takes long: what hangs meanwhile is to be found all the same.
    if (options_.reload_poll > Duration::zero()) reloading_ = std::thread([this] { PollRepository(); });
    return {};
  }

  void PredictAsync(PredictRequest request, PredictCallback callback) {
    const TimePoint now = Clock::Real().Now();
    auto admitted = Admit(request, {users_, reserve_, metrics_, {repository_, market_, cache_->keys()}}, now);
    if (admitted.has_error()) {
      metrics_.CountRefused(admitted.error().code);
      callback(std::move(admitted).error());
      return;
    }
    std::make_shared<Request>(services_, *admitted->tier, std::move(admitted->question), admitted->times,
                              next_trace_.fetch_add(1, std::memory_order_relaxed),
                              Asker{std::move(callback), std::move(request.asker_left)})
        ->Start();
  }

  void Reload() {
    MutexLock lock(reload_mutex_);
    const std::set<std::uint64_t> before = ServedVersions();
    const Result<int> changes = repository_.Reload();
    NoteLongestTtl();
    PurgeVersions(before);
    if (changes.has_value() && *changes == 0) {
      reload_failed_ = false;
      return;
    }
    metrics_.AddModels(*repository_.Models());
    // A folder that stays away is said once, not at every look.
    if (options_.on_reload && !(changes.has_error() && reload_failed_)) options_.on_reload(changes);
    reload_failed_ = changes.has_error();
  }

  Duration longest_budget() const {
    Duration longest{};
    for (const auto& tier : options_.tiers) longest = std::max(longest, tier.second.budget);
    return longest;
  }

  Result<void> Forget(std::string_view symbol) {
    // Also where it has no state any more: an inference that was under way may have come after the last time.
    known_good_.Forget(symbol);
    return market_.Forget(symbol);
  }

  void PurgeCache(const PurgeRequest& request, PurgeCallback callback) {
    if (!request.model.empty() && !repository_.Models()->contains(request.model))
      return callback(Fail(Code::kNotFound, "model: no model \"" + request.model + "\" is served here"));
    PurgeOrder order;
    order.filters.push_back(FilterOf(request.model, request.symbol));
    order.what = request.model.empty() ? "" : "model " + request.model;
    if (!request.symbol.empty()) order.what += (order.what.empty() ? "symbol " : ", symbol ") + request.symbol;
    if (order.what.empty()) order.what = "all answers";
    order.longest_ttl = Duration(longest_ttl_ns_.load());
    cache_->Purge(std::move(order), std::move(callback));
  }

  std::vector<ModelStatus> Models() const;
  EngineStats Stats() const;

  Market& market() { return market_; }
  telemetry::Registry& registry() { return registry_; }
  ReplyReserve& reserve() { return reserve_; }
  EngineMetrics& metrics() { return metrics_; }

 private:
  void NoteLongestTtl();
  void AddGauges();
  void NoteBrownOut();
  void KeepHouse();
  void PollRepository();
  // False: the engine stops.
  bool SleepUntil(TimePoint when);
  void WarmUp();
  // SubjectOf(model).version of each model that answers.
  std::set<std::uint64_t> ServedVersions() const;
  // Drops the answers of what answered `before` and does no more. Not from Redis: other servers may not have
  // reloaded yet, and there they expire.
  void PurgeVersions(const std::set<std::uint64_t>& before);

  // In the order of their making; going, the pool ends first (it runs what is queued), then the timer.
  const EngineOptions options_;
  const UserDirectory users_;
  const std::unique_ptr<TieredCache> cache_;
  const std::unique_ptr<RequestLog> request_log_;
  telemetry::Registry registry_;
  EngineMetrics metrics_;
  ReplyReserve reserve_;
  Market market_;
  SingleFlight flights_;
  LastKnownGood known_good_;
  Popularity popularity_;
  BrownOut brown_out_;
  std::atomic<std::uint64_t> next_trace_;
  std::atomic<std::int64_t> longest_ttl_ns_ = 0;  // of the models that were ever served
  RequestServices services_;
  DeadlineTimer timer_;
  WorkerPool pool_;
  Repository repository_;

  Mutex reload_mutex_;
  bool reload_failed_ GUARDED_BY(reload_mutex_) = false;
  Mutex housekeeping_mutex_;
  CondVar housekeeping_wake_;
  bool stopping_ GUARDED_BY(housekeeping_mutex_) = false;
  std::thread housekeeping_, reloading_;
};

void Engine::Impl::AddGauges() {
  AddPoolMetrics(registry_, pool_);
  registry_.AddGauge("punctual_brown_out_level",
                     "What is off for want of CPU: 1 audits and comparisons, 2 writes to Redis, 3 to disk", {},
                     [this] { return static_cast<double>(brown_out_.level()); });
  registry_.AddGauge("punctual_queued_inferences", "Inferences waiting for a worker", {},
                     [this] { return static_cast<double>(pool_.queued()); });
  AddCacheMetrics(registry_, *cache_);
  if (request_log_ != nullptr)
    for (const auto& [result, count] :
         {std::pair("logged", &RequestLogStats::logged), std::pair("dropped", &RequestLogStats::dropped),
          std::pair("failed", &RequestLogStats::failed)})
      registry_.AddCounter("punctual_request_log_total",
                           "Questions drawn for the request log: kept, left out for want of time, refused by the disk",
                           {{"result", result}},
                           [this, count = count] { return static_cast<double>(request_log_->stats().*count); });
  registry_.AddCounter("punctual_market_snapshots_total", "Books published", {},
                       [this] { return static_cast<double>(market_.snapshot_count()); });
  registry_.AddGauge("punctual_market_symbols", "Symbols that have a state", {},
                     [this] { return static_cast<double>(market_.Symbols().size()); });
  registry_.AddGauge("punctual_reply_reserve_seconds",
                     "p99.99 of what replying cost lately and of the timer's lateness, before its floor and bound", {},
                     [this] { return static_cast<double>(reserve_.p9999().count()) / 1e9; });
}

void Engine::Impl::KeepHouse() {
  NameThisThread("housekeeping");
  int round = 0;
  CpuWatch cpu;
  for (TimePoint next = Clock::Real().Now() + kHousekeeping; SleepUntil(next);) {
    const TimePoint now = Clock::Real().Now();
    pool_.CheckHung(now);
    for (const auto view = repository_.Models(); const auto& [name, entry] : *view)
      if (entry.served != nullptr) entry.served->UpdateCosts(now);
    if (options_.brown_out && brown_out_.Observe(now, cpu.WaitingShare(now), now - next)) NoteBrownOut();
    if (++round % kSlowHousekeeping == 0) {
      reserve_.Update();
      popularity_.Age();
    }
    next = now + kHousekeeping;
  }
}

void Engine::Impl::PollRepository() {
  NameThisThread("reload");
  while (SleepUntil(Clock::Real().Now() + options_.reload_poll)) Reload();
}

bool Engine::Impl::SleepUntil(TimePoint when) {
  MutexLock lock(housekeeping_mutex_);
  while (!stopping_ && Clock::Real().Now() < when) housekeeping_wake_.WaitUntil(housekeeping_mutex_, when);
  return !stopping_;
}

void Engine::Impl::NoteBrownOut() {
  if (!options_.on_notice) return;
  switch (brown_out_.level()) {
    case BrownOutLevel::kNone: return options_.on_notice("CPU: there is enough again; everything is on");
    case BrownOutLevel::kNoAudits: return options_.on_notice("CPU: is short; audits and comparisons are off");
    case BrownOutLevel::kNoRedisWrites:
      return options_.on_notice("CPU: is short; audits, comparisons and writes to Redis are off");
    case BrownOutLevel::kNoDiskWrites:
      return options_.on_notice("CPU: is short; audits, comparisons and writes to Redis and the disk are off");
  }
}

void Engine::Impl::WarmUp() {
  if (!options_.disk_cache) return;
  std::vector<std::shared_ptr<const ServedModel>> models;
  for (const auto view = repository_.Models(); const auto& [name, entry] : *view)
    if (entry.served != nullptr) models.push_back(entry.served);
  cache_->WarmUp(models, Clock::Real().Now() + options_.disk_cache->warm_up);
}

std::set<std::uint64_t> Engine::Impl::ServedVersions() const {
  std::set<std::uint64_t> versions;
  for (const auto view = repository_.Models(); const auto& [name, entry] : *view)
    if (entry.served != nullptr) versions.insert(SubjectOf(*entry.served, {}).version);
  return versions;
}

void Engine::Impl::PurgeVersions(const std::set<std::uint64_t>& before) {
  const std::set<std::uint64_t> now = ServedVersions();
  PurgeOrder order;
  for (const std::uint64_t version : before)
    if (!now.contains(version)) order.filters.push_back({0, version, 0});
  if (order.filters.empty()) return;
  order.what = "what models answered that are no longer served";
  order.in_redis = false;
  cache_->Purge(std::move(order), {});
}

void Engine::Impl::NoteLongestTtl() {
  Duration longest{};
  for (const auto view = repository_.Models(); const auto& [name, entry] : *view)
    if (entry.served != nullptr) longest = std::max(longest, entry.served->manifest().cache_ttl);
  cache_->SetLongestTtl(longest);
  longest_ttl_ns_ = std::max<std::int64_t>(longest_ttl_ns_, longest.count());
}

std::vector<ModelStatus> Engine::Impl::Models() const {
  std::vector<ModelStatus> all;
  const auto view = repository_.Models();
  for (const auto& [name, entry] : *view) all.push_back(StatusOf(options_.model_repository, name, entry));
  return all;
}

EngineStats Engine::Impl::Stats() const {
  EngineStats stats;
  metrics_.Fill(stats, users_.tiers());
  stats.cache = CacheStatsOf(cache_->Stats(), metrics_, options_.memory_cache_bytes);
  if (request_log_ != nullptr) stats.request_log = request_log_->stats();
  stats.snapshots = market_.snapshot_count();
  stats.symbols = market_.Symbols().size();
  stats.queued = pool_.queued();
  stats.workers = static_cast<std::uint64_t>(pool_.workers());
  stats.reply_cost_p9999_us = Microseconds(reserve_.p9999());
  return stats;
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&& other) noexcept {
  std::swap(impl_, other.impl_);
  return *this;
}
Engine::~Engine() {
  // An inference that hangs may return some day: rather a leak than a crash then.
  if (impl_ != nullptr && !impl_->Stop()) static_cast<void>(impl_.release());
}

Result<Engine> Engine::Open(EngineOptions options) {
  if (options.model_repository.empty())
    return Fail(Code::kInvalidArgument, "models.repository: is missing; it must name the folder of the models");
  if (options.market_history < 1 || options.market_history > 100'000)
    return Fail(Code::kInvalidArgument, "market.history: must be from 1 to 100000");
  if (options.market_symbols < 1) return Fail(Code::kInvalidArgument, "market.symbols: must be above 0");
  if (options.workers < 0 || options.workers > 1024)
    return Fail(Code::kInvalidArgument, "engine.workers: must be from 0 to 1024");
  if (options.largest_batch < 1 || options.largest_batch > BatchCosts::kMost)
    return Fail(Code::kInvalidArgument, "engine.largest_batch: must be from 1 to " + std::to_string(BatchCosts::kMost));
  if (options.queue_limit < 1) return Fail(Code::kInvalidArgument, "engine.queue_limit: must be above 0");
  for (const int core : options.worker_cores)
    if (!MayUseCore(core))
      return Fail(Code::kInvalidArgument, "engine.worker_cores: this process may not use core " + std::to_string(core) +
                                              "; \"taskset -p PID\" and the cgroup's cpuset say which it may");
  PUNCTUAL_ASSIGN(auto users, UserDirectory::Make(TiersOf(options), options.styles, UsersOf(options)));
  PUNCTUAL_ASSIGN(auto cache, TieredCache::Open(CacheOptionsOf(options)));
  std::unique_ptr<RequestLog> request_log;
  if (options.request_log) {
    PUNCTUAL_ASSIGN(request_log, RequestLog::Open(*options.request_log, options.on_notice));
  }
  auto impl = std::make_unique<Impl>(std::move(options), std::move(users), std::move(cache), std::move(request_log));
  PUNCTUAL_TRY(impl->Start());
  return Engine(std::move(impl));
}

Result<Prediction> Engine::Predict(PredictRequest request) {
  struct Waiting {
    Mutex mutex;
    CondVar answered;
    std::optional<Result<Prediction>> answer GUARDED_BY(mutex);
  } waiting;
  impl_->PredictAsync(std::move(request), [&waiting](Result<Prediction> answer) {
    // Notified under the lock: once it is let go, the waiter may be gone.
    MutexLock lock(waiting.mutex);
    waiting.answer.emplace(std::move(answer));
    waiting.answered.NotifyOne();
  });
  MutexLock lock(waiting.mutex);
  while (!waiting.answer) waiting.answered.Wait(waiting.mutex);
  return *std::move(waiting.answer);
}

Result<PurgeStatus> Engine::PurgeCache(const PurgeRequest& request) {
  // Shared: setting it may go on for a moment after it was taken.
  const auto emptied = std::make_shared<std::promise<Result<PurgeStatus>>>();
  impl_->PurgeCache(request, [emptied](const Result<PurgeStatus>& status) { emptied->set_value(status); });
  return emptied->get_future().get();
}

void Engine::PredictAsync(PredictRequest request, PredictCallback callback) {
  impl_->PredictAsync(std::move(request), std::move(callback));
}

Result<void> Engine::Publish(std::string_view symbol, const BookSnapshot& snapshot,
                             std::chrono::steady_clock::time_point arrived) {
  return impl_->market().Publish(symbol, snapshot, arrived);
}
Duration Engine::longest_budget() const { return impl_->longest_budget(); }
Result<void> Engine::Forget(std::string_view symbol) { return impl_->Forget(symbol); }
void Engine::Reload() { impl_->Reload(); }
void Engine::PurgeCacheAsync(const PurgeRequest& request, PurgeCallback callback) {
  impl_->PurgeCache(request, std::move(callback));
}
std::vector<ModelStatus> Engine::Models() const { return impl_->Models(); }
EngineStats Engine::Stats() const { return impl_->Stats(); }
telemetry::Registry& Engine::metrics() { return impl_->registry(); }
void Engine::RecordRefusal(Code code) { impl_->metrics().CountRefused(code); }

void Engine::RecordReplyCost(Duration cost) { impl_->reserve().Record(cost); }

}  // namespace punctual

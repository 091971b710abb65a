// One admitted request on its way down the ladder: does what the ladder says, tells it what came of it, and calls back
// once. Events come from the asker's thread, a worker, another request's thread (single flight) and the timer; the
// ladder itself is behind a lock of this request's own, held for its transitions alone.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "answer/deadline_timer.h"
#include "answer/ladder.h"
#include "answer/last_known_good.h"
#include "answer/worker_pool.h"
#include "cache/single_flight.h"
#include "cache/tiered_cache.h"
#include "engine/metrics.h"
#include "engine/question.h"

namespace punctual {

// What requests work with. Outlives them.
struct RequestServices {
  const Clock& clock;
  TieredCache& cache;
  SingleFlight& flights;
  WorkerPool& pool;
  DeadlineTimer& timer;
  LastKnownGood& known_good;
  EngineMetrics& metrics;
  const std::function<void(const std::string&)>& on_notice;  // may be empty
};

// The times of a request.
struct RequestTimes {
  TimePoint arrival;
  Duration budget{};
  TimePoint answer_by;
};

class Request final : public TimerTarget, public PoolTask, public std::enable_shared_from_this<Request> {
 public:
  Request(RequestServices& services, const Tier& tier, Question question, RequestTimes times, std::uint64_t trace,
          PredictCallback callback);

  // Begins. May call back before it returns.
  void Start() { Handle(LadderEvent::kStart, Source::kModel, {}); }

  void OnTimeUp() override;
  bool finished() const override { return finished_.load(std::memory_order_relaxed); }
  // Computes, on a worker of the pool.
  void Run(std::span<const std::shared_ptr<PoolTask>> others) override;
  void Drop(DropReason reason) override;

 private:
  // What a rung gave: an answer with what it is about, or why there is none.
  struct RungReport {
    LadderEvent event = LadderEvent::kMissed;
    Source rung = Source::kModel;
    Outputs outputs;
    std::shared_ptr<const ModelIdentity> identity;
    std::optional<AsOf> as_of;
    std::optional<Duration> age;
    std::string reason;
  };

  void Handle(LadderEvent event, Source rung, RungReport report);
  RungReport Try(Source rung);
  RungReport TryMemory();
  RungReport TryDisk();
  RungReport TrySemantic();
  RungReport TryCoalesced();
  RungReport TryRedis();
  RungReport TryModel();
  RungReport TryStale();
  RungReport TrySignal();

  // An answer to this very question, from cache, flight or model.
  RungReport Exact(Source rung, Outputs outputs) const;
  static RungReport Missed(Source rung, std::string reason = "") {
    RungReport report;
    report.rung = rung;
    report.reason = std::move(reason);
    return report;
  }
  // The flight that this one joined came down.
  void OnLanded(const Result<CachedAnswer>& landed);
  void OnRedis(RedisLookUp result, const CachedAnswer* answer);
  // The key for the layers: of the question itself or, of a model that reads codes, of its codes. None: it cannot be
  // computed.
  const std::optional<CacheKey>& LayerKey();
  // The key of the question's cell on the model's grid.
  const std::optional<CacheKey>& CellKey();
  // What the model would take now, behind what waits for a worker already.
  Duration ExpectedToCompute() const;
  // Whether asking Redis is expected to be quicker than computing; if not, keeping it there is as idle.
  bool RedisIsQuicker() const { return services_.cache.redis_expected() < ExpectedToCompute(); }
  class AuditTask;
  // Computes in the background what an approximate answer should have been.
  void Audit(const Outputs& given);

  // Runs the model on this thread, keeps what it gives and tells those who wait for it.
  RungReport ComputeAndKeep();
  void Keep(const CachedAnswer& answer);
  // What is waiting for us to land, if we lead; whoever takes it lands it or, by dropping it, gives it up.
  FlightLead TakeLead() {
    MutexLock lock(mutex_);
    return std::move(lead_);
  }

  void Finish(RungReport report);
  void GiveUp();

  RequestServices& services_;
  const Tier& tier_;
  const Question question_;
  const RequestTimes times_;
  const std::uint64_t trace_;
  PredictCallback callback_;  // called by whoever ends the ladder
  // Set by the rung that first needs them; rungs are tried one after the other.
  std::optional<CacheKey> layer_key_, cell_key_;
  bool has_layer_key_ = false, has_cell_key_ = false;
  std::atomic<bool> finished_ = false;
  std::atomic<bool> found_in_redis_ = false;
  Mutex mutex_;
  FlightLead lead_ GUARDED_BY(mutex_);
  LadderState ladder_ GUARDED_BY(mutex_);
  std::string reason_ GUARDED_BY(mutex_);  // why the model did not answer
};

}  // namespace punctual

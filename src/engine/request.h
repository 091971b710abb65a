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
#include "cache/memory_cache.h"
#include "cache/single_flight.h"
#include "engine/metrics.h"
#include "engine/question.h"

namespace punctual {

// What requests work with. Outlives them.
struct RequestServices {
  const Clock& clock;
  MemoryCache& memory;
  SingleFlight& flights;
  WorkerPool& pool;
  DeadlineTimer& timer;
  LastKnownGood& known_good;
  EngineMetrics& metrics;
};

// The times of a request.
struct RequestTimes {
  TimePoint arrival;
  Duration budget{};
  TimePoint answer_by;
};

class Request final : public TimerTarget, public std::enable_shared_from_this<Request> {
 public:
  Request(RequestServices& services, const Tier& tier, Question question, RequestTimes times, std::uint64_t trace,
          PredictCallback callback);

  // Begins. May call back before it returns.
  void Start() { Handle(LadderEvent::kStart, Source::kModel, {}); }

  void OnTimeUp() override { Handle(LadderEvent::kTimeUp, Source::kModel, {}); }
  bool finished() const override { return finished_.load(std::memory_order_relaxed); }

 private:
  // What a rung gave: an answer with what it is about, or why there is none.
  struct RungReport {
    LadderEvent event = LadderEvent::kMissed;
    Source rung = Source::kModel;
    CachedAnswer answer;
    std::optional<AsOf> as_of;
    std::optional<Duration> age;
    std::string reason;
  };

  void Handle(LadderEvent event, Source rung, RungReport report);
  RungReport Try(Source rung);
  RungReport TryMemory();
  RungReport TryCoalesced();
  RungReport TryModel();
  RungReport TryStale();
  RungReport TrySignal();

  // An answer to this very question, from cache, flight or model.
  RungReport Exact(Source rung, CachedAnswer answer) const;
  static RungReport Missed(Source rung, std::string reason = "") {
    return {LadderEvent::kMissed, rung, {}, std::nullopt, std::nullopt, std::move(reason)};
  }
  // Runs the model on this thread, keeps what it gives and tells those who wait for it.
  RungReport ComputeAndKeep();
  void Keep(const CachedAnswer& answer);

  void Finish(RungReport report);
  void GiveUp();

  RequestServices& services_;
  const Tier& tier_;
  const Question question_;
  const RequestTimes times_;
  const std::uint64_t trace_;
  PredictCallback callback_;  // called by whoever ends the ladder
  FlightLead lead_;           // touched by the thread that tries `coalesced`, then by the one that computes
  std::atomic<bool> finished_ = false;
  Mutex mutex_;
  LadderState ladder_ GUARDED_BY(mutex_);
  std::string reason_ GUARDED_BY(mutex_);  // why the model did not answer
};

}  // namespace punctual

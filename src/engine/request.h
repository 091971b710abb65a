// One admitted request on its way down the ladder: does what the ladder says, tells it what came of it, and calls back
// once. Events come from the asker's thread, a worker, another request's thread (single flight) and the timer; the
// ladder itself is behind a lock of this request's own, held for its transitions alone.
//
// request.cc walks the ladder and gives the answer; request_cache.cc has the rungs of the cache, request_model.cc those
// that compute, request_shadow.cc what is asked again behind everyone who waits.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "answer/brown_out.h"
#include "answer/ladder.h"
#include "answer/last_known_good.h"
#include "answer/popularity.h"
#include "answer/task_pool.h"
#include "answer/timer.h"
#include "cache/single_flight.h"
#include "cache/tiered_cache.h"
#include "engine/metrics.h"
#include "engine/question.h"
#include "request_log/request_log.h"

namespace punctual {

// What requests work with. Outlives them.
struct RequestServices {
  const Clock& clock;
  TieredCache& cache;
  SingleFlight& flights;
  TaskPool& pool;
  Timer& timer;
  LastKnownGood& known_good;
  Popularity& popularity;
  const BrownOut& brown_out;
  EngineMetrics& metrics;
  const std::function<void(const std::string&)>& on_notice;  // may be empty
  RequestLog* request_log = nullptr;                         // null: there is none
};

// The times of a request.
struct RequestTimes {
  TimePoint arrival;
  Duration budget{};
  TimePoint answer_by;
};

// Who is to be called, and whether there still is anyone to call.
struct Asker {
  PredictCallback callback;
  std::shared_ptr<const std::atomic<bool>> left;  // null: never leaves
};

// The exchange's time of a book where known, else when it was received.
std::int64_t AsOfTime(const BookSnapshot& book);

class Request final : public TimerTarget,
                      public PoolTask,
                      public FlightMember,
                      public std::enable_shared_from_this<Request> {
 public:
  Request(RequestServices& services, const Tier& tier, Question question, RequestTimes times, std::uint64_t trace,
          Asker asker);

  // Begins. May call back before it returns.
  void Start();

  void OnTimeUp() override;
  bool finished() const override { return finished_.load(std::memory_order_relaxed); }

  void Run(std::span<const std::shared_ptr<PoolTask>> others) override;
  void Drop(DropReason reason) override;
  void OnHung() override;

  void OnLanded(const Result<CachedAnswer>& landed) override;
  void OnFollowed(const FlightMember& follower) override;

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

  // False: the event changed nothing.
  bool Handle(LadderEvent event, Source rung, RungReport report);
  RungReport Try(Source rung);
  RungReport TryMemory();
  RungReport TryDisk();
  RungReport TrySemantic();
  RungReport TryCoalesced();
  RungReport TryRedis();
  RungReport TryModel();
  RungReport TryStudent();
  RungReport TryStale();
  RungReport TrySignal();

  // An answer about this very question's books or tensors, by `identity`.
  RungReport Fresh(Source rung, Outputs outputs, std::shared_ptr<const ModelIdentity> identity) const;
  // That of the model itself, from cache, flight or model. Whoever computed it: the same bytes may have answered under
  // another version's number.
  RungReport Exact(Source rung, Outputs outputs) const {
    return Fresh(rung, std::move(outputs), question_.model->identity());
  }
  static RungReport Missed(Source rung, std::string reason = "") {
    RungReport report;
    report.rung = rung;
    report.reason = std::move(reason);
    return report;
  }
  void OnRedis(RedisLookUp result, const CachedAnswer* answer);
  // When the model has not answered: perhaps it has somebody else meanwhile (one who did not lead the flight, such as a
  // probe), and is in memory. True: then that is the answer, also of those who wait for us.
  bool AnswerFromMemory();
  // The key for the layers: of the question itself or, of a model that reads codes, of its codes. None: it cannot be
  // computed.
  const std::optional<CacheKey>& LayerKey();
  // The key of the question's cell on the model's grid.
  const std::optional<CacheKey>& CellKey();
  // What the model would take now, behind what waits for a worker already.
  Duration ExpectedToCompute() const;
  // Whether asking Redis is expected to be quicker than computing; if not, keeping it there is as idle.
  bool RedisIsQuicker() const { return services_.cache.redis_expected() < ExpectedToCompute(); }
  // Asks `by`, the model, its student or its float model, this question again in the background, and gives `then` what
  // it says, unless it is left alone. False: CPU is short, so many of `sample` wait already, or the pool is full, and
  // this one is left out.
  bool AskAgain(ShadowSample& sample, std::shared_ptr<const ServedModel> by,
                std::function<void(const Result<Outputs>&)> then);
  // Computes in the background what an approximate answer should have been.
  void Audit(const Outputs& given);
  // Compares in the background what the model itself said with what stands in for it, and with its float model.
  void CompareStandIns(const Outputs& models);
  void CompareWith(StandIn stand_in, const std::shared_ptr<const ServedModel>& by, const Outputs& models);

  Job JobFor(std::size_t tier);
  // Computes although the asker goes without: to find out what the model is worth now.
  void Probe();
  // Somebody is there for what a worker is about to compute.
  bool IsWanted();
  // A worker has come to it. False: nobody wants it any more, and the ladder was told.
  bool BeginRun();
  void RunAlone();
  // Of one model, each of which BeginRun gave true for.
  static void RunTogether(std::span<Request* const> members);
  // Runs the model on this thread and keeps what it gives.
  RungReport ComputeAndKeep();
  // Keeps what a run gave, and tells those who wait for it.
  RungReport Keep(Result<Outputs> outputs, TimePoint begin, Duration took);
  CachedAnswer MakeAnswer(const ServedModel& by, Outputs outputs, TimePoint begin) const;
  struct ModelRun {
    TimePoint begin, end;
    std::size_t questions = 1;  // that it answered at once
    std::string fault;          // what is wrong with the model; empty: nothing
  };
  // What a run says about the model's health.
  static void Judge(RequestServices& services, const ServedModel& model, const ModelRun& run);
  // Whether there is CPU enough to find out soon that a model is well again. Where there is not, what inferences took
  // lately is what they take.
  static bool MayHurry(const RequestServices& services) { return services.brown_out.Allows(BrownOutLevel::kNoAudits); }
  // Not that of the question, or of how many run at once.
  bool IsFaultOfTheModel(const Result<Outputs>& outputs) const;
  void Keep(const CachedAnswer& answer);
  // What is waiting for us to land, if we lead; whoever takes it lands it or, by dropping it, gives it up.
  FlightLead TakeLead() {
    MutexLock lock(mutex_);
    return std::move(lead_);
  }
  bool AskerLeft() const { return asker_left_ != nullptr && asker_left_->load(std::memory_order_relaxed); }

  // Of an exact answer about the state: what `stale` may give from now on.
  void RememberGood(const RungReport& report);
  void Finish(RungReport report);
  void GiveUp();
  // Gives the question to the request log, if it is drawn. Once the asker has been called.
  void Log();
  // The request is over: what of it waits for a worker need not run, unless others wait for it. They do not wait for
  // one who computes nothing.
  void LeavePool();
  bool IsOver() {
    MutexLock lock(mutex_);
    return ladder_.done;
  }

  RequestServices& services_;
  const Tier& tier_;
  const Question question_;
  const RequestTimes times_;
  const Duration student_takes_;  // zero: there is none that is quick enough
  const TimePoint leave_by_;      // answer-by, less what the student takes
  const std::uint64_t trace_;
  const std::uint64_t about_hash_;  // for the popularity of what is asked
  PredictCallback callback_;        // called by whoever ends the ladder
  const std::shared_ptr<const std::atomic<bool>> asker_left_;
  // Set by the rung that first needs them, at the latest before a worker is asked.
  std::optional<CacheKey> layer_key_, cell_key_;
  bool has_layer_key_ = false, has_cell_key_ = false;
  std::uint32_t worth_ = 1;  // askings of the same lately
  // Of this request's own run; written before the ladder is told of it.
  std::optional<Duration> queued_, inference_;
  TimePoint submitted_{};
  std::atomic<bool> finished_ = false;
  std::atomic<bool> found_in_redis_ = false;
  // It was given to the pool; it is a probe; Redis has been asked and has not replied yet.
  std::atomic<bool> in_pool_ = false, probing_ = false, asks_redis_ = false;
  WatchedRun run_;
  Mutex mutex_;
  FlightLead lead_ GUARDED_BY(mutex_);
  LadderState ladder_ GUARDED_BY(mutex_);
  std::string reason_ GUARDED_BY(mutex_);  // why the model did not answer
  // Of those who wait for our landing: how many, the best of their tiers, the first of their times.
  std::uint32_t followers_ GUARDED_BY(mutex_) = 0;
  std::size_t followers_tier_ GUARDED_BY(mutex_) = 0;
  TimePoint followers_deadline_ GUARDED_BY(mutex_){};
};

}  // namespace punctual

// The real parts of an engine that requests work with, around a worker pool, a timer and inferences that are simulated
// on a fake clock: nothing happens but what the test lets happen. Who is let into the queue, who is next and who hangs
// is decided by the real JobQueue and RunningWork.
//
// Real code runs on strands (engine/simulated_strands.h). An inference pauses its strand until the test says what
// became of it; so may the calls that a request makes (`pause_in_calls`), so that other events come in between.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "engine/request.h"
#include "engine/simulated_model.h"
#include "engine/simulated_strands.h"

namespace punctual {

// A strand that is paused.
struct Paused {
  enum class Where : std::uint8_t { kModel, kStudent, kFloat, kCall };
  Where where = Where::kCall;
  Strand* strand = nullptr;
  TimePoint until{};                       // for the test to use
  InferenceEnd end = InferenceEnd::kOk;    // for the test to set before it goes on
  std::optional<std::size_t> worker = {};  // that it is
};

class SimulatedServices;

class SimulatedPool final : public TaskPool {
 public:
  struct Options {
    std::size_t workers = 1;
    std::size_t spare_workers = 0;
    std::vector<double> weights = {1};
    Duration hung_after{};
  };
  // What became of a task's submissions.
  struct Fate {
    int submitted = 0;
    bool waits = false;     // in the queue
    bool computes = false;  // a worker does, and is not known to hang
    bool hung = false;
    bool is_probe = false;  // is run however late
  };

  SimulatedPool(SimulatedServices& services, Options options);

  Admission Submit(Job job, TimePoint now) override;
  Duration PredictedWait(std::size_t tier, TimePoint deadline, Duration expected) const override;
  bool Cancel(const PoolTask& task) override;
  bool Raise(const PoolTask& task, std::size_t tier, TimePoint deadline, std::uint32_t add_worth) override;

  // What the simulation does to it.
  bool CanBegin() const;
  void Begin();  // a worker does the next thing. REQUIRES: CanBegin()
  void CheckHung();
  void Displace(const PoolTask& task);  // as if one that more wait for had come. REQUIRES: it waits
  // Asked at each submission; null, or nothing: the queue decides.
  std::function<std::optional<Admission>()> refuse;

  std::size_t queued() const { return queue_.size(); }
  bool all_idle() const;
  // A run was found to hang, or computed to find out about the model: it remembers that.
  bool has_marked_the_model() const;
  bool computes(std::size_t worker) const { return workers_[worker].batch != nullptr && !running_.is_lost(worker); }
  const Fate& FateOf(const PoolTask& task) { return fates_[&task]; }

 private:
  friend class SimulatedServices;
  using Tasks = std::vector<std::shared_ptr<PoolTask>>;
  struct Worker {
    bool exists = false, busy = false, replaced = false;
    const Batch* batch = nullptr;  // what it runs
    Strand* strand = nullptr;
  };

  void AddWorker();
  void Work(std::size_t worker);
  void Drop(const std::shared_ptr<PoolTask>& task, DropReason reason);
  std::optional<std::size_t> WorkerOf(const Strand* strand) const;
  // Its inference is over.
  void NoteReturned(std::size_t worker);

  SimulatedServices& services_;
  const Options options_;
  JobQueue queue_;
  RunningWork running_;
  std::vector<Worker> workers_;  // by number
  std::size_t replaced_ = 0;
  std::map<const PoolTask*, Fate> fates_;
};

class SimulatedTimer final : public Timer {
 public:
  explicit SimulatedTimer(SimulatedServices& services) : services_(services) {}
  void Add(TimePoint when, std::shared_ptr<TimerTarget> target) override;

  // When the next one is due of those that are not finished.
  std::optional<TimePoint> next();
  // When each of them is.
  std::vector<TimePoint> times();
  // How many could be called now: none while the timer's one thread is in a call.
  std::size_t due();
  // Calls the first of them, or another. REQUIRES: which < due()
  void Call(std::size_t which = 0);

 private:
  struct Entry {
    TimePoint when;
    std::shared_ptr<TimerTarget> target;
  };
  SimulatedServices& services_;
  std::vector<Entry> entries_;  // by time, and of equal ones first come, first served
  bool busy_ = false;
};

// What may be shared by many simulations, one after another.
struct SimulatedBasics {
  SimulatedBasics();
  Strands strands;
  std::vector<Tier> tiers;  // premium, standard, basic
  std::unique_ptr<TieredCache> cache;
  telemetry::Registry registry;
  EngineMetrics metrics;
};

class SimulatedServices final : private Inferences {
 public:
  SimulatedServices(SimulatedBasics& basics, SimulatedPool::Options pool_options, bool pause_in_calls);
  ~SimulatedServices() override;

  // On a strand, until it ends or pauses.
  void Run(std::function<void()> work) { basics_.strands.Start(std::move(work)); }
  const std::vector<Paused*>& paused() const { return paused_; }
  bool paused_in_a_call() const;
  void Resume(Paused& paused);
  // Where a request has called something outside of it.
  void InCall();

  RequestServices& services() { return services_; }
  std::size_t failures() const { return failures_; }
  std::size_t student_failures() const { return student_failures_; }
  // The model has answered somebody while this strand was last paused.
  bool model_answered_meanwhile() const;

  FakeClock clock;
  SingleFlight flights;
  LastKnownGood known_good;
  Popularity popularity;
  BrownOut brown_out;
  SimulatedPool pool;
  SimulatedTimer timer;

 private:
  InferenceEnd OnInference(InferenceBy by) override;
  void Pause(Paused& paused);

  SimulatedBasics& basics_;
  const bool pause_in_calls_;
  std::vector<Paused*> paused_;  // in the order in which they paused
  std::size_t failures_ = 0, student_failures_ = 0, model_answers_ = 0;
  std::map<const Strand*, std::size_t> model_answers_before_;  // it last paused
  const std::function<void(const std::string&)> on_notice_;
  RequestServices services_;
};

}  // namespace punctual

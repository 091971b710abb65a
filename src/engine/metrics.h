// What the engine counts. Thread-safe.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/published.h"
#include "model/repository.h"
#include "punctual/engine.h"
#include "telemetry/registry.h"
#include "users/directory.h"

namespace punctual {

enum class CacheLayer : std::uint8_t { kMemory, kDisk, kRedis };
inline constexpr int kCacheLayerCount = 3;
enum class LookUpResult : std::uint8_t { kHit, kMiss, kTimeout, kError, kSkipped };
inline constexpr int kLookUpResultCount = 5;

class EngineMetrics {
 public:
  // `layers`: which of the cache there are; look-ups of others are not exposed.
  EngineMetrics(telemetry::Registry& registry, const std::vector<Tier>& tiers,
                const std::array<bool, kCacheLayerCount>& layers);

  void CountAnswer(const Tier& tier, Source source, Duration elapsed, Duration budget);
  // How long an inference waited for a worker.
  void CountQueued(const Tier& tier, Duration queued) { tiers_[tier.index].queued->Record(queued); }
  void CountUnanswered(const Tier& tier, Duration elapsed, Duration budget) {
    tiers_[tier.index].unanswered->Add();
    if (elapsed > budget) tiers_[tier.index].late->Record(elapsed - budget);
  }
  void CountRefused(Code code);
  // Besides CountRefused.
  void CountOverLimit(const Tier& tier, LimitOf limit) {
    tiers_[tier.index].over_limit[static_cast<std::size_t>(limit)]->Add();
  }
  void CountLookUp(CacheLayer layer, LookUpResult result) {
    look_ups_[static_cast<std::size_t>(layer)][static_cast<std::size_t>(result)]->Add();
  }
  CacheLookUps LookUps(CacheLayer layer) const;
  void CountInference(const ServedModel& model, Duration took, bool failed);
  // Makes the cells of models that were not there before, and reads what is asked again of those that have it: audits,
  // comparisons; after each reload, by one thread at a time.
  void AddModels(const Repository::View& models);

  telemetry::DurationHistogram& reply_cost() { return reply_cost_; }
  telemetry::DurationHistogram& timer_lateness() { return timer_lateness_; }
  void Fill(EngineStats& stats, const std::vector<Tier>& tiers) const;

 private:
  struct OfTier {
    std::array<telemetry::Counter*, kSourceCount> answers{};
    telemetry::Counter* unanswered = nullptr;
    telemetry::Counter* in_time = nullptr;
    std::array<telemetry::Counter*, 2> over_limit{};  // by LimitOf
    telemetry::DurationHistogram* elapsed = nullptr;
    telemetry::DurationHistogram* queued = nullptr;
    telemetry::DurationHistogram* late = nullptr;  // by how much, of those that were
    std::array<telemetry::DurationHistogram*, kSourceCount> slack{};
  };
  struct OfModel {
    telemetry::DurationHistogram* inference = nullptr;
    telemetry::Counter* failures = nullptr;
    std::shared_ptr<const ServedModel> watched;  // null: it has neither an audit nor a comparison
  };
  // What a count of a model came to over all that was loaded under its name: each begins at 0, metrics never go back.
  class CountOverLoads {
   public:
    std::uint64_t At(std::uint64_t now) {
      MutexLock lock(mutex_);
      if (now < seen_) before_ += seen_;
      seen_ = now;
      return before_ + now;
    }

   private:
    Mutex mutex_;
    std::uint64_t before_ GUARDED_BY(mutex_) = 0, seen_ GUARDED_BY(mutex_) = 0;
  };
  // Null: nothing of it is asked again now.
  std::shared_ptr<const ServedModel> Watched(const std::string& model) const;
  // Of what begins at 0 with each model loaded under one name.
  void AddCount(const std::string& name, const std::string& help, const telemetry::Labels& labels,
                std::function<std::uint64_t()> count);
  void AddAudit(const std::string& model);
  void AddComparison(const std::string& model, StandIn stand_in);
  using Models = std::map<std::string, OfModel, std::less<>>;

  telemetry::Registry& registry_;
  std::vector<OfTier> tiers_;
  std::array<telemetry::Counter*, 12> refused_{};  // by Code
  std::array<std::array<telemetry::Counter*, kLookUpResultCount>, kCacheLayerCount> look_ups_{};
  telemetry::Counter not_exposed_;
  telemetry::DurationHistogram& reply_cost_;
  telemetry::DurationHistogram& timer_lateness_;
  Published<std::shared_ptr<const Models>> models_;
  // AddModels' own
  std::set<std::string> audits_exposed_;
  std::set<std::pair<std::string, StandIn>> comparisons_exposed_;
};

}  // namespace punctual

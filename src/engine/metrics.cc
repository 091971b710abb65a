#include "engine/metrics.h"

#include "base/clock.h"
#include "punctual/engine.h"

namespace punctual {

EngineMetrics::EngineMetrics(telemetry::Registry& registry, const std::vector<Tier>& tiers,
                             const std::array<bool, kCacheLayerCount>& layers)
    : registry_(registry),
      reply_cost_(registry.AddHistogram("punctual_reply_seconds", "From an answer being ready until it was written")),
      timer_lateness_(
          registry.AddHistogram("punctual_timer_lateness_seconds", "How late the timer of answer-by times calls")),
      models_(std::make_shared<const Models>()) {
  for (const Tier& tier : tiers) {
    OfTier cells;
    for (int s = 0; s < kSourceCount; ++s)
      cells.answers[static_cast<std::size_t>(s)] =
          &registry.AddCounter("punctual_answers_total", "Answers by tier and source",
                               {{"tier", tier.name}, {"source", std::string(SourceName(static_cast<Source>(s)))}});
    cells.unanswered =
        &registry.AddCounter("punctual_unanswered_total", "Requests that no rung could answer", {{"tier", tier.name}});
    cells.in_time = &registry.AddCounter("punctual_answers_in_time_total",
                                         "Answers that were ready within their budget", {{"tier", tier.name}});
    for (const auto& [limit, name] : {std::pair(LimitOf::kUser, "user"), std::pair(LimitOf::kTier, "tier")})
      cells.over_limit[static_cast<std::size_t>(limit)] =
          &registry.AddCounter("punctual_rate_limited_total", "Requests over the rate of their user or of the tier",
                               {{"tier", tier.name}, {"limit", name}});
    cells.elapsed = &registry.AddHistogram(
        "punctual_answer_seconds", "From a request's last byte until its answer was ready", {{"tier", tier.name}});
    cells.queued = &registry.AddHistogram("punctual_queue_seconds", "How long inferences waited for a worker",
                                          {{"tier", tier.name}});
    cells.late = &registry.AddHistogram("punctual_lateness_seconds", "By how much answers passed their budget",
                                        {{"tier", tier.name}});
    for (int s = 0; s < kSourceCount; ++s)
      cells.slack[static_cast<std::size_t>(s)] =
          &registry.AddHistogram("punctual_slack_seconds", "What was left of the budget when the answer was ready",
                                 {{"tier", tier.name}, {"source", std::string(SourceName(static_cast<Source>(s)))}});
    tiers_.push_back(cells);
  }
  for (std::size_t code = 1; code < refused_.size(); ++code)
    refused_[code] = &registry.AddCounter("punctual_refused_total", "Requests that were refused",
                                          {{"code", std::string(CodeName(static_cast<Code>(code)))}});
  constexpr const char* kLayers[kCacheLayerCount] = {"memory", "disk", "redis"};
  constexpr const char* kResults[kLookUpResultCount] = {"hit", "miss", "timeout", "error", "skipped"};
  for (std::size_t layer = 0; layer < look_ups_.size(); ++layer)
    for (std::size_t result = 0; result < look_ups_[layer].size(); ++result)
      look_ups_[layer][result] =
          layers[layer] ? &registry.AddCounter("punctual_cache_look_ups_total", "Look-ups by layer and result",
                                               {{"layer", kLayers[layer]}, {"result", kResults[result]}})
                        : &not_exposed_;
}

CacheLookUps EngineMetrics::LookUps(CacheLayer layer) const {
  const auto& cells = look_ups_[static_cast<std::size_t>(layer)];
  const auto count = [&cells](LookUpResult result) { return cells[static_cast<std::size_t>(result)]->Value(); };
  return {count(LookUpResult::kHit), count(LookUpResult::kMiss), count(LookUpResult::kTimeout),
          count(LookUpResult::kError), count(LookUpResult::kSkipped)};
}

void EngineMetrics::CountAnswer(const Tier& tier, Source source, Duration elapsed, Duration budget) {
  OfTier& cells = tiers_[tier.index];
  cells.answers[static_cast<std::size_t>(source)]->Add();
  cells.elapsed->Record(elapsed);
  if (elapsed > budget) return cells.late->Record(elapsed - budget);
  cells.in_time->Add();
  cells.slack[static_cast<std::size_t>(source)]->Record(budget - elapsed);
}

void EngineMetrics::CountRefused(Code code) {
  if (telemetry::Counter* counter = refused_[static_cast<std::size_t>(code)]) counter->Add();
}

void EngineMetrics::CountInference(const ServedModel& model, Duration took, bool failed) {
  const std::shared_ptr<const Models> models = models_.Get();
  const auto found = models->find(model.identity()->model);
  if (found == models->end()) return;  // dropped from the repository while it computed
  found->second.inference->Record(took);
  if (failed) found->second.failures->Add();
}

void EngineMetrics::AddModels(const Repository::View& models) {
  auto next = std::make_shared<Models>();
  for (const auto& [name, entry] : models) {
    const bool is_watched =
        entry.served != nullptr && (entry.served->audit() != nullptr || entry.served->comparison() != nullptr);
    next->emplace(name, OfModel{&registry_.AddHistogram("punctual_inference_seconds",
                                                        "One inference, features included", {{"model", name}}),
                                &registry_.AddCounter("punctual_inference_failures_total", "Inferences that failed",
                                                      {{"model", name}}),
                                is_watched ? entry.served : nullptr});
  }
  models_.Set(next);
  for (const auto& [name, cells] : *next) {
    if (cells.watched == nullptr) continue;
    if (cells.watched->audit() != nullptr && audits_exposed_.insert(name).second) AddAudit(name);
    if (cells.watched->comparison() == nullptr) continue;
    for (const StandIn stand_in : cells.watched->comparison()->compared())
      if (comparisons_exposed_.emplace(name, stand_in).second) AddComparison(name, stand_in);
  }
}

std::shared_ptr<const ServedModel> EngineMetrics::Watched(const std::string& model) const {
  const std::shared_ptr<const Models> models = models_.Get();
  const auto found = models->find(model);
  return found == models->end() ? nullptr : found->second.watched;
}

void EngineMetrics::AddCount(const std::string& name, const std::string& help, const telemetry::Labels& labels,
                             std::function<std::uint64_t()> count) {
  registry_.AddCounter(name, help, labels, [count = std::move(count), sum = std::make_shared<CountOverLoads>()] {
    return static_cast<double>(sum->At(count()));
  });
}

void EngineMetrics::AddAudit(const std::string& model) {
  const auto stats = [this, model] {
    const std::shared_ptr<const ServedModel> watched = Watched(model);
    const bool is_audited = watched != nullptr && watched->audit() != nullptr;
    return is_audited ? std::optional(watched->audit()->stats()) : std::nullopt;
  };
  const auto add = [&](const char* result, auto count) {
    AddCount("punctual_semantic_audits_total", "Approximate answers that were computed again, by whether that differed",
             {{"model", model}, {"result", result}},
             [stats, count] { return count(stats().value_or(ShadowAudit::Stats{})); });
  };
  add("same", [](const ShadowAudit::Stats& s) { return s.audited - s.differed; });
  add("differed", [](const ShadowAudit::Stats& s) { return s.differed; });
  registry_.AddGauge("punctual_semantic_on", "Whether approximate answers are given: 0 once too many audited differed",
                     {{"model", model}}, [stats] {
                       const auto now = stats();
                       return now && !now->tripped ? 1.0 : 0.0;
                     });
}

void EngineMetrics::AddComparison(const std::string& model, StandIn stand_in) {
  const auto stats = [this, model, stand_in] {
    const std::shared_ptr<const ServedModel> watched = Watched(model);
    const bool is_compared = watched != nullptr && watched->comparison() != nullptr;
    return is_compared ? watched->comparison()->stats(stand_in) : ShadowComparison::Stats{};
  };
  const telemetry::Labels labels = {{"model", model}, {"variant", std::string(StandInName(stand_in))}};
  const auto add = [&](const char* result, auto count) {
    telemetry::Labels with_result = labels;
    with_result["result"] = result;
    AddCount("punctual_shadow_comparisons_total",
             "The model's own answers that were compared with another's, by whether that has the same class",
             with_result, [stats, count] { return count(stats()); });
  };
  add("same", [](const ShadowComparison::Stats& s) { return s.compared - s.differed; });
  add("differed", [](const ShadowComparison::Stats& s) { return s.differed; });
  AddCount("punctual_shadow_dropped_total", "Answers that were not compared for want of time", labels,
           [stats] { return stats().dropped; });
  registry_.AddGauge("punctual_shadow_difference",
                     "The largest difference between two numbers of the compared answers, mean of the last 256", labels,
                     [stats] { return stats().mean_difference; });
}

void EngineMetrics::Fill(EngineStats& stats, const std::vector<Tier>& tiers) const {
  for (int s = 0; s < kSourceCount; ++s) {
    std::uint64_t& sum = stats.sources[std::string(SourceName(static_cast<Source>(s)))];
    for (const OfTier& cells : tiers_) sum += cells.answers[static_cast<std::size_t>(s)]->Value();
  }
  for (std::size_t i = 0; i < tiers_.size(); ++i) {
    const Histogram elapsed = tiers_[i].elapsed->Snapshot();
    TierStats tier;
    tier.tier = tiers[i].name;
    tier.budget = tiers[i].budget;
    tier.answered = elapsed.count();
    tier.unanswered = tiers_[i].unanswered->Value();
    tier.within_budget = tiers_[i].in_time->Value();
    tier.p50_ms = Milliseconds(elapsed.Quantile(0.5));
    tier.p99_ms = Milliseconds(elapsed.Quantile(0.99));
    tier.p999_ms = Milliseconds(elapsed.Quantile(0.999));
    tier.max_ms = Milliseconds(elapsed.max());
    stats.tiers.push_back(std::move(tier));
  }
  for (std::size_t code = 1; code < refused_.size(); ++code)
    if (const std::uint64_t count = refused_[code]->Value(); count != 0)
      stats.errors[std::string(CodeName(static_cast<Code>(code)))] = count;
}

}  // namespace punctual

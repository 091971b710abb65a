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
    const bool has_audit = entry.served != nullptr && entry.served->audit() != nullptr;
    next->emplace(name, OfModel{&registry_.AddHistogram("punctual_inference_seconds",
                                                        "One inference, features included", {{"model", name}}),
                                &registry_.AddCounter("punctual_inference_failures_total", "Inferences that failed",
                                                      {{"model", name}}),
                                has_audit ? entry.served : nullptr});
  }
  models_.Set(next);
  for (const auto& [name, cells] : *next)
    if (cells.audited != nullptr && audits_exposed_.insert(name).second) AddAudit(name);
}

void EngineMetrics::AddAudit(const std::string& model) {
  const auto stats = [this, model] {
    const std::shared_ptr<const Models> models = models_.Get();
    const auto found = models->find(model);
    const bool audited = found != models->end() && found->second.audited != nullptr;
    return audited ? std::optional(found->second.audited->audit()->stats()) : std::nullopt;
  };
  const auto add = [&](const char* result, auto count) {
    registry_.AddCounter("punctual_semantic_audits_total",
                         "Approximate answers that were computed again, by whether that differed",
                         {{"model", model}, {"result", result}}, [stats, count, sum = std::make_shared<AuditCount>()] {
                           const auto now = stats();
                           return static_cast<double>(sum->At(now ? count(*now) : 0));
                         });
  };
  add("same", [](const ShadowAudit::Stats& s) { return s.audited - s.differed; });
  add("differed", [](const ShadowAudit::Stats& s) { return s.differed; });
  registry_.AddGauge("punctual_semantic_on", "Whether approximate answers are given: 0 once too many audited differed",
                     {{"model", model}}, [stats] {
                       const auto now = stats();
                       return now && !now->tripped ? 1.0 : 0.0;
                     });
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

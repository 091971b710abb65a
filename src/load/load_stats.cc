#include "load/load_stats.h"

#include <algorithm>

namespace punctual::load {

void NamedCounts::Add(std::string_view name, std::uint64_t count) {
  for (auto& [known, sum] : counts_)
    if (known == name) {
      sum += count;
      return;
    }
  // Names come from the server: a bound on how many of them there are.
  if (counts_.size() < 63 || name == "other") {
    counts_.emplace_back(name, count);
  } else {
    Add("other", count);
  }
}

void NamedCounts::Merge(const NamedCounts& other) {
  for (const auto& [name, count] : other.counts_) Add(name, count);
}

std::uint64_t NamedCounts::Of(std::string_view name) const {
  for (const auto& [known, sum] : counts_)
    if (known == name) return sum;
  return 0;
}

std::uint64_t NamedCounts::Sum() const {
  std::uint64_t all = 0;
  for (const auto& [name, sum] : counts_) all += sum;
  return all;
}

void LoadStats::RecordSent(std::size_t tier_index, std::size_t window) {
  ++tiers[tier_index].sent;
  if (window < windows.size()) ++windows[window].sent;
}

void LoadStats::RecordAnswer(const Tier& tier, std::size_t tier_index, std::size_t window, Duration latency,
                             const std::vector<Duration>& limits, std::string_view body) {
  const bool in_time = latency <= tier.budget;
  const bool is_degraded = body.find("\"degraded\":true") != std::string_view::npos;
  TierCounts& counts = tiers[tier_index];
  counts.latency.Record(latency);
  counts.late_by.Record(std::max(latency - tier.budget, Duration{}));
  if (in_time) ++counts.within;
  for (std::size_t i = 0; i < limits.size(); ++i)
    if (latency <= limits[i]) ++within[i];
  if (const std::string_view source = ScanJsonText(body, "\"source\":"); !source.empty()) {
    sources.Add(source);
    counts.sources.Add(source);
    if (in_time) counts.within_sources.Add(source);
  }
  if (is_degraded) ++degraded;
  if (window >= windows.size()) return;
  if (in_time) ++windows[window].within;
  if (is_degraded) ++windows[window].degraded;
}

void LoadStats::RecordError(std::size_t window, int status, std::string_view body) {
  std::string name = std::to_string(status);
  if (const std::string_view code = ScanJsonText(body, "\"code\":"); !code.empty()) (name += ' ') += code.substr(0, 40);
  CountError(window, name);
}

void LoadStats::RecordGarbage(std::size_t window) { CountError(window, "not an HTTP response"); }

void LoadStats::CountError(std::size_t window, std::string_view name) {
  errors.Add(name);
  if (window < windows.size()) ++windows[window].errors;
}

void LoadStats::RecordTimeOut(std::size_t window) {
  ++timed_out;
  if (window < windows.size()) ++windows[window].unanswered;
}

void LoadStats::RecordConnectionLost(std::size_t window) {
  ++connection_lost;
  if (window < windows.size()) ++windows[window].unanswered;
}

void LoadStats::Merge(const LoadStats& other) {
  for (std::size_t i = 0; i < tiers.size(); ++i) {
    tiers[i].sent += other.tiers[i].sent;
    tiers[i].within += other.tiers[i].within;
    tiers[i].latency.Merge(other.tiers[i].latency);
    tiers[i].late_by.Merge(other.tiers[i].late_by);
    tiers[i].sources.Merge(other.tiers[i].sources);
    tiers[i].within_sources.Merge(other.tiers[i].within_sources);
  }
  for (std::size_t i = 0; i < windows.size(); ++i) {
    windows[i].sent += other.windows[i].sent;
    windows[i].within += other.windows[i].within;
    windows[i].degraded += other.windows[i].degraded;
    windows[i].unanswered += other.windows[i].unanswered;
    windows[i].errors += other.windows[i].errors;
  }
  for (std::size_t i = 0; i < within.size(); ++i) within[i] += other.within[i];
  degraded += other.degraded;
  timed_out += other.timed_out;
  connection_lost += other.connection_lost;
  sources.Merge(other.sources);
  errors.Merge(other.errors);
  lateness.Merge(other.lateness);
  cpu += other.cpu;
}

std::uint64_t LoadStats::sent() const {
  std::uint64_t sum = 0;
  for (const TierCounts& tier : tiers) sum += tier.sent;
  return sum;
}

std::uint64_t LoadStats::answered() const {
  std::uint64_t sum = 0;
  for (const TierCounts& tier : tiers) sum += tier.latency.count();
  return sum;
}

Histogram LoadStats::latency() const {
  Histogram all;
  for (const TierCounts& tier : tiers) all.Merge(tier.latency);
  return all;
}

std::string_view ScanJsonText(std::string_view json, std::string_view key) {
  std::size_t at = json.find(key);
  if (at == std::string_view::npos) return {};
  at += key.size();
  if (at < json.size() && json[at] == ' ') ++at;
  if (at >= json.size() || json[at] != '"') return {};
  const std::size_t end = json.find('"', at + 1);
  return end == std::string_view::npos ? std::string_view() : json.substr(at + 1, end - at - 1);
}

}  // namespace punctual::load

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

void LoadStats::RecordAnswer(const Tier& tier, std::size_t tier_index, Duration latency,
                             const std::vector<Duration>& limits) {
  tiers[tier_index].latency.Record(latency);
  if (latency <= tier.budget) ++tiers[tier_index].within;
  for (std::size_t i = 0; i < limits.size(); ++i)
    if (latency <= limits[i]) ++within[i];
}

void LoadStats::RecordProvenance(std::string_view body) {
  if (const std::string_view source = ScanJsonText(body, "\"source\":"); !source.empty()) sources.Add(source);
  if (body.find("\"degraded\":true") != std::string_view::npos) ++degraded;
}

void LoadStats::RecordError(int status, std::string_view body) {
  std::string name = std::to_string(status);
  if (const std::string_view code = ScanJsonText(body, "\"code\":"); !code.empty()) (name += ' ') += code.substr(0, 40);
  errors.Add(name);
}

void LoadStats::Merge(const LoadStats& other) {
  for (std::size_t i = 0; i < tiers.size(); ++i) {
    tiers[i].sent += other.tiers[i].sent;
    tiers[i].within += other.tiers[i].within;
    tiers[i].latency.Merge(other.tiers[i].latency);
  }
  for (std::size_t i = 0; i < within.size(); ++i) within[i] += other.within[i];
  degraded += other.degraded;
  timed_out += other.timed_out;
  connection_lost += other.connection_lost;
  for (const auto& [name, count] : other.sources.all()) sources.Add(name, count);
  for (const auto& [name, count] : other.errors.all()) errors.Add(name, count);
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

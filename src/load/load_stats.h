// What a run counted. A value; each generator thread has its own, and they are merged.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/histogram.h"
#include "load/options.h"

namespace punctual::load {

// Counts by name, for the few names that answers bear; a line of them is searched quicker than any map.
class NamedCounts {
 public:
  void Add(std::string_view name, std::uint64_t count = 1);
  std::uint64_t Of(std::string_view name) const;
  std::uint64_t Sum() const;
  const std::vector<std::pair<std::string, std::uint64_t>>& all() const { return counts_; }

 private:
  std::vector<std::pair<std::string, std::uint64_t>> counts_;
};

struct TierCounts {
  std::uint64_t sent = 0;    // were due
  std::uint64_t within = 0;  // answered within the tier's budget
  Histogram latency;         // of those answered
};

struct LoadStats {
  explicit LoadStats(std::size_t tier_count = 0, std::size_t limit_count = 0)
      : tiers(tier_count), within(limit_count) {}

  std::vector<TierCounts> tiers;
  std::vector<std::uint64_t> within;  // answered within each of the report's limits
  std::uint64_t degraded = 0;
  std::uint64_t timed_out = 0;        // no response within the timeout
  std::uint64_t connection_lost = 0;  // the connection ended before the response
  NamedCounts sources;                // what the answers say; an answer that does not say is not in it
  NamedCounts errors;                 // "503 UNAVAILABLE": responses that are no answers
  Histogram lateness;                 // of the generator: from due until it turned to the request
  Duration cpu{};                     // of the generator's thread

  // `latency`: from due until the response was there. `limits`: those of the report.
  void RecordAnswer(const Tier& tier, std::size_t tier_index, Duration latency, const std::vector<Duration>& limits);
  // Takes source and degraded from a response's body.
  void RecordProvenance(std::string_view body);
  void RecordError(int status, std::string_view body);
  // REQUIRES: as many tiers and limits in both.
  void Merge(const LoadStats& other);

  std::uint64_t sent() const;
  std::uint64_t answered() const;
  std::uint64_t unanswered() const { return timed_out + connection_lost; }
  Histogram latency() const;
};

// The text value of the first `"key":"value"` in `json`, with or without a space behind the colon; empty if there is
// none. A scan, not a parser: fit for keys whose values need no escapes, which is all the generator has time for.
std::string_view ScanJsonText(std::string_view json, std::string_view key);

}  // namespace punctual::load

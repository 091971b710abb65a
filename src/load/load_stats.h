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
  void Merge(const NamedCounts& other);
  std::uint64_t Of(std::string_view name) const;
  std::uint64_t Sum() const;
  const std::vector<std::pair<std::string, std::uint64_t>>& all() const { return counts_; }

 private:
  std::vector<std::pair<std::string, std::uint64_t>> counts_;
};

struct TierCounts {
  std::uint64_t sent = 0;      // were due
  std::uint64_t within = 0;    // answered within the tier's budget
  Histogram latency;           // of those answered
  Histogram late_by;           // of those answered: latency - budget; 0 of what was in time
  NamedCounts sources;         // of those answered, as far as they say it
  NamedCounts within_sources;  // of those answered within the budget
};

// Of the requests that were due in a part of the run.
struct WindowCounts {
  std::uint64_t sent = 0, within = 0, degraded = 0, unanswered = 0, errors = 0;
};

struct LoadStats {
  explicit LoadStats(std::size_t tier_count = 0, std::size_t limit_count = 0, std::size_t window_count = 0)
      : tiers(tier_count), within(limit_count), windows(window_count) {}

  std::vector<TierCounts> tiers;
  std::vector<std::uint64_t> within;  // answered within each of the report's limits
  std::vector<WindowCounts> windows;  // of equal length, from where measuring began; none: not asked for
  std::uint64_t degraded = 0;
  std::uint64_t timed_out = 0;        // no response within the timeout
  std::uint64_t connection_lost = 0;  // the connection ended before the response
  NamedCounts sources;                // what the answers say; an answer that does not say is not in it
  NamedCounts errors;                 // "503 UNAVAILABLE": responses that are no answers
  Histogram lateness;                 // of the generator: from due until it turned to the request
  Duration cpu{};                     // of the generator's thread

  // `window`: index of the one in which the request was due; beyond the last there is nothing to count in.
  void RecordSent(std::size_t tier_index, std::size_t window);
  // `latency`: from due until the response was there. `limits`: those of the report. Source and degraded are taken from
  // the response's body.
  void RecordAnswer(const Tier& tier, std::size_t tier_index, std::size_t window, Duration latency,
                    const std::vector<Duration>& limits, std::string_view body);
  void RecordError(std::size_t window, int status, std::string_view body);
  void RecordGarbage(std::size_t window);  // a response that is not HTTP
  void RecordTimeOut(std::size_t window);
  void RecordConnectionLost(std::size_t window);
  // REQUIRES: as many tiers, limits and windows in both.
  void Merge(const LoadStats& other);

  std::uint64_t sent() const;
  std::uint64_t answered() const;
  std::uint64_t unanswered() const { return timed_out + connection_lost; }
  Histogram latency() const;

 private:
  void CountError(std::size_t window, std::string_view name);
};

// The text value of the first `"key":"value"` in `json`, with or without a space behind the colon; empty if there is
// none. A scan, not a parser: fit for keys whose values need no escapes, which is all the generator has time for.
std::string_view ScanJsonText(std::string_view json, std::string_view key);

}  // namespace punctual::load

// What a load run says at its end: the service-level report, for programs (JSON) and for people (tables).
//
// What counts: `sent` is every request that was due; it was either `answered` (a 2xx response), an error (another
// response), or unanswered (no response within the timeout, or the connection was lost). Latencies are those of the
// answered, from when the request was due. Shares within a time are of all sent: an error and an unanswered request are
// not in time.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "load/load_stats.h"
#include "load/options.h"

namespace punctual::load {

struct LoadReport {
  LoadStats stats;
  std::vector<Tier> tiers;       // those of the stats, in their order
  std::vector<Duration> limits;  // those of LoadStats::within
  double offered_rps = 0;
  Duration duration{};  // measured, without the warm-up
  std::size_t connections = 0;
  Duration window{};  // length of LoadStats::windows
  std::int64_t measured_from_unix_ns = 0;
};

// 15, 25 and 50 ms and every tier's budget, rising.
std::vector<Duration> ReportLimits(const std::vector<Tier>& tiers);

// {"offered_rps","achieved_rps","duration_s","connections","sent","answered","unanswered","errors","degraded",
//  "latency_ms":{"p50","p90","p99","p999","max"},"within":{"15",...},"tiers":{NAME:{"budget_ms","sent","within_budget","p50",
//  "p99","p999","max","late_by_ms":{"p99","p999","max"},"sources":{NAME:count},"sources_within_budget":{NAME:count}}},
//  "sources":{NAME:count},"cache_hit_rate","error_counts":{"503 UNAVAILABLE":count},
//  "unanswered_counts":{"timeout","connection_lost"},"measured_from_unix_ms","windows":{"ms","sent":[...],
//  "within_budget":[...],"degraded":[...],"unanswered":[...],"errors":[...]},"generator_cpu_s",
//  "generator_cpu_us_per_request","generator_lateness_ms":{"p50","p99","max"}}
// `within` and `within_budget` are shares from 0 to 1; `cache_hit_rate` is the share of l1, l2 and l3 among those
// answered. `late_by_ms` is of those answered, and 0 for what was in time. `windows` is there if it was asked for:
// counts of the requests that were due in each `ms` from `measured_from_unix_ms` on.
std::string ReportJson(const LoadReport& report);
// Tables: per tier, per source, and errors if there were any; then the generator's own account.
std::string ReportText(const LoadReport& report);

}  // namespace punctual::load

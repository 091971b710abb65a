// A whole load run: threads, progress, report.
#pragma once

#include <atomic>
#include <functional>

#include "load/options.h"
#include "load/slo_report.h"
#include "punctual/result.h"

namespace punctual::load {

struct LoadProgress {
  LoadStats stats;     // since the warm-up ended
  Duration elapsed{};  // since the run began
  Duration total{};    // what it will take, warm-up included
};

// Opens the connections, drives the load and waits for the last responses. `on_progress` is called about once a second
// on the calling thread. A `stop` that becomes true ends the run early, with the report of what there was.
// kInvalidArgument names the option; kResourceExhausted: too few file descriptors; kUnavailable, kNotFound: no
// connection.
Result<LoadReport> RunLoad(LoadOptions options, const std::atomic<bool>& stop,
                           const std::function<void(const LoadProgress&)>& on_progress);

}  // namespace punctual::load

#include "engine/pool_metrics.h"

namespace punctual {

void AddPoolMetrics(telemetry::Registry& registry, const WorkerPool& pool) {
  const auto count = [&](const char* name, const char* help, const telemetry::Labels& labels,
                         std::uint64_t PoolCounters::*which) {
    registry.AddCounter(name, help, labels, [&pool, which] { return static_cast<double>(pool.counters().*which); });
  };
  const auto dropped = [&](const char* reason, std::uint64_t PoolCounters::*which) {
    count("punctual_inferences_not_run_total", "Inferences that no worker ran, by reason", {{"reason", reason}}, which);
  };
  dropped("queue_full", &PoolCounters::full);
  dropped("not_admitted", &PoolCounters::refused_late);
  dropped("displaced", &PoolCounters::displaced);
  dropped("too_late", &PoolCounters::dropped_late);
  dropped("not_needed", &PoolCounters::cancelled);
  count("punctual_inferences_raised_total", "Inferences that more urgent requests for the same came to wait for", {},
        &PoolCounters::raised);
  count("punctual_inferences_batched_total", "Inferences that ran along with another", {}, &PoolCounters::batched);
  count("punctual_inferences_hung_total", "Inferences that were found to hang", {}, &PoolCounters::hung);
  count("punctual_workers_replaced_total", "Workers started in the place of those whose inference hangs", {},
        &PoolCounters::replaced);
  registry.AddGauge("punctual_workers_lost", "Workers whose inference hangs now", {},
                    [&pool] { return static_cast<double>(pool.lost()); });
}

}  // namespace punctual

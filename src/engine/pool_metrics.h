// What the worker pool counts, in the registry.
#pragma once

#include "answer/worker_pool.h"
#include "telemetry/registry.h"

namespace punctual {

// `pool` outlives the registry's readers.
void AddPoolMetrics(telemetry::Registry& registry, const WorkerPool& pool);

}  // namespace punctual

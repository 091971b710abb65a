// How long one answer takes: of several models side by side, one thread, one question at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "model/backend.h"
#include "optimize/samples.h"
#include "punctual/prediction.h"
#include "punctual/result.h"

namespace punctual::optimize {

struct Latency {
  double p50_us = 0, p99_us = 0;
  std::size_t runs = 0;
};

struct Timed {
  Latency warm;  // one question after the other
  Latency cold;  // other memory was used in between, as by a server that does other things, too
  Latency busy;  // as cold, while each other core that this process may use computes and uses memory of its own
};

struct TuneOptions {
  Duration time = std::chrono::seconds(3);  // for all models together, shared by the three; at least a few runs each
  std::uint64_t seed = 1;                   // of the order
  std::function<void(std::size_t done, std::size_t of)> progress;  // in milliseconds. May be empty
};

// A model and what it is asked.
struct TimedModel {
  CompiledModel* model;
  const Samples* samples;
  std::span<const std::size_t> indices;  // of samples; not empty
};

// Of each of `models`, on the calling thread; those that keep the other cores busy have ended when this returns. They
// take turns in blocks of a few milliseconds, in a new random order each round, so that what else the machine does hits
// all alike; a block begins with runs that do not count. Questions are its indices' in turn; writing them is not timed.
// What reading the clock costs is taken off. Errors of the models and of BusyCores. REQUIRES: models take their
// samples' inputs.
Result<std::vector<Timed>> TimeModels(std::span<const TimedModel> models, const TuneOptions& options = {});

}  // namespace punctual::optimize

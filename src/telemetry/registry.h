// Metrics: counters and latency histograms that many threads write at the price of one relaxed add in a cell of their
// own, and the Prometheus text of all of them. prometheus-cpp writes the text; its own histogram takes a mutex per
// observation, which is why the cells are ours.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/histogram.h"
#include "base/mutex.h"
#include "base/threads.h"

namespace punctual::telemetry {

inline constexpr std::size_t kCells = 8;  // threads beyond share a cell: slower, never wrong

// Thread-safe. Never goes back.
class Counter {
 public:
  void Add(std::uint64_t by = 1) { cells_[ThisThreadNumber() % kCells].value.fetch_add(by, std::memory_order_relaxed); }
  std::uint64_t Value() const;

 private:
  struct alignas(64) Cell {
    std::atomic<std::uint64_t> value = 0;
  };
  std::array<Cell, kCells> cells_;
};

// Thread-safe. What it holds since the process began; Snapshot() reads it while others write (each count is whole, the
// sum may lag a few behind).
class DurationHistogram {
 public:
  void Record(Duration duration);
  Histogram Snapshot() const;
  Duration Sum() const;

 private:
  struct alignas(64) Cell {
    std::array<std::atomic<std::uint64_t>, kHistogramBuckets> buckets{};
    std::atomic<std::int64_t> max_ns = 0;
    std::atomic<std::int64_t> sum_ns = 0;
  };
  std::array<Cell, kCells> cells_;
};

using Labels = std::map<std::string, std::string>;

// Owns its metrics; references it gives stay valid as long as it lives. Thread-safe; adding the same name and labels
// again gives the same metric.
class Registry {
 public:
  // Names follow Prometheus: punctual_..._total for counters, ..._seconds for histograms.
  Counter& AddCounter(const std::string& name, const std::string& help, const Labels& labels = {});
  DurationHistogram& AddHistogram(const std::string& name, const std::string& help, const Labels& labels = {});
  // `read` is called at each exposition, from the thread that asks for it; it must stay callable as long as the
  // registry.
  void AddGauge(const std::string& name, const std::string& help, const Labels& labels, std::function<double()> read);

  // The same for what is counted elsewhere; `read` never goes back.
  void AddCounter(const std::string& name, const std::string& help, const Labels& labels, std::function<double()> read);

  // The text exposition format, version 0.0.4.
  std::string PrometheusText() const;

 private:
  struct Metric {
    Labels labels;
    std::unique_ptr<Counter> counter;
    std::unique_ptr<DurationHistogram> histogram;
    std::function<double()> read;
    bool counts = false;  // what `read` gives is a counter
  };
  struct Family {
    std::string help;
    std::deque<Metric> metrics;
  };
  Metric& FindOrAdd(const std::string& name, const std::string& help, const Labels& labels) REQUIRES_LOCK(mutex_);

  mutable Mutex mutex_;
  std::map<std::string, Family> families_ GUARDED_BY(mutex_);
};

}  // namespace punctual::telemetry

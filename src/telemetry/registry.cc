#include "telemetry/registry.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <limits>

namespace punctual::telemetry {

namespace {

// What a histogram shows to Prometheus, in seconds: the tiers' budgets are among them.
constexpr double kBounds[] = {25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3,   2.5e-3, 5e-3,
                              10e-3, 15e-3, 20e-3,  25e-3,  50e-3,  100e-3, 250e-3, 1.0};

prometheus::ClientMetric HistogramMetric(const DurationHistogram& source) {
  const Histogram histogram = source.Snapshot();
  prometheus::ClientMetric metric;
  for (const double bound : kBounds)
    metric.histogram.bucket.push_back({histogram.CountUpTo(Duration(static_cast<std::int64_t>(bound * 1e9))), bound});
  metric.histogram.bucket.push_back({histogram.count(), std::numeric_limits<double>::infinity()});
  metric.histogram.sample_count = histogram.count();
  metric.histogram.sample_sum = static_cast<double>(source.Sum().count()) / 1e9;
  return metric;
}

}  // namespace

std::uint64_t Counter::Value() const {
  std::uint64_t sum = 0;
  for (const Cell& cell : cells_) sum += cell.value.load(std::memory_order_relaxed);
  return sum;
}

void DurationHistogram::Record(Duration duration) {
  Cell& cell = cells_[ThisThreadNumber() % kCells];
  cell.buckets[HistogramBucket(duration)].fetch_add(1, std::memory_order_relaxed);
  cell.sum_ns.fetch_add(duration.count(), std::memory_order_relaxed);
  std::int64_t max = cell.max_ns.load(std::memory_order_relaxed);
  while (duration.count() > max &&
         !cell.max_ns.compare_exchange_weak(max, duration.count(), std::memory_order_relaxed)) {
  }
}

Histogram DurationHistogram::Snapshot() const {
  Histogram histogram;
  for (const Cell& cell : cells_) {
    const Duration max(cell.max_ns.load(std::memory_order_relaxed));
    for (std::size_t i = 0; i < kHistogramBuckets; ++i)
      if (const auto count = cell.buckets[i].load(std::memory_order_relaxed); count != 0) histogram.Add(i, count, max);
  }
  return histogram;
}

Duration DurationHistogram::Sum() const {
  std::int64_t sum = 0;
  for (const Cell& cell : cells_) sum += cell.sum_ns.load(std::memory_order_relaxed);
  return Duration(sum);
}

Registry::Metric& Registry::FindOrAdd(const std::string& name, const std::string& help, const Labels& labels) {
  Family& family = families_[name];
  family.help = help;
  for (Metric& metric : family.metrics)
    if (metric.labels == labels) return metric;
  family.metrics.push_back({labels, nullptr, nullptr, nullptr, false});
  return family.metrics.back();
}

Counter& Registry::AddCounter(const std::string& name, const std::string& help, const Labels& labels) {
  MutexLock lock(mutex_);
  Metric& metric = FindOrAdd(name, help, labels);
  if (!metric.counter) metric.counter = std::make_unique<Counter>();
  return *metric.counter;
}

DurationHistogram& Registry::AddHistogram(const std::string& name, const std::string& help, const Labels& labels) {
  MutexLock lock(mutex_);
  Metric& metric = FindOrAdd(name, help, labels);
  if (!metric.histogram) metric.histogram = std::make_unique<DurationHistogram>();
  return *metric.histogram;
}

void Registry::AddGauge(const std::string& name, const std::string& help, const Labels& labels,
                        std::function<double()> read) {
  MutexLock lock(mutex_);
  FindOrAdd(name, help, labels).read = std::move(read);
}

void Registry::AddCounter(const std::string& name, const std::string& help, const Labels& labels,
                          std::function<double()> read) {
  MutexLock lock(mutex_);
  Metric& metric = FindOrAdd(name, help, labels);
  metric.read = std::move(read);
  metric.counts = true;
}

std::string Registry::PrometheusText() const {
  std::vector<prometheus::MetricFamily> families;
  {
    MutexLock lock(mutex_);
    for (const auto& [name, family] : families_) {
      prometheus::MetricFamily out;
      out.name = name;
      out.help = family.help;
      for (const Metric& metric : family.metrics) {
        prometheus::ClientMetric client;
        if (metric.histogram) {
          out.type = prometheus::MetricType::Histogram;
          client = HistogramMetric(*metric.histogram);
        } else if (metric.counter) {
          out.type = prometheus::MetricType::Counter;
          client.counter.value = static_cast<double>(metric.counter->Value());
        } else if (metric.counts) {
          out.type = prometheus::MetricType::Counter;
          client.counter.value = metric.read();
        } else {
          out.type = prometheus::MetricType::Gauge;
          client.gauge.value = metric.read();
        }
        for (const auto& [key, value] : metric.labels) client.label.push_back({key, value});
        out.metric.push_back(std::move(client));
      }
      families.push_back(std::move(out));
    }
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace punctual::telemetry

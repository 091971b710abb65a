#include "telemetry/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace punctual::telemetry {
namespace {

TEST(RegistryTest, CountsFromManyThreadsAddUp) {
  Registry registry;
  Counter& counter = registry.AddCounter("c_total", "help");
  DurationHistogram& histogram = registry.AddHistogram("h_seconds", "help");
  std::vector<std::thread> threads;
  for (int t = 0; t < 12; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) {
        counter.Add();
        histogram.Record(std::chrono::microseconds(i));
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(counter.Value(), 12000u);
  EXPECT_EQ(histogram.Snapshot().count(), 12000u);
  EXPECT_EQ(histogram.Snapshot().max(), std::chrono::microseconds(999));
  EXPECT_EQ(histogram.Sum(), std::chrono::microseconds(12 * 999 * 500));
}

TEST(RegistryTest, TheSameNameAndLabelsAreTheSameMetric) {
  Registry registry;
  registry.AddCounter("c_total", "help", {{"tier", "basic"}}).Add(2);
  registry.AddCounter("c_total", "help", {{"tier", "basic"}}).Add(3);
  registry.AddCounter("c_total", "help", {{"tier", "premium"}}).Add(1);
  const std::string text = registry.PrometheusText();
  EXPECT_THAT(text, testing::HasSubstr("c_total{tier=\"basic\"} 5"));
  EXPECT_THAT(text, testing::HasSubstr("c_total{tier=\"premium\"} 1"));
}

TEST(RegistryTest, HistogramsShowCumulativeBucketsAndGaugesAreReadWhenAsked) {
  Registry registry;
  auto& histogram = registry.AddHistogram("h_seconds", "help");
  histogram.Record(std::chrono::milliseconds(3));
  histogram.Record(std::chrono::milliseconds(30));
  double depth = 1;
  registry.AddGauge("depth", "help", {}, [&] { return depth; });
  depth = 7;
  const std::string text = registry.PrometheusText();
  EXPECT_THAT(text, testing::HasSubstr("h_seconds_bucket{le=\"0.005\"} 1"));
  EXPECT_THAT(text, testing::HasSubstr("h_seconds_bucket{le=\"+Inf\"} 2"));
  EXPECT_THAT(text, testing::HasSubstr("h_seconds_count 2"));
  EXPECT_THAT(text, testing::HasSubstr("depth 7"));
}

}  // namespace
}  // namespace punctual::telemetry

#include "load/slo_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace punctual::load {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

// Premium: 100 sent, of which 98 were answered in 1 ms, one in 20 ms, and one was refused. Basic: 10 sent, 9 answered
// in 30 ms, one never.
LoadReport Report() {
  const std::vector<Tier> tiers = {{"premium", milliseconds(15)}, {"basic", microseconds(7500)}};
  LoadReport report{.stats = LoadStats(2, 4, 2),
                    .tiers = tiers,
                    .limits = ReportLimits(tiers),
                    .offered_rps = 11,
                    .duration = seconds(10),
                    .connections = 5,
                    .window = seconds(5),
                    .measured_from_unix_ns = 1'700'000'000'000'000'000};
  LoadStats& stats = report.stats;
  for (int i = 0; i < 100; ++i) stats.RecordSent(0, 0);
  for (int i = 0; i < 10; ++i) stats.RecordSent(1, 1);
  for (int i = 0; i < 98; ++i)
    stats.RecordAnswer(tiers[0], 0, 0, milliseconds(1), report.limits,
                       R"({"outputs":{},"source":"l1","degraded":false})");
  stats.RecordAnswer(tiers[0], 0, 0, milliseconds(20), report.limits, R"({"source": "stale","degraded":true})");
  stats.RecordError(0, 503, R"({"error":{"code":"UNAVAILABLE","message":"no rung"}})");
  for (int i = 0; i < 9; ++i) stats.RecordAnswer(tiers[1], 1, 1, milliseconds(30), report.limits, "{}");
  stats.RecordTimeOut(1);
  stats.lateness.Record(microseconds(20));
  stats.cpu = milliseconds(11);
  return report;
}

TEST(SloReportTest, JsonHasTheContractsFields) {
  const boost::json::value json = boost::json::parse(ReportJson(Report()));
  const auto number = [&](const char* pointer) { return json.at_pointer(pointer).to_number<double>(); };
  EXPECT_EQ(number("/offered_rps"), 11);
  EXPECT_EQ(number("/sent"), 110);
  EXPECT_EQ(number("/answered"), 108);
  EXPECT_EQ(number("/unanswered"), 1);
  EXPECT_EQ(number("/errors"), 1);
  EXPECT_EQ(number("/degraded"), 1);
  EXPECT_EQ(number("/duration_s"), 10);
  EXPECT_EQ(number("/connections"), 5);
  EXPECT_NEAR(number("/achieved_rps"), 10.8, 1e-9);
  EXPECT_NEAR(number("/latency_ms/p50"), 1, 0.04);
  EXPECT_NEAR(number("/latency_ms/p90"), 1, 0.04);
  EXPECT_NEAR(number("/latency_ms/p99"), 30, 1);
  EXPECT_EQ(number("/latency_ms/p999"), 30);
  EXPECT_EQ(number("/latency_ms/max"), 30);
  EXPECT_EQ(number("/sources/l1"), 98);
  EXPECT_EQ(number("/sources/stale"), 1);
  EXPECT_NEAR(number("/cache_hit_rate"), 98.0 / 108, 1e-6);
  EXPECT_EQ(json.at("error_counts").at("503 UNAVAILABLE").to_number<int>(), 1);
  EXPECT_EQ(number("/unanswered_counts/timeout"), 1);
  EXPECT_EQ(number("/unanswered_counts/connection_lost"), 0);
  EXPECT_NEAR(number("/generator_cpu_s"), 0.011, 1e-9);
  EXPECT_NEAR(number("/generator_cpu_us_per_request"), 100, 1e-9);
  EXPECT_NEAR(number("/generator_lateness_ms/p99"), 0.02, 0.001);
}

TEST(SloReportTest, SharesAreOfAllSent) {
  const boost::json::value json = boost::json::parse(ReportJson(Report()));
  const auto share = [&](std::string_view limit) { return json.at("within").at(limit).to_number<double>(); };
  EXPECT_NEAR(share("15"), 98.0 / 110, 1e-6);
  EXPECT_NEAR(share("25"), 99.0 / 110, 1e-6);
  EXPECT_NEAR(share("50"), 108.0 / 110, 1e-6);
  EXPECT_NEAR(share("7.5"), 98.0 / 110, 1e-6);
  const boost::json::value& premium = json.at("tiers").at("premium");
  EXPECT_EQ(premium.at("budget_ms").to_number<double>(), 15);
  EXPECT_EQ(premium.at("sent").to_number<int>(), 100);
  EXPECT_NEAR(premium.at("within_budget").to_number<double>(), 0.98, 1e-6);
  EXPECT_EQ(premium.at("max").to_number<double>(), 20);
  for (const char* name : {"p50", "p99", "p999"}) EXPECT_TRUE(premium.as_object().contains(name)) << name;
  EXPECT_EQ(json.at("tiers").at("basic").at("within_budget").to_number<double>(), 0);
}

TEST(SloReportTest, TiersSayWhatAnsweredThemAndHowLateItWas) {
  const boost::json::value json = boost::json::parse(ReportJson(Report()));
  const auto number = [&](const char* pointer) { return json.at_pointer(pointer).to_number<double>(); };
  EXPECT_EQ(number("/tiers/premium/sources/l1"), 98);
  EXPECT_EQ(number("/tiers/premium/sources/stale"), 1);
  EXPECT_EQ(number("/tiers/premium/sources_within_budget/l1"), 98);
  EXPECT_FALSE(json.at_pointer("/tiers/premium/sources_within_budget").as_object().contains("stale"));  // it was late
  EXPECT_TRUE(json.at_pointer("/tiers/basic/sources").as_object().empty());
  // 98 of 99 were in time, which is late by nothing; the other took 20 ms of 15.
  EXPECT_EQ(number("/tiers/premium/late_by_ms/p999"), 5);
  EXPECT_EQ(number("/tiers/premium/late_by_ms/max"), 5);
  EXPECT_EQ(number("/tiers/basic/late_by_ms/max"), 22.5);
}

TEST(SloReportTest, WhatIsInTimeIsLateByNothing) {
  const std::vector<Tier> tiers = {{"basic", milliseconds(50)}};
  LoadReport report{.stats = LoadStats(1, 3), .tiers = tiers, .limits = ReportLimits({})};
  for (int i = 0; i < 10; ++i)
    report.stats.RecordAnswer(tiers[0], 0, 0, milliseconds(50), report.limits, R"({"source":"model"})");
  const boost::json::value json = boost::json::parse(ReportJson(report));
  EXPECT_EQ(json.at_pointer("/tiers/basic/late_by_ms/p999").to_number<double>(), 0);
}

TEST(SloReportTest, WindowsCountWhatWasDueInThem) {
  const boost::json::value json = boost::json::parse(ReportJson(Report()));
  const auto list = [&](const char* name) { return json.at("windows").at(name); };
  EXPECT_EQ(list("ms").to_number<int>(), 5000);
  EXPECT_EQ(list("sent"), boost::json::value({100, 10}));
  EXPECT_EQ(list("within_budget"), boost::json::value({98, 0}));
  EXPECT_EQ(list("degraded"), boost::json::value({1, 0}));
  EXPECT_EQ(list("errors"), boost::json::value({1, 0}));
  EXPECT_EQ(list("unanswered"), boost::json::value({0, 1}));
  EXPECT_EQ(json.at("measured_from_unix_ms").to_number<double>(), 1'700'000'000'000);
}

TEST(SloReportTest, TablesShowTiersSourcesAndErrors) {
  const std::string text = ReportText(Report());
  EXPECT_THAT(text, HasSubstr("│ tier    │ budget ms │ sent │"));
  EXPECT_THAT(text, HasSubstr("│ premium │        15 │  100 │"));
  EXPECT_THAT(text, HasSubstr("98.00 % │"));
  EXPECT_THAT(text, HasSubstr("│ all     │           │  110 │"));
  EXPECT_THAT(text, HasSubstr("│ l1     │    98 │ 90.74 % │"));
  EXPECT_THAT(text, HasSubstr("│ 503 UNAVAILABLE     │     1 │ 0.90 % │"));
  EXPECT_THAT(text, HasSubstr("│ no response in time │     1 │ 0.90 % │"));
  // All lines of a table are equally wide.
  EXPECT_THAT(text, HasSubstr("├─────────┼───────────┼──────┼"));
}

TEST(SloReportTest, MergedStatsAreTheSum) {
  LoadReport report = Report();
  report.stats.Merge(Report().stats);
  EXPECT_EQ(report.stats.sent(), 220u);
  EXPECT_EQ(report.stats.answered(), 216u);
  EXPECT_EQ(report.stats.within[1], 196u);
  EXPECT_EQ(report.stats.sources.Of("l1"), 196u);
  EXPECT_EQ(report.stats.errors.Of("503 UNAVAILABLE"), 2u);
  EXPECT_EQ(report.stats.degraded, 2u);
  EXPECT_EQ(report.stats.cpu, milliseconds(22));
  EXPECT_EQ(report.stats.tiers[0].sources.Of("l1"), 196u);
  EXPECT_EQ(report.stats.tiers[0].within_sources.Of("l1"), 196u);
  EXPECT_EQ(report.stats.tiers[1].late_by.count(), 18u);
  EXPECT_EQ(report.stats.windows[0].sent, 200u);
  EXPECT_EQ(report.stats.windows[1].unanswered, 2u);
}

TEST(SloReportTest, AnEmptyRunHasAReportToo) {
  const LoadReport report{.stats = LoadStats(1, 3), .tiers = {{"a", milliseconds(15)}}, .limits = ReportLimits({})};
  const boost::json::value json = boost::json::parse(ReportJson(report));
  EXPECT_EQ(json.at("cache_hit_rate").to_number<double>(), 0);
  EXPECT_FALSE(json.as_object().contains("windows"));
  EXPECT_THAT(ReportText(report), HasSubstr("0 requests"));
}

TEST(NamedCountsTest, NamesAreBounded) {
  NamedCounts counts;
  for (int i = 0; i < 1000; ++i) counts.Add(std::to_string(i));
  EXPECT_EQ(counts.all().size(), 64u);
  EXPECT_EQ(counts.Sum(), 1000u);
  EXPECT_EQ(counts.Of("other"), 937u);
}

}  // namespace
}  // namespace punctual::load

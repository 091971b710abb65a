#include "load/slo_report.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/clock.h"
#include "load/text_table.h"

namespace punctual::load {

namespace {

double Share(std::uint64_t part, std::uint64_t all) {
  return all == 0 ? 0 : static_cast<double>(part) / static_cast<double>(all);
}

double Seconds(Duration duration) { return static_cast<double>(duration.count()) / 1e9; }

double PerSecond(std::uint64_t count, Duration duration) {
  return duration.count() <= 0 ? 0 : static_cast<double>(count) / Seconds(duration);
}

double CpuPerRequestUs(const LoadReport& report) {
  const std::uint64_t sent = report.stats.sent();
  return sent == 0 ? 0 : Microseconds(report.stats.cpu) / static_cast<double>(sent);
}

std::uint64_t CacheHits(const LoadStats& stats) {
  return stats.sources.Of("l1") + stats.sources.Of("l2") + stats.sources.Of("l3");
}

// The shortest text of `number`, rounded to six digits behind the point. Never in exponent form: people read it too.
std::string NumberText(double number) {
  char text[64];
  const double rounded = std::round(number * 1e6) / 1e6;
  return {text, std::to_chars(text, text + sizeof text, rounded, std::chars_format::fixed).ptr};
}

// Writes indented JSON. Keys come in pairs with values or with Open().
class JsonText {
 public:
  JsonText() { Open(); }
  void Open(std::string_view key = {}) {
    if (!key.empty()) Key(key);
    text_ += '{';
    first_ = true;
    indent_ += 2;
  }
  void Close() {
    indent_ -= 2;
    if (!first_) NewLine();
    text_ += '}';
    first_ = false;
  }
  void Put(std::string_view key, double value) {
    Key(key);
    text_ += NumberText(value);
  }
  void Put(std::string_view key, std::uint64_t value) {
    Key(key);
    text_ += std::to_string(value);
  }
  void Put(std::string_view key, const std::vector<std::uint64_t>& values) {
    Key(key);
    text_ += '[';
    for (std::size_t i = 0; i < values.size(); ++i) (text_ += i == 0 ? "" : ", ") += std::to_string(values[i]);
    text_ += ']';
  }
  std::string Finish() {
    Close();
    return text_ + "\n";
  }

 private:
  void NewLine() { text_ += '\n' + std::string(indent_, ' '); }
  void Key(std::string_view key) {
    if (!first_) text_ += ',';
    first_ = false;
    NewLine();
    text_ += '"';
    for (const char c : key) {  // tiers' names come from the command line, sources from the server
      if (c == '"' || c == '\\') text_ += '\\';
      text_ += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
    text_ += "\": ";
  }

  std::string text_;
  std::size_t indent_ = 0;
  bool first_ = true;
};

void PutCounts(JsonText& json, std::string_view key, const NamedCounts& counts) {
  json.Open(key);
  for (const auto& [name, count] : counts.all()) json.Put(name, count);
  json.Close();
}

void PutWindows(JsonText& json, const LoadReport& report) {
  const std::vector<WindowCounts>& windows = report.stats.windows;
  if (windows.empty()) return;
  const auto put = [&](std::string_view key, std::uint64_t WindowCounts::*field) {
    std::vector<std::uint64_t> values;
    for (const WindowCounts& window : windows) values.push_back(window.*field);
    json.Put(key, values);
  };
  json.Open("windows");
  json.Put("ms", Milliseconds(report.window));
  put("sent", &WindowCounts::sent);
  put("within_budget", &WindowCounts::within);
  put("degraded", &WindowCounts::degraded);
  put("unanswered", &WindowCounts::unanswered);
  put("errors", &WindowCounts::errors);
  json.Close();
}

std::string PercentText(std::uint64_t part, std::uint64_t all) {
  // Rounded down: 99.999 % must not read as 100 %.
  return all == 0 ? "-" : Fixed(static_cast<double>(part * 10'000 / all) / 1e2, 2) + " %";
}

std::string CountsText(const char* title, const NamedCounts& counts, std::uint64_t all) {
  auto sorted = counts.all();
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  TextTable table({title, "count", "share"});
  for (const auto& [name, count] : sorted) table.Add({name, Grouped(count), PercentText(count, all)});
  return table.Text();
}

std::vector<std::string> LatencyCells(const Histogram& latency) {
  std::vector<std::string> cells;
  for (const double q : {0.5, 0.99, 0.999, 1.0})
    cells.push_back(latency.count() == 0 ? "-" : Fixed(Milliseconds(latency.Quantile(q)), 3));
  return cells;
}

std::string TiersText(const LoadReport& report) {
  TextTable table({"tier", "budget ms", "sent", "p50 ms", "p99 ms", "p99.9 ms", "max ms", "in time"});
  const auto add = [&](const std::string& name, const std::string& budget, std::uint64_t sent, std::uint64_t within,
                       const Histogram& latency) {
    std::vector<std::string> row = {name, budget, Grouped(sent)};
    for (std::string& cell : LatencyCells(latency)) row.push_back(std::move(cell));
    row.push_back(PercentText(within, sent));
    table.Add(std::move(row));
  };
  std::uint64_t within = 0;
  for (std::size_t i = 0; i < report.tiers.size(); ++i) {
    const TierCounts& counts = report.stats.tiers[i];
    within += counts.within;
    if (counts.sent == 0) continue;
    add(report.tiers[i].name, NumberText(Milliseconds(report.tiers[i].budget)), counts.sent, counts.within,
        counts.latency);
  }
  add("all", "", report.stats.sent(), within, report.stats.latency());
  return table.Text();
}

}  // namespace

std::vector<Duration> ReportLimits(const std::vector<Tier>& tiers) {
  using std::chrono::milliseconds;
  std::vector<Duration> limits = {milliseconds(15), milliseconds(25), milliseconds(50)};
  for (const Tier& tier : tiers) limits.push_back(tier.budget);
  std::sort(limits.begin(), limits.end());
  limits.erase(std::unique(limits.begin(), limits.end()), limits.end());
  return limits;
}

std::string ReportJson(const LoadReport& report) {
  const LoadStats& stats = report.stats;
  const Histogram latency = stats.latency();
  const auto quantile = [](const Histogram& histogram, double q) { return Milliseconds(histogram.Quantile(q)); };
  JsonText json;
  json.Put("offered_rps", report.offered_rps);
  json.Put("achieved_rps", PerSecond(stats.answered(), report.duration));
  json.Put("duration_s", Seconds(report.duration));
  json.Put("connections", report.connections);
  json.Put("sent", stats.sent());
  json.Put("answered", stats.answered());
  json.Put("unanswered", stats.unanswered());
  json.Put("errors", stats.errors.Sum());
  json.Put("degraded", stats.degraded);
  json.Open("latency_ms");
  json.Put("p50", quantile(latency, 0.5));
  json.Put("p90", quantile(latency, 0.9));
  json.Put("p99", quantile(latency, 0.99));
  json.Put("p999", quantile(latency, 0.999));
  json.Put("max", Milliseconds(latency.max()));
  json.Close();
  json.Open("within");
  for (std::size_t i = 0; i < report.limits.size(); ++i)
    json.Put(NumberText(Milliseconds(report.limits[i])), Share(stats.within[i], stats.sent()));
  json.Close();
  json.Open("tiers");
  for (std::size_t i = 0; i < report.tiers.size(); ++i) {
    const TierCounts& counts = stats.tiers[i];
    json.Open(report.tiers[i].name);
    json.Put("budget_ms", Milliseconds(report.tiers[i].budget));
    json.Put("sent", counts.sent);
    json.Put("within_budget", Share(counts.within, counts.sent));
    json.Put("p50", quantile(counts.latency, 0.5));
    json.Put("p99", quantile(counts.latency, 0.99));
    json.Put("p999", quantile(counts.latency, 0.999));
    json.Put("max", Milliseconds(counts.latency.max()));
    json.Open("late_by_ms");
    json.Put("p99", quantile(counts.late_by, 0.99));
    json.Put("p999", quantile(counts.late_by, 0.999));
    json.Put("max", Milliseconds(counts.late_by.max()));
    json.Close();
    PutCounts(json, "sources", counts.sources);
    PutCounts(json, "sources_within_budget", counts.within_sources);
    json.Close();
  }
  json.Close();
  PutCounts(json, "sources", stats.sources);
  json.Put("cache_hit_rate", Share(CacheHits(stats), stats.answered()));
  PutCounts(json, "error_counts", stats.errors);
  json.Open("unanswered_counts");
  json.Put("timeout", stats.timed_out);
  json.Put("connection_lost", stats.connection_lost);
  json.Close();
  json.Put("measured_from_unix_ms", static_cast<double>(report.measured_from_unix_ns) / 1e6);
  PutWindows(json, report);
  json.Put("generator_cpu_s", Seconds(stats.cpu));
  json.Put("generator_cpu_us_per_request", CpuPerRequestUs(report));
  json.Open("generator_lateness_ms");
  json.Put("p50", quantile(stats.lateness, 0.5));
  json.Put("p99", quantile(stats.lateness, 0.99));
  json.Put("max", Milliseconds(stats.lateness.max()));
  json.Close();
  return json.Finish();
}

std::string ReportText(const LoadReport& report) {
  const LoadStats& stats = report.stats;
  std::string text = Grouped(stats.sent()) + " requests in " + Fixed(Seconds(report.duration), 1) + " s over " +
                     Grouped(report.connections) + " connections: " + Fixed(report.offered_rps, 0) +
                     " req/s offered, " + Fixed(PerSecond(stats.answered(), report.duration), 0) + " answered; " +
                     Grouped(stats.unanswered()) + " unanswered, " + Grouped(stats.errors.Sum()) + " errors\n";
  text += TiersText(report);
  if (stats.sources.Sum() > 0) text += CountsText("source", stats.sources, stats.answered());
  NamedCounts failures = stats.errors;
  if (stats.timed_out > 0) failures.Add("no response in time", stats.timed_out);
  if (stats.connection_lost > 0) failures.Add("connection lost", stats.connection_lost);
  if (failures.Sum() > 0) text += CountsText("error", failures, stats.sent());
  text += "generator: " + Fixed(CpuPerRequestUs(report), 1) + " µs of CPU a request, " +
          Fixed(Milliseconds(stats.lateness.Quantile(0.99)), 3) + " ms late at p99";
  // Past a millisecond the figures above say as much about this program as about the server.
  if (stats.lateness.Quantile(0.99) > std::chrono::milliseconds(1))
    text += " (the generator was held up: lower the rate, give it a core, or raise --threads)";
  return text + "\n";
}

}  // namespace punctual::load

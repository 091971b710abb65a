#include "optimize/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <limits>

#include "optimize/svg_plots.h"

namespace punctual::optimize {
namespace {

using testing::HasSubstr;
using testing::Not;

Optimization Found() {
  Optimization found;
  found.model = "<b>m</b>";
  found.verdict = "int8 & more";
  found.classes = {"down", "up"};
  found.symbols = {"A<B"};
  found.files = {{"fp32", 1000, {}}, {"int8", 300, {}}};
  found.serves = "int8";
  found.int8.trials = {{.method = "mse", .of_all = 0.9, .files = {{0.99, {"first"}}}}};
  found.int8.files = {{"mse", 0.99, 0.992, "", {{"first", "Conv", 12, "to be faithful enough"}}, true, "within & well"},
                      {"min-max", 0.97, 0.98, "12", {}, false, ""}};
  found.int8.levels = {0.995, 0.99, 0.98, 0.97};
  found.int8.layer_error = {{"first", 0.25}};
  VariantRun run{.variant = "int8", .backend = "native", .gate = "disagreement 1.000 %"};
  const Estimate estimate{0.99, 0.98, 0.995};
  run.fidelity = Comparison{.samples = 4, .confidence = 0.95};
  run.fidelity->numbers = std::nullopt;
  run.fidelity->classes = ClassComparison{.agreement = {4, estimate},
                                          .by_class = {{4, estimate}, {}},
                                          .by_symbol = {{4, estimate}},
                                          .confusion = {3, 1, 0, 0},
                                          .accuracy = std::nullopt,
                                          .reference_calibration_error = std::nullopt};
  found.runs = {run, {.variant = "int8", .backend = "openvino", .refusal = "not <here>"}};
  return found;
}

TEST(ReportTest, TheJsonHasTheFigures) {
  const auto report = boost::json::parse(ReportJson(Found()));
  EXPECT_EQ(report.at_pointer("/files/int8/share").as_double(), 0.3);
  EXPECT_EQ(report.at_pointer("/runs/0/fidelity/agreement/low").as_double(), 0.98);
  EXPECT_EQ(report.at_pointer("/runs/0/fidelity/confusion/0/1").as_int64(), 1);
  EXPECT_EQ(report.at_pointer("/runs/1/refused").as_string(), "not <here>");
  EXPECT_EQ(report.at_pointer("/quantization/layers/0/in_float_because").as_string(), "to be faithful enough");
  EXPECT_EQ(report.at_pointer("/quantization/levels/2").as_double(), 0.98);
  EXPECT_EQ(report.at_pointer("/quantization/trials/0/found/0/in_float/0").as_string(), "first");
  EXPECT_EQ(report.at_pointer("/quantization/taken").as_int64(), 0);
  EXPECT_EQ(report.at_pointer("/quantization/files/1/level").as_double(), 0.97);
  EXPECT_TRUE(report.at_pointer("/quantization/files/0/passed").as_bool());
  EXPECT_EQ(report.at_pointer("/quantization/files/0/gate").as_string(), "within & well");
  EXPECT_TRUE(report.at_pointer("/quantization/files/1/gate").is_null());
}

// Of tiers for which the int8 file, the student and nothing has room.
Optimization WithTiers() {
  Optimization found = Found();
  found.tiers = {{"a&b", 15}, {"quick", 0.1}, {"", 0.0001}};
  found.runs[0].latency.busy = {100, 1500, 40};
  found.runs.push_back({.variant = "student", .backend = "native", .fidelity = found.runs[0].fidelity});
  found.runs.back().latency.busy = {1, 2, 40};
  found.choices = {{found.tiers[0], 0, ""}, {found.tiers[1], 2, "m-student"}, {found.tiers[2], {}, ""}};
  return found;
}

TEST(ReportTest, TheJsonSaysWhatEachTierShouldGet) {
  const auto report = boost::json::parse(ReportJson(WithTiers()));
  EXPECT_EQ(report.at("tiers").as_array().size(), 3u);
  const auto& first = report.at_pointer("/tiers/0");
  EXPECT_EQ(first.at("name"), "a&b");
  EXPECT_EQ(first.at("budget_ms").to_number<double>(), 15);
  EXPECT_EQ(first.at("variant"), "int8");
  EXPECT_EQ(first.at("backend"), "native");
  EXPECT_EQ(first.at("p99_us").to_number<double>(), 1500);
  EXPECT_TRUE(first.at("model").is_null());
  EXPECT_TRUE(first.at("toml").is_null());
  EXPECT_EQ(report.at_pointer("/tiers/1/model"), "m-student");
  EXPECT_THAT(report.at_pointer("/tiers/1/toml").as_string().c_str(), HasSubstr("[tiers.quick.models]"));
  for (const char* const none : {"name", "variant", "backend", "p99_us", "model", "toml"})
    EXPECT_TRUE(report.at_pointer("/tiers/2").at(none).is_null()) << none;
  EXPECT_EQ(report.at_pointer("/runs/0/in_budget").as_array().size(), 1u);
  EXPECT_EQ(report.at_pointer("/runs/2/in_budget").as_array().size(), 2u);
  EXPECT_EQ(report.at_pointer("/runs/0/latency_us/busy/p99").to_number<double>(), 1500);
}

TEST(ReportTest, ThePageHasATableOfTheTiers) {
  const std::string page = ReportHtml(WithTiers());
  EXPECT_THAT(page, HasSubstr("<td>a&amp;b</td><td>15</td><td>int8 by native</td><td>1500</td><td>10.00 %</td>"));
  EXPECT_THAT(page, HasSubstr("<p>For quick (0.1 ms), in the server's "
                              "configuration:</p>\n<pre>[tiers.quick.models]\nSTYLE = &quot;m-student&quot;"));
  EXPECT_THAT(page, HasSubstr("nothing that passed"));
}

TEST(ReportTest, WhatIsNotFiniteIsNoNumberInJson) {
  Optimization found = Found();
  found.runs[0].fidelity->largest_difference = std::numeric_limits<double>::infinity();
  EXPECT_TRUE(boost::json::parse(ReportJson(found)).at_pointer("/runs/0/fidelity/largest_difference").is_null());
}

TEST(ReportTest, NamesAreTextInThePageWhateverTheyHold) {
  const std::string page = ReportHtml(Found());
  EXPECT_THAT(page, HasSubstr("int8 &amp; more"));
  EXPECT_THAT(page, HasSubstr("&lt;b&gt;m&lt;/b&gt;"));
  EXPECT_THAT(page, HasSubstr("A&lt;B"));
  EXPECT_THAT(page, HasSubstr("not &lt;here&gt;"));
  EXPECT_THAT(page, Not(HasSubstr("<b>m</b>")));
  EXPECT_THAT(page, HasSubstr("<td>99.50 %</td><td>none</td>"));
  EXPECT_THAT(page, HasSubstr("<td>passed: within &amp; well</td>"));
  EXPECT_THAT(page, HasSubstr("<td>not judged</td>"));
  EXPECT_THAT(page, HasSubstr("<td>99.00 %</td><td>1 (taken)</td><td>mse</td>"));
  EXPECT_THAT(page, HasSubstr("<td>98.00 %</td><td>1</td>")) << "nothing with more codes reaches it";
  EXPECT_THAT(page, HasSubstr("<td>97.00 %</td><td>2</td><td>min-max</td>"));
}

TEST(SvgPlotsTest, PlotsOfNothingAreNothing) {
  EXPECT_EQ(PointPlot({}, "x", "y"), "");
  EXPECT_EQ(BarPlot({}), "");
  EXPECT_EQ(UnitPlot({{"empty", {}}}, "x", "y"), "");
}

TEST(SvgPlotsTest, OnePointAndBarsOfNoLengthArePlots) {
  EXPECT_THAT(PointPlot({{"one", 3, 100, 100, 100}}, "x", "y"), Not(HasSubstr("nan")));
  EXPECT_THAT(BarPlot({{"none", 0}}), Not(HasSubstr("nan")));
}

}  // namespace
}  // namespace punctual::optimize

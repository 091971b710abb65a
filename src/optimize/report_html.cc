#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "base/config_file.h"
#include "optimize/printed_number.h"
#include "optimize/report.h"
#include "optimize/svg_plots.h"

namespace punctual::optimize {

namespace {

constexpr const char* kStyle = R"(
:root { color-scheme: light dark; --ink: #1d2733; --dim: #5c6b7a; --paper: #ffffff; --line: #d9dfe5; --box: #f4f6f8;
  --a: #2f6fb3; --b: #d1661b; --c: #6b4fa0; --good: #187a3c; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9ee; --dim: #9aa8b5; --paper: #14191f; --line: #333d47;
  --box: #1d242c; --a: #6ea8e6; --b: #f0954f; --c: #b39ae6; --good: #5cc583; --bad: #f28b82; } }
body { font: 15px/1.45 system-ui, "DejaVu Sans", sans-serif; color: var(--ink); background: var(--paper);
  max-width: 1040px; margin: 0 auto; padding: 20px 20px 60px; }
h1 { font-size: 22px; margin: 0 0 4px; } h2 { font-size: 17px; margin: 28px 0 8px; }
h3 { font-size: 15px; margin: 0 0 6px; } p { margin: 6px 0; }
.dim, figcaption { color: var(--dim); } .verdict { font-size: 18px; margin: 12px 0 14px; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 5px 9px; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--dim); font-weight: 600; } th:first-child, td:first-child, .left, table.left-last td:last-child, table.left-last th:last-child { text-align: left; }
td { white-space: nowrap; } td.left { white-space: normal; }
table.left-last td:last-child { white-space: normal; min-width: 7em; }
tr.served td:first-child { font-weight: 700; } .good { color: var(--good); } .bad { color: var(--bad); }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); gap: 16px; }
figure { margin: 0; background: var(--box); border-radius: 8px; padding: 12px 14px; } figcaption { font-size: 13px; }
svg { width: 100%; height: auto; } svg text { fill: var(--ink); font-size: 12px; }
svg .grid { stroke: var(--line); } svg .ideal { stroke: var(--dim); stroke-dasharray: 4 4; }
svg line.a, svg polyline.a { stroke: var(--a); stroke-width: 2; fill: none; }
svg line.b, svg polyline.b { stroke: var(--b); stroke-width: 2; fill: none; }
svg line.c, svg polyline.c { stroke: var(--c); stroke-width: 2; fill: none; }
svg circle.a, svg rect.a { fill: var(--a); } svg circle.b, svg rect.b { fill: var(--b); } svg circle.c { fill: var(--c); }
ul { margin: 6px 0; padding-left: 20px; } code { font-size: 13px; overflow-wrap: anywhere; }
pre { font-size: 13px; overflow-x: auto; }
)";

std::string Percent(double share) { return Printed(100 * share, "%.2f") + " %"; }

std::string WithInterval(const Estimate& estimate, const char* between = " ") {
  return Percent(estimate.value) + between + "<span class=\"dim\">(" + Printed(100 * estimate.low, "%.2f") + " to " +
         Printed(100 * estimate.high, "%.2f") + ")</span>";
}

std::string Bytes(std::size_t bytes) {
  const auto number = static_cast<double>(bytes);
  if (bytes < 10'000) return std::to_string(bytes) + " B";
  return bytes < 10'000'000 ? Printed(number / 1e3, "%.1f kB") : Printed(number / 1e6, "%.1f MB");
}

std::string Row(const std::vector<std::string>& cells, const char* tag = "td", const std::string& kind = "") {
  std::string row = kind.empty() ? "<tr>" : "<tr class=\"" + kind + "\">";
  for (const std::string& cell : cells) row += std::string("<") + tag + ">" + cell + "</" + tag + ">";
  return row + "</tr>\n";
}

// Of tables whose last column is a sentence.
constexpr const char* kTextLast = " class=\"left-last\"";

std::string Table(const std::string& rows, const char* kind = "") {
  return "<div class=\"wide\"><table" + std::string(kind) + ">\n" + rows + "</table></div>\n";
}

const VariantFile* FileOf(const Optimization& found, const std::string& variant) {
  for (const VariantFile& file : found.files)
    if (file.variant == variant) return &file;
  return nullptr;
}

bool HasNumbers(const Optimization& found) {
  return std::any_of(found.runs.begin(), found.runs.end(),
                     [](const VariantRun& run) { return run.fidelity && run.fidelity->numbers; });
}

bool HasLabels(const Optimization& found) {
  return std::any_of(found.runs.begin(), found.runs.end(), [](const VariantRun& run) {
    return run.fidelity && run.fidelity->classes && run.fidelity->classes->accuracy;
  });
}

std::string Passed(const VariantRun& run) {
  if (!run.refusal.empty()) return "<span class=\"dim\">cannot run</span>";
  if (run.gate.empty()) return "<span class=\"dim\">-</span>";
  return run.passed ? "<span class=\"good\">passed</span>" : "<span class=\"bad\">failed</span>";
}

bool IsServed(const Optimization& found, const VariantRun& run) {
  const auto served = ServedRun(found.runs, found.serves);
  return served && &found.runs[*served] == &run;
}

std::string Quantiles(const Latency& latency) {
  return MicrosecondsText(latency.p50_us) + " / " + MicrosecondsText(latency.p99_us);
}

std::string TierRow(const Optimization& found, const TierChoice& choice) {
  const std::string name = choice.tier.name.empty() ? "-" : Escaped(choice.tier.name);
  const std::string budget = NumberText(choice.tier.budget_ms);
  if (!choice.run) return Row({name, budget, "<span class=\"bad\">nothing that passed</span>", "-", "-"});
  const VariantRun& run = found.runs[*choice.run];
  return Row({name, budget, run.variant + " by " + Escaped(run.backend), MicrosecondsText(run.latency.busy.p99_us),
              Percent(run.latency.busy.p99_us / (1e3 * choice.tier.budget_ms))});
}

std::string TierTable(const Optimization& found) {
  std::string rows = Row({"tier", "budget, ms", "the most faithful with room", "busy p99, µs", "of the budget"}, "th");
  for (const TierChoice& choice : found.choices) rows += TierRow(found, choice);
  std::string configuration;
  for (const ConfigurationLines& lines : LinesOf(found.choices))
    configuration += "<p>For " + Escaped(TextOf(lines.tiers)) + ", in the server's configuration:</p>\n<pre>" +
                     Escaped(lines.toml) + "</pre>\n";
  return Table(rows) + "<p class=\"dim\">With room: one inference takes at most " + Printed(100 * kMostOfBudget, "%g") +
         " % of the budget at the 99th percentile" + (found.machine.cores > 1 ? ", with the other cores busy" : "") +
         "; the rest is for features, waiting and replying.</p>\n" + configuration;
}

std::string VariantRow(const Optimization& found, const VariantRun& run) {
  const VariantFile* const file = FileOf(found, run.variant);
  const std::string name = Escaped(run.variant + " by " + run.backend) +
                           (IsServed(found, run) ? "<br><span class=\"dim\">served</span>" : "");
  std::vector<std::string> cells = {name, Passed(run)};
  if (run.refusal.empty()) {
    const Comparison& comparison = *run.fidelity;
    cells.push_back(WithInterval(
        comparison.classes ? *comparison.classes->agreement.share : comparison.numbers->relative_difference, "<br>"));
    if (HasLabels(found)) cells.push_back(WithInterval(comparison.classes->accuracy->candidate, "<br>"));
    cells.push_back(Quantiles(run.latency.warm));
    cells.push_back(Quantiles(run.latency.cold));
    const bool fits = std::any_of(found.tiers.begin(), found.tiers.end(),
                                  [&](const Tier& tier) { return HasRoom(run, tier.budget_ms); });
    cells.push_back(Quantiles(run.latency.busy) + (fits ? "" : "<br><span class=\"bad\">no budget has room</span>"));
  } else {
    cells.insert(cells.end(), HasLabels(found) ? 5 : 4, "-");
  }
  cells.push_back(file == nullptr ? "-"
                                  : Bytes(file->bytes) + "<br><span class=\"dim\">" +
                                        Printed(100.0 * static_cast<double>(file->bytes) /
                                                    static_cast<double>(found.files.front().bytes),
                                                "%.0f") +
                                        " %</span>");
  return Row(cells, "td", IsServed(found, run) ? "served" : "");
}

bool SomethingRuns(const Optimization& found, const std::string& variant) {
  return std::ranges::any_of(found.runs,
                             [&](const VariantRun& run) { return run.variant == variant && run.refusal.empty(); });
}

// What matters most stands in front: on a small screen the rest is found by scrolling.
std::string VariantTable(const Optimization& found) {
  std::vector<std::string> header = {"variant", "gate",
                                     HasNumbers(found) ? "relative difference (95 %)" : "same class (95 %)"};
  if (HasLabels(found)) header.push_back("accuracy (95 %)");
  for (const char* const name : {"warm p50 / p99, µs", "cold p50 / p99, µs", "busy p50 / p99, µs", "file"})
    header.emplace_back(name);
  std::string rows = Row(header, "th"), why;
  for (const VariantRun& run : found.runs) {
    if (run.refusal.empty() || !SomethingRuns(found, run.variant)) rows += VariantRow(found, run);
    const std::string& said = run.refusal.empty() ? run.gate : run.refusal;
    if (!said.empty())
      why +=
          "<li>" + Escaped(run.variant + " by " + run.backend) + ", " + Passed(run) + ": " + Escaped(said) + "</li>\n";
  }
  return Table(rows) + (why.empty() ? "" : "<ul>\n" + why + "</ul>\n");
}

std::string Figure(const std::string& title, const std::string& plot, const std::string& caption) {
  if (plot.empty()) return "";
  return "<figure><h3>" + title + "</h3>" + plot + "<figcaption>" + caption + "</figcaption></figure>\n";
}

std::string TradeOff(const Optimization& found) {
  std::vector<PlotPoint> points;
  for (const VariantRun& run : found.runs) {
    if (!run.fidelity) continue;
    const bool classes = run.fidelity->classes.has_value();
    const Estimate estimate =
        classes ? *run.fidelity->classes->agreement.share : run.fidelity->numbers->relative_difference;
    points.push_back({run.variant + " by " + run.backend, run.latency.warm.p50_us, 100 * estimate.value,
                      100 * estimate.low, 100 * estimate.high, run.variant == "int8"});
  }
  return Figure("Latency against fidelity",
                PointPlot(points, "median of one answer, warm, µs",
                          HasNumbers(found) ? "relative difference, %" : "same class as the model, %"),
                "On held-out samples, with intervals of 95 %.");
}

std::string LayerErrors(const Optimization& found) {
  constexpr std::size_t kMost = 20;
  if (!found.int8.failure.empty()) return "";
  std::set<std::string> left;
  for (const LayerReport& layer : found.int8.file().layers)
    if (!layer.reason.empty()) left.insert(layer.name);
  std::vector<PlotBar> bars;
  for (const LayerError& error : found.int8.layer_error)
    if (bars.size() < kMost) bars.push_back({error.layer, error.mean_difference, left.contains(error.layer)});
  return Figure("Error by layer", BarPlot(bars),
                "Mean difference of the answers with codes in this layer alone (ranges by " +
                    Escaped(found.int8.files.front().method) + "); in the second colour those that were left in float" +
                    std::string(found.int8.layer_error.size() > kMost ? "; the worst 20." : "."));
}

std::string ConfidencePlot(const Optimization& found, const VariantRun& own, const VariantRun* int8,
                           const VariantRun* student) {
  std::vector<PlotLine> lines;
  const bool alone = int8 == nullptr && student == nullptr;
  for (const VariantRun* const run : {HasLabels(found) || alone ? &own : nullptr, int8, student}) {
    if (run == nullptr) continue;
    PlotLine line{run->variant, {}};
    for (const ConfidenceBin& bin : run->confidence)
      if (bin.count > 0) line.points.push_back({bin.confidence, bin.right});
    lines.push_back(std::move(line));
  }
  return Figure(
      "Calibration",
      UnitPlot(lines, "confidence", HasLabels(found) ? "share of right answers" : "share of the model's class"),
      HasLabels(found) ? "Right as often as it says it is: on the diagonal."
                       : "Without labels, the model's own classes are taken for the truth: what matters is "
                         "that a variant is not sure of what the model would not say.");
}

std::string Confusion(const Optimization& found, const VariantRun& run) {
  constexpr std::size_t kMost = 12;
  if (!run.fidelity || !run.fidelity->classes) return "";
  const ClassComparison& classes = *run.fidelity->classes;
  const std::size_t width = classes.by_class.size();
  if (width > kMost) return "";
  const auto name = [&](std::size_t i) {
    return Escaped(i < found.classes.size() ? found.classes[i] : std::to_string(i));
  };
  std::vector<std::string> header = {"the model said"};
  for (std::size_t i = 0; i < width; ++i) header.push_back(name(i));
  std::string rows = Row(header, "th");
  for (std::size_t row = 0; row < width; ++row) {
    std::vector<std::string> cells = {name(row)};
    for (std::size_t column = 0; column < width; ++column) {
      const std::string count = std::to_string(classes.confusion[row * width + column]);
      cells.push_back(row == column ? "<b>" + count + "</b>" : count);
    }
    rows += Row(cells);
  }
  return "<figure><h3>Who said what: " + Escaped(run.variant) + "</h3>" + Table(rows) +
         "<figcaption>Columns: " + Escaped(run.variant + " by " + run.backend) +
         ". On the diagonal both said the same.</figcaption></figure>\n";
}

std::string Agreements(const Optimization& found, const VariantRun& run) {
  if (!run.fidelity || !run.fidelity->classes) return "";
  std::string rows = Row({"of", "samples", "same class (95 %)"}, "th");
  const auto add = [&](const std::string& name, const Agreement& agreement) {
    rows += Row({name, std::to_string(agreement.samples), agreement.share ? WithInterval(*agreement.share) : "-"});
  };
  const ClassComparison& classes = *run.fidelity->classes;
  constexpr std::size_t kMost = 40;
  for (std::size_t i = 0; i < std::min(classes.by_class.size(), kMost); ++i)
    add("class " + Escaped(i < found.classes.size() ? found.classes[i] : std::to_string(i)), classes.by_class[i]);
  for (std::size_t i = 0; i < std::min(classes.by_symbol.size(), kMost); ++i)
    if (!found.symbols[i].empty()) add(Escaped(found.symbols[i]), classes.by_symbol[i]);
  std::string text = "<figure><h3>By class and symbol: " + Escaped(run.variant) + "</h3>" + Table(rows) +
                     "<figcaption>" + Escaped(run.variant + " by " + run.backend) +
                     ". Largest difference of a number: " + Printed(run.fidelity->largest_difference, "%.4g") +
                     ", mean: " + Printed(run.fidelity->mean_difference, "%.3g") + ".";
  // Without labels it would say how sure the model itself is.
  if (classes.accuracy && classes.reference_calibration_error)
    text += " Calibration error: " + Printed(classes.candidate_calibration_error, "%.4f") +
            " (the model's: " + Printed(*classes.reference_calibration_error, "%.4f") + ").";
  return text + "</figcaption></figure>\n";
}

// Of a file that gave numbers which are not finite there is none.
std::string FidelityText(double fidelity) { return fidelity < -1e100 ? "not finite" : Percent(fidelity); }

std::string Int8Row(const Int8Search& search, const std::string& level, std::size_t place) {
  const Int8File& file = search.files[place];
  std::size_t in_float = 0, all = 0;
  for (const LayerReport& layer : file.layers) {
    all += layer.weights;
    if (!layer.reason.empty()) in_float += layer.weights;
  }
  return Row({level, std::to_string(place + 1) + (file.passed && place == search.taken ? " (taken)" : ""),
              Escaped(file.method), std::to_string(file.onnx.size()),
              Printed(100 * static_cast<double>(in_float) / std::max(1.0, static_cast<double>(all)), "%.0f") + " %",
              FidelityText(file.fidelity),
              file.gate.empty() ? "not judged" : (file.passed ? "passed: " : "failed: ") + Escaped(file.gate)});
}

// A row for each level, whether or not a file was made for it.
std::string Int8Files(const Int8Search& search) {
  std::string rows = Row({"level", "file", "ranges by", "bytes", "weights in float", "fidelity", "gate"}, "th");
  std::size_t made = 0;
  for (const double level : search.levels) {
    if (made < search.files.size() && search.files[made].level == level)
      rows += Int8Row(search, Percent(level), made++);
    else
      rows += Row({Percent(level), made == 0 ? "none" : std::to_string(made), "", "", "", "",
                   made == 0 ? "no file is as faithful" : "no file with fewer weights in float is"});
  }
  for (; made < search.files.size(); ++made) rows += Int8Row(search, "-", made);
  return Table(rows, kTextLast);
}

std::string ErrorAlone(const Int8Search& search, const LayerReport& layer) {
  for (const LayerError& error : search.layer_error)
    if (error.layer == layer.name) return Printed(error.mean_difference, "%.2g");
  return "-";
}

std::string Layers(const Optimization& found) {
  if (!found.int8.failure.empty()) return "<p>" + Escaped(found.int8.failure) + "</p>\n";
  std::string rows = Row({"ranges by", "codes in all layers", "files tried"}, "th");
  for (const Int8Trial& trial : found.int8.trials)
    rows += Row({Escaped(trial.method), FidelityText(trial.of_all), std::to_string(trial.files_judged)});
  std::string text =
      "<p>Fidelity is the share of the same class (of one number: 100 % less the relative difference) "
      "on " +
      std::to_string(found.int8.samples) + " samples of the search part.</p>\n" + Table(rows);
  text +=
      "<p>For each level of fidelity, the file with the fewest weights in float that reaches it. They were judged on "
      "the held-out part in this order, up to the first that did not pass.</p>\n" +
      Int8Files(found.int8);
  rows = Row({"layer", "type", "weights", "error alone", "computed"}, "th");
  for (const LayerReport& layer : found.int8.file().layers)
    rows += Row({Escaped(layer.name), Escaped(layer.type), std::to_string(layer.weights), ErrorAlone(found.int8, layer),
                 layer.reason.empty() ? "int8" : "float: " + Escaped(layer.reason)});
  return text + "<p>File " + std::to_string(found.int8.taken + 1) +
         (found.int8.file().passed ? ", which was taken" : ", which did not pass") +
         ". Error alone: the mean difference of the answers with codes in this layer and no other.</p>\n" +
         Table(rows, kTextLast);
}

std::string Students(const Optimization& found) {
  constexpr std::size_t kMost = 12;
  std::string text = found.student.failure.empty() ? "" : "<p>" + Escaped(found.student.failure) + "</p>\n";
  std::vector<StudentTrial> trials = found.student.trials;
  if (trials.empty()) return text;
  std::stable_sort(trials.begin(), trials.end(), [](const StudentTrial& a, const StudentTrial& b) {
    return a.fits != b.fits ? a.fits : a.fidelity > b.fidelity;
  });
  std::string rows = Row({"student", "with features, µs", "fidelity"}, "th");
  for (std::size_t i = 0; i < std::min(trials.size(), kMost); ++i)
    rows += Row({Escaped(trials[i].description), Printed(trials[i].took_us, "%.2f"),
                 trials[i].fits ? Percent(trials[i].fidelity) : "over its budget"});
  text += "<p>Fidelity on the search part, best first";
  if (trials.size() > kMost)
    text += ", " + std::to_string(kMost) + " of " + std::to_string(trials.size()) + " that were tried";
  text += "; " + Printed(found.student_budget_us, "%g") + " µs are allowed.";
  if (found.student.failure.empty())
    text += " The one that was taken takes " + Printed(found.student.time.typical_us, "%.2f") +
            " µs, features included (" + Printed(found.student.time.p99_us, "%.2f") + " at the 99th percentile).";
  return text + "</p>\n" + Table(rows);
}

std::string Facts(const Optimization& found) {
  std::string files;
  for (const std::string& file : found.data_files) files += (files.empty() ? "" : ", ") + file;
  std::string digests;
  for (const VariantFile& file : found.files) digests += file.variant + " " + HexText(file.digest) + " ";
  const auto row = [](const char* name, const std::string& value) {
    return "<tr><td>" + std::string(name) + "</td><td class=\"left\"><code>" + Escaped(value) + "</code></td></tr>\n";
  };
  return Table(
      row("model", found.model_folder + ", version " + found.version + ", output " + found.output) +
      row("data", files + (found.labels_file.empty() ? "" : "; labels " + found.labels_file)) +
      row("samples", std::to_string(found.samples) + ": calibrated on " + std::to_string(found.fit) + ", searched on " +
                         std::to_string(found.search) + ", judged on " + std::to_string(found.held_out) +
                         (found.labels_file.empty() ? "" : " (" + std::to_string(found.labelled) + " with a label)") +
                         ", in the order of time, a gap of " + std::to_string(found.gap) + " snapshots between them") +
      row("model's answers", "by " + found.reference_backend) +
      row("options", "accuracy drop at most " + Printed(100 * found.max_accuracy_drop, "%g") + " %; a student's " +
                         Printed(found.student_budget_us, "%g") + " us and " +
                         Printed(100 * found.max_student_accuracy_drop, "%g") + " %; seed " +
                         std::to_string(found.seed)) +
      row("machine", found.machine.cpu + "; " + found.machine.simd + "; " + std::to_string(found.machine.cores) +
                         (found.machine.cores == 1 ? " core" : " cores") + " to use, load " +
                         Printed(found.machine.load, "%.2f")) +
      row("files", digests) + row("data's digest", HexText(found.data)) + row("run", HexText(found.run)));
}

}  // namespace

std::string ReportHtml(const Optimization& found) {
  const VariantRun* own = nullptr;
  const VariantRun* int8 = nullptr;
  const VariantRun* student = nullptr;  // the first that could be run of each
  for (const VariantRun& run : found.runs) {
    if (!run.refusal.empty()) continue;
    if (run.variant == "bf16" && own != nullptr) continue;  // its file is the model's own
    const VariantRun*& first = run.variant == "int8" ? int8 : run.variant == "student" ? student : own;
    if (first == nullptr) first = &run;
  }
  std::string html =
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" +
      Escaped(found.model) + ": punctual optimize</title>\n<style>" + kStyle + "</style>\n</head>\n<body>\n";
  html += "<h1>" + Escaped(found.model) + "</h1>\n<p class=\"verdict\">" + Escaped(found.verdict) + "</p>\n";
  html += TierTable(found) + VariantTable(found);
  if (!found.notes.empty()) {
    html += "<ul>\n";
    for (const std::string& note : found.notes) html += "<li>" + Escaped(note) + "</li>\n";
    html += "</ul>\n";
  }
  html += "<h2>How it came to this</h2>\n<div class=\"plots\">\n" + TradeOff(found) + LayerErrors(found);
  if (own != nullptr) html += ConfidencePlot(found, *own, int8, student);
  for (const VariantRun* const run : {int8, student})
    if (run != nullptr) html += Confusion(found, *run) + Agreements(found, *run);
  html += "</div>\n<h2>The int8 file</h2>\n" + Layers(found) + "<h2>The student</h2>\n" + Students(found) +
          "<h2>What it was found on</h2>\n" + Facts(found);
  return html + "</body>\n</html>\n";
}

}  // namespace punctual::optimize

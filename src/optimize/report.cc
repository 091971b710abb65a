#include "optimize/report.h"

#include <boost/json.hpp>

#include "optimize/json_text.h"

namespace punctual::optimize {

namespace json = boost::json;

namespace {

json::array ArrayOf(const std::vector<std::string>& texts) { return json::array(texts.begin(), texts.end()); }

json::object ObjectOf(const Estimate& estimate) {
  return {{"value", estimate.value}, {"low", estimate.low}, {"high", estimate.high}};
}

json::object ObjectOf(const Agreement& agreement) {
  json::object object{{"samples", agreement.samples}};
  object["agreement"] = agreement.share ? json::value(ObjectOf(*agreement.share)) : json::value();
  return object;
}

json::object ObjectOf(const Latency& latency) {
  return {{"p50", latency.p50_us}, {"p99", latency.p99_us}, {"runs", latency.runs}};
}

std::string NameOf(const std::vector<std::string>& names, std::size_t i) {
  return i < names.size() ? names[i] : std::to_string(i);
}

void PutClasses(const ClassComparison& classes, const Optimization& found, json::object& to) {
  to["agreement"] = classes.agreement.share ? json::value(ObjectOf(*classes.agreement.share)) : json::value();
  json::object by_class, by_symbol;
  for (std::size_t i = 0; i < classes.by_class.size(); ++i)
    by_class[NameOf(found.classes, i)] = ObjectOf(classes.by_class[i]);
  for (std::size_t i = 0; i < classes.by_symbol.size(); ++i)
    by_symbol[NameOf(found.symbols, i)] = ObjectOf(classes.by_symbol[i]);
  to["by_class"] = by_class;
  to["by_symbol"] = by_symbol;
  json::array confusion;
  const std::size_t width = classes.by_class.size();
  for (std::size_t row = 0; row < width; ++row)
    confusion.push_back(json::array(classes.confusion.begin() + static_cast<std::ptrdiff_t>(row * width),
                                    classes.confusion.begin() + static_cast<std::ptrdiff_t>((row + 1) * width)));
  to["confusion"] = confusion;
  if (classes.accuracy)
    to["accuracy"] = json::object{{"samples", classes.accuracy->samples},
                                  {"model", ObjectOf(classes.accuracy->reference)},
                                  {"variant", ObjectOf(classes.accuracy->candidate)},
                                  {"drop", ObjectOf(classes.accuracy->drop)},
                                  {"lost", ObjectOf(classes.accuracy->lost)}};
  if (classes.reference_calibration_error) to["model_calibration_error"] = *classes.reference_calibration_error;
  to["calibration_error"] = classes.candidate_calibration_error;
}

json::object FidelityOf(const Comparison& comparison, const Optimization& found) {
  json::object object{{"samples", comparison.samples},
                      {"confidence", comparison.confidence},
                      {"largest_difference", comparison.largest_difference},
                      {"mean_difference", comparison.mean_difference}};
  if (comparison.classes) PutClasses(*comparison.classes, found, object);
  if (comparison.numbers) {
    object["relative_difference"] = ObjectOf(comparison.numbers->relative_difference);
    object["correlation"] = comparison.numbers->correlation;
  }
  return object;
}

json::object ObjectOf(const VariantRun& run, const Optimization& found) {
  json::object object{{"variant", run.variant}, {"backend", run.backend}};
  if (!run.refusal.empty()) {
    object["refused"] = run.refusal;
    return object;
  }
  object["latency_us"] = json::object{
      {"warm", ObjectOf(run.latency.warm)}, {"cold", ObjectOf(run.latency.cold)}, {"busy", ObjectOf(run.latency.busy)}};
  json::array budgets_ms;
  for (const Tier& tier : found.tiers)
    if (HasRoom(run, tier.budget_ms)) budgets_ms.push_back(json::value(tier.budget_ms));
  object["in_budget"] = budgets_ms;
  object["passed"] = run.passed;
  if (!run.gate.empty()) object["gate"] = run.gate;
  if (run.like_first) object["like_first_backend"] = *run.like_first;
  if (run.unlike) object["unlike_first_backend"] = true;
  if (run.fidelity) object["fidelity"] = FidelityOf(*run.fidelity, found);
  json::array confidence;
  for (const ConfidenceBin& bin : run.confidence)
    confidence.push_back(json::object{{"count", bin.count}, {"confidence", bin.confidence}, {"right", bin.right}});
  if (!confidence.empty()) object["confidence"] = confidence;
  return object;
}

json::value TextOrNull(const std::string& text) { return text.empty() ? json::value() : json::value(text); }

json::object ObjectOf(const TierChoice& choice, const std::string& toml, const Optimization& found) {
  const VariantRun* run = choice.run ? &found.runs[*choice.run] : nullptr;
  return {{"name", TextOrNull(choice.tier.name)},
          {"budget_ms", choice.tier.budget_ms},
          {"variant", run == nullptr ? json::value() : json::value(run->variant)},
          {"backend", run == nullptr ? json::value() : json::value(run->backend)},
          {"p99_us", run == nullptr ? json::value() : json::value(run->latency.busy.p99_us)},
          {"model", TextOrNull(choice.model)},
          {"toml", TextOrNull(toml)}};
}

json::object ObjectOf(const Int8Search& search) {
  if (!search.failure.empty()) return {{"failure", search.failure}};
  json::array trials, files, layers, errors;
  for (const Int8Trial& trial : search.trials) {
    json::array found;
    for (const LayersInFloat& file : trial.files)
      found.push_back(json::object{{"fidelity", file.fidelity}, {"in_float", ArrayOf(file.layers)}});
    trials.push_back(json::object{{"method", trial.method},
                                  {"all_layers", trial.of_all},
                                  {"found", found},
                                  {"files_judged", trial.files_judged}});
  }
  for (const Int8File& file : search.files)
    files.push_back(json::object{{"method", file.method},
                                 {"level", file.level ? json::value(*file.level) : json::value()},
                                 {"fidelity", file.fidelity},
                                 {"bytes", file.onnx.size()},
                                 {"passed", file.passed},
                                 {"gate", TextOrNull(file.gate)}});
  for (const LayerReport& layer : search.file().layers) {
    json::object object{{"name", layer.name}, {"type", layer.type}, {"weights", layer.weights}};
    object["in_float_because"] = TextOrNull(layer.reason);
    layers.push_back(object);
  }
  for (const LayerError& error : search.layer_error)
    errors.push_back(json::object{{"layer", error.layer}, {"mean_difference", error.mean_difference}});
  return {{"samples", search.samples},
          {"levels", json::array(search.levels.begin(), search.levels.end())},
          {"trials", trials},
          {"files", files},
          {"taken", search.file().passed ? json::value(search.taken) : json::value()},
          {"layers", layers},
          {"alone", errors}};
}

json::object ObjectOf(const Standing& standing) { return {{"passed", standing.passed}, {"quicker", standing.quicker}}; }

json::object ObjectOf(const StudentSearch& search) {
  json::object object{{"trials", JsonOf(search.trials)}};
  if (!search.failure.empty()) {
    object["failure"] = search.failure;
    return object;
  }
  object["student"] = search.description;
  object["with_features_us"] = json::object{{"typical", search.time.typical_us}, {"p99", search.time.p99_us}};
  object["model_with_features_us"] =
      json::object{{"typical", search.of_model.typical_us}, {"p99", search.of_model.p99_us}};
  return object;
}

json::object FilesOf(const Optimization& found) {
  json::object files;
  for (const VariantFile& file : found.files)
    files[file.variant] =
        json::object{{"bytes", file.bytes},
                     {"share", static_cast<double>(file.bytes) / static_cast<double>(found.files.front().bytes)},
                     {"digest", HexText(file.digest)}};
  return files;
}

}  // namespace

std::string ReportJson(const Optimization& found) {
  json::array runs;
  for (const VariantRun& run : found.runs) runs.push_back(ObjectOf(run, found));
  json::array tiers;
  const std::vector<std::string> texts = TomlOf(found.choices);
  for (std::size_t i = 0; i < texts.size(); ++i) tiers.push_back(ObjectOf(found.choices[i], texts[i], found));
  const json::object report{
      {"verdict", found.verdict},
      {"serves", found.serves},
      {"to_serve", ArrayOf(found.to_serve)},
      {"tiers", tiers},
      {"int8", ObjectOf(found.int8_standing)},
      {"bf16", ObjectOf(found.bf16_standing)},
      {"student", json::object{{"passed", found.student_standing.passed},
                               {"quicker", found.student_standing.quicker},
                               {"name", TextOrNull(found.student_name)}}},
      {"notes", ArrayOf(found.notes)},
      {"model", json::object{{"name", found.model}, {"version", found.version}, {"folder", found.model_folder}}},
      {"options", json::object{{"max_accuracy_drop", found.max_accuracy_drop},
                               {"student_budget_us", found.student_budget_us},
                               {"max_student_accuracy_drop", found.max_student_accuracy_drop},
                               {"seed", found.seed}}},
      {"data", json::object{{"files", ArrayOf(found.data_files)},
                            {"labels", TextOrNull(found.labels_file)},
                            {"symbols", ArrayOf(found.symbols)},
                            {"samples", found.samples},
                            {"fit", found.fit},
                            {"search", found.search},
                            {"held_out", found.held_out},
                            {"labelled", found.labels_file.empty() ? json::value() : json::value(found.labelled)},
                            {"gap", found.gap},
                            {"digest", HexText(found.data)}}},
      {"files", FilesOf(found)},
      {"output", found.output},
      {"reference_backend", found.reference_backend},
      {"runs", runs},
      {"quantization", ObjectOf(found.int8)},
      {"distillation", ObjectOf(found.student)},
      {"machine", json::object{{"cpu", found.machine.cpu},
                               {"simd", found.machine.simd},
                               {"cores", found.machine.cores},
                               {"load", found.machine.load}}},
      {"run", HexText(found.run)}};
  return JsonText(report);
}

}  // namespace punctual::optimize

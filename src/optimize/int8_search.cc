#include "optimize/int8_search.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "optimize/fidelity.h"
#include "optimize/json_text.h"
#include "optimize/onnx_file.h"
#include "optimize/run_model.h"
#include "optimize/sensitivity.h"

namespace punctual::optimize {

namespace json = boost::json;

namespace {

// Files are judged on so many samples at most, and layers by themselves on so many: there are dozens of each, and what
// was found is judged on all of the held-out samples in the end.
constexpr std::size_t kMostSearched = 2000, kMostByLayer = 500;
constexpr std::size_t kMostFiles = 40;  // of one method
// The fidelity of a file that gives numbers that are not finite: codes may well be where a logarithm is not.
constexpr double kNotFinite = -1e300;
constexpr std::size_t kMostLayers = 60;  // that are judged by themselves

struct Method {
  const char* name;
  RangeMethod method;
};
constexpr std::array<Method, 3> kMethods = {{{"min-max", RangeMethod::kMinMax},
                                             {"percentile", RangeMethod::kPercentile},
                                             {"mse", RangeMethod::kMeanSquaredError}}};

// A trial and its file.
struct Found {
  Int8Trial trial;
  QuantizedFile file;
};

json::array ArrayOf(const std::vector<std::string>& texts) { return json::array(texts.begin(), texts.end()); }

std::string TextOf(const Found& found) {
  json::array layers;
  for (const LayerReport& layer : found.file.layers)
    layers.push_back(
        json::object{{"name", layer.name}, {"type", layer.type}, {"weights", layer.weights}, {"reason", layer.reason}});
  return JsonText(json::object{{"fidelity", found.trial.fidelity},
                               {"of_all", found.trial.of_all},
                               {"passed", found.trial.passed},
                               {"in_float", ArrayOf(found.trial.in_float)},
                               {"files_judged", found.trial.files_judged},
                               {"layers", layers}});
}

Found FoundOf(const json::object& kept) {
  Found found;
  found.trial.fidelity = kept.at("fidelity").to_number<double>();
  found.trial.of_all = kept.at("of_all").to_number<double>();
  found.trial.passed = kept.at("passed").as_bool();
  found.trial.files_judged = kept.at("files_judged").to_number<std::size_t>();
  for (const json::value& layer : kept.at("in_float").as_array()) found.trial.in_float.emplace_back(layer.as_string());
  for (const json::value& layer : kept.at("layers").as_array())
    found.file.layers.push_back({std::string(layer.at("name").as_string()), std::string(layer.at("type").as_string()),
                                 layer.at("weights").to_number<std::size_t>(),
                                 std::string(layer.at("reason").as_string())});
  return found;
}

// What an earlier run kept; none: it did not, or what is there cannot be used.
std::optional<Found> ReadKept(const WorkFolder& work, const std::string& method) {
  const auto text = work.Kept("int8-" + method + ".json");
  auto onnx = work.Kept("int8-" + method + ".onnx");
  if (!text || !onnx) return std::nullopt;
  try {  // whatever is on the disk
    Found found = FoundOf(json::parse(*text).as_object());
    found.trial.method = method;
    found.file.onnx = std::move(*onnx);
    return found;
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

std::size_t WeightsInFloat(const QuantizedFile& file) {
  std::size_t weights = 0;
  for (const LayerReport& layer : file.layers) weights += layer.reason.empty() ? 0 : layer.weights;
  return weights;
}

bool IsBetter(const Found& a, const Found& b) {
  if (a.trial.passed != b.trial.passed) return a.trial.passed;
  if (a.trial.passed) {
    const std::size_t of_a = WeightsInFloat(a.file), of_b = WeightsInFloat(b.file);
    if (of_a != of_b) return of_a < of_b;
  }
  return a.trial.fidelity > b.trial.fidelity;
}

class Search {
 public:
  Search(const Int8SearchRequest& request, WorkFolder& work) : request_(request), work_(work) {
    // Places in parts.search, so that the model's answers are found by them.
    std::vector<std::size_t> places(request.parts.search.size());
    for (std::size_t i = 0; i < places.size(); ++i) places[i] = i;
    places_ = Thinned(places, kMostSearched);
    by_layer_ = Thinned(places_, kMostByLayer);
  }

  Result<Int8Search> Run() {
    Int8Search search{.least = request_.least, .samples = places_.size()};
    if (const auto layers = ListLayers(request_.subject.folder.onnx); layers.has_error()) return layers.error();
    std::optional<Found> best;
    for (const Method& method : kMethods) {
      PUNCTUAL_ASSIGN(Found found, Try(method));
      search.trials.push_back(found.trial);
      if (best && !IsBetter(found, *best)) continue;
      search.method = search.trials.size() - 1;
      best = std::move(found);
    }
    PUNCTUAL_ASSIGN(search.layer_error, JudgeLayers(kMethods[search.method].method));
    search.onnx = std::move(best->file.onnx);
    search.layers = std::move(best->file.layers);
    return search;
  }

 private:
  void Say(const std::string& what, std::size_t done, std::size_t of) const {
    if (request_.progress) request_.progress(what, done, of);
  }

  Result<Found> Try(const Method& method) {
    if (auto kept = ReadKept(work_, method.name)) return std::move(*kept);
    PUNCTUAL_TRY(Observe());
    SensitivityOptions options{.least = request_.least, .most_trials = kMostFiles};
    options.progress = [&](std::size_t trials, std::size_t of, const std::string&, double) {
      Say(std::string("int8 files, ranges by ") + method.name, trials, of);
    };
    const auto judge = [&](std::string_view onnx) -> Result<double> {
      const Result<Answers> answers = Ask(onnx, places_);
      if (answers.has_error() && answers.error().code == Code::kOutOfRange) return kNotFinite;
      if (answers.has_error()) return answers.error();
      return Fidelity(ReferenceOf(places_), *answers);
    };
    const ValueRanges ranges = ChooseRanges(observations_, method.method);
    PUNCTUAL_ASSIGN(Sensitivity found, FindLayersForFloat(request_.subject.folder.onnx, ranges, judge, options));
    Found result{{.method = method.name,
                  .fidelity = found.fidelity,
                  .of_all = found.of_all,
                  .passed = found.passed,
                  .in_float = std::move(found.in_float),
                  .files_judged = found.trials},
                 std::move(found.file)};
    PUNCTUAL_TRY(work_.Keep(std::string("int8-") + method.name + ".onnx", result.file.onnx));
    PUNCTUAL_TRY(work_.Keep(std::string("int8-") + method.name + ".json", TextOf(result)));
    return result;
  }

  Result<void> Observe() {
    if (!observations_.empty()) return {};
    CalibrateOptions options;
    options.progress = [&](std::size_t done, std::size_t of) { Say("calibration", done, of); };
    PUNCTUAL_ASSIGN(observations_,
                    Calibrate(request_.subject.folder.onnx, request_.samples, request_.parts.fit, options));
    return {};
  }

  Result<Answers> Ask(std::string_view onnx, const std::vector<std::size_t>& places) const {
    PUNCTUAL_ASSIGN(const Compiled compiled, CompileByFirst(request_.subject, std::string(onnx), "fp32"));
    std::vector<std::size_t> indices;
    for (const std::size_t place : places) indices.push_back(request_.parts.search[place]);
    return RunModel(*compiled.model, request_.samples, indices, {.output = request_.subject.output().name});
  }

  Answers ReferenceOf(const std::vector<std::size_t>& places) const {
    Answers answers{.width = request_.of_search.width};
    for (const std::size_t place : places) {
      const auto numbers = request_.of_search[place];
      answers.values.insert(answers.values.end(), numbers.begin(), numbers.end());
    }
    return answers;
  }

  // Also those that were left in float: that is why.
  Result<std::vector<LayerError>> JudgeLayers(RangeMethod method) {
    std::vector<LayerError> errors;
    PUNCTUAL_TRY(Observe());
    const ValueRanges ranges = ChooseRanges(observations_, method);
    // Which could have codes: those of the file that leaves none in float.
    PUNCTUAL_ASSIGN(const QuantizedFile all, Quantize(request_.subject.folder.onnx, ranges));
    std::vector<LayerReport> layers;
    for (const LayerReport& layer : all.layers)
      if (layer.reason.empty()) layers.push_back(layer);
    std::stable_sort(layers.begin(), layers.end(), [](const auto& a, const auto& b) { return a.weights > b.weights; });
    const std::size_t judged = std::min(layers.size(), kMostLayers);
    const Answers reference = ReferenceOf(by_layer_);
    for (std::size_t i = 0; i < judged; ++i) {
      std::set<std::string> others;
      for (const LayerReport& layer : layers)
        if (layer.name != layers[i].name) others.insert(layer.name);
      PUNCTUAL_ASSIGN(const QuantizedFile alone,
                      Quantize(request_.subject.folder.onnx, ranges, {.in_float = std::move(others)}));
      const Result<Answers> answers = Ask(alone.onnx, by_layer_);
      if (answers.has_error() && answers.error().code != Code::kOutOfRange) return answers.error();
      errors.push_back({layers[i].name, answers.has_value() ? MeanDifference(reference, *answers) : -kNotFinite});
      Say("layers by themselves", i + 1, judged);
    }
    std::stable_sort(errors.begin(), errors.end(),
                     [](const auto& a, const auto& b) { return a.mean_difference > b.mean_difference; });
    return errors;
  }

  const Int8SearchRequest& request_;
  WorkFolder& work_;
  std::vector<std::size_t> places_, by_layer_;
  Observations observations_;
};

}  // namespace

Result<Int8Search> FindInt8(const Int8SearchRequest& request, WorkFolder& work) {
  PUNCTUAL_TRY(ParseForQuantizing(request.subject.folder.onnx));
  auto search = Search(request, work).Run();
  // It is a file that could be quantised, but nothing is in it that codes would make quicker.
  if (search.has_error() && search.error().code == Code::kFailedPrecondition)
    return Int8Search{.failure = search.error().message};
  return search;
}

}  // namespace punctual::optimize

#include "optimize/int8_search.h"

#include <algorithm>
#include <array>
#include <bit>
#include <boost/json.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "optimize/fidelity.h"
#include "optimize/onnx_file.h"
#include "optimize/run_model.h"

namespace punctual::optimize {

namespace json = boost::json;

namespace {

// Files are judged on so many samples at most, and layers by themselves on so many: there are dozens of each, and what
// was found is judged on all of the held-out samples in the end.
constexpr std::size_t kMostSearched = 2000, kMostByLayer = 500;
constexpr std::size_t kMostFiles = 60;  // of one method
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

json::array ArrayOf(const std::vector<std::string>& texts) { return json::array(texts.begin(), texts.end()); }

// Figures as their bits: what is read again must compare as what was found.
std::string TextOf(const Int8Trial& trial) {
  json::array files;
  for (const LayersInFloat& file : trial.files)
    files.push_back(
        json::object{{"fidelity", std::bit_cast<std::uint64_t>(file.fidelity)}, {"in_float", ArrayOf(file.layers)}});
  return json::serialize(json::object{
      {"of_all", std::bit_cast<std::uint64_t>(trial.of_all)}, {"files", files}, {"files_judged", trial.files_judged}});
}

double FigureOf(const json::value& kept) { return std::bit_cast<double>(kept.to_number<std::uint64_t>()); }

// What an earlier run kept; none: it did not, or what is there cannot be used.
std::optional<Int8Trial> ReadKept(const WorkFolder& work, const std::string& method) {
  const auto text = work.Kept("int8-" + method + ".json");
  if (!text) return std::nullopt;
  try {  // whatever is on the disk
    const json::value kept = json::parse(*text);
    Int8Trial trial{.method = method};
    trial.of_all = FigureOf(kept.at("of_all"));
    trial.files_judged = kept.at("files_judged").to_number<std::size_t>();
    for (const json::value& each : kept.at("files").as_array()) {
      LayersInFloat& file = trial.files.emplace_back();
      file.fidelity = FigureOf(each.at("fidelity"));
      for (const json::value& layer : each.at("in_float").as_array()) file.layers.emplace_back(layer.as_string());
    }
    if (trial.files.empty()) return std::nullopt;
    return trial;
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

// A file that may be made.
struct Choice {
  std::optional<double> level;
  std::size_t method = 0;
  const LayersInFloat* file = nullptr;
  std::size_t in_float = 0;  // weights
};

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
    Int8Search search{.levels = request_.levels, .samples = places_.size()};
    PUNCTUAL_ASSIGN(const std::vector<LayerReport> layers, ListLayers(request_.subject.folder.onnx));
    for (const LayerReport& layer : layers) weights_[layer.name] = layer.weights;
    for (const Method& method : kMethods) {
      PUNCTUAL_ASSIGN(search.trials.emplace_back(), Try(method));
    }
    std::vector<Choice> chosen = Chosen(search.trials);
    search.good_enough = !chosen.empty();
    if (chosen.empty()) chosen = {MostFaithful(search.trials)};
    PUNCTUAL_ASSIGN(search.layer_error, JudgeLayers(kMethods[chosen.front().method].method));
    for (const Choice& choice : chosen) {
      PUNCTUAL_ASSIGN(QuantizedFile made, Make(choice));
      search.files.push_back({kMethods[choice.method].name, choice.level, choice.file->fidelity, std::move(made.onnx),
                              std::move(made.layers)});
    }
    return search;
  }

 private:
  void Say(const std::string& what, std::size_t done, std::size_t of) const {
    if (request_.progress) request_.progress(what, done, of);
  }

  Result<Int8Trial> Try(const Method& method) {
    if (auto kept = ReadKept(work_, method.name)) return std::move(*kept);
    PUNCTUAL_TRY(Observe());
    SensitivityOptions options{.levels = request_.levels, .most_trials = kMostFiles};
    options.progress = [&](std::size_t trials, std::size_t of, const std::string&, double) {
      Say(std::string("int8 files, ranges by ") + method.name + ", at most", trials, of);
    };
    const auto judge = [&, reference = ReferenceOf(places_)](std::string_view onnx) -> Result<double> {
      const Result<Answers> answers = Ask(onnx, places_);
      if (answers.has_error() && answers.error().code == Code::kOutOfRange) return kNotFinite;
      if (answers.has_error()) return answers.error();
      return Fidelity(reference, *answers);
    };
    const ValueRanges ranges = ChooseRanges(observations_, method.method);
    PUNCTUAL_ASSIGN(Sensitivity found, FindLayersForCodes(request_.subject.folder.onnx, ranges, judge, options));
    Int8Trial trial{
        .method = method.name, .of_all = found.of_all, .files = std::move(found.files), .files_judged = found.trials};
    PUNCTUAL_TRY(work_.Keep(std::string("int8-") + method.name + ".json", TextOf(trial)));
    return trial;
  }

  std::vector<Choice> All(const std::vector<Int8Trial>& trials) const {
    std::vector<Choice> all;
    for (std::size_t method = 0; method < trials.size(); ++method) {
      for (const LayersInFloat& file : trials[method].files) {
        Choice& choice = all.emplace_back(Choice{std::nullopt, method, &file});
        for (const std::string& layer : file.layers) choice.in_float += WeightsOf(layer);
      }
    }
    return all;
  }

  // Of those that reach a level, for each level the one with the fewest weights in float, then the most faithful.
  std::vector<Choice> Chosen(const std::vector<Int8Trial>& trials) const {
    const std::vector<Choice> all = All(trials);
    std::vector<Choice> chosen;
    for (const double level : request_.levels) {
      std::optional<Choice> best;
      for (const Choice& choice : all)
        if (choice.file->fidelity >= level &&
            (!best || choice.in_float < best->in_float ||
             (choice.in_float == best->in_float && choice.file->fidelity > best->file->fidelity)))
          best = choice;
      if (!best || (!chosen.empty() && best->in_float >= chosen.back().in_float)) continue;
      best->level = level;
      chosen.push_back(*best);
    }
    return chosen;
  }

  Choice MostFaithful(const std::vector<Int8Trial>& trials) const {
    const std::vector<Choice> all = All(trials);
    return *std::ranges::max_element(all, {}, [](const Choice& choice) { return choice.file->fidelity; });
  }

  // Of what an earlier run kept, whatever it is.
  std::size_t WeightsOf(const std::string& layer) const {
    const auto found = weights_.find(layer);
    return found == weights_.end() ? 0 : found->second;
  }

  Result<QuantizedFile> Make(const Choice& choice) {
    PUNCTUAL_TRY(Observe());
    const std::vector<std::string>& in_float = choice.file->layers;
    return Quantize(request_.subject.folder.onnx, ChooseRanges(observations_, kMethods[choice.method].method),
                    {.in_float = {in_float.begin(), in_float.end()}});
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
  std::map<std::string, std::size_t> weights_;  // of each layer
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

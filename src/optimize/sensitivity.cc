#include "optimize/sensitivity.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace punctual::optimize {
namespace {

using Names = std::set<std::string>;

class Search {
 public:
  Search(std::string_view onnx, const ValueRanges& ranges, const JudgeFile& judge, const SensitivityOptions& options)
      : onnx_(onnx), ranges_(ranges), judge_(judge), options_(options) {}

  Result<Sensitivity> Run() {
    PUNCTUAL_ASSIGN(const QuantizedFile all, Quantize(onnx_, ranges_));
    for (const LayerReport& layer : all.layers)
      if (layer.reason.empty()) layers_.push_back(layer);
    PUNCTUAL_ASSIGN(best_, Try({}, "codes in all layers"));
    const LayersInFloat none = best_;
    found_.of_all = none.fidelity;
    if (none.fidelity < options_.levels.front()) {
      PUNCTUAL_TRY(JudgeAlone());
      for (const double level : options_.levels) PUNCTUAL_TRY(GiveCodes(level));
    }
    // Also where the trials ended before, or one was too much without the others.
    const bool has_all = !found_.files.empty() && found_.files.back().layers.empty();
    if (!has_all && none.fidelity >= options_.levels.back()) found_.files.push_back(none);
    found_.good_enough = !found_.files.empty();
    if (!found_.good_enough) found_.files.push_back(std::move(best_));
    return std::move(found_);
  }

 private:
  // Judges the file with codes in all layers but these, once.
  Result<LayersInFloat> Try(const Names& in_float, const std::string& tried) {
    LayersInFloat file;
    for (const LayerReport& layer : layers_)
      if (in_float.contains(layer.name)) file.layers.push_back(layer.name);
    if (const auto known = known_.find(in_float); known != known_.end()) {
      file.fidelity = known->second;
      return file;
    }
    PUNCTUAL_ASSIGN(const QuantizedFile made, Quantize(onnx_, ranges_, {.in_float = in_float}));
    PUNCTUAL_ASSIGN(file.fidelity, judge_(made.onnx));
    ++found_.trials;
    if (options_.progress) options_.progress(found_.trials, options_.most_trials, tried, file.fidelity);
    known_[in_float] = file.fidelity;
    if (file.fidelity > best_.fidelity) best_ = file;
    return file;
  }

  // Fills groups_.
  Result<void> JudgeAlone() {
    std::vector<LayerReport> judged = layers_;
    std::stable_sort(judged.begin(), judged.end(),
                     [](const LayerReport& a, const LayerReport& b) { return a.weights > b.weights; });
    judged.resize(std::min(judged.size(), (options_.most_trials - found_.trials + 1) / 2));
    std::vector<std::pair<double, std::string>> alone;
    Names others = NamesOfAll(), not_judged = others;
    for (const LayerReport& layer : judged) {
      others.erase(layer.name);
      PUNCTUAL_ASSIGN(const LayersInFloat file, Try(others, "codes in \"" + layer.name + "\" alone"));
      others.insert(layer.name);
      not_judged.erase(layer.name);
      alone.emplace_back(file.fidelity, layer.name);
    }
    // Of equally good ones that with the most weights stays in front.
    std::stable_sort(alone.begin(), alone.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    for (const auto& [fidelity, layer] : alone) groups_.push_back({layer});
    if (!not_judged.empty()) groups_.push_back(not_judged);
    in_float_ = NamesOfAll();
    return {};
  }

  Names NamesOfAll() const {
    Names names;
    for (const LayerReport& layer : layers_) names.insert(layer.name);
    return names;
  }

  Result<void> GiveCodes(double level) {
    std::optional<LayersInFloat> last;
    for (const Names& group : groups_) {
      if (found_.trials >= options_.most_trials) break;
      if (!in_float_.contains(*group.begin())) continue;  // an earlier level gave them codes
      Names fewer = in_float_;
      for (const std::string& layer : group) fewer.erase(layer);
      PUNCTUAL_ASSIGN(LayersInFloat file, Try(fewer, "codes in \"" + *group.begin() + "\" too"));
      if (file.fidelity < level) continue;
      in_float_ = std::move(fewer);
      last = std::move(file);
    }
    if (last) found_.files.push_back(std::move(*last));
    return {};
  }

  const std::string_view onnx_;
  const ValueRanges& ranges_;
  const JudgeFile& judge_;
  const SensitivityOptions& options_;
  std::vector<LayerReport> layers_;  // that may have codes, in the order of the model
  std::vector<Names> groups_;        // of them, in the order in which they are to get codes
  Names in_float_;                   // those that have none yet
  std::map<Names, double> known_;    // figures, by the layers in float
  LayersInFloat best_{.fidelity = -std::numeric_limits<double>::infinity(), .layers = {}};
  Sensitivity found_;
};

}  // namespace

Result<Sensitivity> FindLayersForCodes(std::string_view onnx, const ValueRanges& ranges, const JudgeFile& judge,
                                       const SensitivityOptions& options) {
  return Search(onnx, ranges, judge, options).Run();
}

}  // namespace punctual::optimize
